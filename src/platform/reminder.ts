/** How often a log is told of what goes on and on. */
import type { Clock } from "./clock.ts";

/** Between two lines about the same: it may go on for days. */
const INTERVAL_MS = 60_000;

/** Tells of something that lasts: at once, then once a minute, until it is over. */
export class Reminder {
  readonly #clock: Pick<Clock, "monotonicMs">;
  #toldMs = -Infinity;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** Whether it is to be told of now; whoever asks does so. */
  isDue(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#toldMs < INTERVAL_MS) return false;
    this.#toldMs = nowMs;
    return true;
  }

  /** It is over: when it begins again, that is told of at once. */
  end(): void {
    this.#toldMs = -Infinity;
  }
}
