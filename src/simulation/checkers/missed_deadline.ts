/** Every operation is answered by its deadline, one way or the other. */
import type { Evidence, Violation } from "../evidence/evidence.ts";

/** Judges all operations but those whose coordinator crashed or was paused while they ran. */
export function checkMissedDeadlines(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  for (const { id, key, kind, node, beginMs, endMs, deadlines = 1 } of evidence.operations) {
    const allowedMs = evidence.deadlineMs * deadlines;
    if (endMs - beginMs <= allowedMs) continue;
    const disturbed = evidence.disturbances.some((disturbance) =>
      disturbance.node === node && disturbance.fromMs <= endMs && disturbance.toMs >= beginMs
    );
    if (disturbed) continue;
    violations.push({
      checker: "missed_deadline",
      message: `${key}: ${kind} at ${node} took ${Math.round(endMs - beginMs)} ms, ` +
        `allowed are ${allowedMs} ms`,
      keys: [key],
      operations: [id],
    });
  }
  return violations;
}
