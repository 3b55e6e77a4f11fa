/** What a store said was durable is there after a crash. */
import { formatVersion } from "../../record/version.ts";
import type { Evidence, Violation } from "../evidence/evidence.ts";

/** Judges what restarts found. */
export function checkBrokenPromises(evidence: Evidence): Violation[] {
  return evidence.brokenPromises.map((promise) => ({
    checker: "broken_promise",
    message:
      `${promise.key}: ${promise.node} stored ${formatVersion(promise)} and after a restart ` +
      (promise.foundVersion === undefined
        ? "has nothing"
        : `has ${formatVersion(promise.foundVersion)}`),
    keys: [promise.key],
    operations: [],
  }));
}
