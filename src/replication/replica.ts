/**
 * This node's own copy of the data: the one door through which every record comes in, whoever brings
 * it (a client's write coordinated here, a peer, a hint, a repair, anti-entropy, a transfer).
 */
import { ConvergeError } from "../errors.ts";
import { type Key, KEY_BYTES_MAX } from "../record/key.ts";
import type { StoredRecord } from "../record/record.ts";
import { compareVersions } from "../record/version.ts";
import { type ApplyResult, DATA, type Mutation, type Store } from "../storage/store.ts";
import { BatchLane } from "./batch_lane.ts";
import type { ReadQuestion, ReadReply } from "./internal_protocol.ts";
import type { LamportClock } from "./lamport_clock.ts";
import type { WriteWaiter } from "./peer_link.ts";
import type { WriteAnswer } from "./write_core.ts";

interface LocalWrite {
  readonly mutation: Mutation;
  readonly waiter: WriteWaiter;
  readonly slot: number;
}

/** Wraps the store with what every incoming record needs. */
export class Replica {
  readonly #store: Store;
  readonly #lamport: LamportClock;
  readonly #onStored: (key: Key) => void;
  readonly #local: BatchLane<LocalWrite>;

  /** @param onStored Called for every record that was stored, once it is durable. */
  constructor(store: Store, lamport: LamportClock, onStored: (key: Key) => void) {
    this.#store = store;
    this.#lamport = lamport;
    this.#onStored = onStored;
    this.#local = new BatchLane<LocalWrite>(
      { inFlightMax: 2, batchBytesMax: 2 ** 20, batchEntriesMax: 2048, queueBytesMax: 2 ** 25 },
      ({ mutation }) => mutation.record.frame.byteLength,
      (batch) => this.#sendLocal(batch),
    );
  }

  /** This node's copy of a key. */
  get(key: Key): StoredRecord | undefined {
    return this.#store.get(DATA, key);
  }

  /**
   * Stores a batch durably; one result per record, in order.
   *
   * @throws {ConvergeError} `corrupt_message` for a key that is too long; as `Store.apply`.
   */
  async apply(records: readonly StoredRecord[]): Promise<ApplyResult[]> {
    const mutations: Mutation[] = [];
    for (const record of records) {
      if (record.key.length > KEY_BYTES_MAX) {
        throw new ConvergeError("corrupt_message", "Cannot store a record: its key is too long");
      }
      this.#lamport.observe(record.counter);
      mutations.push({ keyspace: DATA, record });
    }
    const results = await this.#store.apply(mutations);
    for (let i = 0; i < records.length; i++) {
      if (results[i] === "stored") this.#onStored(records[i]!.key);
    }
    return results;
  }

  /** Stores one record of this node's own coordination together with what else gathers. */
  write(record: StoredRecord, waiter: WriteWaiter, slot: number): void {
    const mutation = { keyspace: DATA, record };
    if (!this.#local.push({ mutation, waiter, slot })) waiter.onWriteAnswer(slot, "overloaded");
  }

  /** Answers a peer's questions from this node's copy. */
  answer(questions: readonly ReadQuestion[]): ReadReply[] {
    return questions.map(({ key, have }) => {
      const record = this.get(key);
      if (record === undefined) return "absent";
      return have !== undefined && compareVersions(record, have) === 0 ? "same" : record;
    });
  }

  async #sendLocal(batch: LocalWrite[]): Promise<void> {
    let results: readonly ApplyResult[] | undefined;
    let failure: WriteAnswer = "timeout";
    try {
      results = await this.#store.apply(batch.map(({ mutation }) => mutation));
    } catch (error) {
      const certain = error instanceof ConvergeError &&
        (error.code === "disk_full" || error.code === "overloaded");
      failure = certain ? "overloaded" : "timeout";
    }
    for (let i = 0; i < batch.length; i++) {
      const { waiter, slot, mutation } = batch[i]!;
      const answer = results === undefined ? failure : results[i]!;
      if (answer === "stored") this.#onStored(mutation.record.key);
      waiter.onWriteAnswer(slot, answer);
    }
  }
}
