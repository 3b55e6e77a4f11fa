/**
 * Bloom filter over keys: "surely not here" or "perhaps here"
 * (Bloom, "Space/Time Trade-offs in Hash Coding with Allowable Errors", 1970).
 *
 * Twelve bits and seven probes per key give about 0.3 % false positives. Each reads a block for nothing,
 * which takes a hundred times as long as to ask the filter: at the usual ten bits, 0.8 %, that was as
 * much as all filters took. The probes come from two hashes (Kirsch and Mitzenmacher, "Less Hashing,
 * Same Performance", 2006), both made in one pass over the key, with MurmurHash3's multipliers and
 * finalizer.
 */
import type { Key } from "../record/key.ts";

const BITS_PER_KEY = 12;
export const PROBES = 7;

/**
 * The two hashes of a key, made once per look-up and used on every table. Signed: an unsigned one of 32
 * bits would be an object of its own half of the time.
 */
export interface KeyHash {
  a: number;
  b: number;
}

/** Hashes a key into `target` (reused by hot paths) and returns it. */
export function hashKey(key: Key, target: KeyHash = { a: 0, b: 0 }): KeyHash {
  let a = 0x9747b28c;
  let b = 0x3c6ef372;
  for (let i = 0; i < key.length; i++) {
    const byte = key.charCodeAt(i);
    a = Math.imul(a ^ byte, 0xcc9e2d51);
    b = Math.imul(b ^ byte, 0x1b873593);
    a = (a << 13) | (a >>> 19);
    b = (b << 15) | (b >>> 17);
  }
  target.a = mix(a ^ key.length ^ b);
  target.b = mix(b ^ a) | 1;
  return target;
}

/** Keys whose bits are set without a pause: some tenths of a millisecond. */
const KEYS_PER_STEP = 8 * 1024;

/** Collects hashes, then makes the bits. */
export class BloomFilterBuilder {
  #hashes = new Uint32Array(1024);
  #used = 0;

  add(key: Key): void {
    if (this.#used === this.#hashes.length) {
      const larger = new Uint32Array(this.#hashes.length * 2);
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    const { a, b } = hashKey(key, scratch);
    this.#hashes[this.#used++] = a;
    this.#hashes[this.#used++] = b;
  }

  /** @param pause Called now and then, to let others run. */
  async build(pause?: () => Promise<void>): Promise<Uint8Array<ArrayBuffer>> {
    const bits = new Uint8Array(Math.max(8, Math.ceil(this.#used / 2 * BITS_PER_KEY / 8)));
    for (let from = 0; from < this.#used; from += 2 * KEYS_PER_STEP) {
      if (from > 0) await pause?.();
      setAll(bits, this.#hashes.subarray(from, Math.min(this.#used, from + 2 * KEYS_PER_STEP)));
    }
    return bits;
  }
}

function setAll(bits: Uint8Array, hashes: Uint32Array): void {
  for (let i = 0; i < hashes.length; i += 2) setOne(bits, hashes[i]!, hashes[i + 1]!);
}

/** A function of its own: the compiler is late to make anything of one that is called a few times. */
function setOne(bits: Uint8Array, a: number, b: number): void {
  const size = sizeOf(bits);
  let probe = a >>> 0;
  for (let n = 0; n < PROBES; n++) {
    const bit = probe % size;
    bits[bit >>> 3]! |= 1 << (bit & 7);
    probe = (probe + b) >>> 0;
  }
}

/** Whether a key with this hash may be in the filter; false is certain. */
export function mayContain(bits: Uint8Array, { a, b }: KeyHash): boolean {
  const size = sizeOf(bits);
  let probe = a >>> 0;
  for (let n = 0; n < PROBES; n++) {
    const bit = probe % size;
    if ((bits[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
    probe = (probe + b) >>> 0;
  }
  return true;
}

/**
 * Bits of a filter. That it and the probes are unsigned integers of 32 bits is said to the compiler by
 * `>>> 0`: it would divide floating-point numbers else, at several times the cost.
 */
function sizeOf(bits: Uint8Array): number {
  return (bits.byteLength * 8) >>> 0;
}

const scratch: KeyHash = { a: 0, b: 0 };

/** MurmurHash3's 32-bit finalizer. */
function mix(hash: number): number {
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
