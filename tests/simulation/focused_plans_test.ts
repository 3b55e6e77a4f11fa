/** Under the plans that make a defect's rare fault certain, the right code must hold. */
import { assertEquals } from "@std/assert";
import { ALL_DEFECTS } from "../../src/simulation/defects/all_defects.ts";
import { planOf } from "../../src/simulation/plans/seed_plan.ts";
import { runPlanWith } from "../../src/simulation/run_seed.ts";

const SEEDS = 3;

for (const plan of new Set(ALL_DEFECTS.flatMap(({ plan }) => plan ?? []))) {
  Deno.test(`simulation: ${plan.name} holds without a defect`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      assertEquals((await runPlanWith(plan(planOf(seed)))).violations, []);
    }
  });
}
