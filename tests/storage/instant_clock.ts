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

/** A clock on which seconds pass only when it is told. */
export class HeldClock extends InstantClock {
  #passedMs = 0;
  #last = 0;
  readonly #held = new Map<TimerID, () => void>();

  /** Timers of seconds that were set and not cleared, and have not fired. */
  get held(): number {
    return this.#held.size;
  }

  override monotonicMs(): number {
    return super.monotonicMs() + this.#passedMs;
  }

  override setTimer(delayMs: number, callback: () => void): TimerID {
    if (delayMs < 1_000) return super.setTimer(delayMs, callback);
    this.#held.set(--this.#last, callback);
    return this.#last;
  }

  override clearTimer(timer: TimerID): void {
    if (!this.#held.delete(timer)) super.clearTimer(timer);
  }

  pass(ms: number): void {
    this.#passedMs += ms;
    const due = [...this.#held.values()];
    this.#held.clear();
    for (const callback of due) callback();
  }
}
