/** How long it takes until all is equal again after a node was away during many writes. */
import { ConvergeTarget } from "../cluster/converge_target.ts";
import { figure, mebibytes, type Table } from "../cluster/table.ts";
import { textOf } from "../cluster/target.ts";
import { VALUE_BYTES } from "../cluster/works.ts";
import { say } from "../cluster/workspace.ts";
import { areEqual } from "./cluster_contents.ts";
import { untilMs, type Workspace } from "./workspace.ts";

const AWAY = 2;

/** One row per number of writes. */
export async function awayTable({ options, directory }: Workspace): Promise<Table> {
  say("\nA node was away");
  const rows: string[][] = [];
  for (const writes of options.writes) {
    rows.push(await away(directory, writes));
    say(`  ${rows.at(-1)!.join(" | ")}`);
  }
  return {
    title: "A node is killed, misses writes of new keys, and starts again",
    header: [
      "writes missed",
      "hints kept",
      "hints dropped",
      "ready s",
      "hints delivered s",
      "all owners equal s",
      "MiB sent to it",
    ],
    rows,
  };
}

async function away(directory: string, writes: number): Promise<string[]> {
  await using cluster = await ConvergeTarget.start(directory);
  const others = cluster.urls.filter((_, node) => node !== AWAY);
  await cluster.process(AWAY).kill();
  await cluster.preload(writes, textOf(VALUE_BYTES), others);
  const hints = (event: string) => cluster.metric(`converge_hints_total{event="${event}"}`, others);
  const waiting = () => cluster.metric("converge_hints_waiting", others);
  const kept = await hints("added");
  const dropped = await hints("dropped");
  const sentBefore = await sentTo(cluster, others);
  const startMs = performance.now();
  const seconds = () => figure((performance.now() - startMs) / 1000);
  const readyMs = await cluster.startNode(AWAY);
  await untilMs("hints are delivered", async () => await waiting() === 0);
  const delivered = seconds();
  await untilMs("all owners are equal", () => areEqual(cluster.urls));
  return [
    writes.toLocaleString("en-US"),
    kept.toLocaleString("en-US"),
    dropped.toLocaleString("en-US"),
    figure(readyMs / 1000),
    delivered,
    seconds(),
    mebibytes(await sentTo(cluster, others) - sentBefore),
  ];
}

/** Bytes that the others have sent to the node that was away, in questions and answers. */
async function sentTo(cluster: ConvergeTarget, others: readonly string[]): Promise<number> {
  const peer = `peer="node${AWAY + 1}"`;
  return await cluster.metric(`converge_peer_bytes_total{${peer},direction="sent"}`, others);
}
