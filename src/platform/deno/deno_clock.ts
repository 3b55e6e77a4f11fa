/** The machine's own clocks and timers. */
import type { Clock, TimerID } from "../clock.ts";

/** A {@linkcode Clock} over `performance.now`, `Date.now` and `setTimeout`. */
export class DenoClock implements Clock {
  monotonicMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  setTimer(delayMs: number, callback: () => void): TimerID {
    return Number(setTimeout(callback, delayMs));
  }

  clearTimer(timer: TimerID): void {
    clearTimeout(timer);
  }
}
