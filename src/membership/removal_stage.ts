/** What a member says of itself about removals that have not ended. */
import { ConvergeError } from "../errors.ts";
import { isNodeID } from "../record/version.ts";
import { REMOVALS_MAX } from "./removal.ts";

/**
 * How far a member is with a removal:
 * - `known`: it will know of it after a restart too, and no request by the ring of before is under way;
 * - `refilling`: everybody knows; it counts for writes on the arcs that it gains;
 * - `done`: it has what it should have there, and counts for reads.
 */
export type RemovalStage = "known" | "refilling" | "done";

/** By node ID of what is removed. */
export type RemovalStages = Readonly<Record<string, RemovalStage>>;

/** How far a member is, as it says; undefined where it does not say that it knows. */
export function stageOf(
  member: { readonly removals?: RemovalStages },
  nodeID: string,
): RemovalStage | undefined {
  return member.removals?.[nodeID];
}

/** Whether two statements say the same about removals. */
export function isSameStages(a: RemovalStages = {}, b: RemovalStages = {}): boolean {
  const nodeIDs = Object.keys(a);
  return nodeIDs.length === Object.keys(b).length && nodeIDs.every((id) => a[id] === b[id]);
}

/** Checks stages that came over the wire. @throws {ConvergeError} `corrupt_message`. */
export function parseStages(json: unknown): RemovalStages {
  const entries = Object.entries(json ?? {});
  const isUsable = typeof json === "object" && json !== null && entries.length <= REMOVALS_MAX &&
    entries.every(([id, stage]) =>
      isNodeID(id) && (stage === "known" || stage === "refilling" || stage === "done")
    );
  if (isUsable) return Object.fromEntries(entries) as RemovalStages;
  throw new ConvergeError("corrupt_message", "Cannot read a member: its `removals` are wrong");
}
