/**
 * Which runs to merge next. Pure: sizes in, choice out.
 *
 * Tiered ("universal") compaction: a run is written whole by each flush; neighbours of similar size
 * are merged, so that a record is rewritten about once per power of the fan-in, and the oldest run is
 * rewritten when the newer ones together reach a share of it, or hide a share of its bytes, or erase a
 * smaller share of its records, which bounds space. Levelled compaction rewrites about ten times per level; in one thread with the requests
 * that is the dearer side of the bargain (`docs/benchmarks.md` has the measured amplifications).
 */

/** How much is left lying: what merging later saves in writing costs space, and runs to look into. */
export interface CompactionPolicy {
  /** Runs of similar size that are merged at once. */
  readonly fanIn: number;
  /**
   * Newer runs are at most this share of the oldest: space amplification stays below 1 + this where values
   * are replaced by others of their size.
   */
  readonly newerShareMax: number;
  /** Newer runs erase at most this share of the records of the oldest: what is erased is not replaced. */
  readonly erasedShareMax: number;
}

/** What is to be known of a run. */
export interface RunSize {
  readonly bytes: number;
  /** Lines in it, erase markers included. */
  readonly records: number;
  /**
   * Erase markers. One is written only where an older run may have its key, by range and filter, so that
   * each stands for bytes there that nobody can read: most of what is left of a value is in the run that
   * has it.
   */
  readonly erases: number;
}

/** While memtables keep coming: a record is rewritten a third less often, or more. */
export const UNDER_LOAD: CompactionPolicy = { fanIn: 6, newerShareMax: 1, erasedShareMax: 1 };
/**
 * Once they have stopped. A node that hands an eighth of its keys to a new member, or more, has their space
 * back by itself; the price of each byte of it is at most eight that are rewritten.
 */
export const AT_REST: CompactionPolicy = { fanIn: 4, newerShareMax: 0.4, erasedShareMax: 1 / 8 };

/** A run joins a merge when it is at most this many times the newer runs of it together. */
const SIMILAR_FACTOR = 1.5;

/** Runs [from, to) of the newest-first list, to be merged into one. */
export interface CompactionChoice {
  from: number;
  to: number;
}

/**
 * @param runs A keyspace's, newest first.
 * @param hiddenBytes Bytes of the oldest that newer ones hide, about; in each of these for itself.
 */
export function pickCompaction(
  runs: readonly RunSize[],
  { fanIn, newerShareMax, erasedShareMax }: CompactionPolicy,
  hiddenBytes = 0,
): CompactionChoice | undefined {
  const count = runs.length;
  if (count < 2) return undefined;
  const tier = pickTier(runs, fanIn);
  if (tier !== undefined) return tier;
  let bytes = 0;
  let erases = 0;
  for (let i = 0; i < count - 1; i++) {
    bytes += runs[i]!.bytes;
    erases += runs[i]!.erases;
  }
  const oldest = runs[count - 1]!;
  if (bytes > oldest.bytes * newerShareMax) return { from: 0, to: count };
  const hidesMuch = hiddenBytes > oldest.bytes * newerShareMax;
  if (!hidesMuch && !erasesShare(erases, oldest, erasedShareMax)) return undefined;
  // First those that erase what came after the oldest: they are gone when the newer ones are merged. And
  // what several of these hide is counted once then.
  return { from: 0, to: Math.max(2, count - 1) };
}

/** Whether so many erase markers stand for more than a share of a run. */
export function erasesShare(erases: number, { records }: RunSize, share: number): boolean {
  return erases > records * share;
}

/** The two neighbours of a choice that take the least room to merge. */
export function smallestPart(
  runs: readonly RunSize[],
  { from, to }: CompactionChoice,
): CompactionChoice {
  let least = from;
  const together = (i: number) => runs[i]!.bytes + runs[i + 1]!.bytes;
  for (let i = from; i < to - 1; i++) if (together(i) < together(least)) least = i;
  return { from: least, to: least + 2 };
}

/** Bytes that must be rewritten until all is at rest, roughly: those of the next choice. */
export function compactionDebt(runs: readonly RunSize[], hiddenBytes = 0): number {
  const choice = pickCompaction(runs, AT_REST, hiddenBytes);
  if (choice === undefined) return 0;
  let debt = 0;
  for (let i = choice.from; i < choice.to; i++) debt += runs[i]!.bytes;
  return debt;
}

/** The first `fanIn` or more neighbours of which none is much larger than the newer together. */
function pickTier(runs: readonly RunSize[], fanIn: number): CompactionChoice | undefined {
  for (let from = 0; from + fanIn <= runs.length; from++) {
    let together = runs[from]!.bytes;
    let to = from + 1;
    while (to < runs.length && runs[to]!.bytes <= together * SIMILAR_FACTOR) {
      together += runs[to++]!.bytes;
    }
    if (to - from >= fanIn) return { from, to };
  }
  return undefined;
}
