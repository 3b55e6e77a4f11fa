/**
 * Strategy: random schedules of a model of membership, see `membership_model.ts`, each of one seed.
 *
 * Invariants, after each step: see `membership_judge.ts`.
 *
 * A failure prints the seed, what the schedule drew at its beginning, and all that happened.
 */
import { assert } from "@std/assert";
import { runSchedule, type ScheduleResult } from "./membership_model.ts";

/** How many schedules are run that nothing is known of. */
const SCHEDULES = 150;

/** Seeds of schedules that break an invariant once a decision of `lifecycle.ts` is as it was before. */
const SEEDS_THAT_SAW_A_DEFECT = [
  ...[1271, 1616], // a node that joins counted itself among those that know it
  ...[30, 856, 1559], // a name that was never normal counted as soon as a majority knew its new life
  4881, // a new node did not wait for those that were being filled before it
];

function check(seed: number): ScheduleResult {
  const result = runSchedule(seed);
  const { violation, log } = result;
  assert(violation === undefined, `seed ${seed}: ${violation}\n${log.join("\n")}`);
  return result;
}

Deno.test("membership: all quorums meet, whoever joins, loses its disk or is removed", () => {
  let acked = 0;
  let joined = 0;
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    const result = check(seed);
    acked += result.acked;
    joined += Math.max(0, result.joined);
  }
  // Else nothing would have been judged.
  assert(acked > SCHEDULES && joined > SCHEDULES / 5, `${acked} acked, ${joined} joined`);
});

Deno.test("membership: all quorums meet in schedules that saw a defect once", () => {
  for (const seed of SEEDS_THAT_SAW_A_DEFECT) check(seed);
});
