/** What all owners have confirmed is forgotten in the end: tombstones, and hints that were delivered. */
import type { Evidence, Violation } from "../evidence/evidence.ts";

/** Reports what nodes had left long after everything healed. */
export function checkKeptLeftovers(evidence: Evidence): Violation[] {
  return evidence.leftovers.map(({ node, what, keys }) => ({
    checker: "kept_leftover",
    message: `${node} keeps ${what}`,
    keys,
    operations: [],
  }));
}
