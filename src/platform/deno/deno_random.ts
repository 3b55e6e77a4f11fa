/** Randomness that nobody can repeat. */
import type { Random } from "../random.ts";

/** Numbers drawn from the system at a time: a call for each would cost more than its use. */
const BATCH = 256;

/** A {@linkcode Random} over the system's generator, with 53 bits per number. */
export class DenoRandom implements Random {
  readonly #words = new Uint32Array(BATCH * 2);
  /** Invariant: `0 <= #next <= #words.length`, even between calls; the words from there on are unused. */
  #next = this.#words.length;

  next(): number {
    if (this.#next === this.#words.length) {
      crypto.getRandomValues(this.#words);
      this.#next = 0;
    }
    const high = this.#word() >>> 5;
    const low = this.#word() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  #word(): number {
    return this.#words[this.#next++] ?? 0;
  }
}
