/**
 * Sorts slots by their keys, a few bytes of all keys at a time: as numbers, which the runtime sorts
 * some ten times as fast as it calls a function that compares two strings. What is equal in
 * these bytes is sorted by the next ones
 * (after McIlroy, Bostic and McIlroy, "Engineering Radix Sort", 1993).
 */
import type { Key } from "../record/key.ts";

/** Bytes of a key that are looked at at once. */
const DIGIT_BYTES = 5;
/** As few slots, or fewer, are sorted by comparing keys. */
const COMPARED_MAX = 8;
/** As many common bytes, or fewer, are looked at one by one: beyond it the runtime is faster. */
const LOOKED_AT_BYTES_MAX = 32;
/** Bits of a number, behind the digit, that say which slot it is of. */
const PLACE_BITS = 16;

/** Slots that can be sorted at once. */
const SORTED_SLOTS_MAX = 1 << PLACE_BITS;

/**
 * Sorts slots in place.
 *
 * @param keys By slot; those of the sorted slots differ.
 * @param slots At most {@linkcode SORTED_SLOTS_MAX}.
 * @param depth Bytes in which all of these keys are known to be equal.
 */
export function sortSlots(keys: readonly Key[], slots: Uint32Array, depth = 0): void {
  if (slots.length <= COMPARED_MAX) return sortByComparing(keys, slots);
  const from = commonLength(keys, slots, depth);
  const digits = new BigUint64Array(slots.length);
  const halves = new Uint32Array(digits.buffer); // the lower half first, as on all that Deno runs on
  for (let i = 0; i < slots.length; i++) {
    const key = keys[slots[i]!]!;
    halves[2 * i + 1] = byteAt(key, from) << 24 | byteAt(key, from + 1) << 16 |
      byteAt(key, from + 2) << 8 | byteAt(key, from + 3);
    // How many bytes there are tells a key that has ended from one that goes on with zeros.
    const count = Math.min(DIGIT_BYTES, key.length - from);
    halves[2 * i] = byteAt(key, from + 4) << 24 | count << PLACE_BITS | i;
  }
  digits.sort();
  const unsorted = slots.slice();
  for (let i = 0; i < slots.length; i++) {
    slots[i] = unsorted[halves[2 * i]! & (SORTED_SLOTS_MAX - 1)]!;
  }
  let first = 0;
  for (let i = 1; i <= slots.length; i++) {
    if (i < slots.length && isSameDigit(halves, first, i)) continue;
    if (i - first > 1) sortSlots(keys, slots.subarray(first, i), from + DIGIT_BYTES);
    first = i;
  }
}

/** Bytes that all keys begin with; of these, `known` are known. */
function commonLength(keys: readonly Key[], slots: Uint32Array, known: number): number {
  const first = keys[slots[0]!]!;
  if (first.length - known > LOOKED_AT_BYTES_MAX) return commonLengthOfLong(keys, slots, known);
  let { length } = first;
  for (let i = 1; i < slots.length; i++) length = commonEnd(keys[slots[i]!]!, first, known, length);
  return length;
}

/**
 * The same by comparing whole keys, which the runtime does a word at a time: what the least and the
 * greatest have in common all between them have, too. Eight thousand keys that have two thousand bytes
 * in common would take a tenth of a second else.
 */
function commonLengthOfLong(keys: readonly Key[], slots: Uint32Array, known: number): number {
  let least = keys[slots[0]!]!;
  let greatest = least;
  for (let i = 1; i < slots.length; i++) {
    const key = keys[slots[i]!]!;
    if (key < least) least = key;
    else if (key > greatest) greatest = key;
  }
  return commonEnd(least, greatest, known, least.length);
}

/** Where two keys differ first, from `from` on and before `to`; `to` where they do not. */
function commonEnd(a: Key, b: Key, from: number, to: number): number {
  let at = from;
  while (at < to && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}

function byteAt(key: Key, at: number): number {
  return at < key.length ? key.charCodeAt(at) : 0;
}

function isSameDigit(halves: Uint32Array, a: number, b: number): boolean {
  return halves[2 * a + 1] === halves[2 * b + 1] &&
    halves[2 * a]! >>> PLACE_BITS === halves[2 * b]! >>> PLACE_BITS;
}

function sortByComparing(keys: readonly Key[], slots: Uint32Array): void {
  for (let i = 1; i < slots.length; i++) {
    const slot = slots[i]!;
    const key = keys[slot]!;
    let at = i;
    for (; at > 0 && key < keys[slots[at - 1]!]!; at--) slots[at] = slots[at - 1]!;
    slots[at] = slot;
  }
}
