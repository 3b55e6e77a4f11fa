/**
 * Between which versions the state must have been that a read saw.
 *
 * An answer with a value carries its version. "Absent" can mean several things: never written, or
 * any of the deletions that may have happened by then, some with unknown version, or a value whose
 * time was over.
 */
import type { Version } from "../../record/version.ts";
import { compareVersions } from "../../record/version.ts";
import type { Evidence } from "../evidence/evidence.ts";
import type { Operation } from "../evidence/history.ts";
import { ackedWrites, newestWrite } from "./acked_writes.ts";
import { mayHaveExpired } from "./expiry.ts";

/** Before every version. */
const OLDEST: Version = { counter: 0, nodeID: "" };
/** After every version: "unknown, perhaps that new". */
const NEWEST: Version = { counter: Infinity, nodeID: "" };

/** The versions that a read may have seen; `low` > `high` when no explanation is left. */
export interface ReadBounds {
  low: Version;
  high: Version;
}

/** Whether the operation is a read at full quorum that was answered. */
export function isFullRead(operation: Operation): boolean {
  return operation.kind === "get" && operation.outcome === "acked" && operation.full;
}

/** The newest write that was acked before `read` began: what it must at least have seen. */
export function floorOf(read: Operation, ofKey: readonly Operation[]): Operation | undefined {
  return newestWrite(ackedWrites(ofKey.filter(({ end }) => end < read.begin)));
}

/** Bounds of one read, given all operations of its key. */
export function readBounds(
  read: Operation,
  ofKey: readonly Operation[],
  evidence: Evidence,
): ReadBounds {
  if (read.version !== undefined) return { low: read.version, high: read.version };
  const floor = floorOf(read, ofKey)?.version ?? OLDEST;
  let low = NEWEST;
  let high = OLDEST;
  let explained = floor === OLDEST;
  if (explained) low = OLDEST;
  for (const write of ofKey) {
    const { kind, begin, outcome, version } = write;
    if (begin > read.end || outcome === "failed") continue;
    if (kind !== "delete" && !mayHaveExpired(evidence, write, read)) continue;
    if (version !== undefined && compareVersions(version, floor) < 0) continue;
    explained = true;
    // One that meets a newer version is tried again: a read meanwhile may have seen what it was first.
    const oldest = version !== undefined && write.end < read.begin ? version : justAfter(floor);
    const newest = version ?? NEWEST;
    if (compareVersions(oldest, low) < 0) low = oldest;
    if (compareVersions(newest, high) > 0) high = newest;
  }
  return explained ? { low, high } : { low: NEWEST, high: OLDEST };
}

/** The lowest version above one. */
function justAfter({ counter, nodeID }: Version): Version {
  return { counter, nodeID: `${nodeID}\0` };
}
