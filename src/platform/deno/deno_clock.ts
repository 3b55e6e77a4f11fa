/** The machine's own clocks and timers. */
import { clearImmediate, setImmediate } from "node:timers";
import type { Clock, TimerID } from "../clock.ts";

/**
 * A {@linkcode Clock} over `performance.now`, `Date.now` and `setTimeout`; a delay of 0 is the next
 * turn of the event loop (`setImmediate`, some microseconds), where a timer would take 2 ms.
 */
export class DenoClock implements Clock {
  /** Pending immediates under negative numbers, which `setTimeout` does not use. */
  readonly #immediates = new Map<TimerID, ReturnType<typeof setImmediate>>();
  #lastImmediate = 0;

  monotonicMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  setTimer(delayMs: number, callback: () => void): TimerID {
    if (delayMs > 0) return Number(setTimeout(callback, delayMs));
    const timer = --this.#lastImmediate;
    const immediate = setImmediate(() => {
      this.#immediates.delete(timer);
      callback();
    });
    this.#immediates.set(timer, immediate);
    return timer;
  }

  clearTimer(timer: TimerID): void {
    const immediate = this.#immediates.get(timer);
    if (immediate === undefined) return clearTimeout(timer);
    this.#immediates.delete(timer);
    clearImmediate(immediate);
  }
}
