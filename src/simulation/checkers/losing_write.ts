/** An acked write never loses to a write that was acked before it began: its version is newer. */
import { compareVersions, formatVersion } from "../../record/version.ts";
import type { Evidence, Violation } from "../evidence/evidence.ts";
import { byKey } from "../evidence/history.ts";
import { ackedWrites, newestWrite } from "./acked_writes.ts";

/** Judges every pair of acked writes of a key at full quorum. */
export function checkLosingWrites(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  for (const [key, operations] of byKey(evidence.operations)) {
    const writes = ackedWrites(operations);
    for (const write of writes) {
      const earlier = newestWrite(writes.filter(({ end }) => end < write.begin));
      if (earlier === undefined || compareVersions(earlier.version, write.version) < 0) continue;
      violations.push({
        checker: "losing_write",
        message: `${key}: acked ${formatVersion(write.version)} loses to ` +
          `${formatVersion(earlier.version)}, which was acked before it began`,
        keys: [key],
        operations: [earlier.id, write.id],
      });
    }
  }
  return violations;
}
