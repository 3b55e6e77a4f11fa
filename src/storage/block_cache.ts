/**
 * Bounded memory of table blocks that were read and checked. Second-chance eviction (the "clock" of
 * Corbató, "A Paging Experiment with the Multics System", 1968): a hit costs one flag, no list.
 *
 * Each table keeps its own blocks by number (`CachedTable`); the cache only knows who may be evicted.
 */

/**
 * Of the misses while the cache is full, one in so many is kept. What is read often comes soon all
 * the same; what is read once does not push anything out, and costs no memory of its own.
 */
const KEPT_MISSES = 8;

/** A block in memory. */
export interface CachedBlock {
  readonly bytes: Uint8Array;
  readonly owner: (CachedBlock | undefined)[];
  readonly index: number;
  /** Set by every hit; cleared by the hand that passes. */
  used: boolean;
  /** Where its lines start; made by the first hit, about 3 % of the block's own size. */
  starts: Uint32Array | undefined;
}

/** Invariant: the bytes of all blocks in the ring <= bytesMax. */
export class BlockCache {
  readonly bytesMax: number;
  readonly #ring: CachedBlock[] = [];
  #hand = 0;
  #bytes = 0;
  #misses = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a block of this size that was missed should be put. */
  admits(blockBytes: number): boolean {
    if (this.#bytes + blockBytes <= this.bytesMax) return true;
    return ++this.#misses % KEPT_MISSES === 0;
  }

  /** Remembers a block in its owner's slots; blocks larger than the cache are not kept. */
  put(owner: (CachedBlock | undefined)[], index: number, bytes: Uint8Array): void {
    if (bytes.byteLength > this.bytesMax || owner[index] !== undefined) return;
    const block: CachedBlock = { bytes, owner, index, used: false, starts: undefined };
    let slot = -1;
    while (this.#bytes + bytes.byteLength > this.bytesMax) {
      if (slot >= 0) this.#removeSlot(slot);
      slot = this.#evict();
    }
    if (slot >= 0) this.#ring[slot] = block;
    else this.#ring.push(block);
    this.#bytes += bytes.byteLength;
    owner[index] = block;
  }

  /** Forgets all blocks of a table that goes away. */
  drop(owner: (CachedBlock | undefined)[]): void {
    for (let slot = this.#ring.length - 1; slot >= 0; slot--) {
      const block = this.#ring[slot]!;
      if (block.owner !== owner) continue;
      this.#bytes -= block.bytes.byteLength;
      this.#removeSlot(slot);
    }
    owner.length = 0;
  }

  /** Evicts the first block that was not used since the hand last passed; its slot is free then. */
  #evict(): number {
    while (true) {
      if (this.#hand >= this.#ring.length) this.#hand = 0;
      const block = this.#ring[this.#hand]!;
      if (block.used) {
        block.used = false;
        this.#hand++;
        continue;
      }
      block.owner[block.index] = undefined;
      this.#bytes -= block.bytes.byteLength;
      return this.#hand++;
    }
  }

  #removeSlot(slot: number): void {
    const last = this.#ring.pop()!;
    if (slot < this.#ring.length) this.#ring[slot] = last;
  }
}
