/**
 * The known ways out of linearizability, shown in `docs/guarantees.md`. In both a write is read under
 * its first version, which is older than another one that its coordinator has not heard of.
 */
import { assert, assertEquals, AssertionError } from "@std/assert";
import { compareVersions } from "../../src/record/version.ts";
import type { Cause } from "../../src/simulation/checkers/judged_keys.ts";
import type { Operation } from "../../src/simulation/evidence/history.ts";
import type { Plan } from "../../src/simulation/plans/plan.ts";
import { runPlanWith, type SeedSummary, summaryOf } from "../../src/simulation/run_seed.ts";
import { Totals } from "../../src/simulation/totals.ts";

/** Whatever changes the timing of a message moves the example to another seed; some have one. */
const SEEDS = 40;

Deno.test("runPlan: a value that was overwritten is read again, and nothing that is promised broke", async () => {
  const { counterexample } = await firstExample("value_seen_twice", "tried again");
  const isShown = counterexample.some((put) =>
    counterexample.some((get) => showsEarlier(get, put))
  );
  assert(isShown, "no value under two versions");
});

/** Whether a read saw the value of an acknowledged put under a version from before its last try. */
function showsEarlier(get: Operation, put: Operation): boolean {
  return put.kind === "put" && get.found === put.value && get.version !== undefined &&
    put.version !== undefined && get.version.counter < put.version.counter;
}

Deno.test("runPlan: a read that is overtaken finds what began later and is older, and nothing that is promised broke", async () => {
  const { counterexample } = await firstExample("value_seen_too_early", "overtaken");
  const isShown = counterexample.some((put) =>
    counterexample.some((get) =>
      get.found === put.value && counterexample.some((acked) => isNewerBefore(acked, get, put))
    )
  );
  assert(isShown, "no value that began after a newer version was acked");
});

/** Whether `acked`, which ended before `put` began, has a newer version than it was read under. */
function isNewerBefore(acked: Operation, get: Operation, put: Operation): boolean {
  return acked.kind === "put" && acked.end < put.begin && get.version !== undefined &&
    acked.version !== undefined && compareVersions(acked.version, get.version) > 0;
}

async function firstExample(name: string, cause: Cause): Promise<SeedSummary> {
  const path = new URL(`./plans/${name}.json`, import.meta.url);
  const plan: Plan = JSON.parse(Deno.readTextFileSync(path));
  for (let i = 0; i < SEEDS; i++) {
    const summary = summaryOf(await runPlanWith({ ...plan, seed: plan.seed + i }));
    assertEquals(summary.violations, []);
    if (summary.causes[cause] === 0) continue;
    const totals = new Totals();
    totals.add(summary);
    assert(totals.report(1_000).some((line) => line.includes("1  not, by")));
    return summary;
  }
  throw new AssertionError(`no example in ${SEEDS} seeds`);
}
