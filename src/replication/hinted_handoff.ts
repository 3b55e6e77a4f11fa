/**
 * Hinted handoff (DeCandia et al., "Dynamo", SOSP 2007, section 4.6): what an owner missed is kept on
 * the coordinator's disk and delivered when the owner is back. A hint is no ack; it only shortens the
 * time until replicas agree. Bounded; what is dropped is left to anti-entropy.
 */
import { isConvergeError } from "../errors.ts";
import { type Clock, delay } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import { Reminder } from "../platform/reminder.ts";
import type { StoredRecord } from "../record/record.ts";
import { joinFrames } from "../record/frame.ts";
import { sizeOf } from "../record/record_line.ts";
import { type Key, keyFromText } from "../record/key.ts";
import { formatToken, tokenOf } from "../ring/token.ts";
import type { ApplyResult, Keyspace, Scan, Store } from "../storage/store.ts";
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
/** Pause between two batches to one node, as a share of the time that a batch took: clients come first. */
const PAUSE_SHARE = 1;
const PAUSE_MS_MIN = 5;
const PAUSE_MS_MAX = 100;
const COUNT_SLICE_RECORDS = 500;
/** Keys of new hints to remember per node; with more, all of its hints are looked through. */
const RECENT_MAX = 4_096;

interface Waiting {
  records: number;
  bytes: number;
  /** Monotonic time of the oldest hint, as far as this life of the node knows. */
  sinceMs: number;
  delivering: boolean;
  /** Whether what waits is to be dropped. */
  isInVain: boolean;
  /** Until all was delivered. */
  readonly reminder: Reminder;
  /**
   * Keys of hints that came since the last look through all. Looking through all is dear where many
   * were delivered a moment ago: the marks of what was erased lie in the way.
   */
  recent: Set<Key>;
  /** Whether there may be hints whose keys are not in `recent`. */
  backlog: boolean;
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
      },
      ({ record }) => sizeOf(record),
      (batch) => this.#store(batch),
    );
  }

  /** Finds hints left by an earlier life for `names`, and delivers from now on. */
  start(names: Iterable<string>): void {
    for (const name of names) {
      const waiting = this.#waitingFor(name);
      waiting.isInVain = false;
      void this.#countLeft(name, waiting);
    }
    if (!this.#started) this.#schedule();
    this.#started = true;
  }

  /** A node that is a member no more gets nothing: what waits for it is dropped. */
  forget(name: string): void {
    const waiting = this.#waiting.get(name);
    if (waiting !== undefined) waiting.isInVain = true;
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
    const { store, clock } = this.#options;
    // Of one key only the newest hint stays: what it replaces takes no room any more.
    const kept = new Map<string, StoredRecord | undefined>();
    for (const { name, record } of batch) {
      kept.set(`${name} ${record.key}`, this.#kept(name, record.key));
    }
    let results: ApplyResult[];
    try {
      results = await store.apply(
        batch.map(({ name, record }) => ({ keyspace: keyspaceOf(name), record })),
      );
    } catch {
      this.#counts.dropped += batch.length;
      return;
    }
    batch.forEach(({ name, record }, i) => {
      this.#counts.added++;
      if (results[i] !== "stored") return;
      const waiting = this.#waitingFor(name);
      if (waiting.records <= 0) waiting.sinceMs = clock.monotonicMs();
      const before = kept.get(`${name} ${record.key}`);
      kept.set(`${name} ${record.key}`, record);
      waiting.records += before === undefined ? 1 : 0;
      waiting.bytes += sizeOf(record) - (before === undefined ? 0 : sizeOf(before));
      if (waiting.recent.size < RECENT_MAX) waiting.recent.add(record.key);
      else waiting.backlog = true;
    });
  }

  #kept(name: string, key: Key): StoredRecord | undefined {
    try {
      return this.#options.store.get(keyspaceOf(name), key);
    } catch {
      return undefined; // in a damaged table: it counts until all have been delivered
    }
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#options.clock.setTimer(DELIVERY_INTERVAL_MS, () => {
      for (const [name, waiting] of this.#waiting) {
        const some = waiting.records > 0 || waiting.backlog || waiting.recent.size > 0;
        if (some && !waiting.delivering) void this.#deliver(name, waiting);
      }
      this.#schedule();
    });
  }

  async #deliver(name: string, waiting: Waiting): Promise<void> {
    const { clock, log } = this.#options;
    waiting.delivering = true;
    try {
      const tooOld = waiting.isInVain ||
        clock.monotonicMs() - waiting.sinceMs > this.#options.ageMsMax;
      if (waiting.backlog) await this.#deliverBacklog(name, waiting, tooOld);
      while (!this.#stopped && waiting.recent.size > 0) {
        await this.#deliverRecent(name, waiting, tooOld);
      }
      // Nothing is left that nobody remembers: from here on the counts are exact.
      if (!this.#stopped && !waiting.backlog && waiting.recent.size === 0) {
        waiting.records = 0;
        waiting.bytes = 0;
        waiting.reminder.end();
      }
    } catch (error) {
      // Not there yet, or not ready: the next round tries again.
      if (waiting.reminder.isDue()) log.info("hints.wait", { for: name, why: String(error) });
    } finally {
      waiting.delivering = false;
    }
  }

  /** Looks through all hints once, in order of keys. */
  async #deliverBacklog(name: string, waiting: Waiting, drop: boolean): Promise<void> {
    const before = waiting.recent;
    waiting.recent = new Set();
    waiting.backlog = false;
    try {
      let after: Key | undefined;
      while (!this.#stopped) {
        const records = this.#nextBatch(keyspaceOf(name), after);
        if (records.length === 0) return;
        after = records.at(-1)!.key;
        await this.#deliverBatch(name, waiting, records, drop);
      }
    } catch (error) {
      waiting.backlog = true;
      for (const key of before) {
        if (waiting.recent.size < RECENT_MAX) waiting.recent.add(key);
      }
      throw error;
    }
  }

  async #deliverRecent(name: string, waiting: Waiting, drop: boolean): Promise<void> {
    const keyspace = keyspaceOf(name);
    const records: StoredRecord[] = [];
    const keys: Key[] = [];
    let bytes = 0;
    for (const key of waiting.recent) {
      if (records.length >= BATCH_RECORDS || bytes >= BATCH_BYTES) break;
      keys.push(key);
      const record = this.#options.store.get(keyspace, key);
      if (record === undefined) continue; // delivered meanwhile
      records.push(record);
      bytes += sizeOf(record);
    }
    for (const key of keys) waiting.recent.delete(key);
    try {
      await this.#deliverBatch(name, waiting, records, drop);
    } catch (error) {
      for (const key of keys) waiting.recent.add(key);
      throw error;
    }
  }

  /** Delivers or drops some hints. Erases only what was durably answered. */
  async #deliverBatch(
    name: string,
    waiting: Waiting,
    records: readonly StoredRecord[],
    drop: boolean,
  ): Promise<void> {
    if (records.length === 0) return;
    const { clock, store } = this.#options;
    const startMs = clock.monotonicMs();
    if (!drop) await this.#send(name, records);
    const keyspace = keyspaceOf(name);
    const erased = await store.apply(
      records.map((record) => ({ keyspace, record, erase: true })),
    );
    this.#counts[drop ? "dropped" : "delivered"] += records.length;
    records.forEach((record, i) => {
      if (erased[i] !== "stored") return; // a newer hint has come meanwhile, and stays
      waiting.records--;
      waiting.bytes -= sizeOf(record);
    });
    const tookMs = clock.monotonicMs() - startMs;
    await delay(clock, Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, tookMs * PAUSE_SHARE)));
  }

  /** Resolves when the node has them on its disk. */
  async #send(name: string, records: readonly StoredRecord[]): Promise<void> {
    const link = this.#options.linkTo(name);
    if (link === undefined || link.isOpen) throw new Error("the node does not answer");
    const body = joinFrames(records);
    const headers = { [HINT_HEADER]: "1" };
    const response = await link.request("POST", "/internal/kv", { body, headers });
    decodeApplyResults(response.body, records.length);
  }

  #nextBatch(keyspace: Keyspace, after: Key | undefined): StoredRecord[] {
    const records: StoredRecord[] = [];
    let bytes = 0;
    const scan = this.#options.store.scan(keyspace, after === undefined ? {} : { start: after });
    try {
      while (records.length < BATCH_RECORDS && bytes < BATCH_BYTES) {
        const [record] = scan.next(1);
        if (record === undefined) break;
        if (record.key === after) continue; // it was delivered, and a newer hint has come: next time
        bytes += sizeOf(record);
        records.push(record);
      }
    } finally {
      scan.close();
    }
    return records;
  }

  /** Counts what an earlier life left, in slices. */
  async #countLeft(name: string, waiting: Waiting): Promise<void> {
    const { store, clock } = this.#options;
    let scan: Scan | undefined;
    try {
      scan = store.scan(keyspaceOf(name));
      while (!this.#stopped) {
        const page = scan.next(COUNT_SLICE_RECORDS);
        if (page.length === 0) return;
        waiting.backlog = true;
        waiting.records += page.length;
        for (const record of page) waiting.bytes += sizeOf(record);
        await delay(clock, 0);
      }
    } catch (error) {
      if (isConvergeError(error, "closed")) return;
      if (!isConvergeError(error, "corrupt_file", "disk_failed")) throw error;
      // Hints that cannot be read cannot be counted yet: the delivery finds out.
      waiting.backlog = true;
      waiting.records++;
    } finally {
      scan?.close();
    }
  }

  #waitingFor(name: string): Waiting {
    let waiting = this.#waiting.get(name);
    if (waiting === undefined) {
      waiting = {
        records: 0,
        bytes: 0,
        sinceMs: this.#options.clock.monotonicMs(),
        delivering: false,
        isInVain: false,
        reminder: new Reminder(this.#options.clock),
        recent: new Set(),
        backlog: false,
      };
      this.#waiting.set(name, waiting);
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
