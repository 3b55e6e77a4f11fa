/**
 * Makes a failing plan smaller: greedy delta debugging (Zeller and Hildebrandt, "Simplifying and
 * Isolating Failure-Inducing Input", 2002) over its faults, then over its quantities.
 */
import type { Plan } from "./plan.ts";

/** What a plan can do without. */
const SHARES = [
  "valueBytesMax",
  "smallQuorumShare",
  "deleteShare",
  "ttlShare",
  "batchShare",
  "listShare",
] as const;

/** Bounds that may be those of production. */
const BOUNDS = ["hintBytesMax", "inFlightMax", "requestTimeoutsMs"] as const;

/** Runs that shrinking may take. */
const SHRINK_RUNS_MAX = 150;

/**
 * A plan that still fails and is no larger.
 *
 * @param stillFails Runs a plan; true when it breaks the same guarantee.
 */
export async function shrinkPlan(
  plan: Plan,
  stillFails: (plan: Plan) => Promise<boolean>,
  runsMax = SHRINK_RUNS_MAX,
): Promise<Plan> {
  let best = plan;
  let runs = 0;
  const attempt = async (smaller: Plan): Promise<boolean> => {
    if (runs >= runsMax) return false;
    runs++;
    if (!await stillFails(smaller)) return false;
    best = smaller;
    return true;
  };

  let before: Plan;
  do {
    before = best;
    // Halves first, then quarters, then single faults.
    for (let size = best.faults.length; size >= 1; size = Math.floor(size / 2)) {
      for (let start = best.faults.length - size; start >= 0; start -= size) {
        await attempt({ ...best, faults: best.faults.toSpliced(start, size) });
      }
    }
    while (best.operations > 1) {
      if (!await attempt({ ...best, operations: Math.floor(best.operations * 0.6) })) break;
    }
    while (best.clients > 1 && await attempt({ ...best, clients: best.clients - 1 }));
    while (best.keys > 1 && await attempt({ ...best, keys: Math.floor(best.keys / 2) }));
    for (const field of SHARES) {
      if ((best[field] ?? 0) > 0) await attempt({ ...best, [field]: 0 });
    }
    for (const field of BOUNDS) {
      const { [field]: bound, ...without } = best;
      if (bound !== undefined) await attempt(without);
    }
    const lastMs = best.faults.reduce((max, f) => Math.max(max, f.atMs + f.durationMs), 0);
    if (lastMs + 500 < best.faultsMs) await attempt({ ...best, faultsMs: lastMs + 500 });
  } while (best !== before && runs < runsMax);
  return best;
}
