/** Keys as numbers, which are compared faster, as far as some bytes of them tell the order. */
import type { Key } from "../record/key.ts";

/** Bytes of a key that fit into a number without loss. */
const ORDINAL_BYTES = 6;

/** What both keys begin with; all keys between them begin with it too. */
export function commonPrefix(a: Key, b: Key): Key {
  let length = 0;
  while (length < a.length && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  return a.slice(0, length);
}

/**
 * The first bytes of a key from `from` on as the digits of a number; those that it does not have are 0.
 * Of two keys with the same bytes before it, the one with the lower number comes first.
 */
export function ordinalOf(key: Key, from: number): number {
  let ordinal = 0;
  for (let i = from; i < from + ORDINAL_BYTES; i++) {
    ordinal = ordinal * 256 + (i < key.length ? key.charCodeAt(i) : 0);
  }
  return ordinal;
}
