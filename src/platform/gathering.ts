/**
 * When a batch leaves: at once on an idle thread, later on a busy one. What a message or an fsync costs
 * by itself is shared by all that is in it; so where the thread is what is short, a batch had better
 * wait for those that are about to come, while the thread works on something else.
 */
import { type Clock, delay, WANTED_MS } from "./clock.ts";

/** A batch leaves at the first turn so long after the one before it. A busy thread counts as one for so long. */
export const GATHER_MS = 16;
/** Turns that bring nothing until a batch leaves as it is: what keeps the thread busy is something else. */
const VAIN_TURNS_MAX = 3;
/** How often it is looked whether the thread is busy: a look takes some microseconds. */
const LOOK_MS = 4;

/** A place where one batch after the other gathers. Before each leaves {@linkcode left} is called. */
export class Gathering {
  readonly #clock: Clock;
  #leftMs = -Infinity;
  #lookedMs = -Infinity;
  #busyMs = -Infinity;
  #isGathering = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a batch had better {@linkcode gather} first: the last one left a moment ago, on a busy thread. */
  get isWorthIt(): boolean {
    const sinceMs = this.#clock.monotonicMs() - GATHER_MS;
    return this.#leftMs > sinceMs && this.#busyMs > sinceMs;
  }

  /** Whether a batch is about to leave. */
  get isGathering(): boolean {
    return this.#isGathering;
  }

  /**
   * Resolves once the batch should leave: when nobody else wants the thread, no more comes, or time is up.
   *
   * @param fill How full the batch is by now; at 1 it is full.
   */
  async gather(fill: () => number): Promise<void> {
    this.#isGathering = true;
    await this.#wait(fill);
    this.#isGathering = false;
  }

  async #wait(fill: () => number): Promise<void> {
    let nowMs = this.#clock.monotonicMs();
    let filled = fill();
    for (let vainTurns = 0; filled < 1 && vainTurns < VAIN_TURNS_MAX;) {
      const startMs = nowMs;
      await delay(this.#clock, 0);
      nowMs = this.#clock.monotonicMs();
      if (nowMs - startMs < WANTED_MS) return;
      this.#busyMs = nowMs;
      if (nowMs - this.#leftMs >= GATHER_MS) return;
      const before = filled;
      filled = fill();
      if (filled === before) vainTurns++;
    }
  }

  /** A batch leaves. */
  left(): void {
    const startMs = this.#leftMs = this.#clock.monotonicMs();
    if (startMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = startMs;
    this.#clock.setTimer(0, () => {
      const nowMs = this.#clock.monotonicMs();
      if (nowMs - startMs >= WANTED_MS) this.#busyMs = nowMs;
    });
  }
}
