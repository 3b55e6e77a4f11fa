/**
 * Every defect is put in and must be caught; that the right code holds under its plan stands in
 * focused_plans_test.ts. The table of the seeds that each takes is made by `deno task sim:defects`.
 */
import { assert } from "@std/assert";
import { ALL_DEFECTS } from "../../src/simulation/defects/all_defects.ts";
import { catchDefect } from "../../src/simulation/catch_defects.ts";

for (const defect of ALL_DEFECTS) {
  Deno.test(`simulation: catches ${defect.name}`, async () => {
    const { seeds } = await catchDefect(defect);
    assert(seeds !== undefined, `${defect.seedsMax} seeds did not catch it: ${defect.about}`);
  });
}
