/**
 * A growing set of slots that can be walked in the order of their keys at any time, without ever
 * sorting it all at once: new slots gather unsorted, a full batch becomes a sorted run, runs of similar
 * size are merged (as in a binomial queue) up to a size whose merge takes about a millisecond.
 */
import type { Key } from "../record/key.ts";

const GATHERED_MAX = 1024;
const RUN_LENGTH_MAX = 16 * 1024;

/** Numbers of slots, in the order of their keys. */
export type SlotRun = Uint32Array;

/** Invariant: no slot is added twice; runs are never changed once made. */
export class SortedSlots {
  /** The key of each slot. */
  readonly #keys: readonly Key[];
  #gathered: number[] = [];
  readonly #runs: SlotRun[] = [];

  /** @param keys By slot; those of added slots stay. */
  constructor(keys: readonly Key[]) {
    this.#keys = keys;
  }

  add(slot: number): void {
    this.#gathered.push(slot);
    if (this.#gathered.length >= GATHERED_MAX) this.#seal();
  }

  /** All slots up to now as sorted runs, which stay as they are. */
  runs(): readonly SlotRun[] {
    if (this.#gathered.length > 0) this.#seal();
    return [...this.#runs];
  }

  /** Index of the first slot of a run whose key is >= `key`. */
  lowerBound(run: SlotRun, key: Key): number {
    const keys = this.#keys;
    let low = 0;
    let high = run.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (keys[run[middle]!]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #seal(): void {
    const keys = this.#keys;
    let run = Uint32Array.from(this.#gathered.sort((a, b) => keys[a]! < keys[b]! ? -1 : 1));
    this.#gathered = [];
    for (let last; (last = this.#runs.at(-1)) !== undefined;) {
      if (last.length > run.length * 2 || last.length + run.length > RUN_LENGTH_MAX) break;
      this.#runs.pop();
      run = merge(keys, last, run);
    }
    this.#runs.push(run);
  }
}

function merge(keys: readonly Key[], a: SlotRun, b: SlotRun): Uint32Array<ArrayBuffer> {
  const merged = new Uint32Array(a.length + b.length);
  let i = 0;
  let j = 0;
  let used = 0;
  while (i < a.length && j < b.length) {
    merged[used++] = keys[a[i]!]! < keys[b[j]!]! ? a[i++]! : b[j++]!;
  }
  while (i < a.length) merged[used++] = a[i++]!;
  while (j < b.length) merged[used++] = b[j++]!;
  return merged;
}
