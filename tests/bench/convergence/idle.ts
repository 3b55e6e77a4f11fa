/** What anti-entropy takes of the CPU: of idle nodes, and with a trickle of writes. */
import { ConvergeTarget } from "../cluster/converge_target.ts";
import { cpuMicroseconds } from "../cluster/process_facts.ts";
import { figure, type Table } from "../cluster/table.ts";
import { textOf } from "../cluster/target.ts";
import { VALUE_BYTES } from "../cluster/works.ts";
import { pause, say } from "../cluster/workspace.ts";
import { fill } from "./cluster_contents.ts";
import { PacedLoad } from "./paced_load.ts";
import { untilMs, type Workspace } from "./workspace.ts";

/** Requests per second, half of them writes. */
const TRICKLE = 20;
const OFF = ["--anti-entropy-interval", "24h"];

/** CPU per node with anti-entropy at its default, and hardly any. */
export async function idleTable({ options, directory }: Workspace): Promise<Table> {
  say("\nAnti-entropy's share of the CPU");
  const { keys, seconds } = options;
  const rows: string[][] = [[], []];
  for (const [name, args] of [["every 10 s (default)", []], ["off (every 24 h)", OFF]] as const) {
    await using cluster = await ConvergeTarget.start(directory, {
      args: [...args],
      prepare: (directories) => fill(directories, keys),
    });
    await untilMs("the trees are made", async () => {
      return await cluster.metric('converge_anti_entropy_rounds_total{outcome="equal"}') >= 6;
    });
    await pause(3_000);
    const idle = await cpuPercent(cluster, seconds);
    const { urls } = cluster;
    const load = new PacedLoad({ urls, rate: TRICKLE, keys, value: textOf(VALUE_BYTES) });
    const trickle = await cpuPercent(cluster, seconds);
    await load.stop();
    rows[0]!.push(figure(idle));
    rows[1]!.push(figure(trickle));
    say(`  ${name}: idle ${figure(idle)} %, with a trickle ${figure(trickle)} %`);
  }
  return {
    title: `CPU % of one core per node, ${keys.toLocaleString("en-US")} keys on each of three`,
    header: ["", "anti-entropy every 10 s (default)", "anti-entropy off"],
    rows: [
      ["idle", ...rows[0]!],
      [`${TRICKLE} requests/s, half of them writes`, ...rows[1]!],
    ],
  };
}

/** Mean over the nodes during some seconds. */
async function cpuPercent(cluster: ConvergeTarget, seconds: number): Promise<number> {
  const total = () => cluster.pids.reduce((sum, pid) => sum + cpuMicroseconds(pid), 0);
  const before = total();
  await pause(seconds * 1000);
  return (total() - before) / (seconds * 10_000) / cluster.pids.length;
}
