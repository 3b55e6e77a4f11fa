/**
 * Deadlines of many operations behind one timer. All operations of a queue get the same time, so
 * the order of arrival is the order of expiry: a linked list, no heap, nothing allocated per timer.
 */
import type { Clock } from "../../platform/clock.ts";

/** Something with a deadline. The links belong to the queue. */
export interface Deadlined {
  deadlineMs: number;
  previous: Deadlined | undefined;
  next: Deadlined | undefined;
  /** The deadline passed. Must not throw. */
  onDeadline(): void;
}

/** Granularity of expiry: one timer serves all deadlines of so many ms. */
const SLACK_MS = 5;

/**
 * Invariant: linked in the order of the calls; a timer is pending exactly while not empty. An item whose
 * deadline is before that of one ahead of it expires with that one.
 */
export class DeadlineQueue {
  readonly #clock: Clock;
  #timeoutMs: number;
  #head: Deadlined | undefined;
  #tail: Deadlined | undefined;
  #timerPending = false;

  /** @param timeoutMs What every operation gets. */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** What operations get from now on. Those before keep theirs; order is kept within the change. */
  set timeoutMs(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Starts an operation's time.
   *
   * @param startMs When it began. Those that began earlier should be added earlier, about.
   * @param nowMs The time now, where it began before.
   */
  add(item: Deadlined, startMs: number, nowMs: number = startMs): void {
    item.deadlineMs = startMs + this.#timeoutMs;
    item.previous = this.#tail;
    item.next = undefined;
    if (this.#tail === undefined) this.#head = item;
    else this.#tail.next = item;
    this.#tail = item;
    if (!this.#timerPending) this.#schedule(Math.max(SLACK_MS, item.deadlineMs - nowMs));
  }

  /** Ends an operation before its time; one that is not queued is ignored. */
  remove(item: Deadlined): void {
    if (item.previous === undefined && this.#head !== item) return;
    if (item.previous === undefined) this.#head = item.next;
    else item.previous.next = item.next;
    if (item.next === undefined) this.#tail = item.previous;
    else item.next.previous = item.previous;
    item.previous = item.next = undefined;
  }

  #schedule(delayMs: number): void {
    this.#timerPending = true;
    this.#clock.setTimer(delayMs, this.#expire);
  }

  readonly #expire = (): void => {
    this.#timerPending = false;
    const nowMs = this.#clock.monotonicMs();
    while (this.#head !== undefined && this.#head.deadlineMs <= nowMs) {
      const item = this.#head;
      this.remove(item);
      item.onDeadline();
    }
    if (this.#head !== undefined && !this.#timerPending) {
      this.#schedule(Math.max(SLACK_MS, this.#head.deadlineMs - nowMs));
    }
  };
}
