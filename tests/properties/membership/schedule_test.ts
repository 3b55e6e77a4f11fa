/**
 * Strategy: random schedules of a model of membership, see `schedule.ts`, each of one seed.
 *
 * Invariants, after each step: see `quorum_judge.ts`; and once nothing fails any more: see `rest.ts`.
 *
 * A failure prints the seed, what the schedule drew at its beginning, and all that happened.
 */
import { assert } from "@std/assert";
import type { Budget, Plan } from "./plan.ts";
import { runSchedule, type ScheduleResult } from "./schedule.ts";

/** How many schedules are run that nothing is known of; thousands, where a decision is changed. */
const SCHEDULES = 100;

/** Schedules that break an invariant once a decision is as it was before, in plans that come near it. */
const SAW_A_DEFECT: { defect: string; seeds: readonly number[]; changes: Partial<Plan> }[] = [
  {
    defect: "a node that joins counts itself among those that know it",
    seeds: [28, 65],
    changes: quorumsOnly({ join: 2 }, {
      replication: 3,
      readQuorum: 2,
      writeQuorum: 2,
      firstNodes: 2,
    }),
  },
  {
    defect: "a name that was never normal counts as soon as a majority knows its new life",
    seeds: [158, 173],
    changes: quorumsOnly(
      { join: 2, loss: 1 },
      { replication: 3, readQuorum: 2, writeQuorum: 2, firstNodes: 3 },
    ),
  },
  {
    defect: "a node is filled with no more than what it owns once all are there that join",
    seeds: [281, 511],
    changes: quorumsOnly({ join: 4 }, { virtualNodes: 1, writes: 20, eagerness: 0.2 }),
  },
  {
    defect: "who is said to be dead keeps new nodes from hearing each other",
    seeds: [14, 131],
    changes: { isCareful: false, writes: 0, budget: budget({ join: 3, loss: 3 }) },
  },
  {
    defect: "the address of a removed member is never asked again",
    seeds: [69, 78],
    changes: { isCareful: false, writes: 0, budget: budget({ loss: 1, move: 3 }) },
  },
];

function budget(changes: Partial<Budget>): Budget {
  return { join: 0, loss: 0, removal: 0, crash: 0, comeback: 0, move: 0, ...changes };
}

function quorumsOnly(left: Partial<Budget>, changes: Partial<Plan>): Partial<Plan> {
  const calm = { isCareful: true, fullDisks: 0, saves: 40, sleeps: 0, cutShare: 0.3 };
  return { ...calm, ...changes, budget: budget(left) };
}

async function check(seed: number, changes?: Partial<Plan>): Promise<ScheduleResult> {
  const result = await runSchedule(seed, changes);
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

for (const { defect, seeds, changes } of SAW_A_DEFECT) {
  Deno.test(`membership: schedules that go wrong where ${defect}`, async () => {
    for (const seed of seeds) await check(seed, changes);
  });
}
