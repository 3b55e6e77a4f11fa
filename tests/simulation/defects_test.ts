/**
 * Defects that a few seeds catch are put in and must be caught. The table of all of them, with the
 * seeds that each takes, is made by `deno task sim:defects`.
 */
import { assert } from "@std/assert";
import { ALL_DEFECTS } from "../../src/simulation/defects/all_defects.ts";
import { catchDefect } from "../../src/simulation/defects/catch_defects.ts";

/** Defects that need more seeds than a test should take. */
const RARE = new Set([
  "counter-restarts",
  "node-id-reused",
  "arrival-order",
]);

for (const defect of ALL_DEFECTS.filter(({ name }) => !RARE.has(name))) {
  Deno.test(`simulation: catches ${defect.name}`, async () => {
    const { seeds } = await catchDefect(defect);
    assert(seeds !== undefined, `${defect.seedsMax} seeds did not catch it: ${defect.about}`);
  });
}
