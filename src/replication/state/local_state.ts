/**
 * Small JSON documents that the node keeps for itself, in the `meta` keyspace of its store. What it
 * says to others rests on them: so they are on the device before that, however clients' writes are.
 */
import { keyFromText } from "../../record/key.ts";
import { encodeRecord, valueOf } from "../../record/record_line.ts";
import { META, type Mutation, type Store } from "../../storage/store.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Node ID of records that never leave this node. */
const LOCAL_NODE_ID = "local";

/** Documents by name; each write supersedes the one before. */
export class LocalState {
  readonly #store: Store;
  /** Counters given out but perhaps not yet readable; Invariant: per name, strictly increasing. */
  readonly #counters = new Map<string, number>();
  /** Each document as it was read or written last. */
  readonly #latest = new Map<string, unknown>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** The document, or undefined when there is none. Its shape is the caller's promise. */
  read<T>(name: string): T | undefined {
    const record = this.#store.get(META, keyFromText(name));
    if (record === undefined || record.tombstone) return undefined;
    const json = JSON.parse(decoder.decode(valueOf(record).bytes));
    if (!this.#latest.has(name)) this.#latest.set(name, json);
    return json;
  }

  /** The change that writes a document, to be applied together with others. */
  mutation(name: string, json: unknown): Mutation {
    const key = keyFromText(name);
    const stored = this.#store.get(META, key)?.counter ?? 0;
    const counter = Math.max(stored, this.#counters.get(name) ?? 0) + 1;
    this.#counters.set(name, counter);
    this.#latest.set(name, json);
    const value = encoder.encode(JSON.stringify(json));
    return { keyspace: META, record: encodeRecord({ key, value, counter, nodeID: LOCAL_NODE_ID }) };
  }

  /** Writes a document durably. @throws {ConvergeError} as `Store.apply`. */
  async write(name: string, json: unknown): Promise<void> {
    await this.#store.apply([this.mutation(name, json)]);
    await this.#store.sync();
  }

  /** Writes all known documents once more: the disk may have lost some. @throws as `write`. */
  async writeAgain(): Promise<void> {
    await this.#store.apply([...this.#latest].map(([name, json]) => this.mutation(name, json)));
    await this.#store.sync();
  }
}
