/** Finds line feeds one after the other, in text: there the runtime's search is the quickest. */
import { latin1 } from "../record/latin1.ts";

/** So much is made text at once. */
const WINDOW_BYTES = 64 * 1024;

/** The line feeds of some bytes, which stay as they are. */
export class LineFeeds {
  readonly #bytes: Uint8Array;
  /** The bytes [windowStart, windowEnd). */
  #window = "";
  #windowStart = 0;
  #windowEnd = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Offset of the first line feed from `from` on, or -1. It costs least where `from` ascends. */
  next(from: number): number {
    for (let at = from; at < this.#bytes.byteLength; at = this.#windowEnd) {
      if (at < this.#windowStart || at >= this.#windowEnd) this.#moveTo(at);
      const feed = this.#window.indexOf("\n", at - this.#windowStart);
      if (feed >= 0) return this.#windowStart + feed;
    }
    return -1;
  }

  /** Where the line ends that holds `from`: at its line feed, or at the end of all. */
  lineEnd(from: number): number {
    const feed = this.next(from);
    return feed < 0 ? this.#bytes.byteLength : feed;
  }

  #moveTo(at: number): void {
    this.#windowStart = at;
    this.#windowEnd = Math.min(this.#bytes.byteLength, at + WINDOW_BYTES);
    this.#window = latin1(this.#bytes, at, this.#windowEnd);
  }
}
