/**
 * Plans that once broke a guarantee, each under the name of what was wrong. Plans rather than
 * seeds: a seed means another plan whenever the generator learns something.
 */
import { assertEquals } from "@std/assert";
import type { Plan } from "../../src/simulation/plans/plan.ts";
import { runPlanWith } from "../../src/simulation/run_seed.ts";

const PLANS = new URL("./plans/", import.meta.url);

for (const { name } of [...Deno.readDirSync(PLANS)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  Deno.test(`simulation: plan ${name.replace(".json", "").replaceAll("_", " ")} holds`, async () => {
    const plan: Plan = JSON.parse(Deno.readTextFileSync(new URL(name, PLANS)));
    const { violations } = await runPlanWith(plan);
    assertEquals(violations, []);
  });
}
