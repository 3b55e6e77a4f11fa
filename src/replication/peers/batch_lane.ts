/**
 * A queue that sends what has gathered as one batch. While a batch is under way, or others keep the thread
 * busy, more gathers: batches grow with load by themselves, and a request alone on a node does not wait.
 */
import type { Clock } from "../../platform/clock.ts";
import { Gathering } from "../../platform/gathering.ts";

/** Bounds of a lane, and when its batches leave. */
export interface LaneLimits {
  /**
   * Batches under way at once. A second one leaves beside the first only where waiting would not
   * make it larger, or where the first gets no answer.
   */
  inFlightMax: number;
  /** Bytes and entries of one batch. */
  batchBytesMax: number;
  batchEntriesMax: number;
  /** Bytes waiting at most; more is refused. */
  queueBytesMax: number;
  /** Whether batches wait for more on a busy thread: it pays where each has an fsync of its own. */
  gathers: boolean;
}

/** Milliseconds after which a batch without an answer is late, and holds up nothing behind it. */
export const PATIENCE_MS = 25;

/** One lane. Invariants: at most `inFlightMax` under way; `queuedBytes <= queueBytesMax` (+ one entry). */
export class BatchLane<Entry> {
  readonly #clock: Clock;
  readonly #limits: LaneLimits;
  readonly #sizeOf: (entry: Entry) => number;
  /** Sends one batch and tells every entry its outcome; never rejects. */
  readonly #send: (batch: Entry[]) => Promise<void>;
  readonly #gathering: Gathering | undefined;
  #queue: Entry[] = [];
  #queuedBytes = 0;
  /** When the batches under way left, the oldest first: a few. */
  readonly #sentMs: number[] = [];
  #scheduled = false;
  #watchesLate = false;

  constructor(
    clock: Clock,
    limits: LaneLimits,
    sizeOf: (entry: Entry) => number,
    send: (batch: Entry[]) => Promise<void>,
  ) {
    this.#clock = clock;
    this.#gathering = limits.gathers ? new Gathering(clock) : undefined;
    this.#limits = limits;
    this.#sizeOf = sizeOf;
    this.#send = send;
  }

  /** Bytes waiting to be sent. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Queues an entry; false when the queue is at its bound. */
  push(entry: Entry): boolean {
    if (this.#queuedBytes >= this.#limits.queueBytesMax) return false;
    this.#queue.push(entry);
    this.#queuedBytes += this.#sizeOf(entry);
    this.#schedule();
    return true;
  }

  #schedule(): void {
    // While one watches, the clock need not be asked for each entry: with two under way at most, what
    // it watches is the oldest.
    if (this.#scheduled || (this.#watchesLate && !this.#hasTurn())) return;
    if (this.#mayLeave()) {
      this.#scheduled = true;
      if (this.#gathering?.isWorthIt) {
        this.#gathering.gather(() => this.#fill).then(this.#pump);
      } else queueMicrotask(this.#pump);
    } else if (this.#sentMs.length < this.#limits.inFlightMax && !this.#watchesLate) {
      this.#watchesLate = true;
      // A timer may be a little early: not again at once.
      this.#clock.setTimer(Math.max(1, this.#msUntilLate()), this.#onPatienceOver);
    }
  }

  /** Whether a batch may leave: beside others where it is full, or where those are all late. */
  #mayLeave(): boolean {
    return this.#hasTurn() ||
      (this.#sentMs.length < this.#limits.inFlightMax && this.#msUntilLate() <= 0);
  }

  /** Whether one may leave however long others have been under way. */
  #hasTurn(): boolean {
    if (this.#sentMs.length === 0) return true;
    return this.#sentMs.length < this.#limits.inFlightMax && this.#fill >= 1;
  }

  /** How full the next batch is; at 1 it is full. */
  get #fill(): number {
    const { batchBytesMax, batchEntriesMax } = this.#limits;
    return Math.max(this.#queuedBytes / batchBytesMax, this.#queue.length / batchEntriesMax);
  }

  /** Until the newest under way is late, and with it all. */
  #msUntilLate(): number {
    return this.#sentMs.at(-1)! + PATIENCE_MS - this.#clock.monotonicMs();
  }

  readonly #pump = (): void => {
    this.#scheduled = false;
    while (this.#queue.length > 0 && this.#mayLeave()) this.#sendBatch();
    if (this.#queue.length > 0) this.#schedule();
  };

  readonly #onPatienceOver = (): void => {
    this.#watchesLate = false;
    // What gathers leaves by itself, and what is left behind then is watched anew.
    if (!this.#scheduled) this.#pump();
  };

  #sendBatch(): void {
    const sentMs = this.#clock.monotonicMs();
    this.#sentMs.push(sentMs);
    this.#gathering?.left();
    this.#send(this.#takeBatch()).then(() => {
      // Of several that left in the same moment any will do.
      this.#sentMs.splice(this.#sentMs.indexOf(sentMs), 1);
      if (this.#queue.length > 0) this.#schedule();
    });
  }

  #takeBatch(): Entry[] {
    const { batchBytesMax, batchEntriesMax } = this.#limits;
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < batchEntriesMax) {
      const size = this.#sizeOf(this.#queue[count]!);
      if (count > 0 && bytes + size > batchBytesMax) break;
      bytes += size;
      count++;
    }
    this.#queuedBytes -= bytes;
    if (count === this.#queue.length) {
      const batch = this.#queue;
      this.#queue = [];
      return batch;
    }
    return this.#queue.splice(0, count);
  }
}
