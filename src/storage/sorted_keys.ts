/**
 * A growing set of keys that can be walked in order at any time, without ever sorting it all at
 * once: new keys gather unsorted, a full batch becomes a sorted run, equal-sized runs are merged
 * (as in a binomial queue) up to a size whose merge takes about a millisecond.
 */
import type { Key } from "../record/key.ts";

const GATHERED_MAX = 1024;
const RUN_LENGTH_MAX = 16 * 1024;

/** Invariant: no key is added twice; runs are never changed once made. */
export class SortedKeys {
  #gathered: Key[] = [];
  readonly #runs: (readonly Key[])[] = [];

  add(key: Key): void {
    this.#gathered.push(key);
    if (this.#gathered.length >= GATHERED_MAX) this.#seal();
  }

  /** All keys up to now as sorted runs, which stay as they are. */
  runs(): readonly (readonly Key[])[] {
    if (this.#gathered.length > 0) this.#seal();
    return [...this.#runs];
  }

  #seal(): void {
    let run: readonly Key[] = this.#gathered.sort();
    this.#gathered = [];
    for (let last; (last = this.#runs.at(-1)) !== undefined;) {
      if (last.length > run.length * 2 || last.length + run.length > RUN_LENGTH_MAX) break;
      this.#runs.pop();
      run = merge(last, run);
    }
    this.#runs.push(run);
  }
}

function merge(a: readonly Key[], b: readonly Key[]): Key[] {
  const merged: Key[] = new Array(a.length + b.length);
  let i = 0;
  let j = 0;
  let used = 0;
  while (i < a.length && j < b.length) merged[used++] = a[i]! < b[j]! ? a[i++]! : b[j++]!;
  while (i < a.length) merged[used++] = a[i++]!;
  while (j < b.length) merged[used++] = b[j++]!;
  return merged;
}

/** Index of the first key >= `key` in a sorted array. */
export function lowerBoundIndex(keys: readonly Key[], key: Key): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
