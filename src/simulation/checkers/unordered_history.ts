/**
 * Some order of all attempts to write a key, in which each acknowledged one stands between its beginning
 * and its end, explains every read at full quorum.
 *
 * What is not linearizable for any other reason than those that `docs/guarantees.md` names is found
 * here, whichever versions, checkers of single pairs and promises say of it.
 */
import type { Evidence, Violation } from "../evidence/evidence.ts";
import { byKey } from "../evidence/history.ts";
import { attemptSteps } from "./attempt_steps.ts";
import { checkSteps } from "./linearizability.ts";

/** Judges all keys; none where two reads may share no owner. */
export function checkUnorderedHistories(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  if (!evidence.readsMeet) return violations;
  for (const [key, operations] of byKey(evidence.operations)) {
    const attempts = evidence.attempts.get(key);
    if (attempts === undefined) continue;
    const steps = attemptSteps({ operations, attempts, readsMayBeOvertaken: true });
    if (checkSteps(steps) !== "not linearizable") continue;
    violations.push({
      checker: "unordered_history",
      message: `${key}: no order of what was tried explains what was read`,
      keys: [key],
      operations: [],
    });
  }
  return violations;
}
