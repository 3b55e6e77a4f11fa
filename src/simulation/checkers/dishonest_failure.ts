/** A write that failed says where its value may be: it is, and was first, nowhere else. */
import { type Evidence, storingId, type Violation } from "../evidence/evidence.ts";

/**
 * Judges each write that failed by the first node that stored what was tried last. Where one that was
 * named may have died meanwhile, nobody knows: it may have found the record in its log, as what it had
 * already, and given it to others.
 */
export function checkDishonestFailures(evidence: Evidence): Violation[] {
  return evidence.operations.flatMap(({ id, key, beginMs, mayBeOn }): Violation[] => {
    if (mayBeOn?.version === undefined) return [];
    // Others have it from that one.
    const first = evidence.storings.get(storingId(key, mayBeOn.version))?.[0];
    if (first === undefined || mayBeOn.owners.includes(first.node)) return [];
    const mayHaveDied = evidence.disturbances.some(({ node, fromMs, toMs }) =>
      mayBeOn.owners.includes(node) && fromMs <= first.atMs && toMs >= beginMs
    );
    if (mayHaveDied) return [];
    return [{
      checker: "dishonest_failure",
      message: `${key}: ${first.node} has stored what may be on [${mayBeOn.owners}] only`,
      keys: [key],
      operations: [id],
    }];
  });
}
