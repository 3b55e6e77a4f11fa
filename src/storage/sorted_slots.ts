/**
 * A growing set of keyed slots that can be walked in key order at any time, without ever sorting it
 * all at once: new slots gather unsorted, a full batch becomes a sorted run, runs of similar size are
 * merged (as in a binomial queue) up to a size whose merge takes about a millisecond.
 */
import type { Key } from "../record/key.ts";

const GATHERED_MAX = 1024;
const RUN_LENGTH_MAX = 16 * 1024;

/** Something with a key. */
export interface Keyed {
  readonly key: Key;
}

/** Invariant: no key is added twice; runs are never changed once made. */
export class SortedSlots<T extends Keyed> {
  #gathered: T[] = [];
  readonly #runs: (readonly T[])[] = [];

  add(slot: T): void {
    this.#gathered.push(slot);
    if (this.#gathered.length >= GATHERED_MAX) this.#seal();
  }

  /** All slots up to now as sorted runs, which stay as they are. */
  runs(): readonly (readonly T[])[] {
    if (this.#gathered.length > 0) this.#seal();
    return [...this.#runs];
  }

  #seal(): void {
    let run: readonly T[] = this.#gathered.sort(byKey);
    this.#gathered = [];
    for (let last; (last = this.#runs.at(-1)) !== undefined;) {
      if (last.length > run.length * 2 || last.length + run.length > RUN_LENGTH_MAX) break;
      this.#runs.pop();
      run = merge(last, run);
    }
    this.#runs.push(run);
  }
}

function byKey(a: Keyed, b: Keyed): number {
  return a.key < b.key ? -1 : 1;
}

function merge<T extends Keyed>(a: readonly T[], b: readonly T[]): T[] {
  const merged: T[] = new Array(a.length + b.length);
  let i = 0;
  let j = 0;
  let used = 0;
  while (i < a.length && j < b.length) merged[used++] = a[i]!.key < b[j]!.key ? a[i++]! : b[j++]!;
  while (i < a.length) merged[used++] = a[i++]!;
  while (j < b.length) merged[used++] = b[j++]!;
  return merged;
}

/** Index of the first slot whose key is >= `key` in a sorted run. */
export function lowerBoundIndex(run: readonly Keyed[], key: Key): number {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (run[middle]!.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
