/** What the benchmarks' programs have in common: options, the machine, a directory, the document. */
import { type Section, writeSections } from "./cluster/document.ts";
import { killServers } from "./cluster/server_process.ts";
import { markdown, type Table } from "./cluster/table.ts";
import { say } from "./cluster/workspace.ts";

/** Shows tables, and puts them into a section of docs/benchmarks.md unless `--no-write` forbids it. */
export type Publish = (
  section: Omit<Section, "body"> & { notes?: string },
  tables: readonly Table[],
) => Promise<void>;

/** One benchmark. */
export interface Benchmark<Options> {
  /** `bench:cluster`, ... */
  task: string;
  usage: string;
  /** @throws {Error} with one line for the user. */
  parse(args: readonly string[]): Options;
  /** What stands above the tables, see `machine.ts`. */
  facts(): Promise<string[]>;
  /**
   * Runs the chosen parts, and publishes what each found before the next one begins.
   *
   * @param workspace Its directory is temporary.
   */
  run(workspace: { options: Options; directory: string }, publish: Publish): Promise<void>;
}

/** Runs a benchmark; gives the exit code. */
export async function runBenchmark<Options extends { write: boolean }>(
  args: readonly string[],
  { task, usage, parse, facts, run }: Benchmark<Options>,
): Promise<number> {
  if (args.includes("--help")) {
    say(usage);
    return 0;
  }
  let options: Options;
  try {
    options = parse(args);
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  const known = await facts();
  say(known.join("\n"));
  const command = ["deno task", task, ...args].join(" ");
  const preamble = [`\`${command}\``, "", ...known.map((fact) => `- ${fact}`)].join("\n");
  const publish: Publish = async ({ notes, ...section }, tables) => {
    const text = tables.map(markdown).join("\n\n");
    say(`\n${text}`);
    const parts = [preamble, text, ...(notes === undefined ? [] : [notes])];
    if (options.write) await writeSections([{ ...section, body: parts.join("\n\n") }]);
  };
  const directory = await Deno.makeTempDir({ prefix: "converge-bench-" });
  const breakOff = (): never => {
    killServers();
    Deno.removeSync(directory, { recursive: true });
    Deno.exit(130);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, breakOff);
  try {
    await run({ options, directory }, publish);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return 0;
}
