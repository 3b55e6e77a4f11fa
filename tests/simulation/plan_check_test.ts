import { assert, assertEquals } from "@std/assert";
import { planProblem } from "../../src/simulation/plans/plan_check.ts";
import { planOf } from "../../src/simulation/plans/seed_plan.ts";
import { ALL_DEFECTS } from "../../src/simulation/defects/all_defects.ts";
import { planFor } from "../../src/simulation/run_seed.ts";

const PLANS = new URL("./plans/", import.meta.url);

/** As it is in a file. */
function problemOf(plan: unknown): string | undefined {
  return planProblem(JSON.parse(JSON.stringify(plan)));
}

Deno.test("planProblem() has nothing against plans of seeds, of defects and of files", () => {
  for (let seed = 0; seed < 500; seed++) assertEquals(problemOf(planOf(seed)), undefined);
  for (const { name } of ALL_DEFECTS) {
    for (let seed = 0; seed < 20; seed++) {
      assertEquals(problemOf(planFor(seed, { defect: name })), undefined, name);
    }
  }
  for (const { name } of Deno.readDirSync(PLANS)) {
    const text = Deno.readTextFileSync(new URL(name, PLANS));
    assertEquals(planProblem(JSON.parse(text)), undefined, name);
  }
});

Deno.test("planProblem() names what is wrong", () => {
  const plan = { ...planOf(1), nodes: 3 };
  const fault = { atMs: 1, durationMs: 1, kind: "pause", node: 0 };
  const wrong: [unknown, string][] = [
    [{}, "seed"],
    [null, "object"],
    [[], "object"],
    [{ ...plan, ttlshare: 0.1 }, "ttlshare"],
    ["plan", "object"],
    [{ ...plan, nodes: 1e9 }, "nodes"],
    [{ ...plan, keys: "many" }, "keys"],
    [{ ...plan, faults: undefined }, "faults"],
    [{ ...plan, faults: [fault, null] }, "fault 2"],
    [{ ...plan, faults: [{ ...fault, kind: "toString" }] }, "toString"],
    [{ ...plan, faults: [{ ...fault, node: 3 }] }, "node"],
    [
      { ...plan, faults: [{ ...fault, kind: "own_options", options: { replication: 2 } }] },
      "replication",
    ],
    [{ ...plan, faults: [{ ...fault, kind: "storm" }] }, "weather"],
    [{ ...plan, faults: [{ ...fault, node: 3 }, { ...fault, kind: "join", via: 3 }] }, "fault 2"],
  ];
  for (const [value, named] of wrong) {
    const problem = planProblem(value);
    assert(problem?.includes(named), `${JSON.stringify(value)}: ${problem}`);
  }
});
