/** Copies of lines, which outlive the block that they lie in. */
import type { Line } from "./line_record.ts";
import { BLOCK_BYTES } from "./sstable_format.ts";

/**
 * Lines are copied into shared slabs of some lines each: to allocate costs more than to copy, and a
 * record keeps no more memory alive than that.
 */
class LineSlab {
  readonly #bytes: number;
  #slab = new Uint8Array(0);
  #used = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  copy(block: Uint8Array, start: number, end: number): Line {
    const length = end - start;
    if (this.#used + length > this.#slab.byteLength) {
      this.#slab = new Uint8Array(this.#bytes);
      this.#used = 0;
    }
    const at = this.#used;
    this.#slab.set(block.subarray(start, end), at);
    this.#used += length;
    return { bytes: this.#slab, start: at, end: this.#used };
  }
}

/** Lines in a slab at least. */
const LINES_PER_SLAB = 4;
const smallLines = new LineSlab(BLOCK_BYTES);
const largeLines = new LineSlab(16 * BLOCK_BYTES);

/** A copy of the line [start, end) of a block. */
export function copyLine(block: Uint8Array, start: number, end: number): Line {
  const length = end - start;
  if (length <= BLOCK_BYTES / LINES_PER_SLAB) return smallLines.copy(block, start, end);
  if (length <= 16 * BLOCK_BYTES / LINES_PER_SLAB) return largeLines.copy(block, start, end);
  return { bytes: block.slice(start, end), start: 0, end: length };
}
