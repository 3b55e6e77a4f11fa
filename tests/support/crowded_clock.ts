/** A clock for those who yield. */
import type { Clock, TimerID } from "../../src/platform/clock.ts";

/** A clock whose timers fire at once, each after others had the thread for `turnMs`. */
export class CrowdedClock implements Clock {
  readonly delaysMs: number[] = [];
  /** What others do in each turn. */
  onTurn: () => void = () => {};
  turnMs: number;
  #nowMs = 0;

  constructor(turnMs: number) {
    this.turnMs = turnMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): TimerID {
    this.delaysMs.push(delayMs);
    this.#nowMs += delayMs + this.turnMs;
    this.onTurn();
    callback();
    return this.delaysMs.length;
  }

  clearTimer(): void {}
}
