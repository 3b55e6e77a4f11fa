/**
 * Measures how a cluster of real processes comes to agree again, and what that costs: `deno task
 * bench:convergence`. Every part writes its own section of `docs/benchmarks.md`.
 */
import { type Section, writeSections } from "./cluster/document.ts";
import { isWrkInstalled } from "./cluster/load.ts";
import { machineFacts } from "./cluster/machine.ts";
import { killServers } from "./cluster/server_process.ts";
import { markdown, type Table } from "./cluster/table.ts";
import { say } from "./cluster/workspace.ts";
import { awayTable } from "./convergence/away.ts";
import { idleTable } from "./convergence/idle.ts";
import { type Options, parseOptions, type Part, USAGE } from "./convergence/options.ts";
import { overloadTable } from "./convergence/overload.ts";
import { refillTables } from "./convergence/refill.ts";
import { roundsTable } from "./convergence/rounds.ts";
import type { Workspace } from "./convergence/workspace.ts";

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

async function main(args: string[]): Promise<number> {
  if (args.includes("--help")) {
    say(USAGE);
    return 0;
  }
  let options: Options;
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  const facts = await machineFacts();
  say(facts.join("\n"));
  isWrkInstalled();
  const directory = await Deno.makeTempDir({ prefix: "converge-bench-" });
  const breakOff = (): never => {
    killServers();
    Deno.removeSync(directory, { recursive: true });
    Deno.exit(130);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, breakOff);
  try {
    for (const part of options.parts) {
      const { title, measure } = MEASURED[part];
      const tables = [await measure({ options, directory })].flat().map(markdown).join("\n\n");
      say(`\n${tables}`);
      const body = `${preambleOf(args, facts)}\n\n${tables}`;
      const section: Section = { name: `convergence-${part}`, title, body };
      if (options.write) await writeSections([section]);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return 0;
}

function preambleOf(args: readonly string[], facts: readonly string[]): string {
  const command = ["deno task bench:convergence", ...args].join(" ");
  return [`\`${command}\``, "", ...facts.map((fact) => `- ${fact}`)].join("\n");
}

if (import.meta.main) Deno.exit(await main(Deno.args));
