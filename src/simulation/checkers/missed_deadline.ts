/** Every operation is answered by its deadline, one way or the other. */
import type { Evidence, Violation } from "../evidence.ts";

/** Judges all operations but those whose coordinator crashed or was paused while they ran. */
export function checkMissedDeadlines(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  for (const { id, key, kind, node, beginMs, endMs } of evidence.operations) {
    if (endMs - beginMs <= evidence.deadlineMs) continue;
    const disturbed = evidence.disturbances.some((disturbance) =>
      disturbance.node === node && disturbance.fromMs <= endMs && disturbance.toMs >= beginMs
    );
    if (disturbed) continue;
    violations.push({
      checker: "missed_deadline",
      message: `${key}: ${kind} at ${node} took ${Math.round(endMs - beginMs)} ms, ` +
        `allowed are ${evidence.deadlineMs} ms`,
      keys: [key],
      operations: [id],
    });
  }
  return violations;
}
