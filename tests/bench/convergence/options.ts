/** What the command line asks for. */

/** Parts that can be chosen with `--only`. */
export const PARTS = ["away", "refill", "rounds", "idle", "overload"] as const;

/** One of them. */
export type Part = (typeof PARTS)[number];

/** All choices. */
export interface Options {
  parts: ReadonlySet<Part>;
  /** Writes while a node is away, one measurement each. */
  writes: readonly number[];
  /** Keys on the nodes in all other parts. */
  keys: number;
  /** Requests per second of the clients while a node refills. */
  rate: number;
  /** Length of one measurement. */
  seconds: number;
  /** Whether the results go into docs/benchmarks.md. */
  write: boolean;
}

/** The help. */
export const USAGE = `Usage: deno task bench:convergence [options]

  --only <parts>      ${PARTS.join(",")}
  --writes <list>     writes while a node is away (10000,100000,1000000)
  --keys <n>          keys on the nodes in the other parts (1000000)
  --rate <n>          clients' requests per second while a node refills (500)
  --seconds <n>       length of one measurement (20)
  --no-write          leave docs/benchmarks.md alone
`;

/** Reads the arguments. @throws {Error} with one line for the user. */
export function parseOptions(args: readonly string[]): Options {
  const options = {
    parts: new Set<Part>(PARTS),
    writes: [10_000, 100_000, 1_000_000],
    keys: 1_000_000,
    rate: 500,
    seconds: 20,
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
    else if (name === "--writes") {
      options.writes = value.split(",").map((count) => positive(name, count));
    } else if (name === "--keys") options.keys = positive(name, value);
    else if (name === "--rate") options.rate = positive(name, value);
    else if (name === "--seconds") options.seconds = positive(name, value);
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
