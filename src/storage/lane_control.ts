/**
 * What the lanes of background work have in common: whether they are to end, who waits for them, and
 * how they rest, so that requests get the one thread between their slices.
 */
import { type Clock, delay } from "../platform/clock.ts";

/** Rest after a slice: who waits for an answer waits for the slices between. */
const REST_MS = 4;
/** A rest that ends this much late tells of others who had the thread; another rest follows it. */
const LATE_MS = 2;
const BUSY_REST_MS = 50;

/** Ends, rests and watchers of the lanes of one store. */
export class LaneControl {
  readonly #clock: Clock;
  #isClosing = false;
  #isStopped = false;
  /** Called at the next progress of either lane. */
  #waiters: (() => void)[] = [];
  /** Calls that wait until neither lane has anything to do. */
  #settlers = 0;
  /** End the pauses before something is tried again. */
  readonly #retries = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the store is being closed: flushes go on, and everything else ends. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Whether both lanes end at their next step. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Whether somebody waits until neither lane has anything to do. */
  get isSettling(): boolean {
    return this.#settlers > 0;
  }

  /** The store is being closed. No pause before another attempt is waited for. */
  close(): void {
    this.#isClosing = true;
    this.#endRetryPauses();
  }

  /** The store has failed, or is closed. */
  stop(): void {
    this.#isStopped = true;
    this.#endRetryPauses();
    this.announceProgress();
  }

  /** Somebody begins to wait for both lanes: they hurry until {@linkcode endSettling}. */
  beginSettling(): void {
    this.#settlers++;
  }

  endSettling(): void {
    this.#settlers--;
  }

  /** Resolves at the next step of either lane. */
  progress(): Promise<void> {
    return new Promise((resolve) => void this.#waiters.push(resolve));
  }

  announceProgress(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resume of waiters) resume();
  }

  /** Lets others run after a slice: for a turn only, where the lane is behind or somebody waits for it. */
  rest(isBehind: boolean): Promise<void> {
    return delay(this.#clock, isBehind || this.#isAwaited ? 0 : REST_MS);
  }

  /** The same for work that never hurries, and hardly goes on while others keep the thread busy. */
  async restGenerously(): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    await this.rest(false);
    const lateMs = this.#clock.monotonicMs() - startMs - REST_MS;
    if (lateMs >= LATE_MS && !this.#isAwaited) await delay(this.#clock, BUSY_REST_MS);
  }

  /** Resolves when something is to be tried again. Who closes the store does not wait for that. */
  async pauseToRetry(ms: number): Promise<void> {
    if (this.#isClosing || this.#isStopped) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(ms, resolve);
    this.#retries.add(resolve);
    await promise;
    this.#clock.clearTimer(timer);
    this.#retries.delete(resolve);
  }

  get #isAwaited(): boolean {
    return this.#settlers > 0 || this.#waiters.length > 0;
  }

  #endRetryPauses(): void {
    for (const end of this.#retries) end();
  }
}
