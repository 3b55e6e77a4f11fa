/**
 * Strategy: random schedules of a model of membership, see `schedule.ts`, each of one seed.
 *
 * Invariants, after each step: see `quorum_judge.ts`; and once nothing fails any more: see `rest.ts`.
 *
 * A failure prints the seed, what the schedule drew at its beginning, and all that happened.
 */
import { assert } from "@std/assert";
import { runSchedule, type ScheduleResult } from "./schedule.ts";

/** How many schedules are run that nothing is known of; thousands, where a decision is changed. */
const SCHEDULES = 100;

async function check(seed: number): Promise<ScheduleResult> {
  const result = await runSchedule(seed);
  const { violation, log } = result;
  assert(violation === undefined, `seed ${seed}: ${violation}\n${log.join("\n")}`);
  return result;
}

Deno.test("membership: all quorums meet, and all come to rest, whoever comes, goes and loses its disk", async () => {
  let acked = 0;
  let joined = 0;
  let excused = 0;
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    const result = await check(seed);
    acked += result.acked;
    joined += Math.max(0, result.joined);
    if (result.orders.length > 0) excused++;
  }
  // Else nothing would have been judged.
  const counts = `${acked} acked, ${joined} joined, ${excused} excused`;
  assert(acked > SCHEDULES && joined > SCHEDULES / 5 && excused < SCHEDULES / 10, counts);
});
