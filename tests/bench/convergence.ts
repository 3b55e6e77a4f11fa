/**
 * Measures how a cluster of real processes comes to agree again, and what that costs: `deno task
 * bench:convergence`. Every part writes its own section of `docs/benchmarks.md`.
 */
import { isWrkInstalled } from "./cluster/load.ts";
import { machineFacts } from "./cluster/machine.ts";
import type { Table } from "./cluster/table.ts";
import { awayTable } from "./convergence/away.ts";
import { idleTable } from "./convergence/idle.ts";
import { parseOptions, type Part, USAGE } from "./convergence/options.ts";
import { overloadTable } from "./convergence/overload.ts";
import { refillTables } from "./convergence/refill.ts";
import { roundsTable } from "./convergence/rounds.ts";
import type { Workspace } from "./convergence/workspace.ts";
import { type Publish, runBenchmark } from "./program.ts";

/** What each part measures, and the title of its section. */
const MEASURED: Record<
  Part,
  { title: string; measure(workspace: Workspace): Promise<Table | Table[]> }
> = {
  away: { title: "Convergence: after a node was away", measure: awayTable },
  refill: { title: "Convergence: an empty disk", measure: refillTables },
  rounds: { title: "Convergence: rounds of anti-entropy", measure: roundsTable },
  idle: { title: "Convergence: at rest", measure: idleTable },
  overload: { title: "Convergence: twice the load that can be served", measure: overloadTable },
};

async function run(workspace: Workspace, publish: Publish): Promise<void> {
  isWrkInstalled();
  for (const part of workspace.options.parts) {
    const { title, measure } = MEASURED[part];
    await publish({ name: `convergence-${part}`, title }, [await measure(workspace)].flat());
  }
}

if (import.meta.main) {
  Deno.exit(
    await runBenchmark(Deno.args, {
      task: "bench:convergence",
      usage: USAGE,
      parse: parseOptions,
      facts: machineFacts,
      run,
    }),
  );
}
