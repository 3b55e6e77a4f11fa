/** What the command line asks for. */
import { readOptions } from "../options.ts";

/** Parts that can be chosen with `--only`. */
export const PARTS = [
  "put",
  "put3",
  "get",
  "get1",
  "mixed",
  "put10k",
  "ladder",
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
  /** Seconds that each work runs on each target before the first round: V8 compiles while it runs. */
  warmup: number;
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
  --warmup <n>        seconds of each work before its first round, not counted (12)
  --rounds <n>        alternating rounds, the median counts (3)
  --keys <n>          keys preloaded for the comparisons (100000)
  --key-steps <list>  growth by number of keys (10000,100000,1000000)
  --start-keys <n>    keys on a node whose start is timed (1000000)
  --no-write          leave docs/benchmarks.md alone
`;

/** Reads the arguments. @throws {Error} with one line for the user. */
export function parseOptions(args: readonly string[]): Options {
  return readOptions(args, {
    parts: PARTS,
    usual: PARTS,
    counts: {
      seconds: 5,
      warmup: 12,
      rounds: 3,
      keys: 100_000,
      keySteps: [10_000, 100_000, 1_000_000],
      startKeys: 1_000_000,
    },
  });
}
