/** How late timers fire: what a busy event loop adds to everything that waits. */
import type { Clock, TimerID } from "../platform/clock.ts";

const INTERVAL_MS = 1_000;

/** Measures once a second. */
export class EventLoopLag {
  readonly #clock: Clock;
  #timer: TimerID | undefined;
  #lastMs = 0;
  #maxMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The last lateness in ms. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /** The largest lateness since start in ms. */
  get maxMs(): number {
    return this.#maxMs;
  }

  start(): void {
    const dueMs = this.#clock.monotonicMs() + INTERVAL_MS;
    this.#timer = this.#clock.setTimer(INTERVAL_MS, () => {
      this.#lastMs = Math.max(0, this.#clock.monotonicMs() - dueMs);
      this.#maxMs = Math.max(this.#maxMs, this.#lastMs);
      this.start();
    });
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
  }
}
