/** One client alone: what a PUT costs beside an fsync of the same disk. */
import { join } from "@std/path";
import { ConvergeTarget } from "./converge_target.ts";
import { type LoadResult, measure } from "./load.ts";
import { median, medianOf } from "./statistics.ts";
import { figure, judged, type Table } from "./table.ts";
import { textOf } from "./target.ts";
import { VALUE_BYTES } from "./works.ts";
import { say, type Workspace } from "./workspace.ts";

const KEYS = 1_000;
const SYNCS = 300;
/** PUT p50 in fsyncs. */
const FSYNCS_MAX = 3;

/** Alternates between the disk alone and the cluster. */
export async function latencyTable({ options, directory }: Workspace): Promise<Table> {
  say("\nLatency of one client");
  await using cluster = await ConvergeTarget.start(directory);
  await cluster.preload(KEYS, textOf(VALUE_BYTES));
  const syncsMs: number[] = [];
  const puts: LoadResult[] = [];
  const gets: LoadResult[] = [];
  const ratios: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const syncMs = fsyncMs(directory);
    const load = {
      urls: cluster.urls.slice(0, 1),
      connections: 1,
      seconds: options.seconds,
      keyCount: KEYS,
      keyOrder: "uniform" as const,
    };
    const request = cluster.put(textOf(VALUE_BYTES));
    const put = await measure(cluster, { ...load, request }, directory);
    gets.push(await measure(cluster, { ...load, request: cluster.get({}) }, directory));
    puts.push(put);
    syncsMs.push(syncMs);
    ratios.push(put.p50Ms / syncMs);
    say(`  fsync ${figure(syncMs)} ms, PUT p50 ${figure(put.p50Ms)} ms`);
  }
  const row = (name: string, results: LoadResult[], ratio: string) => [
    name,
    figure(medianOf(results, ({ p50Ms }) => p50Ms)),
    figure(medianOf(results, ({ p99Ms }) => p99Ms)),
    ratio,
  ];
  return {
    title: "One client alone",
    header: ["work", "p50 ms", "p99 ms", "p50 in fsyncs"],
    rows: [
      ["append of 4 KiB and fsync", figure(median(syncsMs)), "", "1"],
      row("PUT 100 B, W = 2", puts, judged(median(ratios), FSYNCS_MAX, "most")),
      row("GET, R = 2", gets, ""),
    ],
  };
}

/** The median time of an append with its fsync, where the clusters have their files. */
function fsyncMs(directory: string): number {
  const path = join(directory, "fsync-probe");
  using file = Deno.openSync(path, { create: true, write: true, truncate: true });
  const block = new Uint8Array(4096).fill(120);
  const times: number[] = [];
  for (let i = 0; i < SYNCS; i++) {
    const startMs = performance.now();
    file.writeSync(block);
    file.syncDataSync();
    times.push(performance.now() - startMs);
  }
  return median(times);
}
