/** Which keys of a run are linearizable, of those that can be judged, and why the others are not. */
import type { Attempt, Evidence } from "../evidence/evidence.ts";
import { byKey, type Operation } from "../evidence/history.ts";
import { attemptSteps } from "./attempt_steps.ts";
import { checkLinearizability, checkSteps, type Linearizability } from "./linearizability.ts";

/**
 * Why a key is not linearizable. Both are told in `docs/guarantees.md`; anything else is a violation
 * (`unordered_history`).
 *
 * - `tried again`: it is, once every attempt of a write counts as a write of its own.
 * - `overtaken`: a read was overtaken by one write, and saw a first attempt of a later one.
 * - `unknown`: the bound of the search was reached.
 */
export type Cause = "tried again" | "overtaken" | "unknown";

/** A key that is not linearizable. */
export interface NotLinearizable {
  readonly key: string;
  readonly cause: Cause;
}

/** What became of the keys of a run. */
export interface JudgedKeys {
  /** Keys by verdict; keys written at a smaller quorum or with a time to live are not judged. */
  readonly linearizability: Readonly<Record<Linearizability, number>>;
  readonly notLinearizable: readonly NotLinearizable[];
}

/** Judges all keys; none where two reads may share no owner. */
export function judgeKeys({ operations, attempts, readsMeet }: Evidence): JudgedKeys {
  const linearizability = { "linearizable": 0, "not linearizable": 0, "unknown": 0 };
  const notLinearizable: NotLinearizable[] = [];
  for (const [key, ofKey] of readsMeet ? byKey(operations) : []) {
    if (!ofKey.every(isOfRegister)) continue;
    const verdict = checkLinearizability(ofKey);
    linearizability[verdict]++;
    if (verdict !== "not linearizable") continue;
    notLinearizable.push({ key, cause: causeOf(ofKey, attempts.get(key) ?? new Map()) });
  }
  return { linearizability, notLinearizable };
}

const CAUSES: Readonly<Record<Linearizability, Cause>> = {
  "linearizable": "tried again",
  "not linearizable": "overtaken",
  "unknown": "unknown",
};

function causeOf(
  operations: readonly Operation[],
  attempts: ReadonlyMap<string, Attempt>,
): Cause {
  const steps = attemptSteps({ operations, attempts, readsMayBeOvertaken: false });
  return CAUSES[checkSteps(steps)];
}

/** Writes at a smaller quorum promise less, and expiry depends on whose clock is asked. */
function isOfRegister({ kind, full, ttlMs }: Operation): boolean {
  return (kind === "get" || full) && ttlMs === undefined;
}
