/** After quiescence every owner of a key holds the same record. */
import { formatVersion } from "../../record/version.ts";
import { CLOCK_SKEW_MS_MAX } from "../../replication/convergence/tombstone_collector.ts";
import type { Copy, Evidence, Violation } from "../evidence/evidence.ts";

/**
 * Judges the copies at the end. A collected tombstone and a kept one are the same: absent; and so are
 * expired values, once a node may have collected them.
 */
export function checkDivergedOwners(evidence: Evidence): Violation[] {
  const collectedMs = evidence.wall(undefined, 0, Infinity).highMs - CLOCK_SKEW_MS_MAX;
  const violations: Violation[] = [];
  for (const [key, copies] of evidence.copies) {
    const owners = evidence.owners(key);
    const states = new Set(owners.map((name) => stateOf(copies.get(name), collectedMs)));
    if (states.size <= 1) continue;
    violations.push({
      checker: "diverged_owners",
      message: `${key}: ` +
        owners.map((name) => `${name} has ${describe(copies.get(name))}`).join(", "),
      keys: [key],
      operations: [],
    });
  }
  return violations;
}

/** @param collectedMs What expired before may be collected. */
function stateOf(copy: Copy | undefined, collectedMs: number): string {
  if (copy === undefined || copy.tombstone) return "absent";
  const { expiresAtMs = 0 } = copy;
  if (expiresAtMs !== 0 && expiresAtMs <= collectedMs) return "absent";
  return `${formatVersion(copy)} ${copy.digest}`;
}

function describe(copy: Copy | undefined): string {
  if (copy === undefined) return "nothing";
  return (copy.tombstone ? "tombstone " : "") + formatVersion(copy);
}
