/**
 * This node's own copy of the data: the one door through which every record comes in, whoever brings
 * it (a client's write coordinated here, a peer, a hint, a repair, anti-entropy, a transfer), and
 * through which collected tombstones leave.
 */
import { ConvergeError, isConvergeError } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { Key } from "../record/key.ts";
import type { StoredRecord } from "../record/record.ts";
import { sizeOf } from "../record/record_line.ts";
import { compareVersions, type Version } from "../record/version.ts";
import { type Token, tokenOf } from "../ring/token.ts";
import { DATA, type Mutation, type Store } from "../storage/store.ts";
import { BatchLane } from "./peers/batch_lane.ts";
import type { Horizon, ReplicaResult } from "./state/horizon.ts";
import type { ReadQuestion, ReadReply } from "./peers/internal_protocol.ts";
import type { LamportClock } from "./state/lamport_clock.ts";
import { PendingWrite } from "./peers/pending.ts";
import type { WriteAnswer, WriteWaiter } from "./quorum/write_core.ts";

/** Bytes of records after which an answer to a batch of questions is full. */
const ANSWER_BYTES = 1024 * 1024;

/** What a replica is made of. */
export interface ReplicaOptions {
  store: Store;
  clock: Clock;
  lamport: LamportClock;
  horizon: Horizon;
  /**
   * False while this node takes no records, since it is joining or being removed. Its copies would count
   * for nothing, and some nodes collect tombstones without asking it.
   */
  takesRecords?(): boolean;
  /** Called for every record that was stored or collected, once that is durable. */
  onStored(change: ReplicaChange): void;
}

/** A version of a key. */
export interface KeyVersion extends Version {
  readonly key: Key;
}

/** What has changed under a key: a record that was stored, or only the version of one that was collected. */
export interface ReplicaChange extends KeyVersion {
  readonly tombstone?: boolean;
  readonly expiresAtMs?: number;
}

