/**
 * Which runs to merge next. Pure: sizes in, choice out.
 *
 * Tiered ("universal") compaction: a run is written whole by each flush; neighbours of similar size
 * are merged, so that a record is rewritten about once per power of the fan-in, and the oldest run is
 * rewritten when the newer ones together reach a share of it, which bounds space. Levelled
 * compaction rewrites about ten times per level; in one thread with the requests that is the
 * dearer side of the bargain (`docs/benchmarks.md` has the measured amplifications).
 */

/** How much is left lying: what merging later saves in writing costs space, and runs to look into. */
export interface CompactionPolicy {
  /** Runs of similar size that are merged at once. */
  readonly fanIn: number;
  /** Newer runs are at most this share of the oldest: space amplification stays below 1 + this. */
  readonly newerShareMax: number;
}

/** While memtables keep coming: a record is rewritten a third less often, or more. */
export const UNDER_LOAD: CompactionPolicy = { fanIn: 6, newerShareMax: 1 };
/** Once they have stopped. */
export const AT_REST: CompactionPolicy = { fanIn: 4, newerShareMax: 0.4 };

/** A run joins a merge when it is at most this many times the newer runs of it together. */
const SIMILAR_FACTOR = 1.5;

/** Runs [from, to) of the newest-first list, to be merged into one. */
export interface CompactionChoice {
  from: number;
  to: number;
}

/** @param runBytes Sizes of a keyspace's runs, newest first. */
export function pickCompaction(
  runBytes: readonly number[],
  { fanIn, newerShareMax }: CompactionPolicy,
): CompactionChoice | undefined {
  const count = runBytes.length;
  if (count < 2) return undefined;
  const tier = pickTier(runBytes, fanIn);
  if (tier !== undefined) return tier;
  let newer = 0;
  for (let i = 0; i < count - 1; i++) newer += runBytes[i]!;
  return newer > runBytes[count - 1]! * newerShareMax ? { from: 0, to: count } : undefined;
}

/** The two neighbours of a choice that take the least room to merge. */
export function smallestPart(
  runBytes: readonly number[],
  { from, to }: CompactionChoice,
): CompactionChoice {
  let least = from;
  const together = (i: number) => runBytes[i]! + runBytes[i + 1]!;
  for (let i = from; i < to - 1; i++) if (together(i) < together(least)) least = i;
  return { from: least, to: least + 2 };
}

/** Bytes that must be rewritten until all is at rest, roughly: those of the next choice. */
export function compactionDebt(runBytes: readonly number[]): number {
  const choice = pickCompaction(runBytes, AT_REST);
  if (choice === undefined) return 0;
  let debt = 0;
  for (let i = choice.from; i < choice.to; i++) debt += runBytes[i]!;
  return debt;
}

/** The first `fanIn` or more neighbours of which none is much larger than the newer together. */
function pickTier(runBytes: readonly number[], fanIn: number): CompactionChoice | undefined {
  for (let from = 0; from + fanIn <= runBytes.length; from++) {
    let together = runBytes[from]!;
    let to = from + 1;
    while (to < runBytes.length && runBytes[to]! <= together * SIMILAR_FACTOR) {
      together += runBytes[to++]!;
    }
    if (to - from >= fanIn) return { from, to };
  }
  return undefined;
}
