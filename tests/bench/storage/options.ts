/** What the command line asks for. */
import { readOptions } from "../options.ts";

/** Parts that can be chosen with `--only`. */
export const PARTS = ["compare", "alone", "large", "growth"] as const;

/** One of them. */
export type Part = (typeof PARTS)[number];

/** All choices. */
export interface Options {
  parts: ReadonlySet<Part>;
  /** Keys of the comparison and of the run alone. */
  keys: number;
  /** Alternating rounds; the best counts. */
  rounds: number;
  /** Keys with values of 4 KiB. */
  largeKeys: number;
  /** Numbers of keys of the growth table. */
  keySteps: readonly number[];
  /** Whether the results go into docs/benchmarks.md. */
  write: boolean;
}

/** The help. */
export const USAGE = `Usage: deno task bench:storage [options]

  --only <parts>      ${PARTS.join(",")} (compare,alone,large)
  --keys <n>          keys of 16 bytes with values of 100 (1000000)
  --rounds <n>        alternating rounds, the best counts (3)
  --large-keys <n>    keys with values of 4 KiB (50000)
  --key-steps <list>  growth by number of keys (10000,100000,1000000,3000000)
  --no-write          leave docs/benchmarks.md alone
`;

/** Reads the arguments. @throws {Error} with one line for the user. */
export function parseOptions(args: readonly string[]): Options {
  return readOptions(args, {
    parts: PARTS,
    usual: ["compare", "alone", "large"],
    counts: {
      keys: 1_000_000,
      rounds: 3,
      largeKeys: 50_000,
      keySteps: [10_000, 100_000, 1_000_000, 3_000_000],
    },
  });
}
