/**
 * A queue that sends what has gathered as one batch. While a batch is under way more gathers, so
 * batches grow with load by themselves and a lone request does not wait. Under load the next batch
 * also waits for a moment: what a batch costs beside its entries is then shared by more of them.
 */
import type { Clock } from "../platform/clock.ts";

/** Bounds of a lane. */
export interface LaneLimits {
  /** Batches under way at once. */
  inFlightMax: number;
  /** Bytes and entries of one batch. */
  batchBytesMax: number;
  batchEntriesMax: number;
  /** Bytes waiting at most; more is refused. */
  queueBytesMax: number;
  /** Milliseconds that a batch gathers when the one before had several entries; 0: it does not. */
  windowMs: number;
}

/** Entries of a batch from which on the lane counts as busy. */
const BUSY_ENTRIES = 4;

/** One lane. Invariants: `inFlight <= inFlightMax`; `queuedBytes <= queueBytesMax` (+ one entry). */
export class BatchLane<Entry> {
  readonly #clock: Clock;
  readonly #limits: LaneLimits;
  readonly #sizeOf: (entry: Entry) => number;
  /** Sends one batch and tells every entry its outcome; never rejects. */
  readonly #send: (batch: Entry[]) => Promise<void>;
  #queue: Entry[] = [];
  #queuedBytes = 0;
  #inFlight = 0;
  #scheduled = false;
  #lastBatchEntries = 0;

  constructor(
    clock: Clock,
    limits: LaneLimits,
    sizeOf: (entry: Entry) => number,
    send: (batch: Entry[]) => Promise<void>,
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#sizeOf = sizeOf;
    this.#send = send;
  }

  /** Bytes waiting to be sent. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Entries waiting to be sent. */
  get queuedEntries(): number {
    return this.#queue.length;
  }

  /** Queues an entry; false when the queue is at its bound. */
  push(entry: Entry): boolean {
    if (this.#queuedBytes >= this.#limits.queueBytesMax) return false;
    this.#queue.push(entry);
    this.#queuedBytes += this.#sizeOf(entry);
    this.#schedule();
    return true;
  }

  /** Takes back everything that waits. */
  drain(): Entry[] {
    const entries = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    return entries;
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.#limits.inFlightMax) return;
    this.#scheduled = true;
    const { windowMs } = this.#limits;
    if (windowMs > 0 && this.#lastBatchEntries >= BUSY_ENTRIES) {
      this.#clock.setTimer(windowMs, this.#pump);
    } else {
      queueMicrotask(this.#pump);
    }
  }

  readonly #pump = (): void => {
    this.#scheduled = false;
    while (this.#queue.length > 0 && this.#inFlight < this.#limits.inFlightMax) {
      this.#inFlight++;
      this.#send(this.#takeBatch()).then(this.#sent);
    }
  };

  readonly #sent = (): void => {
    this.#inFlight--;
    if (this.#queue.length > 0) this.#schedule();
  };

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
    this.#lastBatchEntries = count;
    if (count === this.#queue.length) {
      const batch = this.#queue;
      this.#queue = [];
      return batch;
    }
    return this.#queue.splice(0, count);
  }
}
