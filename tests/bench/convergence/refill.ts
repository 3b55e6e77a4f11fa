/** How long a node with an empty disk takes to hold everything again, and what clients notice. */
import { ConvergeTarget } from "../cluster/converge_target.ts";
import { figure, judged, mebibytes, type Table } from "../cluster/table.ts";
import { textOf } from "../cluster/target.ts";
import { VALUE_BYTES } from "../cluster/works.ts";
import { pause, say } from "../cluster/workspace.ts";
import { areEqual, fill } from "./cluster_contents.ts";
import { PacedLoad } from "./paced_load.ts";
import { untilMs, type Workspace } from "./workspace.ts";

const WIPED = 2;
const SETTLE_MS = 5_000;
const P99_RATIO_MAX = 1.5;

/** Refilled at rest, then under load. */
export async function refillTables({ options, directory }: Workspace): Promise<Table[]> {
  say("\nA wiped node refills");
  const { keys } = options;
  await using cluster = await ConvergeTarget.start(directory, {
    prepare: (directories) => fill(directories, keys),
  });
  await pause(SETTLE_MS);
  const others = cluster.urls.filter((_, node) => node !== WIPED);
  const idle = await refill(cluster);
  await untilMs("all owners are equal", () => areEqual(cluster.urls));
  say(`  ${idle.cells.join(" | ")}`);

  const load = () => new PacedLoad({ urls: others, rate: options.rate, keys, value: VALUE });
  const healthyLoad = load();
  await pause(options.seconds * 1000);
  const healthy = await healthyLoad.stop();
  const troubledLoad = load();
  const busy = await refill(cluster);
  const troubled = await troubledLoad.stop();
  await untilMs("all owners are equal", () => areEqual(cluster.urls));
  say(`  ${busy.cells.join(" | ")}`);
  say(`  p99 ${figure(healthy.p99Ms)} ms, while refilling ${figure(troubled.p99Ms)} ms`);
  return [
    {
      title: `An empty disk is refilled, ${keys.toLocaleString("en-US")} keys, values of 100 bytes`,
      header: ["clients", "ready s", "keys/s", "MiB received", "records taken"],
      rows: [["none", ...idle.cells], [`${options.rate} requests/s`, ...busy.cells]],
    },
    {
      title: `Clients of the other nodes, ${options.rate} requests/s, half of them writes`,
      header: ["", "p50 ms", "p99 ms", "p99 as ratio", "errors"],
      rows: [
        ["healthy", figure(healthy.p50Ms), figure(healthy.p99Ms), "", `${healthy.errors}`],
        [
          "while the node refills",
          figure(troubled.p50Ms),
          figure(troubled.p99Ms),
          judged(troubled.p99Ms / healthy.p99Ms, P99_RATIO_MAX, "most"),
          `${troubled.errors}`,
        ],
      ],
    },
  ];
}

const VALUE = textOf(VALUE_BYTES);

async function refill(cluster: ConvergeTarget): Promise<{ cells: string[] }> {
  await cluster.process(WIPED).kill();
  await cluster.wipe(WIPED);
  const readyMs = await cluster.startNode(WIPED);
  const own = [cluster.urls[WIPED]!];
  const received = await cluster.metric("converge_peer_bytes_total", own);
  const records = await cluster.metric("converge_refill_records_total", own);
  const held = await cluster.metric('converge_keys{keyspace="data"}', own);
  return {
    cells: [
      figure(readyMs / 1000),
      figure(held / (readyMs / 1000)),
      mebibytes(received),
      records.toLocaleString("en-US"),
    ],
  };
}
