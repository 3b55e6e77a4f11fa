/**
 * Which keys are asked for most: the Space-Saving sketch (Metwally, Agrawal, El Abbadi, "Efficient
 * Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005), fed with a sample so that
 * it costs next to nothing, and halved now and then so that it follows what is hot now.
 */

/** A key and about how often it was asked for lately. */
export interface HotKey {
  /** The key as it stands in request paths, percent-encoded. */
  readonly path: string;
  readonly requests: number;
}

const KEYS_MAX = 128;
/** Requests that are all counted; later ones of a period are sampled. */
const ALL_COUNTED = 1_024;
/** One of so many; prime, so that a client's own rhythm does not hide keys. */
const SAMPLE = 61;
/** Requests between two halvings. */
const PERIOD = 65_536;

/** Counts keys. Invariant: at most KEYS_MAX keys. */
export class HotKeys {
  readonly #counts = new Map<string, number>();
  #seen = 0;

  /** Whether the next request is to be counted, and as how many; 0 = not at all. */
  nextWeight(): number {
    if (++this.#seen >= PERIOD) this.#halve();
    if (this.#seen <= ALL_COUNTED) return 1;
    return this.#seen % SAMPLE === 0 ? SAMPLE : 0;
  }

  /** Counts `weight` requests for a key. */
  add(path: string, weight: number): void {
    const count = this.#counts.get(path);
    if (count !== undefined) this.#counts.set(path, count + weight);
    else if (this.#counts.size < KEYS_MAX) this.#counts.set(path, weight);
    else this.#replaceColdest(path, weight);
  }

  /** The hottest keys, hottest first. */
  top(count: number): HotKey[] {
    return [...this.#counts]
      .map(([path, requests]) => ({ path, requests }))
      .sort((a, b) => b.requests - a.requests)
      .slice(0, count);
  }

  /** A newcomer takes over the count of the key that goes: an estimate never falls short. */
  #replaceColdest(path: string, weight: number): void {
    let coldest = "";
    let least = Infinity;
    // Iterating would make an array for each entry, and here that is most of the work.
    this.#counts.forEach((count, candidate) => {
      if (count >= least) return;
      coldest = candidate;
      least = count;
    });
    this.#counts.delete(coldest);
    this.#counts.set(path, least + weight);
  }

  #halve(): void {
    this.#seen = 0;
    for (const [path, count] of this.#counts) {
      if (count < 2) this.#counts.delete(path);
      else this.#counts.set(path, count / 2);
    }
  }
}
