/**
 * Latencies as plain counters, one per range. Counting one costs a short binary search and no
 * allocation; a metrics library sees the counts only when it is asked for them.
 */

/** Upper bounds of the ranges in ms: about six per power of ten, the last one has none. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  ...[0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70],
  ...[100, 150, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000],
];

/** Counts of latencies since start. Invariant: `counts` sums up to `total`. */
export class LatencyHistogram {
  /** One count per bound, and one for what lies beyond the last. */
  readonly counts = new Float64Array(LATENCY_BOUNDS_MS.length + 1);
  #sumMs = 0;
  #total = 0;

  /** Latencies counted. */
  get total(): number {
    return this.#total;
  }

  /** Their sum in ms. */
  get sumMs(): number {
    return this.#sumMs;
  }

  /** Counts one latency. */
  observe(ms: number): void {
    this.counts[rangeOf(ms)]!++;
    this.#sumMs += ms;
    this.#total++;
  }
}

/** The index of the first bound >= `ms`. */
function rangeOf(ms: number): number {
  let low = 0;
  let high = LATENCY_BOUNDS_MS.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (LATENCY_BOUNDS_MS[middle]! < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}
