/**
 * Hinted handoff (DeCandia et al., "Dynamo", SOSP 2007, section 4.6): what an owner missed is kept on
 * the coordinator's disk and delivered when the owner is back. A hint is no ack; it only shortens the
 * time until replicas agree. Bounded; what is dropped is left to anti-entropy.
 */
import { isConvergeError } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { StoredRecord } from "../record/record.ts";
import { joinFrames, sizeOf } from "../record/record_line.ts";
import { keyFromText } from "../record/key.ts";
import { formatToken, tokenOf } from "../ring/token.ts";
import type { Keyspace, Store } from "../storage/store.ts";
import { BatchLane } from "./batch_lane.ts";
import { decodeApplyResults, HINT_HEADER } from "./internal_protocol.ts";
import type { PeerLink } from "./peer_link.ts";

/** What hinted handoff is made of. */
export interface HintedHandoffOptions {
  store: Store;
  clock: Clock;
  log: Log;
  linkTo(name: string): PeerLink | undefined;
  /** Bytes of all hints at most. */
  bytesMax: number;
  /** Milliseconds that hints for one node are kept at most. */
  ageMsMax: number;
}

/** Totals since start, and what waits now. */
export interface HintCounts {
  added: number;
  delivered: number;
  dropped: number;
  waiting: Record<string, number>;
}

const DELIVERY_INTERVAL_MS = 500;
const BATCH_RECORDS = 256;
const BATCH_BYTES = 256 * 1024;
/** Pause between two batches to one node: delivery must not crowd out what clients do. */
const BATCH_PAUSE_MS = 5;

interface Waiting {
  records: number;
  bytes: number;
  /** Monotonic time of the oldest hint, as far as this life of the node knows. */
  sinceMs: number;
  delivering: boolean;
}

interface NewHint {
  readonly name: string;
  readonly record: StoredRecord;
}

/** The hints of one node for all others. */
export class HintedHandoff {
  readonly #options: HintedHandoffOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #adding: BatchLane<NewHint>;
  readonly #counts = { added: 0, delivered: 0, dropped: 0 };
  #started = false;
  #stopped = false;

