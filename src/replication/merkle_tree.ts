/**
 * Hash trees over what a node holds (Merkle 1987; Dynamo, SOSP 2007, section 4.7): two owners compare
 * a few hashes to find which of their keys differ.
 *
 * The tree has a fixed shape over the ring: root, one node per arc, and `LEAVES_PER_ARC` leaves per
 * arc by the low bits of the token. A leaf's hash is the sum of its records' fingerprints, so order
 * does not matter. Storing a record only marks its leaf; marked leaves are summed up again from the
 * store when they are needed (as Riak does), so writes pay next to nothing and every rebuild also
 * checks against the disk.
 */
import type { StoredRecord } from "../record/record.ts";
import { checksumOf } from "../record/record_line.ts";
import type { Token } from "../ring/token.ts";

/** Leaves of one arc; a power of two. */
export const LEAVES_PER_ARC = 64;

const LEAF_MASK = BigInt(LEAVES_PER_ARC - 1);

/** Hashes over the arcs of one ring. */
export class MerkleTree {
  readonly arcCount: number;
  /** Sums of fingerprints, two independent 32-bit halves per leaf. */
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  /** 1 where a record was stored since the leaf was summed up. Invariant: `#dirtyCount` of them. */
  readonly #dirty: Uint8Array;
  #dirtyCount: number;

  /** A tree that knows nothing yet: all of its leaves are marked. */
  constructor(arcCount: number) {
    this.arcCount = arcCount;
    const leaves = arcCount * LEAVES_PER_ARC;
    this.#high = new Uint32Array(leaves);
    this.#low = new Uint32Array(leaves);
    this.#dirty = new Uint8Array(leaves).fill(1);
    this.#dirtyCount = leaves;
  }

  /** Leaves whose hash may be out of date. */
  get dirtyCount(): number {
    return this.#dirtyCount;
  }

  /** Marks a leaf: a record in it was stored. */
  mark(leaf: number): void {
    if (this.#dirty[leaf] === 1) return;
    this.#dirty[leaf] = 1;
    this.#dirtyCount++;
  }

  /** Marks every leaf, so that all is summed up again from the disk. */
  markAll(): void {
    this.#dirty.fill(1);
    this.#dirtyCount = this.#dirty.length;
  }

  /**
   * Takes all marks and sets the marked leaves to the empty sum. Records stored from here on mark
   * again.
   */
  beginRebuild(): LeafSet {
    const leaves = new LeafSet(this.#dirty.length);
    for (let leaf = 0; leaf < this.#dirty.length; leaf++) {
      if (this.#dirty[leaf] === 0) continue;
      leaves.add(leaf);
      this.#high[leaf] = 0;
      this.#low[leaf] = 0;
      this.#dirty[leaf] = 0;
    }
    this.#dirtyCount = 0;
    return leaves;
  }

  /** Adds a record to the sum of its leaf. */
  add(leaf: number, record: StoredRecord): void {
    const checksum = checksumOf(record);
    this.#high[leaf]! += mix(checksum);
    this.#low[leaf]! += mix(checksum ^ 0x9e3779b9);
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
}

/** The leaf of a token in an arc. */
export function leafOf(arc: number, token: Token): number {
  return arc * LEAVES_PER_ARC + Number(token & LEAF_MASK);
}

/** A set of leaves that travels as a bitmap. */
export class LeafSet {
  readonly #bits: Uint8Array;

  constructor(leafCount: number, bits = new Uint8Array(Math.ceil(leafCount / 8))) {
    this.#bits = bits;
  }

  add(leaf: number): void {
    this.#bits[leaf >> 3]! |= 1 << (leaf & 7);
  }

  has(leaf: number): boolean {
    return ((this.#bits[leaf >> 3] ?? 0) >> (leaf & 7) & 1) === 1;
  }

  /** Hex form of the bitmap. */
  toText(): string {
    return this.#bits.toHex();
  }

  /** @throws {SyntaxError} when the text is not hex. */
  static fromText(text: string): LeafSet {
    const bits = Uint8Array.fromHex(text);
    return new LeafSet(bits.length * 8, bits);
  }
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
