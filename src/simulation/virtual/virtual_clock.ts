/** A node's clock inside the simulation: true intervals, and a wall clock as wrong as one likes. */
import type { Clock, TimerID } from "../../platform/clock.ts";
import type { SimulationEvent } from "./event_queue.ts";
import { ProcessLife } from "./process_life.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** How wrong a wall clock is. */
export interface ClockSkew {
  /** Milliseconds that the wall clock is ahead of the truth (negative: behind). */
  offsetMs: number;
  /** Wall milliseconds per true millisecond. */
  rate: number;
}

/** Where the true wall clock of every run begins. */
export const WALL_START_MS = Date.UTC(2026, 0, 1);

/** The clock of one life of a process. */
export class VirtualClock implements Clock {
  readonly #time: VirtualTime;
  readonly #life: ProcessLife;
  readonly #skew: ClockSkew;
  readonly #turnMs: () => number;
  readonly #timers = new Map<TimerID, SimulationEvent>();
  #lastTimer = 0;

  /**
   * @param options `skew` stays the caller's, who may change it at any time. `turnMs` draws what one turn of
   * the event loop takes, and with it a timer of no delay; default: no time.
   */
  constructor(
    time: VirtualTime,
    options: { life?: ProcessLife; skew?: ClockSkew; turnMs?: () => number } = {},
  ) {
    this.#time = time;
    this.#life = options.life ?? new ProcessLife(time);
    this.#skew = options.skew ?? { offsetMs: 0, rate: 1 };
    this.#turnMs = options.turnMs ?? (() => 0);
  }

  monotonicMs(): number {
    return this.#time.nowMs;
  }

  wallMs(): number {
    return Math.floor(WALL_START_MS + this.#skew.offsetMs + this.#time.nowMs * this.#skew.rate);
  }

  setTimer(delayMs: number, callback: () => void): TimerID {
    const timer = ++this.#lastTimer;
    const fire = () => {
      // A timer that came due in a pause can still be cleared before the process gets to it.
      if (this.#timers.delete(timer)) callback();
    };
    const waitMs = delayMs > 0 ? delayMs : this.#turnMs();
    this.#timers.set(timer, this.#time.schedule(waitMs, () => this.#life.enter(fire)));
    return timer;
  }

  clearTimer(timer: TimerID): void {
    const event = this.#timers.get(timer);
    if (event === undefined) return;
    event.run = undefined;
    this.#timers.delete(timer);
  }

  /** Timers that wait: a bound that the simulation watches. */
  get pendingTimers(): number {
    return this.#timers.size;
  }
}
