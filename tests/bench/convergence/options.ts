/** What the command line asks for. */
import { readOptions } from "../options.ts";

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
  return readOptions(args, {
    parts: PARTS,
    usual: PARTS,
    counts: {
      writes: [10_000, 100_000, 1_000_000],
      keys: 1_000_000,
      rate: 500,
      seconds: 20,
    },
  });
}
