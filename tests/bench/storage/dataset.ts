/** The keys and values that both engines get: the same for the same number. */

const encoder = new TextEncoder();

/** Where values are cut from: text of which about one half compresses away, as leveldb's bench has. */
const POOL_CHARACTERS = 65_536;

/** What one put is given. */
export interface Entry {
  readonly key: string;
  readonly value: Uint8Array<ArrayBuffer>;
}

/** Keys of 16 bytes and values of one size. */
export class Dataset {
  readonly keys: number;
  readonly valueBytes: number;
  readonly #pool: string;
  #random = 12345;

  constructor(keys: number, valueBytes: number) {
    this.keys = keys;
    this.valueBytes = valueBytes;
    this.#pool = Array.from(
      { length: POOL_CHARACTERS + valueBytes },
      (_, i) => (Math.imul(i + 1, 0x85ebca6b) >>> 5 ^ Math.imul(i, 0xc2b2ae35) >>> 9) % 36,
    ).map((digit) => digit.toString(36)).join("");
  }

  /** Bytes of all keys and values. */
  get bytes(): number {
    return this.keys * (16 + this.valueBytes);
  }

  /** A tenth of the data, as both engines' caches have it. */
  get cacheBytes(): number {
    return Math.max(64 * 1024, Math.round(this.bytes / 10));
  }

  /** Key number `i`: a fixed scatter, so that neighbours in time are none in order. */
  key(i: number): string {
    return flat("key:" + digits(i));
  }

  /** A key that is not there, behind all that are. */
  absentKey(i: number): string {
    return flat("kez:" + digits(i));
  }

  value(i: number): Uint8Array<ArrayBuffer> {
    const half = Math.ceil(this.valueBytes / 2);
    const start = (Math.imul(i + 1, 0x9e3779b1) >>> 0) % POOL_CHARACTERS;
    const noise = this.#pool.slice(start, start + half);
    return encoder.encode((noise + noise).slice(0, this.valueBytes));
  }

  /** Key number `i` with its value. */
  entry(i: number): Entry {
    return { key: this.key(i), value: this.value(i) };
  }

  /** Keys from number `from` on, at most `count`, with their values. */
  entries(from: number, count: number): Entry[] {
    const length = Math.max(0, Math.min(count, this.keys - from));
    return Array.from({ length }, (_, i) => this.entry(from + i));
  }

  /** The number of any key, uniformly. */
  pick(): number {
    this.#random = (Math.imul(this.#random, 1103515245) + 12345) >>> 0;
    return Math.floor(this.#random / 2 ** 32 * this.keys);
  }
}

function digits(i: number): string {
  return String(Math.imul(i, 0x9e3779b1) >>> 0).padStart(12, "0");
}

/** A string that is put together is kept in its parts until somebody looks into it: that is done here. */
export function flat(key: string): string {
  key.charCodeAt(key.length - 1);
  return key;
}
