/**
 * Hash trees over what a node holds (Merkle 1987; Dynamo, SOSP 2007, section 4.7): two owners compare
 * a few hashes to find which of their keys differ.
 *
 * The tree has a fixed shape over the ring: root, one node per arc, and `LEAVES_PER_ARC` leaves per
 * arc by the low bits of the token. A leaf's hash is the sum of its records' fingerprints: their order
 * does not matter, and one that is replaced is taken out again (Bellare and Micciancio, "A New
 * Paradigm for Collision-free Hashing: Incrementality at Reduced Cost", 1997). `key_tree.ts` keeps it
 * up to date.
 */
import type { StoredRecord } from "../../record/record.ts";
import { checksumOf } from "../../record/record_line.ts";
import type { Token } from "../../ring/token.ts";

/** Leaves of one arc; a power of two. */
export const LEAVES_PER_ARC = 64;

const LEAF_MASK = BigInt(LEAVES_PER_ARC - 1);

/** Hashes over the arcs of one ring. */
export class MerkleTree {
  readonly arcCount: number;
  /** Sums of fingerprints, two independent 32-bit halves per leaf. */
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;

  /** A tree of nothing. */
  constructor(arcCount: number) {
    this.arcCount = arcCount;
    const leaves = arcCount * LEAVES_PER_ARC;
    this.#high = new Uint32Array(leaves);
    this.#low = new Uint32Array(leaves);
  }

  /** Adds a record to the sum of its leaf. */
  add(leaf: number, record: StoredRecord): void {
    this.#high[leaf]! += contentPrint(record);
    this.#low[leaf]! += versionPrint(record);
  }

  /** Takes a record out of the sum of its leaf. */
  remove(leaf: number, record: StoredRecord): void {
    this.#high[leaf]! -= contentPrint(record);
    this.#low[leaf]! -= versionPrint(record);
  }

  /** The hash of a leaf. */
  leafHash(leaf: number): string {
    return hex(this.#high[leaf]!) + hex(this.#low[leaf]!);
  }

  /** The hash of an arc: of its leaves, position included. */
  arcHash(arc: number): string {
    let high = 0;
    let low = 0;
    for (let i = 0; i < LEAVES_PER_ARC; i++) {
      const leaf = arc * LEAVES_PER_ARC + i;
      high = mix(high ^ this.#high[leaf]!) + i;
      low = mix(low ^ this.#low[leaf]!) + i;
    }
    return hex(high) + hex(low);
  }

  /** Whether both are sums of the same records. */
  equals(other: MerkleTree): boolean {
    return this.arcCount === other.arcCount &&
      this.#high.every((sum, leaf) => sum === other.#high[leaf]) &&
      this.#low.every((sum, leaf) => sum === other.#low[leaf]);
  }
}

/** The leaf of a token in an arc. */
export function leafOf(arc: number, token: Token): number {
  return arc * LEAVES_PER_ARC + Number(token & LEAF_MASK);
}

/** A set of leaves that travels as text: a list where they are few, else a bitmap. */
export class LeafSet {
  readonly leafCount: number;
  readonly #bits: Uint8Array;
  #size = 0;

  constructor(leafCount: number) {
    this.leafCount = leafCount;
    this.#bits = new Uint8Array(Math.ceil(leafCount / 8));
  }

  /** Number of leaves in it. */
  get size(): number {
    return this.#size;
  }

  add(leaf: number): void {
    if (this.has(leaf)) return;
    this.#bits[leaf >> 3]! |= 1 << (leaf & 7);
    this.#size++;
  }

  has(leaf: number): boolean {
    return ((this.#bits[leaf >> 3] ?? 0) >> (leaf & 7) & 1) === 1;
  }

  /** `<leaves>:<leaf>,<leaf>,...` or the bitmap in hex. */
  toText(): string {
    if (this.#size > this.#bits.length / 4) return this.#bits.toHex();
    const leaves: number[] = [];
    for (let leaf = 0; leaf < this.leafCount; leaf++) if (this.has(leaf)) leaves.push(leaf);
    return `${this.leafCount}:${leaves}`;
  }

  /** @throws {SyntaxError} when the text is neither. */
  static fromText(text: string): LeafSet {
    const list = /^(\d{1,9}):((?:\d{1,9},)*\d{1,9})?$/.exec(text);
    if (list === null) return LeafSet.#fromBitmap(Uint8Array.fromHex(text));
    const leafCount = Number(list[1]);
    const set = new LeafSet(Math.min(leafCount, LEAVES_MAX));
    for (const leaf of list[2]?.split(",").map(Number) ?? []) {
      if (leaf >= set.leafCount) throw new SyntaxError(`there is no leaf ${leaf}`);
      set.add(leaf);
    }
    return set;
  }

  static #fromBitmap(bits: Uint8Array): LeafSet {
    const set = new LeafSet(bits.length * 8);
    for (let leaf = 0; leaf < set.leafCount; leaf++) {
      if ((bits[leaf >> 3]! >> (leaf & 7) & 1) === 1) set.add(leaf);
    }
    return set;
  }
}

/** Leaves of the largest ring: 4096 members with 4096 tokens would not fit any memory. */
const LEAVES_MAX = 2 ** 26;

/** Of all of its bytes. */
function contentPrint(record: StoredRecord): number {
  return mix(checksumOf(record));
}

/** Of key and version: records that differ have another one of these two, or both. */
function versionPrint({ key, counter }: StoredRecord): number {
  let hash = counter % 2 ** 32 ^ Math.floor(counter / 2 ** 32);
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** MurmurHash3's finalizer: sums of CRCs alone would cancel out, since a CRC is linear. */
function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}
