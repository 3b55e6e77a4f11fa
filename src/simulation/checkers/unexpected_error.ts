/** No answer is 500, no promise is left rejected, no node stops without a reason. */
import type { Evidence, Violation } from "../evidence/evidence.ts";

/** Reports each error that was noted. */
export function checkUnexpectedErrors(evidence: Evidence): Violation[] {
  return evidence.errors.map(({ where, message }) => ({
    checker: "unexpected_error",
    message: `${where}: ${message}`,
    keys: [],
    operations: [],
  }));
}
