/** A read never returns what nobody wrote, what was refused for certain, or what is yet to come. */
import type { Evidence, Violation } from "../evidence/evidence.ts";
import { byKey, type Operation } from "../evidence/history.ts";

/** Judges every answered read, at whatever quorum. */
export function checkPhantomValues(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  for (const [key, operations] of byKey(evidence.operations)) {
    const puts = new Map<string, Operation>();
    for (const operation of operations) {
      if (operation.value !== undefined) puts.set(operation.value, operation);
    }
    for (const read of operations) {
      if (read.kind !== "get" || typeof read.found !== "string") continue;
      const put = puts.get(read.found);
      const wrong = put === undefined
        ? "was never written"
        : put.outcome === "failed"
        ? "was reported as certainly not written"
        : put.begin > read.end
        ? "was written later"
        : undefined;
      if (wrong === undefined) continue;
      violations.push({
        checker: "phantom_value",
        message: `${key}: a read found ${JSON.stringify(read.found.slice(0, 80))}, which ${wrong}`,
        keys: [key],
        operations: put === undefined ? [read.id] : [put.id, read.id],
      });
    }
  }
  return violations;
}
