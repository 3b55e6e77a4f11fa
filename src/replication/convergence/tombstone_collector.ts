/**
 * Collects tombstones and expired records, and only those that cannot be missed: when *every* owner
 * has confirmed that it holds that very version. The first owner of a key asks the others; with all
 * confirmations (the deletion certificate) all owners are told to forget, itself the last: were its
 * own copy gone while another owner keeps one, anti-entropy would only bring it back. `horizon.ts`
 * says why nothing old can come back afterwards.
 *
 * What travels, and what is kept meanwhile, is keys and versions: an expired value may be as large as
 * any, and to forget it nobody needs it.
 */
import { isTransient } from "../../errors.ts";
import { type Clock, delay, giveWay } from "../../platform/clock.ts";
import type { Log } from "../../platform/log.ts";
import type { Key } from "../../record/key.ts";
import { newest, type StoredRecord } from "../../record/record.ts";
import { batchesOf } from "../../record/frame.ts";
import { withoutValue } from "../../record/record_line.ts";
import { formatVersion } from "../../record/version.ts";
import { DATA, type Store } from "../../storage/store.ts";
import type { CollectorCounts } from "../counts.ts";
import type { ReadReply } from "../peers/internal_protocol.ts";
import type { LamportClock } from "../state/lamport_clock.ts";
import type { PeerLink } from "../peers/peer_link.ts";
import type { Replica } from "../replica.ts";
import type { Owner } from "../topology/owner.ts";
import type { Topology } from "../topology/topology.ts";
import { confirms, TombstoneOwners } from "./tombstone_owners.ts";

/** What the collector is made of. */
export interface TombstoneCollectorOptions {
  store: Store;
  replica: Replica;
  clock: Clock;
  log: Log;
  lamport: Pick<LamportClock, "current">;
  topology(): Topology;
  linkTo(name: string): PeerLink | undefined;
  /** Pause between two rounds; also how long a tombstone is left alone after it was written. */
  intervalMs: number;
}

/** Who has confirmed a tombstone. */
export interface TombstoneReport {
  version: string;
  expired: boolean;
  owners: { name: string; confirmed: boolean; has: string }[];
}

/** Of the time of this node's thread, rounds may take 1 / (1 + this); waits for owners, a half. */
const REST_SHARE = 50;
const SCAN_SLICE = 250;
const BATCH = 256;
/** Bytes of keys and versions in one message; with the longest keys 256 of them are 3 MiB. */
const MESSAGE_BYTES = 512 * 1024;
/**
 * How much later than its expiry a record is collected: clocks may differ by so much without two
 * nodes disagreeing on whether a record that one has collected is still readable on the other.
 */
export const CLOCK_SKEW_MS_MAX = 60_000;

/** One node's collector. */
export class TombstoneCollector {
  readonly counts: CollectorCounts = { tombstones: 0, collected: 0, unconfirmed: 0 };
  readonly #options: TombstoneCollectorOptions;
  readonly #owners: TombstoneOwners;
  /**
   * The counter of this node when the round before began: what is younger is left alone, since it may
   * be on its way to the others. A number, however many tombstones wait for an owner that is away.
   */
  #counterBefore = 0;
  /** Whether a round can find anything: an idle node need not look through all of its keys. */
  #worthLooking = true;
  #stopped = false;
  /** Milliseconds of a round that others had the thread. */
  #givenMs = 0;
  /** Milliseconds of a round that owners were waited for. */
  #waitedMs = 0;

  constructor(options: TombstoneCollectorOptions) {
    this.#options = options;
    this.#owners = new TombstoneOwners(options);
  }

  start(): void {
    void this.#loop();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** A record was stored. */
  onStored(record: { tombstone?: boolean; expiresAtMs?: number }): void {
    if (record.tombstone === true || (record.expiresAtMs ?? 0) > 0) this.#worthLooking = true;
  }

  /**
   * Tells who has confirmed the tombstone of a key, whether or not this node is an owner; undefined
   * when the newest record of those that answer is none.
   */
  async report(key: Key): Promise<TombstoneReport | undefined> {
    const question = [{ key, have: undefined }];
    const answers = await Promise.all(
      this.#options.topology().ownersOf(key).map(async (owner) => ({
        name: owner.name,
        reply: (await this.#owners.ask(owner, question))?.[0],
      })),
    );
    const record = answers.reduce<StoredRecord | undefined>(
      (known, { reply }) => typeof reply === "object" ? newest(known, reply) : known,
      undefined,
    );
    if (record === undefined || !this.#isCollectable(record, 0)) return undefined;
    const owners = answers.map(({ name, reply }) => {
      const confirmed = confirms(reply, record);
      return { name, confirmed, has: confirmed ? "same" : describe(reply) };
    });
    return { version: formatVersion(record), expired: !record.tombstone, owners };
  }

