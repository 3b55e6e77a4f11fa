/**
 * The known way out of linearizability, shown in `docs/guarantees.md`: an owner that hears well and is
 * heard late coordinates a write, whose first version is read before the write is tried again.
 */
import { assertEquals, AssertionError } from "@std/assert";
import type { Operation } from "../../src/simulation/evidence/history.ts";
import type { Plan } from "../../src/simulation/plans/plan.ts";
import { runPlanWith, summaryOf } from "../../src/simulation/run_seed.ts";

const PLAN = new URL("./plans/value_seen_twice.json", import.meta.url);
/** Whatever changes the timing of a message moves the example to another seed; most have one. */
const SEEDS = 10;

Deno.test("runPlan: a value that was overwritten is read again, and nothing that is promised broke", async () => {
  const plan: Plan = JSON.parse(Deno.readTextFileSync(PLAN));
  for (let i = 0; i < SEEDS; i++) {
    const result = await runPlanWith({ ...plan, seed: plan.seed + i });
    const { violations, linearizability, counterexample } = summaryOf(result);
    assertEquals(violations, []);
    if (linearizability["not linearizable"] === 0) continue;
    if (counterexample.some((put) => counterexample.some((get) => showsEarlier(get, put)))) return;
  }
  throw new AssertionError(`no example in ${SEEDS} seeds`);
});

/** Whether a read saw the value of an acknowledged put under a version from before its last try. */
function showsEarlier(get: Operation, put: Operation): boolean {
  return put.kind === "put" && get.found === put.value && get.version !== undefined &&
    put.version !== undefined && get.version.counter < put.version.counter;
}
