/** An acknowledged write was stored by W nodes before it was answered. */
import { type Evidence, storingId, type Violation } from "../evidence/evidence.ts";
import { formatVersion } from "../../record/version.ts";

/** Judges every acked write, at whatever quorum; that the nodes are owners is for others to judge. */
export function checkUnbackedAcks(evidence: Evidence): Violation[] {
  return evidence.operations.flatMap((operation): Violation[] => {
    const { id, kind, key, outcome, version, endMs, quorum = evidence.leastW } = operation;
    if (kind === "get" || outcome !== "acked" || version === undefined) return [];
    const storings = evidence.storings.get(storingId(key, version)) ?? [];
    const nodes = new Set(storings.filter(({ atMs }) => atMs <= endMs).map(({ node }) => node));
    if (nodes.size >= quorum) return [];
    return [{
      checker: "unbacked_ack",
      message: `${key}: ${formatVersion(version)} was acked when [${[...nodes]}] had stored it`,
      keys: [key],
      operations: [id],
    }];
  });
}
