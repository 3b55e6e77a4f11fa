/**
 * Quorum reads of a key never go back in time, whoever reads and whichever nodes answer, if any two of
 * them share an owner.
 */
import { compareVersions } from "../../record/version.ts";
import type { Evidence, Violation } from "../evidence/evidence.ts";
import { byKey, type Operation } from "../evidence/history.ts";
import { isFullRead, type ReadBounds, readBounds } from "./read_bounds.ts";

/** Judges every pair of answered reads at full quorum of which one ended before the other began. */
export function checkBackwardReads(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  if (!evidence.readsMeet) return violations;
  for (const [key, operations] of byKey(evidence.operations)) {
    const reads = operations.filter(isFullRead);
    const bounds = new Map(reads.map((read) => [read, readBounds(read, operations, evidence)]));
    for (const later of reads) {
      const earlier = reads.find((read) =>
        read.end < later.begin && isAfter(bounds.get(read), bounds.get(later))
      );
      if (earlier === undefined) continue;
      violations.push({
        checker: "backward_read",
        message: `${key}: ${seen(later)} was read after ${seen(earlier)}` +
          (earlier.client === later.client ? " by the same client" : ""),
        keys: [key],
        operations: [earlier.id, later.id],
      });
    }
  }
  return violations;
}

function isAfter(a: ReadBounds | undefined, b: ReadBounds | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  // Without any explanation it is a stale read, which another checker reports.
  if (compareVersions(a.low, a.high) > 0 || compareVersions(b.low, b.high) > 0) return false;
  return compareVersions(a.low, b.high) > 0;
}

function seen({ found }: Operation): string {
  return found === null ? "nothing" : JSON.stringify(found);
}