  /** One round: finds what may be collected, asks, collects. Never rejects for an absent peer. */
  async round(): Promise<void> {
    const { store, clock, lamport } = this.#options;
    const counter = lamport.current;
    let expiring = 0;
    const scan = store.scan(DATA);
    this.#worthLooking = false; // not before: what could not be read is looked at again
    const unconfirmedBefore = this.counts.unconfirmed;
    let tombstones = 0;
    let due: StoredRecord[] = [];
    this.counts.unconfirmed = 0;
    try {
      while (!this.#stopped) {
        const page = scan.next(SCAN_SLICE);
        for (const record of page) {
          if (record.expiresAtMs !== 0) expiring++;
          if (!this.#isCollectable(record, CLOCK_SKEW_MS_MAX)) continue;
          tombstones++;
          if (record.counter <= this.#counterBefore) due.push(withoutValue(record));
        }
        if (due.length >= BATCH || page.length === 0) {
          const startMs = clock.monotonicMs();
          await this.#collect(due);
          this.#waitedMs += clock.monotonicMs() - startMs;
          due = [];
        }
        if (page.length === 0) break;
        this.#givenMs += await giveWay(clock);
      }
    } catch (error) {
      this.#worthLooking = true;
      this.counts.unconfirmed = unconfirmedBefore;
      throw error;
    } finally {
      scan.close();
    }
    this.#counterBefore = counter;
    this.counts.tombstones = tombstones;
    if (tombstones + expiring > 0) this.#worthLooking = true;
  }

  async #loop(): Promise<void> {
    const { clock, log, intervalMs } = this.#options;
    let restMs = intervalMs;
    while (!this.#stopped) {
      await delay(clock, restMs);
      if (this.#stopped) return;
      if (!this.#worthLooking) continue;
      const startMs = clock.monotonicMs();
      this.#givenMs = 0;
      this.#waitedMs = 0;
      try {
        await this.round();
        const tookMs = clock.monotonicMs() - startMs - this.#givenMs - this.#waitedMs;
        restMs = Math.max(intervalMs, REST_SHARE * tookMs, this.#waitedMs);
      } catch (error) {
        if (this.#stopped) return;
        if (!isTransient(error)) log.warn("tombstones.failed", { why: String(error) });
      }
    }
  }

  /** Collects those of which this node is the first owner and that every owner confirms. */
  async #collect(records: readonly StoredRecord[]): Promise<void> {
    const topology = this.#options.topology();
    if (topology.pending.length > 0) return;
    const { fingerprint } = topology;
    for (const { owners, records: ours } of this.#byOwners(records, topology)) {
      for (const batch of batchesOf(ours, MESSAGE_BYTES)) {
        const confirmed = await this.#owners.confirmedByAll({ owners, fingerprint }, batch);
        this.counts.unconfirmed += batch.length - confirmed.length;
        if (confirmed.length === 0) continue;
        if (!await this.#owners.othersCollect({ owners, fingerprint }, confirmed)) continue;
        if (this.#options.topology().fingerprint !== fingerprint) return;
        await this.#options.replica.collect(confirmed);
        this.counts.collected += confirmed.length;
      }
    }
  }

  #byOwners(
    records: readonly StoredRecord[],
    topology: Topology,
  ): Iterable<{ owners: readonly Owner[]; records: StoredRecord[] }> {
    const groups = new Map<string, { owners: readonly Owner[]; records: StoredRecord[] }>();
    for (const record of records) {
      const owners = topology.ownersOf(record.key);
      if (!owners[0]!.isSelf) continue;
      const id = owners.map(({ name }) => name).join(" ");
      const group = groups.get(id) ?? { owners, records: [] };
      group.records.push(record);
      groups.set(id, group);
    }
    return groups.values();
  }

  /** @param marginMs Time that must have passed since the expiry. */
  #isCollectable(record: StoredRecord, marginMs: number): boolean {
    if (record.tombstone) return true;
    return record.expiresAtMs !== 0 &&
      this.#options.clock.wallMs() >= record.expiresAtMs + marginMs;
  }
}

function describe(reply: ReadReply | undefined): string {
  if (reply === undefined) return "no answer";
  return typeof reply === "object" ? formatVersion(reply) : reply;
}
