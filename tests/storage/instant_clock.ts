/** A clock for tests: timers fire in the next microtask, in order, and time moves by their delays. */
import type { Clock, TimerID } from "../../src/platform/clock.ts";

export class InstantClock implements Clock {
  #nowMs = 0;
  #last = 0;
  readonly #pending = new Set<TimerID>();

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): TimerID {
    const timer = ++this.#last;
    this.#pending.add(timer);
    queueMicrotask(() => {
      if (!this.#pending.delete(timer)) return;
      this.#nowMs += delayMs;
      callback();
    });
    return timer;
  }

  clearTimer(timer: TimerID): void {
    this.#pending.delete(timer);
  }
}
