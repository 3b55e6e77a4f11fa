/** A quorum read returns the newest write that was acked before it began, or a newer one. */
import { compareVersions, formatVersion } from "../../record/version.ts";
import type { Evidence, Violation } from "../evidence/evidence.ts";
import { byKey } from "../evidence/history.ts";
import { floorOf, isFullRead, readBounds } from "./read_bounds.ts";

/** Judges every answered read at full quorum. */
export function checkStaleReads(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  for (const [key, operations] of byKey(evidence.operations)) {
    for (const read of operations.filter(isFullRead)) {
      const floor = floorOf(read, operations);
      if (floor?.version === undefined) continue;
      if (compareVersions(readBounds(read, operations, evidence).high, floor.version) >= 0) {
        continue;
      }
      const seen = read.version === undefined ? "nothing" : formatVersion(read.version);
      violations.push({
        checker: "stale_read",
        message: `${key}: read ${seen} after ${formatVersion(floor.version)} was acked`,
        keys: [key],
        operations: [floor.id, read.id],
      });
    }
  }
  return violations;
}
