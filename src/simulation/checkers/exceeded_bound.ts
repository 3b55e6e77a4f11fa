/** Everything has a bound: queues, timers, hints, memory. */
import type { Evidence, Violation } from "../evidence/evidence.ts";

/** Judges what was measured during the run: the worst of each quantity of each node. */
export function checkExceededBounds(evidence: Evidence): Violation[] {
  const worst = new Map<string, Evidence["measurements"][number]>();
  for (const measurement of evidence.measurements) {
    if (measurement.value <= measurement.bound) continue;
    const name = `${measurement.node} ${measurement.what}`;
    if (measurement.value > (worst.get(name)?.value ?? 0)) worst.set(name, measurement);
  }
  return [...worst.values()].map(({ node, what, value, bound, atMs }) => ({
    checker: "exceeded_bound",
    message: `${node}: ${what} was ${value} at ${Math.round(atMs)} ms, the bound is ${bound}`,
    keys: [],
    operations: [],
  }));
}
