/** What nodes know of each other. */
import { parseOrigin } from "../config.ts";
import { ConvergeError } from "../errors.ts";
import { isNodeID } from "../record/version.ts";
import { parseStages, type RemovalStages } from "./removal.ts";

/**
 * How far a member is with its data. Ownership does not depend on it; who counts does:
 * - `joining`: new, and not everybody is known to know it: counts in no quorum;
 * - `refilling`: everybody knows it, but it lacks data: counts for writes, not for reads;
 * - `normal`: counts for both.
 */
export type MemberStatus = "joining" | "refilling" | "normal";

/** The largest incarnation and heartbeat; a statement beyond it is refused. */
export const STATEMENT_MAX = 2 ** 52;

/** What a node says of itself; others pass it on unchanged. */
export interface Member {
  /** Identity on the ring. */
  readonly name: string;
  /** `<name>.<tag>`; the tag is created with the data directory. */
  readonly nodeID: string;
  /** Where peers reach it: `http://host:port`. */
  readonly origin: string;
  /**
   * Times that its directory was opened: on its disk before it says so, and raised by nobody else.
   * 0 where an earlier version said it.
   */
  readonly starts: number;
  /** Grows with every start of the node. Orders statements before `heartbeat` does. */
  readonly incarnation: number;
  /** Grows with every gossip tick, and with every change of this entry. */
  readonly heartbeat: number;
  readonly status: MemberStatus;
  /** How far it is with removals that have not ended; absent where it knows of none. */
  readonly removals?: RemovalStages;
}

/**
 * Whether statement `a` about a node is newer than `b`, by (incarnation, heartbeat). Entries are
 * merged one by one with it; a whole view never wins or loses as one.
 */
export function isNewerStatement(a: Member, b: Member | undefined): boolean {
  if (b === undefined) return true;
  if (a.incarnation !== b.incarnation) return a.incarnation > b.incarnation;
  return a.heartbeat > b.heartbeat;
}

/** Whether a node said this after a later start of the directory that `self` was read from. */
export function isOfLaterStart(
  heard: Pick<Member, "nodeID" | "starts">,
  self: Pick<Member, "nodeID" | "starts">,
): boolean {
  return heard.nodeID === self.nodeID && heard.starts > self.starts;
}

/**
 * Checks a member that came over the wire.
 *
 * @throws {ConvergeError} `corrupt_message`.
 */
export function parseMember(json: unknown): Member {
  const { name, nodeID, origin, starts = 0, incarnation, heartbeat, status, removals } = (json ??
    {}) as Record<keyof Member, unknown>;
  if (
    typeof name !== "string" || !isNodeID(nodeID) || !nodeID.startsWith(`${name}.`) ||
    typeof origin !== "string" || !isCount(starts) || !isCount(incarnation) ||
    !isCount(heartbeat) ||
    (status !== "joining" && status !== "refilling" && status !== "normal")
  ) {
    throw new ConvergeError("corrupt_message", "Cannot read a member: a field is missing or wrong");
  }
  try {
    parseOrigin("origin", origin);
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read a member: its origin is unusable", {
      cause,
    });
  }
  const member: Member = { name, nodeID, origin, starts, incarnation, heartbeat, status };
  return removals === undefined ? member : { ...member, removals: parseStages(removals) };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 &&
    (value as number) <= STATEMENT_MAX;
}
