/** Trouble, as ratio to the healthy cluster in the same run. */
import { ConvergeTarget } from "./converge_target.ts";
import { measure, type Measurement } from "./load.ts";
import { medianOf } from "./statistics.ts";
import { figure, judged, type Table } from "./table.ts";
import { textOf } from "./target.ts";
import { VALUE_BYTES } from "./works.ts";
import { pause, say, type Workspace } from "./workspace.ts";

/** Beyond the deadline of a request, after which a stopped node is known to be away. */
const FIRST_DEADLINE_SECONDS = 4;
const HEALING_MS = 5_000;
const CONNECTIONS = 64;
const STOPPED_P99_MAX = 3;
const COMPACTION_P99_MAX = 2;
const REFILL_THROUGHPUT_MIN = 0.6;

/** Healthy and troubled measurements, alternating. */
interface Pair {
  healthy: Measurement;
  troubled: Measurement;
}

type Kind = "PUT" | "GET";

/** All troubles, in turn. */
export async function stressTable(workspace: Workspace): Promise<Table> {
  const rows = [
    ...await stoppedNode(workspace),
    ...await compacting(workspace),
    ...await refilling(workspace),
  ];
  return {
    title: "Under stress, 64 connections to one node",
    header: ["trouble", "work", "throughput/s", "its ratio", "p99 ms", "its ratio", "errors"],
    rows,
  };
}

/** One of three nodes is stopped by SIGSTOP: it accepts connections and never answers. */
async function stoppedNode({ options, directory }: Workspace): Promise<string[][]> {
  say("\nStress: one node stopped");
  await using cluster = await ConvergeTarget.start(directory);
  await cluster.preload(options.keys, textOf(VALUE_BYTES));
  const pairs: Record<Kind, Pair[]> = { PUT: [], GET: [] };
  for (let round = 0; round < options.rounds; round++) {
    const healthy = await both(cluster, options.seconds, options.keys, directory);
    cluster.process(2).signal("SIGSTOP");
    try {
      await one("PUT", cluster, FIRST_DEADLINE_SECONDS, options.keys, directory);
      const troubled = await both(cluster, options.seconds, options.keys, directory);
      for (const kind of ["PUT", "GET"] as const) {
        pairs[kind].push({ healthy: healthy[kind], troubled: troubled[kind] });
      }
    } finally {
      cluster.process(2).signal("SIGCONT");
    }
    await pause(HEALING_MS);
  }
  return (["PUT", "GET"] as const).map((kind) =>
    row("one node stopped (SIGSTOP)", kind, pairs[kind], { p99Max: STOPPED_P99_MAX })
  );
}

/** The same load on nodes whose memory tables never fill and on nodes whose tables always do. */
async function compacting({ options, directory }: Workspace): Promise<string[][]> {
  say("\nStress: flush and compaction");
  await using calm = await ConvergeTarget.start(directory, { args: ["--memtable", "512MiB"] });
  await using busy = await ConvergeTarget.start(directory, { args: ["--memtable", "256KiB"] });
  for (const cluster of [calm, busy]) await cluster.preload(options.keys, textOf(VALUE_BYTES));
  const pairs: Pair[] = [];
  const flushesBefore = await busy.metric("converge_flushes_total");
  const compactionsBefore = await busy.metric("converge_compactions_total");
  for (let round = 0; round < options.rounds; round++) {
    const healthy = await one("PUT", calm, options.seconds, options.keys, directory);
    const troubled = await one("PUT", busy, options.seconds, options.keys, directory);
    pairs.push({ healthy, troubled });
  }
  const flushes = await busy.metric("converge_flushes_total") - flushesBefore;
  const compactions = await busy.metric("converge_compactions_total") - compactionsBefore;
  const trouble = `${flushes} flushes, ${compactions} compactions (memtable 256 KiB)`;
  return [row(trouble, "PUT", pairs, { p99Max: COMPACTION_P99_MAX })];
}

/** A node lost its disk and is filled again from the others. */
async function refilling({ options, directory }: Workspace): Promise<string[][]> {
  say("\nStress: a wiped node refills");
  await using cluster = await ConvergeTarget.start(directory);
  await cluster.preload(options.keys, textOf(VALUE_BYTES));
  const pairs: Record<Kind, Pair[]> = { PUT: [], GET: [] };
  const refillsSeconds: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const kind of ["PUT", "GET"] as const) {
      const healthy = await one(kind, cluster, options.seconds, options.keys, directory);
      await cluster.process(2).kill();
      await cluster.wipe(2);
      // From the moment that it listens: its start is not what is measured here.
      const started = cluster.startNode(2);
      await pause(300);
      const startMs = performance.now();
      const refilled = started.then(() => {
        refillsSeconds.push((performance.now() - startMs) / 1000);
      });
      const troubled = await one(kind, cluster, options.seconds, options.keys, directory);
      await refilled;
      pairs[kind].push({ healthy, troubled });
      await pause(HEALING_MS);
    }
  }
  const seconds = figure(medianOf(refillsSeconds, (value) => value));
  return (["PUT", "GET"] as const).map((kind) =>
    row(`a wiped node refills (ready after ${seconds} s)`, kind, pairs[kind], {
      throughputMin: REFILL_THROUGHPUT_MIN,
    })
  );
}

async function both(
  cluster: ConvergeTarget,
  seconds: number,
  keyCount: number,
  directory: string,
): Promise<Record<Kind, Measurement>> {
  const PUT = await one("PUT", cluster, seconds, keyCount, directory);
  const GET = await one("GET", cluster, seconds, keyCount, directory);
  return { PUT, GET };
}

async function one(
  kind: Kind,
  cluster: ConvergeTarget,
  seconds: number,
  keyCount: number,
  directory: string,
): Promise<Measurement> {
  const result = await measure(cluster, {
    urls: cluster.urls.slice(0, 1),
    connections: CONNECTIONS,
    seconds,
    keyCount,
    keyOrder: "uniform",
    request: kind === "PUT" ? cluster.put(textOf(VALUE_BYTES)) : cluster.get({}),
  }, directory);
  say(`  ${kind} ${figure(result.throughput)}/s p99 ${figure(result.p99Ms)} ms`);
  return result;
}

function row(
  trouble: string,
  kind: Kind,
  pairs: Pair[],
  bounds: { p99Max?: number; throughputMin?: number },
): string[] {
  const throughput = medianOf(
    pairs,
    ({ healthy, troubled }) => troubled.throughput / healthy.throughput,
  );
  const p99 = medianOf(pairs, ({ healthy, troubled }) => troubled.p99Ms / healthy.p99Ms);
  const errors = pairs.reduce(
    (sum, { troubled }) => sum + troubled.statusErrors + troubled.socketErrors,
    0,
  );
  return [
    trouble,
    kind,
    figure(medianOf(pairs, ({ troubled }) => troubled.throughput)),
    judged(throughput, bounds.throughputMin, "least"),
    figure(medianOf(pairs, ({ troubled }) => troubled.p99Ms)),
    judged(p99, bounds.p99Max, "most"),
    `${errors}`,
  ];
}
