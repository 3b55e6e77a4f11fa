/** A value whose time is over is not read any more, through a node whose clock says so. */
import type { Evidence, Violation } from "../evidence/evidence.ts";
import { byKey, type Operation } from "../evidence/history.ts";
import { mustHaveExpired } from "./expiry.ts";

/** Judges every answered read, at whatever quorum. */
export function checkExpiredValues(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  for (const [key, operations] of byKey(evidence.operations)) {
    const puts = new Map<string, Operation>();
    for (const operation of operations) {
      if (operation.ttlMs !== undefined) puts.set(operation.value!, operation);
    }
    for (const read of operations) {
      if (read.kind !== "get" || typeof read.found !== "string") continue;
      const put = puts.get(read.found);
      if (put === undefined || !mustHaveExpired(evidence, put, read)) continue;
      violations.push({
        checker: "expired_value",
        message: `${key}: ${JSON.stringify(read.found.slice(0, 80))} was read at ${read.node} ` +
          "after it had expired there",
        keys: [key],
        operations: [put.id, read.id],
      });
    }
  }
  return violations;
}
