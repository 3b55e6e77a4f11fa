/**
 * Seeded randomness, one independent stream per subsystem, so that a change in how one draws does
 * not disturb what the others do with the same seed.
 *
 * The generator is sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, passes BigCrush,
 * a handful of 32-bit operations per number.
 */
import type { Random } from "../../platform/random.ts";

/** A seeded generator. */
export class SeededRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Equal (seed, name) give equal numbers; any others are unrelated. */
  constructor(seed: number, name: string) {
    const text = `${seed}/${name}`;
    this.#a = fnv1a(text, 0x811c9dc5);
    this.#b = fnv1a(text, 0x9e3779b9);
    this.#c = fnv1a(text, 0x85ebca6b);
    // PractRand mixes the seed into the whole state with this many rounds.
    for (let i = 0; i < 15; i++) this.next();
  }

  next(): number {
    const t = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t | 0;
    return (t >>> 0) / 2 ** 32;
  }
}

/** The streams of one seed, made on first use. */
export class RandomStreams {
  readonly seed: number;
  readonly #streams = new Map<string, SeededRandom>();

  constructor(seed: number) {
    this.seed = seed;
  }

  /** The stream of this name; the same object every time. */
  stream(name: string): SeededRandom {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      this.#streams.set(name, stream = new SeededRandom(this.seed, name));
    }
    return stream;
  }
}

/** FNV-1a over the characters, from any offset basis. */
function fnv1a(text: string, basis: number): number {
  let hash = basis;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash | 0;
}
