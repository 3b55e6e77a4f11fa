/** How throughput, latency and memory grow with connections, keys and nodes. */
import { ConvergeTarget } from "./converge_target.ts";
import { measure, type Measurement } from "./load.ts";
import { residentBytes, total } from "./process_facts.ts";
import { figure, mebibytes, type Table } from "./table.ts";
import { textOf } from "./target.ts";
import { VALUE_BYTES } from "./works.ts";
import { say, type Workspace } from "./workspace.ts";

const CONNECTION_STEPS = [1, 16, 64, 256, 1024];
const NODE_STEPS = [3, 5, 7];
const CONNECTIONS = 256;

/** One step of a growth. */
export interface Step {
  at: number;
  put: Measurement;
  get: Measurement;
  /** Resident memory per node that the keys took, by key; only in the growth by keys. */
  bytesPerKey?: number;
}

/** One growth. */
export interface Growth {
  /** What grows: `connections`, `keys`, `nodes`. */
  by: string;
  steps: Step[];
}

/** All three. */
export async function grow(workspace: Workspace): Promise<Growth[]> {
  return [await byConnections(workspace), await byKeys(workspace), await byNodes(workspace)];
}

/** A growth as a table. */
export function growthTable({ by, steps }: Growth): Table {
  const withKeys = by === "keys";
  return {
    title: `Growth by ${by}`,
    header: [
      by,
      ...["PUT/s", "PUT p99 ms", "GET/s", "GET p99 ms", "errors", "RSS MiB, all nodes"],
      ...(withKeys ? ["bytes per key and node"] : []),
    ],
    rows: steps.map(({ at, put, get, bytesPerKey }) => [
      at.toLocaleString("en-US"),
      figure(put.throughput),
      figure(put.p99Ms),
      figure(get.throughput),
      figure(get.p99Ms),
      `${put.statusErrors + put.socketErrors + get.statusErrors + get.socketErrors}`,
      mebibytes(get.residentBytes),
      ...(withKeys ? [figure(bytesPerKey ?? NaN)] : []),
    ]),
  };
}

async function byConnections({ options, directory }: Workspace): Promise<Growth> {
  say("\nGrowth by connections");
  await using cluster = await ConvergeTarget.start(directory);
  await cluster.preload(options.keys, textOf(VALUE_BYTES));
  const steps: Step[] = [];
  for (const connections of CONNECTION_STEPS) {
    const load = { connections, keyCount: options.keys, seconds: options.seconds };
    steps.push(await step(cluster, connections, load, directory));
  }
  return { by: "connections", steps };
}

async function byKeys({ options, directory }: Workspace): Promise<Growth> {
  say("\nGrowth by keys");
  const steps: Step[] = [];
  for (const keyCount of options.keySteps) {
    await using cluster = await ConvergeTarget.start(directory);
    const before = total(cluster.pids, residentBytes);
    await cluster.preload(keyCount, textOf(VALUE_BYTES));
    const taken = total(cluster.pids, residentBytes) - before;
    const load = { connections: CONNECTIONS, keyCount, seconds: options.seconds };
    const result = await step(cluster, keyCount, load, directory);
    steps.push({ ...result, bytesPerKey: taken / cluster.urls.length / keyCount });
  }
  return { by: "keys", steps };
}

async function byNodes({ options, directory }: Workspace): Promise<Growth> {
  say("\nGrowth by nodes");
  const steps: Step[] = [];
  for (const nodes of NODE_STEPS) {
    await using cluster = await ConvergeTarget.start(directory, { nodes });
    await cluster.preload(options.keys, textOf(VALUE_BYTES));
    const load = { connections: CONNECTIONS, keyCount: options.keys, seconds: options.seconds };
    steps.push(await step(cluster, nodes, load, directory));
  }
  return { by: "nodes", steps };
}

async function step(
  cluster: ConvergeTarget,
  at: number,
  load: { connections: number; keyCount: number; seconds: number },
  directory: string,
): Promise<Step> {
  const common = { ...load, urls: cluster.urls.slice(0, 1), keyOrder: "uniform" as const };
  const request = cluster.put(textOf(VALUE_BYTES));
  const put = await measure(cluster, { ...common, request }, directory);
  const get = await measure(cluster, { ...common, request: cluster.get({}) }, directory);
  say(
    `  ${at}: PUT ${figure(put.throughput)}/s p99 ${figure(put.p99Ms)} ms, ` +
      `GET ${figure(get.throughput)}/s p99 ${figure(get.p99Ms)} ms`,
  );
  return { at, put, get };
}
