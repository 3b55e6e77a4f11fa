/** The bytes of a simulated file, as the page cache has them and as the device has them. */
import { invariant } from "../../errors.ts";
import { type Random, randomInteger } from "../../platform/random.ts";

/** What a sync that begins now will have made durable when it ends. */
export interface SyncMark {
  readonly length: number;
  readonly truncations: number;
}

/** Zeros of the room ahead that a crash leaves, at most: real ones are many more. */
const ROOM_BYTES_MAX = 256;

/**
 * One file, under any number of names.
 *
 * Invariant: the durable image is `bytes[0, durableLength)`, unless a truncation is not yet durable:
 * then it is `#beforeTruncation`.
 */
export class VirtualFile {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(256);
  #length = 0;
  #durableLength = 0;
  #beforeTruncation: Uint8Array<ArrayBuffer> | undefined;
  #truncations = 0;
  /** Whether it was ever opened with room, see `AppendOptions`. */
  hasRoom = false;
  /** Ranges that a failed sync dropped: the cache has them, the device never will. */
  #holes: { start: number; end: number }[] = [];

  get length(): number {
    return this.#length;
  }

  /** Bytes that a crash cannot take. */
  get durableLength(): number {
    return this.#beforeTruncation?.byteLength ?? this.#durableLength;
  }

  append(bytes: Uint8Array): void {
    const needed = this.#length + bytes.byteLength;
    if (needed > this.#bytes.byteLength) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.byteLength * 2));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = needed;
  }

  truncate(length: number): void {
    if (length >= this.#length) return;
    if (length < this.#durableLength) {
      this.#beforeTruncation ??= this.#bytes.slice(0, this.#durableLength);
      this.#durableLength = length;
    }
    this.#length = length;
    this.#truncations++;
    this.#holes = this.#holes.filter(({ start }) => start < length);
  }

  /** The last bytes are written once more: what failed syncs dropped of them is as if appended now. */
  rewrite(offset: number, bytes: Uint8Array): void {
    const isTheRest = offset + bytes.byteLength === this.#length;
    invariant(isTheRest, "what is written once more is the rest of the file");
    this.#bytes.set(bytes, offset);
    const dropped = this.#holes.filter(({ end }) => end > offset);
    const starts = dropped.map(({ start }) => Math.max(start, offset));
    this.#durableLength = Math.min(this.#durableLength, ...starts);
    this.#holes = this.#holes.filter(({ start }) => start < offset)
      .map(({ start, end }) => ({ start, end: Math.min(end, offset) }));
  }

  /** A copy of `[offset, offset + length)`, which must lie inside the file. */
  read(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(offset, offset + length);
  }

  beginSync(): SyncMark {
    return { length: this.#length, truncations: this.#truncations };
  }

  endSync(mark: SyncMark): void {
    // A truncation during the sync: what of the sync holds is unclear, so nothing new is promised.
    if (mark.truncations !== this.#truncations) return;
    this.#beforeTruncation = undefined;
    this.#durableLength = Math.max(this.#durableLength, mark.length);
  }

  /**
   * A sync failed: the system marks the pages clean although the device has not got them, so that a
   * second sync succeeds and means nothing (Rebello et al., "Can Applications Recover from fsync
   * Failures?", USENIX ATC 2020).
   */
  failSync(mark: SyncMark): void {
    if (mark.length > this.#durableLength) {
      this.#holes.push({ start: this.#durableLength, end: mark.length });
    }
  }

  /**
   * The process died, and with `power` the machine too: then what is not durable is kept, lost, or torn
   * at any byte.
   */
  crash(random: Random, power: boolean): void {
    if (power) this.#loseUnsynced(random);
    if (!this.hasRoom) return;
    // The room ahead was never taken back.
    const zeros = randomInteger(random, ROOM_BYTES_MAX);
    this.append(new Uint8Array(zeros));
    if (power) this.#durableLength = this.#length;
  }

  #loseUnsynced(random: Random): void {
    for (const { start, end } of this.#holes) this.#bytes.fill(0, start, end);
    this.#holes = [];
    if (this.#beforeTruncation !== undefined && random.next() < 0.5) {
      this.#bytes = this.#beforeTruncation;
      this.#length = this.#durableLength = this.#bytes.byteLength;
    }
    this.#beforeTruncation = undefined;
    const unsynced = this.#length - this.#durableLength;
    const fate = randomInteger(random, this.hasRoom ? 4 : 3);
    if (fate === 0) this.#length = this.#durableLength;
    if (fate === 1) this.#length = this.#durableLength + randomInteger(random, unsynced + 1);
    if (fate === 3) {
      // Into room that is there any part of the bytes may go, and not only the first.
      const start = this.#durableLength + randomInteger(random, unsynced + 1);
      this.#bytes.fill(0, start, start + randomInteger(random, this.#length - start + 1));
    }
    this.#durableLength = this.#length;
  }

  /** Flips one bit, in the cache and on the device. */
  flipBit(offset: number, bit: number): void {
    this.#bytes[offset] = this.#bytes[offset]! ^ (1 << bit);
  }
}
