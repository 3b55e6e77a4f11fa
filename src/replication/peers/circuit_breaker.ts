/**
 * Goes around a peer that does not answer: a stopped process costs one deadline once. Closed while
 * all is well; after a failure open for a while that doubles up to a bound, with jitter; then one
 * request is let through to probe. Hearing from the peer in any other way closes it at once. A
 * request that fails after a later one was answered tells of the past and changes nothing.
 */
import type { Random } from "../../platform/random.ts";

const OPEN_MS_MIN = 200;
const OPEN_MS_MAX = 5_000;

/** One peer's breaker. Time is passed in. */
export class CircuitBreaker {
  readonly #random: Random;
  #failures = 0;
  #openUntilMs = -Infinity;
  /** When the newest of the answered requests was sent. */
  #answeredMs = -Infinity;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Whether a request may be sent now; the first one after an open period is the probe. */
  allows(nowMs: number): boolean {
    if (this.#failures === 0) return true;
    if (nowMs < this.#openUntilMs) return false;
    this.#openUntilMs = nowMs + this.#openMs();
    return true;
  }

  /** Whether requests are being refused at `nowMs`. Does not use up the probe. */
  isOpen(nowMs: number): boolean {
    return this.#failures > 0 && nowMs < this.#openUntilMs;
  }

  /** Whether all was well lately: then nobody has to ask for the time. */
  get isClosed(): boolean {
    return this.#failures === 0;
  }

  /** @param sentMs When the request was sent. */
  failed(nowMs: number, sentMs = nowMs): void {
    if (sentMs < this.#answeredMs) return;
    this.#failures++;
    this.#openUntilMs = nowMs + this.#openMs();
  }

  /** @param sentMs When the request was sent that was answered; undefined: the peer spoke by itself. */
  succeeded(sentMs = -Infinity): void {
    this.#failures = 0;
    if (sentMs > this.#answeredMs) this.#answeredMs = sentMs;
  }

  #openMs(): number {
    const base = Math.min(OPEN_MS_MAX, OPEN_MS_MIN * 2 ** Math.min(this.#failures - 1, 10));
    return base * (0.75 + 0.5 * this.#random.next());
  }
}
