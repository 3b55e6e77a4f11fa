/** Twice the load that can be served: memory stays flat, what is too much is refused at once. */
import { ConvergeTarget } from "../cluster/converge_target.ts";
import { measure, runLoad } from "../cluster/load.ts";
import { residentBytes, total } from "../cluster/process_facts.ts";
import { figure, mebibytes, type Table } from "../cluster/table.ts";
import { textOf } from "../cluster/target.ts";
import { pause, say } from "../cluster/workspace.ts";
import type { Workspace } from "./workspace.ts";

/** What may be in flight per node; as many connections again are what is too much. */
const IN_FLIGHT = 256;
const KEYS = 10_000;
const SAMPLE_MS = 1_000;
const SIZES = [
  { name: "100 B", bytes: 100 },
  { name: "64 KiB", bytes: 64 * 1024 },
] as const;

/** One row per size of value. */
export async function overloadTable({ options, directory }: Workspace): Promise<Table> {
  say("\nTwice the load that can be served");
  const rows: string[][] = [];
  for (const { name, bytes } of SIZES) {
    rows.push([`PUT ${name}`, ...await overload(directory, bytes, options.seconds)]);
    say(`  ${rows.at(-1)!.join(" | ")}`);
  }
  return {
    title: `${2 * IN_FLIGHT} connections to a node that takes ${IN_FLIGHT} requests at once`,
    header: [
      "work",
      "served/s",
      "503/s",
      "of them with Retry-After",
      "MiB resident, all nodes: served load",
      "overload, first quarter",
      "overload, last quarter",
    ],
    rows,
  };
}

async function overload(directory: string, bytes: number, seconds: number): Promise<string[]> {
  await using cluster = await ConvergeTarget.start(directory, {
    args: ["--in-flight", `${IN_FLIGHT}`],
  });
  const load = {
    urls: cluster.urls.slice(0, 1),
    connections: IN_FLIGHT,
    seconds,
    keyCount: KEYS,
    keyOrder: "uniform" as const,
    request: cluster.put(textOf(bytes)),
  };
  const served = await measure(cluster, load, directory);
  const resident: number[] = [];
  const sampling = setInterval(
    () => resident.push(total(cluster.pids, residentBytes)),
    SAMPLE_MS,
  );
  const running = runLoad({ ...load, connections: 2 * IN_FLIGHT, seconds: 2 * seconds }, directory);
  await pause(seconds * 1000);
  const refusals = await sampleRefusals(cluster.urls[0]!);
  const result = await running;
  clearInterval(sampling);
  const quarter = Math.max(1, Math.floor(resident.length / 4));
  return [
    figure((result.requests - result.statusErrors) / result.seconds),
    figure(result.statusErrors / result.seconds),
    refusals,
    mebibytes(served.residentBytes),
    mebibytes(Math.max(...resident.slice(0, quarter))),
    mebibytes(Math.max(...resident.slice(-quarter))),
  ];
}

/** Asks until some requests were refused; tells how many of the refusals said when to come back. */
async function sampleRefusals(url: string): Promise<string> {
  let refused = 0;
  let withRetryAfter = 0;
  for (let i = 0; i < 200 && refused < 20; i++) {
    const response = await fetch(`${url}/kv/sample`, { method: "PUT", body: "sample" });
    await response.body?.cancel();
    if (response.status !== 503) continue;
    refused++;
    if (response.headers.has("retry-after")) withRetryAfter++;
  }
  return `${withRetryAfter} of ${refused} sampled`;
}
