/**
 * Finds the slot of a key: a hash table with open addressing in one array of numbers. A `Map` of
 * strings follows a pointer for each key that it compares, and the collector walks all of it.
 */
import type { Key } from "../record/key.ts";
import { hashKey, type KeyHash } from "./bloom_filter.ts";

/** No slot. */
export const NO_SLOT = -1;

/** Numbers of a place: the hash of a key and its slot, counted from 1 (0 in a free place). */
const FIELDS = 2;
const HASH = 0;
const SLOT = 1;
const PLACES_MIN = 512;

/**
 * Invariant: at most half of the places are taken; between the place that a key's hash names and the
 * one that the key has none is free.
 */
export class SlotTable {
  /** The key of each slot. */
  readonly #keys: readonly Key[];
  #places = new Int32Array(PLACES_MIN * FIELDS);
  #size = 0;

  /** @param keys By slot; those of added slots stay. */
  constructor(keys: readonly Key[]) {
    this.#keys = keys;
  }

  /** Number of slots. */
  get size(): number {
    return this.#size;
  }

  /** The slot of a key, or {@linkcode NO_SLOT}. */
  find(key: Key, { a }: KeyHash = hashKey(key, scratch)): number {
    const places = this.#places;
    for (let at = this.#home(a); places[at + SLOT] !== 0; at = this.#after(at)) {
      if (places[at + HASH] !== a) continue;
      const slot = places[at + SLOT]! - 1;
      if (this.#keys[slot] === key) return slot;
    }
    return NO_SLOT;
  }

  /** Adds a slot whose key has none. */
  add(slot: number): void {
    if (++this.#size * 2 * FIELDS > this.#places.length) this.#grow();
    this.#place(hashKey(this.#keys[slot]!, scratch).a, slot + 1);
  }

  /** Removes a slot that was added. */
  remove(slot: number): void {
    const places = this.#places;
    let hole = this.#home(hashKey(this.#keys[slot]!, scratch).a);
    while (places[hole + SLOT] !== slot + 1) hole = this.#after(hole);
    // Whoever is behind it and may stand in the hole is moved there: nobody is looked for beyond one.
    for (let at = this.#after(hole); places[at + SLOT] !== 0; at = this.#after(at)) {
      const home = this.#home(places[at + HASH]!);
      if (this.#distance(home, at) < this.#distance(hole, at)) continue;
      places[hole + HASH] = places[at + HASH]!;
      places[hole + SLOT] = places[at + SLOT]!;
      hole = at;
    }
    places[hole + SLOT] = 0;
    this.#size--;
  }

  #place(hash: number, slotFrom1: number): void {
    const places = this.#places;
    let at = this.#home(hash);
    while (places[at + SLOT] !== 0) at = this.#after(at);
    places[at + HASH] = hash;
    places[at + SLOT] = slotFrom1;
  }

  #home(hash: number): number {
    return Math.imul(hash, FIELDS) & (this.#places.length - 1);
  }

  #after(at: number): number {
    return (at + FIELDS) & (this.#places.length - 1);
  }

  #distance(from: number, to: number): number {
    return (to - from) & (this.#places.length - 1);
  }

  #grow(): void {
    const before = this.#places;
    this.#places = new Int32Array(before.length * 2);
    for (let at = 0; at < before.length; at += FIELDS) {
      if (before[at + SLOT] !== 0) this.#place(before[at + HASH]!, before[at + SLOT]!);
    }
  }
}

const scratch: KeyHash = { a: 0, b: 0 };
