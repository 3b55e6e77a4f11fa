/** Which keys of a run are linearizable, of those that can be judged. */
import type { Evidence } from "../evidence/evidence.ts";
import { byKey, type Operation } from "../evidence/history.ts";
import { checkLinearizability, type Linearizability } from "./linearizability.ts";

/** What became of the keys of a run. */
export interface JudgedKeys {
  /** Keys by verdict; keys written at a smaller quorum or with a time to live are not judged. */
  readonly linearizability: Readonly<Record<Linearizability, number>>;
  /** The keys that are not linearizable. */
  readonly notLinearizable: readonly string[];
}

/** Judges all keys; none where two reads may share no owner. */
export function judgeKeys({ operations, readsMeet }: Evidence): JudgedKeys {
  const linearizability = { "linearizable": 0, "not linearizable": 0, "unknown": 0 };
  const notLinearizable: string[] = [];
  for (const [key, ofKey] of readsMeet ? byKey(operations) : []) {
    if (!ofKey.every(isOfRegister)) continue;
    const verdict = checkLinearizability(ofKey);
    linearizability[verdict]++;
    if (verdict === "not linearizable") notLinearizable.push(key);
  }
  return { linearizability, notLinearizable };
}

/** Writes at a smaller quorum promise less, and expiry depends on whose clock is asked. */
function isOfRegister({ kind, full, ttlMs }: Operation): boolean {
  return (kind === "get" || full) && ttlMs === undefined;
}
