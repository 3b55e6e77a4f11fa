/**
 * The known way out of linearizability, shown in `docs/guarantees.md`: an owner that hears well and is
 * heard late coordinates a write, whose first version is read before the write is tried again.
 */
import { assert, assertEquals } from "@std/assert";
import type { Plan } from "../../src/simulation/plan.ts";
import { runPlanWith, summaryOf } from "../../src/simulation/run_seed.ts";

const PLAN = new URL("./plans/value_seen_twice.json", import.meta.url);

Deno.test("runPlan: a value that was overwritten is read again, and nothing that is promised broke", async () => {
  const plan: Plan = JSON.parse(Deno.readTextFileSync(PLAN));
  const { violations, linearizability, counterexample } = summaryOf(await runPlanWith(plan));
  assertEquals(violations, []);
  assertEquals(linearizability["not linearizable"], 1);
  const triedAgain = counterexample.filter(({ kind, value, version }) =>
    kind === "put" &&
    counterexample.some((read) =>
      read.found === value && version !== undefined && read.version !== undefined &&
      read.version.counter < version.counter
    )
  );
  assert(triedAgain.length > 0, JSON.stringify(counterexample));
});
