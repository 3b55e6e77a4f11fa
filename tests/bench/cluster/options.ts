/** What the command line asks for. */

/** Parts that can be chosen with `--only`. */
export const PARTS = [
  "put",
  "put3",
  "get",
  "get1",
  "mixed",
  "put10k",
  "latency",
  "stress",
  "growth",
  "idle",
  "start",
] as const;

/** One of them. */
export type Part = (typeof PARTS)[number];

/** All choices. */
export interface Options {
  parts: ReadonlySet<Part>;
  /** Length of one measurement. */
  seconds: number;
  /** Alternating rounds; the median counts. */
  rounds: number;
  /** Keys preloaded for the comparisons. */
  keys: number;
  /** Steps of the growth by keys. */
  keySteps: readonly number[];
  /** Keys with which a node's start is measured. */
  startKeys: number;
  /** Whether the results go into docs/benchmarks.md. */
  write: boolean;
}

/** The help. */
export const USAGE = `Usage: deno task bench:cluster [options]

  --only <parts>      ${PARTS.join(",")}
  --seconds <n>       length of one measurement (5)
  --rounds <n>        alternating rounds, the median counts (3)
  --keys <n>          keys preloaded for the comparisons (100000)
  --key-steps <list>  growth by number of keys (10000,100000,1000000)
  --start-keys <n>    keys on a node whose start is timed (1000000)
  --no-write          leave docs/benchmarks.md alone
`;

/** Reads the arguments. @throws {Error} with one line for the user. */
export function parseOptions(args: readonly string[]): Options {
  const options = {
    parts: new Set<Part>(PARTS),
    seconds: 5,
    rounds: 3,
    keys: 100_000,
    keySteps: [10_000, 100_000, 1_000_000],
    startKeys: 1_000_000,
    write: true,
  };
  const rest = [...args];
  while (rest.length > 0) {
    const [name = "", inline] = rest.shift()!.split("=", 2);
    if (name === "--no-write") {
      options.write = false;
      continue;
    }
    const value = inline ?? rest.shift();
    if (value === undefined) throw new Error(`Cannot read ${name}: it needs a value`);
    if (name === "--only") options.parts = new Set(value.split(",").map(partOf));
    else if (name === "--seconds") options.seconds = positive(name, value);
    else if (name === "--rounds") options.rounds = positive(name, value);
    else if (name === "--keys") options.keys = positive(name, value);
    else if (name === "--key-steps") {
      options.keySteps = value.split(",").map((step) => positive(name, step));
    } else if (name === "--start-keys") options.startKeys = positive(name, value);
    else throw new Error(`Cannot use ${name}: no such option`);
  }
  return options;
}

function partOf(name: string): Part {
  const part = PARTS.find((part) => part === name);
  if (part === undefined) throw new Error(`Cannot use --only ${name}: it is none of ${PARTS}`);
  return part;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new Error(`Cannot use ${name} ${text}: it must be a positive integer`);
  }
  return value;
}
