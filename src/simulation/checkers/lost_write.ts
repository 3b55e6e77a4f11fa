/** An acked write is on at least one owner after everything healed, or something newer is. */
import { compareVersions, formatVersion } from "../../record/version.ts";
import type { Evidence, Violation } from "../evidence/evidence.ts";
import { byKey } from "../evidence/history.ts";
import { ackedWrites, newestWrite } from "./acked_writes.ts";
import { mayBeCollected } from "./expiry.ts";

/** Judges puts; deletions are `resurrected_delete`'s. */
export function checkLostWrites(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  for (const [key, operations] of byKey(evidence.operations)) {
    const write = newestWrite(ackedWrites(operations));
    if (write === undefined || write.kind !== "put") continue;
    const copies = evidence.copies.get(key);
    const found = evidence.owners(key).map((name) => copies?.get(name));
    if (found.length === 0) continue;
    if (found.some((copy) => copy !== undefined && compareVersions(copy, write.version) >= 0)) {
      continue;
    }
    // What was collected may explain it, where its version is unknown or not older.
    const deleted = operations.some((operation) => {
      const { kind, outcome, version } = operation;
      return (kind === "delete"
        ? outcome !== "failed"
        : mayBeCollected(evidence, operation, Infinity)) &&
        (version === undefined || compareVersions(version, write.version) >= 0);
    });
    if (deleted && found.every((copy) => copy === undefined)) continue;
    violations.push({
      checker: "lost_write",
      message: `${key}: acked put ${formatVersion(write.version)} is on no owner`,
      keys: [key],
      operations: [write.id],
    });
  }
  return violations;
}
