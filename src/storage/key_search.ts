/** Searches sorted keys by number: what is compared lies side by side, not behind a pointer per key. */
import type { Key } from "../record/key.ts";
import { commonPrefix, ordinalOf } from "./key_ordinal.ts";

/** An index over keys that stay as they are. */
export class KeySearch {
  readonly #keys: readonly Key[];
  /** What all keys begin with. */
  readonly #prefix: Key;
  /** The bytes behind the prefix of each key, the first of them, as a number. */
  readonly #ordinals: Float64Array;

  /** @param keys In ascending order, at least one. */
  constructor(keys: readonly Key[]) {
    this.#keys = keys;
    this.#prefix = commonPrefix(keys[0]!, keys.at(-1)!);
    this.#ordinals = new Float64Array(keys.length);
    for (let i = 0; i < keys.length; i++) {
      this.#ordinals[i] = ordinalOf(keys[i]!, this.#prefix.length);
    }
  }

  /** Index of the last key that is <= `key`; 0 when all are greater. */
  lastNotAfter(key: Key): number {
    const keys = this.#keys;
    if (!key.startsWith(this.#prefix)) return key < keys[0]! ? 0 : keys.length - 1;
    const ordinals = this.#ordinals;
    const ordinal = ordinalOf(key, this.#prefix.length);
    let low = 0;
    let high = keys.length;
    while (low + 1 < high) {
      const middle = (low + high) >>> 1;
      const there = ordinals[middle]!;
      if (there < ordinal || (there === ordinal && keys[middle]! <= key)) low = middle;
      else high = middle;
    }
    return low;
  }
}
