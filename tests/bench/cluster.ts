/**
 * Measures a whole cluster over HTTP, beside the fastest that this runtime can do and beside etcd.
 *
 * Everything runs on this machine, in alternating rounds: absolute numbers depend on the machine and
 * on what else it does, ratios of the same round much less. See `--help`. It needs all permissions:
 * `/proc` is not given to less, and it starts servers anyhow.
 *
 * @module
 */
import { compare, type Comparison } from "./cluster/comparison.ts";
import { grow, growthTable } from "./cluster/growth.ts";
import { LADDER_NOTES, ladderTable } from "./cluster/ladder.ts";
import { latencyTable } from "./cluster/latency.ts";
import { isWrkInstalled } from "./cluster/load.ts";
import { machineFacts } from "./cluster/machine.ts";
import { parseOptions, USAGE } from "./cluster/options.ts";
import { comparisonPlot, growthPlot } from "./cluster/plots.ts";
import { idleTable, startTable } from "./cluster/rest.ts";
import { stressTable } from "./cluster/stress.ts";
import { figure, judged, mebibytes, type Table } from "./cluster/table.ts";
import type { Workspace } from "./cluster/workspace.ts";
import { type Publish, runBenchmark } from "./program.ts";

async function run(workspace: Workspace, publish: Publish): Promise<void> {
  const { parts } = workspace.options;
  isWrkInstalled();
  const comparisons = await compare(workspace);
  if (comparisons.length > 0) {
    await publish({
      name: "cluster-comparison",
      title: "Cluster: beside the floor and etcd",
      notes: NOTES,
      plot: comparisonPlot(comparisons),
    }, [ratioTable(comparisons), detailTable(comparisons)]);
  }
  const simple = async (name: string, title: string, table: Table): Promise<void> =>
    await publish({ name, title }, [table]);
  if (parts.has("ladder")) {
    await publish({
      name: "cluster-ladder",
      title: "Cluster: from the floor to Converge",
      notes: LADDER_NOTES,
    }, [await ladderTable(workspace)]);
  }
  if (parts.has("latency")) {
    await simple("cluster-latency", "Cluster: one client", await latencyTable(workspace));
  }
  if (parts.has("stress")) {
    await simple("cluster-stress", "Cluster: under stress", await stressTable(workspace));
  }
  if (parts.has("growth")) {
    const growths = await grow(workspace);
    await publish({
      name: "cluster-growth",
      title: "Cluster: growth",
      plot: growthPlot(growths),
    }, growths.map(growthTable));
  }
  if (parts.has("idle")) {
    await simple("cluster-idle", "Cluster: at rest", await idleTable(workspace));
  }
  if (parts.has("start")) {
    await simple("cluster-start", "Cluster: start", await startTable(workspace));
  }
}

const NOTES =
  "The floor is a bare `Deno.serve` in one process that reads a body and answers 204, " +
  "or answers bytes. etcd runs three nodes behind its HTTP gateway with base64 in JSON. Converge " +
  "runs three nodes, N = 3, W = 2, R = 2. Both stores wait for fsync. Ratios are of throughput, " +
  "the median over the rounds; errors are over all rounds; CPU is of all server processes. Each has " +
  "done the same work for some seconds before its first round (`--warmup`).";

function ratioTable(comparisons: readonly Comparison[]): Table {
  return {
    title: "Converge's throughput as ratio",
    header: ["work", "to the floor", "to etcd"],
    rows: comparisons.map(({ work, rows }) => {
      const row = rows.find(({ target }) => target === "converge")!;
      return [
        work.title,
        judged(row.toFloor, work.toFloor, "least"),
        judged(row.toEtcd, work.toEtcd, "least"),
      ];
    }),
  };
}

function detailTable(comparisons: readonly Comparison[]): Table {
  return {
    title: "All numbers",
    header: [
      ...["work", "server", "req/s", "p50 ms", "p99 ms", "p99.9 ms", "errors"],
      ...["CPU us/op", "RSS MiB"],
    ],
    rows: comparisons.flatMap(({ work, rows }) =>
      rows.map(({ target, median }) => [
        work.part,
        target,
        figure(median.throughput),
        figure(median.p50Ms),
        figure(median.p99Ms),
        figure(median.p999Ms),
        `${median.statusErrors + median.socketErrors}`,
        figure(median.cpuMicroseconds),
        mebibytes(median.residentBytes),
      ])
    ),
  };
}

if (import.meta.main) {
  Deno.exit(
    await runBenchmark(Deno.args, {
      task: "bench:cluster",
      usage: USAGE,
      parse: parseOptions,
      facts: machineFacts,
      run,
    }),
  );
}
