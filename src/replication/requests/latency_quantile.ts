/**
 * A running estimate of a quantile of latencies in a few numbers: after each sample it moves a step
 * up or down, in the proportion that holds it at the quantile (Ma, Muthukrishnan, Sandler, "Frugal
 * Streaming for Estimating Quantiles", 2013).
 */

/** Invariant: `minMs <= valueMs <= maxMs`. */
export class LatencyQuantile {
  readonly #quantile: number;
  readonly #minMs: number;
  readonly #maxMs: number;
  #valueMs: number;

  /**
   * @param quantile 0..1.
   * @param bounds Between which the estimate stays, and begins at the upper.
   */
  constructor(quantile: number, bounds: { minMs: number; maxMs: number }) {
    this.#quantile = quantile;
    this.#minMs = bounds.minMs;
    this.#maxMs = bounds.maxMs;
    this.#valueMs = bounds.maxMs;
  }

  get valueMs(): number {
    return this.#valueMs;
  }

  add(sampleMs: number): void {
    const step = Math.max(0.05, this.#valueMs * 0.05);
    const moved = sampleMs > this.#valueMs
      ? this.#valueMs + step * this.#quantile
      : this.#valueMs - step * (1 - this.#quantile);
    this.#valueMs = Math.min(this.#maxMs, Math.max(this.#minMs, moved));
  }
}
