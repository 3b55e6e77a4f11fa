/** After quiescence every owner of a key holds the same record. */
import { formatVersion } from "../../record/version.ts";
import type { Copy, Evidence, Violation } from "../evidence.ts";

/** Judges the copies at the end. A collected tombstone and a kept one are the same: absent. */
export function checkDivergedOwners(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  for (const [key, copies] of evidence.copies) {
    const owners = evidence.owners(key);
    const states = new Set(owners.map((name) => stateOf(copies.get(name))));
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

function stateOf(copy: Copy | undefined): string {
  return copy === undefined || copy.tombstone ? "absent" : `${formatVersion(copy)} ${copy.digest}`;
}

function describe(copy: Copy | undefined): string {
  if (copy === undefined) return "nothing";
  return (copy.tombstone ? "tombstone " : "") + formatVersion(copy);
}
