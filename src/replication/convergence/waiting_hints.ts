/**
 * The hints that wait for one node: in a keyspace of their own, and delivered in batches once the node
 * is back, or dropped when they are too old.
 *
 * Keys of new hints are remembered, so that a delivery need not look through all of the keyspace: that is
 * dear where many were delivered a moment ago, since the marks of what was erased lie in the way.
 */
import { isConvergeError } from "../../errors.ts";
import { type Clock, delay } from "../../platform/clock.ts";
import type { Log } from "../../platform/log.ts";
import { Reminder } from "../../platform/reminder.ts";
import { joinFrames } from "../../record/frame.ts";
import { type Key, keyFromText } from "../../record/key.ts";
import type { StoredRecord } from "../../record/record.ts";
import { sizeOf } from "../../record/record_line.ts";
import { formatToken, tokenOf } from "../../ring/token.ts";
import type { Keyspace, Scan, Store } from "../../storage/store.ts";
import type { HintTotals } from "../counts.ts";
import { decodeApplyResults, HINT_HEADER, MORE_HINTS } from "../peers/internal_protocol.ts";
import type { PeerLink } from "../peers/peer_link.ts";

/** What hints are kept and delivered with. */
export interface WaitingHintsOptions {
  store: Store;
  clock: Clock;
  log: Log;
  linkTo(name: string): PeerLink | undefined;
  /** Milliseconds that hints for one node are kept at most. */
  ageMsMax: number;
}

const BATCH_RECORDS = 256;
const BATCH_BYTES = 256 * 1024;
/** Pause between two batches to one node, as a share of the time that a batch took: clients come first. */
const PAUSE_SHARE = 1;
const PAUSE_MS_MIN = 5;
const PAUSE_MS_MAX = 100;
/** Milliseconds for which hints are expected to bring a node what it lacks. */
const CATCH_UP_MS_MAX = 100_000;
const COUNT_SLICE_RECORDS = 500;
/** Keys of new hints to remember; with more, all hints are looked through. */
const RECENT_MAX = 4_096;

/** The hints for one node. */
export class WaitingHints {
  readonly #options: WaitingHintsOptions;
  readonly #name: string;
  readonly #keyspace: Keyspace;
  readonly #totals: HintTotals;
  #records = 0;
  #bytes = 0;
  /** Monotonic time of the oldest hint, as far as this life of the node knows. */
  #sinceMs: number;
  #isDelivering = false;
  /** Since when hints are delivered without having all been so; or since the node was back, if later. */
  #catchingUpSinceMs: number | undefined;
  /** Whether what waits is to be dropped. */
  #isInVain = false;
  #isStopped = false;
  /** Until all was delivered. */
  readonly #reminder: Reminder;
  /** Keys of hints that came since the last look through all. */
  #recent = new Set<Key>();
  /** Whether there may be hints whose keys are not in `#recent`. */
  #hasBacklog = false;

  /** @param totals Counts of all nodes' hints, to which these add. */
  constructor(name: string, totals: HintTotals, options: WaitingHintsOptions) {
    this.#options = options;
    this.#name = name;
    this.#keyspace = keyspaceOf(name);
    this.#totals = totals;
    this.#sinceMs = options.clock.monotonicMs();
    this.#reminder = new Reminder(options.clock);
  }

  /** Where they lie. */
  get keyspace(): Keyspace {
    return this.#keyspace;
  }

  /** How many wait. */
  get records(): number {
    return this.#records;
  }

  /** Bytes that they take. */
  get bytes(): number {
    return this.#bytes;
  }

