import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Gathering } from "../../src/platform/gathering.ts";
import type { Fault } from "../../src/simulation/plans/plan.ts";
import { planOf } from "../../src/simulation/plans/seed_plan.ts";
import { failureReport } from "../../src/simulation/report.ts";
import { runPlanWith, runSeed, type SeedSummary } from "../../src/simulation/run_seed.ts";
import { runSeeds } from "../../src/cli/seed_pool.ts";
import { shrinkPlan } from "../../src/simulation/plans/shrink.ts";
import { Totals } from "../../src/simulation/totals.ts";

const SEEDS = [3, 4, 8];

Deno.test("runSeed: one seed, one history: again, in Workers and in another process", async () => {
  const here = new Map<number, string>();
  for (const seed of SEEDS) here.set(seed, (await runSeed(seed)).hash);
  for (const seed of SEEDS) assertEquals((await runSeed(seed)).hash, here.get(seed));
  assertNotEquals(here.get(3), here.get(4));

  const inWorkers = new Map<number, string>();
  await runSeeds({
    firstSeed: 3,
    seeds: 2,
    jobs: 2,
    entry: new URL("./seed_worker.ts", import.meta.url).href,
    onSummary: ({ seed, hash }) => inWorkers.set(seed, hash) !== undefined,
  });
  assertEquals([...inWorkers].sort(), [[3, here.get(3)], [4, here.get(4)]]);

  const script = new URL("./print_hash.ts", import.meta.url);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-read", script.href, "8"],
  }).output();
  assertEquals(new TextDecoder().decode(stdout).trim(), here.get(8));
});

Deno.test("runSeed: operations of all outcomes, faults, and no violation", async () => {
  const totals = new Totals();
  for (const seed of [2, 5, 7]) totals.add(await runSeed(seed));
  assert(totals.operations.acked > 100);
  assert(totals.operations.indeterminate + totals.operations.failed > 0);
  assert(totals.faults.size > 3);
  assertEquals(totals.failedSeeds, []);
  assert(totals.report(1_000).some((line) => line.includes("violations  none")));
});

Deno.test("runPlan: while threads are busy batches gather and grow, and before and after that they do not", async () => {
  const { gather } = Gathering.prototype;
  let gathers = 0;
  let grown = 0;
  Gathering.prototype.gather = async function (fill): Promise<void> {
    gathers++;
    const before = fill();
    await gather.call(this, fill);
    if (fill() > before) grown++;
  };
  try {
    const calm = { ...planOf(3), faults: [] };
    const busyFor = (durationMs: number) =>
      Array.from({ length: calm.nodes }, (_, node): Fault => ({
        atMs: 0,
        durationMs,
        kind: "busy",
        node,
        turnMs: [0.3, 4],
      }));
    for (const faults of [[], busyFor(1)]) {
      assertEquals((await runPlanWith({ ...calm, faults })).violations, []);
      assertEquals(gathers, 0);
    }
    const busy = { ...calm, faults: busyFor(calm.faultsMs) };
    assertEquals((await runPlanWith(busy)).violations, []);
    assert(grown > 0, `none of ${gathers} grew`);
  } finally {
    Gathering.prototype.gather = gather;
  }
});

Deno.test("planOf: some plans have busy threads, some of them all", () => {
  const shares = Array.from({ length: 100 }, (_, seed) => {
    const { nodes, faults } = planOf(seed);
    return faults.filter(({ kind }) => kind === "busy").length / nodes;
  });
  for (const share of [0, 1]) assert(shares.includes(share), `none with ${share}`);
  assert(shares.some((share) => share > 0 && share < 1));
});

Deno.test("planOf: a function of the seed, and of the number of nodes asked for", () => {
  assertEquals(planOf(11), planOf(11));
  assertNotEquals(planOf(11), { ...planOf(12), seed: 11 });
  assertEquals(planOf(11, { nodes: 7 }).nodes, 7);
});

Deno.test("runSeed: a defect is caught, reported and shrunk", async () => {
  const options = { defect: "fsync-skipped", store: "journal" } as const;
  let failing: SeedSummary | undefined;
  for (let seed = 1; seed <= 20 && failing === undefined; seed++) {
    const summary = await runSeed(seed, options);
    if (summary.violations.length > 0) failing = summary;
  }
  assert(failing !== undefined, "20 seeds did not catch it");
  const plan = planOf(failing.seed);
  const breaks = async (smaller: typeof plan) =>
    (await runPlanWith(smaller, options)).violations.length > 0;
  const smaller = await shrinkPlan(plan, breaks, 30);
  assert(JSON.stringify(smaller).length < JSON.stringify(plan).length);
  const result = await runPlanWith(smaller, options);
  const report = failureReport(result, { commit: "abc", replay: "converge sim" }).join("\n");
  for (const part of [`seed ${failing.seed}`, "abc", "replay", '"faults"', "kill"]) {
    assert(report.includes(part), `no ${part} in ${report}`);
  }
});