  constructor(options: HintedHandoffOptions) {
    this.#options = options;
    this.#adding = new BatchLane<NewHint>(
      options.clock,
      {
        inFlightMax: 1,
        batchBytesMax: 2 ** 20,
        batchEntriesMax: 1024,
        queueBytesMax: 2 ** 24,
        windowMs: 1,
      },
      ({ record }) => sizeOf(record),
      (batch) => this.#store(batch),
    );
  }

  /** Finds hints left by an earlier life for `names`, and delivers from now on. */
  start(names: Iterable<string>): void {
    for (const name of names) this.#recountOrSuppose(name);
    if (!this.#started) this.#schedule();
    this.#started = true;
  }

  stop(): void {
    this.#stopped = true;
  }

  counts(): HintCounts {
    const waiting: Record<string, number> = {};
    for (const [name, { records }] of this.#waiting) if (records > 0) waiting[name] = records;
    return { ...this.#counts, waiting };
  }

  /** Keeps a record for an owner that missed it. */
  add(name: string, record: StoredRecord): void {
    const full = this.#bytes() + sizeOf(record) > this.#options.bytesMax;
    if (full || !this.#adding.push({ name, record })) this.#counts.dropped++;
  }

  async #store(batch: NewHint[]): Promise<void> {
    try {
      await this.#options.store.apply(
        batch.map(({ name, record }) => ({ keyspace: keyspaceOf(name), record })),
      );
    } catch {
      this.#counts.dropped += batch.length;
      return;
    }
    for (const { name, record } of batch) {
      const waiting = this.#waitingFor(name);
      if (waiting.records <= 0) waiting.sinceMs = this.#options.clock.monotonicMs();
      waiting.records++;
      waiting.bytes += sizeOf(record);
      this.#counts.added++;
    }
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#options.clock.setTimer(DELIVERY_INTERVAL_MS, () => {
      for (const [name, waiting] of this.#waiting) {
        if (waiting.records > 0 && !waiting.delivering) void this.#deliver(name, waiting);
      }
      this.#schedule();
    });
  }

  async #deliver(name: string, waiting: Waiting): Promise<void> {
    waiting.delivering = true;
    try {
      const tooOld = this.#options.clock.monotonicMs() - waiting.sinceMs > this.#options.ageMsMax;
      while (!this.#stopped && await this.#deliverBatch(name, tooOld)) {
        await new Promise<void>((resolve) =>
          void this.#options.clock.setTimer(BATCH_PAUSE_MS, resolve)
        );
      }
      if (!this.#stopped) this.#recount(name);
    } catch (error) {
      // Not there yet, or not ready: the next round tries again.
      this.#options.log.info("hints.wait", { for: name, why: String(error) });
    } finally {
      waiting.delivering = false;
    }
  }

  /** Delivers or drops some hints; false when none is left. Erases only what was durably answered. */
  async #deliverBatch(name: string, drop: boolean): Promise<boolean> {
    const keyspace = keyspaceOf(name);
    const records = this.#nextBatch(keyspace);
    if (records.length === 0) return false;
    if (drop) {
      this.#counts.dropped += records.length;
    } else {
      const link = this.#options.linkTo(name);
      if (link === undefined || link.isOpen) throw new Error("the node does not answer");
      const body = joinFrames(records);
      const headers = { [HINT_HEADER]: "1" };
      const response = await link.request("POST", "/internal/kv", { body, headers });
      decodeApplyResults(response.body, records.length);
      this.#counts.delivered += records.length;
    }
    await this.#options.store.apply(
      records.map((record) => ({ keyspace, record, erase: true })),
    );
    const waiting = this.#waitingFor(name);
    for (const record of records) waiting.bytes -= sizeOf(record);
    waiting.records -= records.length;
    return true;
  }

  #nextBatch(keyspace: Keyspace): StoredRecord[] {
    const records: StoredRecord[] = [];
    let bytes = 0;
    const scan = this.#options.store.scan(keyspace);
    while (records.length < BATCH_RECORDS && bytes < BATCH_BYTES) {
      const [record] = scan.next(1);
      if (record === undefined) break;
      bytes += sizeOf(record);
      records.push(record);
    }
    scan.close();
    return records;
  }

  /** Counts afresh what waits: hints for one key replace each other, so the running count drifts. */
  #recount(name: string): void {
    let records = 0;
    let bytes = 0;
    const scan = this.#options.store.scan(keyspaceOf(name));
    for (let page = scan.next(1024); page.length > 0; page = scan.next(1024)) {
      records += page.length;
      for (const record of page) bytes += sizeOf(record);
    }
    const waiting = this.#waitingFor(name);
    if (waiting.records <= 0 || records === 0) {
      waiting.sinceMs = this.#options.clock.monotonicMs();
    }
    waiting.records = records;
    waiting.bytes = bytes;
  }

  /** Hints that lie in a damaged table cannot be counted yet: the delivery finds out. */
  #recountOrSuppose(name: string): void {
    try {
      this.#recount(name);
    } catch (error) {
      if (!isConvergeError(error, "corrupt_file")) throw error;
      this.#waitingFor(name).records = 1;
    }
  }

  #waitingFor(name: string): Waiting {
    let waiting = this.#waiting.get(name);
    if (waiting === undefined) {
      const sinceMs = this.#options.clock.monotonicMs();
      this.#waiting.set(name, waiting = { records: 0, bytes: 0, sinceMs, delivering: false });
    }
    return waiting;
  }

  #bytes(): number {
    let bytes = this.#adding.queuedBytes;
    for (const waiting of this.#waiting.values()) bytes += waiting.bytes;
    return bytes;
  }
}

/** A keyspace's name has fewer letters and less room than a node's: other names go by their hash. */
function keyspaceOf(name: string): Keyspace {
  if (/^[a-z0-9-]{1,57}$/.test(name)) return `hints-${name}`;
  return `hashed-hints-${formatToken(tokenOf(keyFromText(name)))}`;
}
