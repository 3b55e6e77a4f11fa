/**
 * How much of the oldest run nobody can read any more, because newer runs have its keys: some of their
 * keys are looked up in it. A short value, or a tombstone that cannot be collected yet, may hide a long
 * value, so that the bytes of the newer runs do not tell.
 */
import { isConvergeError } from "../errors.ts";
import type { Key } from "../record/key.ts";
import { hashKey } from "./bloom_filter.ts";
import { lineKey, lineStarts } from "./line_record.ts";
import type { TableReader } from "./sstable_reader.ts";
import { type Run, tableFor } from "./table_set.ts";

/** Blocks of a run of which a key is looked up, about. */
const SAMPLE_BLOCKS = 64;
/** Each reads two blocks, some of which are long. */
const LOOKS_PER_SLICE = 8;

/** What a run was found to hide of an oldest one. */
interface Estimate {
  readonly oldest: TableReader;
  readonly bytes: number;
}

/** Estimates, each of which is made once. */
export class HiddenBytes {
  /** By the first table of the run that hides. */
  readonly #estimates = new WeakMap<TableReader, Estimate>();

  /** Bytes of the oldest of some runs that newer ones hide, each counted for itself, as far as is known. */
  of(runs: readonly Run[]): number {
    const oldest = runs.at(-1);
    let bytes = 0;
    for (const run of runs) if (run !== oldest) bytes += this.#known(run, oldest!)?.bytes ?? 0;
    return bytes;
  }

  /** Whether {@linkcode look} would find out something. */
  isDue(runs: readonly Run[]): boolean {
    return this.#unknown(runs).length > 0;
  }

  /**
   * Finds out what is not known yet.
   *
   * @param pause Called between slices, to let others run; where it resolves to false the look ends.
   * @throws {ConvergeError} `corrupt_file`.
   */
  async look(runs: readonly Run[], pause: () => Promise<boolean>): Promise<void> {
    const oldest = runs.at(-1);
    for (const run of this.#unknown(runs)) {
      let seen = 0;
      let hidden = 0;
      for (const [i, { table, block }] of sampleOf(run).entries()) {
        if (i % LOOKS_PER_SLICE === 0 && !await pause()) return;
        const keys = keysOf(table, block);
        if (keys.length === 0) continue;
        // One stands for all of its block: else a block of one long value would count for many short ones.
        seen += keys.length;
        hidden += keys.length * lineBytes(oldest!, keys[i % keys.length]!);
      }
      const bytes = seen === 0 ? 0 : hidden * run.records / seen;
      this.#estimates.set(run.tables[0]!, { oldest: oldest!.tables[0]!, bytes });
    }
  }

  #known(run: Run, oldest: Run): Estimate | undefined {
    const estimate = this.#estimates.get(run.tables[0]!);
    return estimate?.oldest === oldest.tables[0] ? estimate : undefined;
  }

  /** Not those for which an index would have to be read: after a start nothing is done for that. */
  #unknown(runs: readonly Run[]): Run[] {
    const oldest = runs.at(-1);
    return runs.filter((run) =>
      run !== oldest && this.#known(run, oldest!) === undefined &&
      run.tables.every(({ isIndexKnown }) => isIndexKnown)
    );
  }
}

/** Bytes of a key's line; none where it cannot be read, which is for those who need it. */
function lineBytes(run: Run, key: Key): number {
  try {
    const line = tableFor(run, key)?.get(key, hashKey(key));
    return line === undefined ? 0 : line.end - line.start;
  } catch (error) {
    if (isConvergeError(error, "disk_failed")) return 0;
    throw error;
  }
}

/** The keys of a block; none where it cannot be read. */
function keysOf(table: TableReader, block: number): Key[] {
  try {
    const [bytes] = table.blocks(block, 1);
    const starts = lineStarts(bytes!);
    return Array.from(starts.subarray(1), (end, i) => lineKey(bytes!, starts[i]!, end - 1));
  } catch (error) {
    if (isConvergeError(error, "disk_failed")) return [];
    throw error;
  }
}

/** Blocks from all over a run. */
function sampleOf({ tables }: Run): { table: TableReader; block: number }[] {
  const blocks = tables.flatMap((table) =>
    table.index().firstKeys.map((_, block) => ({ table, block }))
  );
  const step = Math.ceil(blocks.length / SAMPLE_BLOCKS);
  return blocks.filter((_, i) => i % step === 0);
}
