/**
 * The known ways out of linearizability, shown in `docs/guarantees.md`. In both a write is read under
 * its first version, which is older than another one that its coordinator has not heard of.
 */
import { assert, assertEquals, AssertionError } from "@std/assert";
import { compareVersions } from "../../src/record/version.ts";
import type { Cause } from "../../src/simulation/checkers/judged_keys.ts";
import type { Operation } from "../../src/simulation/evidence/history.ts";
import type { Plan } from "../../src/simulation/plans/plan.ts";
import { runPlanWith, summaryOf } from "../../src/simulation/run_seed.ts";
import { Totals } from "../../src/simulation/totals.ts";

/** Whatever changes the timing of a message moves the example to another seed; some have one. */
const SEEDS = 40;

Deno.test("runPlan: a value that was overwritten is read again, and nothing that is promised broke", async () => {
  await findExample("value_seen_twice", {
    cause: "tried again",
    isShown: (found) => found.some((put) => found.some((get) => showsEarlier(get, put))),
  });
});

/** Whether a read saw the value of an acknowledged put under a version from before its last try. */
function showsEarlier(get: Operation, put: Operation): boolean {
  return put.kind === "put" && get.found === put.value && get.version !== undefined &&
    put.version !== undefined && get.version.counter < put.version.counter;
}

Deno.test("runPlan: a read that is overtaken finds what began later and is older, and nothing that is promised broke", async () => {
  await findExample("value_seen_too_early", {
    cause: "overtaken",
    isShown: (found) =>
      found.some((put) =>
        found.some((get) =>
          get.found === put.value && found.some((acked) => isNewerBefore(acked, get, put))
        )
      ),
  });
});

/** Whether `acked`, which ended before `put` began, has a newer version than it was read under. */
function isNewerBefore(acked: Operation, get: Operation, put: Operation): boolean {
  return acked.kind === "put" && acked.end < put.begin && get.version !== undefined &&
    acked.version !== undefined && compareVersions(acked.version, get.version) > 0;
}

interface Example {
  readonly cause: Cause;
  /** Whether it is in the operations that are not linearizable. */
  isShown(found: readonly Operation[]): boolean;
}

async function findExample(name: string, { cause, isShown }: Example): Promise<void> {
  const path = new URL(`./plans/${name}.json`, import.meta.url);
  const plan: Plan = JSON.parse(Deno.readTextFileSync(path));
  for (let i = 0; i < SEEDS; i++) {
    const summary = summaryOf(await runPlanWith({ ...plan, seed: plan.seed + i }));
    assertEquals(summary.violations, []);
    if (summary.causes[cause] === 0) continue;
    const totals = new Totals();
    totals.add(summary);
    assert(totals.report(1_000).some((line) => line.includes("1  not, by")));
    if (isShown(summary.counterexample)) return;
  }
  throw new AssertionError(`no example in ${SEEDS} seeds`);
}