  get #mayHaveSome(): boolean {
    return this.#records > 0 || this.#hasBacklog || this.#recent.size > 0;
  }

  /**
   * Whether much of what the node lacks is on its way to it. Never for long: where hints go on coming as
   * fast as they are delivered, or the node goes on refusing some, others must not wait for the end.
   */
  get isCatchingUp(): boolean {
    const sinceMs = this.#catchingUpSinceMs;
    const isMuch = this.#records > BATCH_RECORDS || this.#bytes > BATCH_BYTES;
    return this.#isDelivering && isMuch && sinceMs !== undefined &&
      this.#options.clock.monotonicMs() - sinceMs < CATCH_UP_MS_MAX;
  }

  /** Finds what an earlier life left, too, and keeps what comes. */
  start(): void {
    this.#isInVain = false;
    void this.#countLeft();
  }

  /** The node is a member no more, and gets nothing: what waits is dropped. */
  forget(): void {
    this.#isInVain = true;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** The hint that there is for a key. */
  get(key: Key): StoredRecord | undefined {
    try {
      return this.#options.store.get(this.#keyspace, key);
    } catch {
      return undefined; // in a damaged table: it counts until all have been delivered
    }
  }

  /** A hint was stored, in the place of `before`. */
  onStored(record: StoredRecord, before: StoredRecord | undefined): void {
    if (this.#records <= 0) this.#sinceMs = this.#options.clock.monotonicMs();
    this.#records += before === undefined ? 1 : 0;
    this.#bytes += sizeOf(record) - (before === undefined ? 0 : sizeOf(before));
    if (this.#recent.size < RECENT_MAX) this.#recent.add(record.key);
    else this.#hasBacklog = true;
  }

  /** As `deliver`, to a node that was silent and is back. */
  async deliverAnew(): Promise<void> {
    this.#catchingUpSinceMs = undefined;
    await this.deliver();
  }

  /** Delivers what waits, unless that goes on already. Never rejects. */
  async deliver(): Promise<void> {
    if (!this.#mayHaveSome) return;
    const { clock, log, ageMsMax } = this.#options;
    this.#catchingUpSinceMs ??= clock.monotonicMs();
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    try {
      const isDropped = this.#isInVain || clock.monotonicMs() - this.#sinceMs > ageMsMax;
      if (this.#hasBacklog) await this.#deliverBacklog(isDropped);
      while (!this.#isStopped && this.#recent.size > 0) await this.#deliverRecent(isDropped);
      // Nothing is left that nobody remembers: from here on the counts are exact.
      if (!this.#isStopped && !this.#hasBacklog) {
        this.#records = 0;
        this.#bytes = 0;
        this.#catchingUpSinceMs = undefined;
        this.#reminder.end();
      }
    } catch (error) {
      // Not there yet, or not ready: the next round tries again. A node that stops has closed its store.
      if (!this.#isStopped && this.#reminder.isDue()) {
        log.info("hints.wait", { for: this.#name, why: String(error) });
      }
    } finally {
      this.#isDelivering = false;
    }
  }

  /** Looks through all hints once, in order of keys. */
  async #deliverBacklog(isDropped: boolean): Promise<void> {
    this.#recent = new Set(); // they are among these
    this.#hasBacklog = false;
    try {
      let after: Key | undefined;
      while (!this.#isStopped) {
        const records = this.#nextBatch(after);
        if (records.length === 0) return;
        after = records.at(-1)!.key;
        await this.#deliverBatch(records, isDropped);
      }
    } catch (error) {
      this.#hasBacklog = true;
      throw error;
    }
  }

  async #deliverRecent(isDropped: boolean): Promise<void> {
    const records: StoredRecord[] = [];
    const keys: Key[] = [];
    let bytes = 0;
    for (const key of this.#recent) {
      if (records.length >= BATCH_RECORDS || bytes >= BATCH_BYTES) break;
      keys.push(key);
      const record = this.#options.store.get(this.#keyspace, key);
      if (record === undefined) continue; // delivered meanwhile
      records.push(record);
      bytes += sizeOf(record);
    }
    for (const key of keys) this.#recent.delete(key);
    try {
      await this.#deliverBatch(records, isDropped);
    } catch (error) {
      for (const key of keys) this.#recent.add(key);
      throw error;
    }
  }

  /** Delivers or drops some hints. Erases only what was durably answered. */
  async #deliverBatch(records: readonly StoredRecord[], isDropped: boolean): Promise<void> {
    if (records.length === 0) return;
    const { clock, store } = this.#options;
    const startMs = clock.monotonicMs();
    if (!isDropped) await this.#send(records);
    const keyspace = this.#keyspace;
    const erased = await store.apply(
      records.map((record) => ({ keyspace, record, erase: true })),
    );
    this.#totals[isDropped ? "dropped" : "delivered"] += records.length;
    records.forEach((record, i) => {
      if (erased[i] !== "stored") return; // a newer hint has come meanwhile, and stays
      this.#records--;
      this.#bytes -= sizeOf(record);
    });
    const tookMs = clock.monotonicMs() - startMs;
    await delay(clock, Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, tookMs * PAUSE_SHARE)));
  }

  /** Resolves when the node has them on its disk. */
  async #send(records: readonly StoredRecord[]): Promise<void> {
    const link = this.#options.linkTo(this.#name);
    if (link === undefined || link.isOpen) throw new Error("the node does not answer");
    const body = joinFrames(records);
    const headers = { [HINT_HEADER]: this.isCatchingUp ? MORE_HINTS : "1" };
    const { workTimeoutMs: timeoutMs } = link;
    const response = await link.request("POST", "/internal/kv", { body, headers, timeoutMs });
    decodeApplyResults(response.body, records.length);
  }

  #nextBatch(after: Key | undefined): StoredRecord[] {
    const records: StoredRecord[] = [];
    let bytes = 0;
    const range = after === undefined ? {} : { start: after + "\0" };
    const scan = this.#options.store.scan(this.#keyspace, range);
    try {
      while (records.length < BATCH_RECORDS && bytes < BATCH_BYTES) {
        const [record] = scan.next(1);
        if (record === undefined) break;
        bytes += sizeOf(record);
        records.push(record);
      }
    } finally {
      scan.close();
    }
    return records;
  }

  /** Counts what an earlier life left, in slices. */
  async #countLeft(): Promise<void> {
    const { store, clock } = this.#options;
    let scan: Scan | undefined;
    try {
      scan = store.scan(this.#keyspace);
      while (!this.#isStopped) {
        const page = scan.next(COUNT_SLICE_RECORDS);
        if (page.length === 0) return;
        this.#hasBacklog = true;
        this.#records += page.length;
        for (const record of page) this.#bytes += sizeOf(record);
        await delay(clock, 0);
      }
    } catch (error) {
      if (isConvergeError(error, "closed")) return;
      if (!isConvergeError(error, "corrupt_file", "disk_failed")) throw error;
      // Hints that cannot be read cannot be counted yet: the delivery finds out.
      this.#hasBacklog = true;
      this.#records++;
    } finally {
      scan?.close();
    }
  }
}

/** A keyspace's name has fewer letters and less room than a node's: other names go by their hash. */
function keyspaceOf(name: string): Keyspace {
  if (/^[a-z0-9-]{1,57}$/.test(name)) return `hints-${name}`;
  return `hashed-hints-${formatToken(tokenOf(keyFromText(name)))}`;
}
