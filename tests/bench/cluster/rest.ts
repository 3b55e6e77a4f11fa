/** A cluster at rest, and how long nodes take to start. */
import { ConvergeTarget } from "./converge_target.ts";
import { cpuMicroseconds, residentBytes, total } from "./process_facts.ts";
import { median } from "./statistics.ts";
import { figure, judged, mebibytes, type Table } from "./table.ts";
import { textOf } from "./target.ts";
import { VALUE_BYTES } from "./works.ts";
import { pause, say, type Workspace } from "./workspace.ts";

/** V8 gives back what a load took by itself, but only after about half a minute without one. */
const SETTLES_MS = [10_000, 45_000];
const IDLE_MS_MIN = 10_000;
const CPU_PERCENT_MAX = 1;
const RESIDENT_MIB_MAX = 120;
const EMPTY_START_SECONDS_MAX = 0.5;
const FULL_START_SECONDS_MAX = 3;

/** CPU and memory of three idle nodes, empty and with keys. */
export async function idleTable({ options, directory }: Workspace): Promise<Table> {
  say("\nIdle");
  const idleMs = Math.max(IDLE_MS_MIN, options.seconds * 1000);
  const rows: string[][] = [];
  await using cluster = await ConvergeTarget.start(directory);
  for (const keys of [0, options.keys]) {
    if (keys > 0) await cluster.preload(keys, textOf(VALUE_BYTES));
    const lastMs = performance.now();
    for (const settleMs of keys > 0 ? SETTLES_MS : SETTLES_MS.slice(0, 1)) {
      await pause(lastMs + settleMs - performance.now());
      const before = total(cluster.pids, cpuMicroseconds);
      await pause(idleMs);
      const cpu = (total(cluster.pids, cpuMicroseconds) - before) / (idleMs * 10);
      const mib = cluster.pids.map((pid) => residentBytes(pid) / 1024 ** 2);
      const seconds = Math.round((performance.now() - lastMs) / 1000);
      rows.push([
        keys.toLocaleString("en-US"),
        `${seconds}`,
        judged(cpu / cluster.pids.length, CPU_PERCENT_MAX, "most"),
        judged(Math.max(...mib), RESIDENT_MIB_MAX, "most"),
      ]);
      say(`  ${keys} keys, ${seconds} s: ${figure(cpu / 3)} % CPU, ${mib.map(figure)} MiB`);
    }
  }
  return {
    title: "Idle, three nodes",
    header: ["keys", "idle for s", "CPU % per node", "resident MiB, the largest node"],
    rows,
  };
}

/** From the process's start to `/readyz`. */
export async function startTable({ options, directory }: Workspace): Promise<Table> {
  say("\nStart");
  const alone: number[] = [];
  const together: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    alone.push(await firstStart(directory, 1));
    together.push(await firstStart(directory, 3));
  }
  await using cluster = await ConvergeTarget.start(directory);
  await cluster.preload(options.startKeys, textOf(VALUE_BYTES));
  const again: number[] = [];
  const afterCrash: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    await cluster.process(2).stop();
    again.push(await cluster.startNode(2) / 1000);
    await cluster.process(2).kill();
    afterCrash.push(await cluster.startNode(2) / 1000);
  }
  const keys = options.startKeys.toLocaleString("en-US");
  const memory = mebibytes(residentBytes(cluster.process(2).pid));
  const row = (name: string, seconds: number[], bound?: number) => [
    name,
    judged(median(seconds), bound, "most"),
    figure(Math.max(...seconds)),
  ];
  const table: Table = {
    title: "Start to ready",
    header: ["node", "seconds, median", "seconds, worst"],
    rows: [
      row("empty, alone", alone, EMPTY_START_SECONDS_MAX),
      row("empty, three at once, the last of them", together),
      row(`${keys} keys, after SIGTERM`, again, FULL_START_SECONDS_MAX),
      row(
        `${keys} keys, after SIGKILL (${memory} MiB resident)`,
        afterCrash,
        FULL_START_SECONDS_MAX,
      ),
    ],
  };
  for (const [name, seconds] of table.rows) say(`  ${name}: ${seconds} s`);
  return table;
}

/** Seconds from the first process's start until all nodes are ready. */
async function firstStart(directory: string, nodes: number): Promise<number> {
  const startMs = performance.now();
  await using _cluster = await ConvergeTarget.start(directory, { nodes });
  return (performance.now() - startMs) / 1000;
}
