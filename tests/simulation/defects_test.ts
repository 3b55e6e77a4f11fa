/**
 * Every defect is put in and must be caught; under its plan, the right code must hold. The table of
 * the seeds that each takes is made by `deno task sim:defects`.
 */
import { assert, assertEquals } from "@std/assert";
import { ALL_DEFECTS } from "../../src/simulation/defects/all_defects.ts";
import { catchDefect } from "../../src/simulation/catch_defects.ts";
import { planOf } from "../../src/simulation/plans/seed_plan.ts";
import { runPlanWith } from "../../src/simulation/run_seed.ts";

for (const defect of ALL_DEFECTS) {
  Deno.test(`simulation: catches ${defect.name}`, async () => {
    const { seeds } = await catchDefect(defect);
    assert(seeds !== undefined, `${defect.seedsMax} seeds did not catch it: ${defect.about}`);
  });
}

const SEEDS_WITHOUT = 3;

for (const plan of new Set(ALL_DEFECTS.flatMap(({ plan }) => plan ?? []))) {
  Deno.test(`simulation: ${plan.name} holds without a defect`, async () => {
    for (let seed = 1; seed <= SEEDS_WITHOUT; seed++) {
      assertEquals((await runPlanWith(plan(planOf(seed)))).violations, []);
    }
  });
}
