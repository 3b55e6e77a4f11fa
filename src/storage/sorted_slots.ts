/**
 * A growing set of slots that can be walked in the order of their keys at any time: they gather
 * unsorted until somebody looks (a start that replays a log should not wait for it) and become
 * sorted runs; runs of similar size are made one (as in a binomial queue), up to a size that is sorted in
 * about a millisecond.
 */
import type { Key } from "../record/key.ts";
import { sortSlots } from "./slot_sort.ts";

const RUN_LENGTH_MAX = 8 * 1024;

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
  }

  /** All slots up to now as sorted runs, which stay as they are. */
  runs(): readonly SlotRun[] {
    while (this.sortStep());
    return [...this.#runs];
  }

  /** Sorts some of the slots that have gathered; false when there were none. */
  sortStep(): boolean {
    if (this.#gathered.length === 0) return false;
    this.#seal(this.#gathered.splice(-RUN_LENGTH_MAX));
    return true;
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

  #seal(slots: number[]): void {
    const joined: ArrayLike<number>[] = [slots];
    let { length } = slots;
    for (let last; (last = this.#runs.at(-1)) !== undefined;) {
      if (last.length > length * 2 || last.length + length > RUN_LENGTH_MAX) break;
      joined.push(this.#runs.pop()!);
      length += last.length;
    }
    const run = new Uint32Array(length);
    let used = 0;
    for (const part of joined) {
      run.set(part, used);
      used += part.length;
    }
    sortSlots(this.#keys, run);
    this.#runs.push(run);
  }
}