/** Wraps the store with what every incoming record needs. */
export class Replica {
  readonly #options: ReplicaOptions;
  readonly #local: BatchLane<PendingWrite>;
  /** Batches that are being stored or erased. */
  readonly #underWay = new Set<readonly KeyVersion[]>();
  /** Keys whose tombstone is being erased: gone already, for all that comes later. */
  readonly #collecting = new Set<Key>();

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#local = new BatchLane<PendingWrite>(
      options.clock,
      {
        inFlightMax: 1,
        batchBytesMax: 2 ** 20,
        batchEntriesMax: 2048,
        queueBytesMax: 2 ** 25,
        gathers: true,
      },
      ({ record }) => record.frame.byteLength,
      (batch) => this.#sendLocal(batch),
    );
  }

  /** This node's copy of a key. */
  get(key: Key): StoredRecord | undefined {
    return this.#options.store.get(DATA, key);
  }

  /** Keys of which something is being stored or erased: what the store shows of them may change. */
  *keysUnderWay(): Iterable<Key> {
    for (const batch of this.#underWay) for (const { key } of batch) yield key;
  }

  /** The horizon below which records of unknown keys are not taken on anybody's word. */
  get horizon(): number {
    return this.#options.horizon.counter;
  }

  /**
   * Stores a batch durably; one result per record, in order.
   *
   * @param fence The horizon that the sender, an owner of the keys, had learned before it read its
   * own copies; undefined for everybody else.
   * @throws {ConvergeError} `not_ready` while this node takes nothing; as `Store.apply`.
   */
  async apply(records: readonly StoredRecord[], fence?: number): Promise<ReplicaResult[]> {
    const { store, lamport, onStored } = this.#options;
    if (this.#options.takesRecords?.() === false) {
      throw new ConvergeError("not_ready", "Cannot store records: not all members know this node");
    }
    const mutations: Mutation[] = [];
    const below: boolean[] = [];
    for (const record of records) {
      lamport.observe(record.counter);
      const isBelow = this.#isBelowHorizon(record, fence);
      below.push(isBelow);
      if (!isBelow) mutations.push({ keyspace: DATA, record });
    }
    const horizon = this.horizon;
    this.#underWay.add(records);
    try {
      const applied = await store.apply(mutations);
      let next = 0;
      return records.map((record, i) => {
        if (below[i]) return { horizon };
        const result = applied[next++]!;
        if (result === "stored") onStored(record);
        return result;
      });
    } finally {
      this.#underWay.delete(records);
    }
  }

  /** Stores one record of this node's own coordination together with what else gathers. */
  write(record: StoredRecord, waiter: WriteWaiter, slot: number): void {
    if (this.#local.push(new PendingWrite(record, waiter, slot))) return;
    waiter.onWriteAnswer(slot, "overloaded", this.#options.clock.monotonicMs());
  }

  /**
   * Answers a peer's questions from this node's copy.
   *
   * @param isHidden Tokens of keys that are not shown: what is there may be leftovers.
   */
  answer(
    questions: readonly ReadQuestion[],
    isHidden?: (token: Token) => boolean,
  ): ReadReply[] {
    let bytes = 0;
    return questions.map(({ key, have }) => {
      if (bytes > ANSWER_BYTES) return "again";
      if (isHidden?.(tokenOf(key)) === true) return "absent";
      const record = this.get(key);
      if (record === undefined) return "absent";
      if (have !== undefined && compareVersions(record, have) === 0) return "same";
      bytes += sizeOf(record);
      return record;
    });
  }

  /**
   * Forgets tombstones and expired records that every owner has confirmed, where this node still has
   * that very version; and raises the horizon, in the same atomic batch: past what it was, too, since no
   * fence of before shows any more that a copy is no leftover.
   *
   * @throws {ConvergeError} as `Store.apply`.
   */
  async collect(records: readonly StoredRecord[]): Promise<void> {
    if (records.length === 0) return;
    const { horizon, lamport } = this.#options;
    const least = horizon.counter + 1;
    const raised = horizon.raise(
      records.reduce((max, { counter }) => Math.max(max, counter), least),
    );
    // What is written from here on comes after it.
    lamport.observe(horizon.counter);
    await this.#erase(records, [raised]);
  }

  /**
   * Erases records of keys that this node does not own, where it still has that very version. No deletion
   * ends by that, so the horizon stays: what this node owns is written, repaired and compared meanwhile.
   *
   * @throws {ConvergeError} as `Store.apply`.
   */
  async erase(records: readonly StoredRecord[]): Promise<void> {
    if (records.length > 0) await this.#erase(records, []);
  }

  async #erase(records: readonly StoredRecord[], mutations: Mutation[]): Promise<void> {
    const { store, onStored } = this.#options;
    for (const record of records) {
      this.#collecting.add(record.key);
      mutations.push({ keyspace: DATA, record, erase: true });
    }
    this.#underWay.add(records);
    try {
      await store.apply(mutations);
      for (const { key, counter, nodeID } of records) onStored({ key, counter, nodeID });
    } finally {
      this.#underWay.delete(records);
      for (const { key } of records) this.#collecting.delete(key);
    }
  }

  #isBelowHorizon(record: StoredRecord, fence: number | undefined): boolean {
    const horizon = this.horizon;
    if (record.counter > horizon || fence === horizon) return false;
    return this.#collecting.has(record.key) || this.get(record.key) === undefined;
  }

  async #sendLocal(batch: PendingWrite[]): Promise<void> {
    let results: readonly ReplicaResult[] | undefined;
    let failure: WriteAnswer = "timeout";
    try {
      results = await this.apply(batch.map(({ record }) => record));
    } catch (error) {
      if (isConvergeError(error, "disk_full", "overloaded")) failure = "overloaded";
      else if (isConvergeError(error, "not_ready")) failure = "refused";
    }
    const nowMs = this.#options.clock.monotonicMs();
    for (let i = 0; i < batch.length; i++) {
      const { waiter, slot } = batch[i]!;
      waiter.onWriteAnswer(slot, results === undefined ? failure : results[i]!, nowMs);
    }
  }
}
