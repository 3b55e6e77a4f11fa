/** A store under observation: remembers what it promised, so that a restart can be held to it. */
import { crc32 } from "node:zlib";
import type { Key } from "../../record/key.ts";
import type { StoredRecord } from "../../record/record.ts";
import { sizeOf } from "../../record/record_line.ts";
import { compareVersions, type Version } from "../../record/version.ts";
import {
  type ApplyResult,
  DATA,
  type Keyspace,
  type Mutation,
  type Scan,
  type ScanOptions,
  type Snapshot,
  type Store,
  type StoreStatistics,
} from "../../storage/store.ts";
import type { Copy } from "./evidence.ts";
import type { Promises } from "./promises.ts";

/** What is told of a store. */
export interface StoreObserver {
  /** Told of every record that the store answered for, and of what it forgot since. */
  readonly promises: Promises;
  /** Sees every record of the data keyspace that is offered to the store. */
  onRecord?(record: StoredRecord): void;
  /** Sees those that it has stored, once it says so. */
  onStored?(record: StoredRecord): void;
}

/** Passes every call on. */
export class ObservedStore implements Store {
  readonly #inner: Store;
  readonly #observer: StoreObserver;
  /** Sizes of the hints that this life has stored and not erased, by keyspace and key. */
  readonly #hints = new Map<string, number>();
  /** Calls of `apply` so far; and the last of them that erased a key. */
  #calls = 0;
  readonly #erased = new Map<Key, Version & { readonly call: number }>();

  constructor(inner: Store, observer: StoreObserver) {
    this.#inner = inner;
    this.#observer = observer;
  }

  /** Bytes of the hints that this life of the node has added to those of earlier ones. */
  get hintBytes(): number {
    return this.#hints.values().reduce((sum, bytes) => sum + bytes, 0);
  }

  async apply(mutations: readonly Mutation[]): Promise<ApplyResult[]> {
    const call = ++this.#calls;
    for (const { keyspace, record, erase } of mutations) {
      if (keyspace !== DATA) continue;
      // An erasure whose outcome stays unknown may have happened: nothing is promised any more.
      if (erase === true) this.#forget(record, call);
      else this.#observer.onRecord?.(record);
    }
    const results = await this.#inner.apply(mutations);
    mutations.forEach((mutation, i) => {
      if (results[i] !== "stored") return;
      if (mutation.keyspace === DATA) {
        if (mutation.erase !== true) this.#observer.onStored?.(mutation.record);
        this.#promise(mutation, call);
      } else if (mutation.keyspace.startsWith("hints-")) this.#count(mutation);
    });
    return results;
  }

  sync(): Promise<void> {
    return this.#inner.sync();
  }

  get(keyspace: Keyspace, key: Key): StoredRecord | undefined {
    return this.#inner.get(keyspace, key);
  }

  locate(keyspace: Keyspace, key: Key): string | undefined {
    return this.#inner.locate(keyspace, key);
  }

  scan(keyspace: Keyspace, options?: ScanOptions): Scan {
    return this.#inner.scan(keyspace, options);
  }

  snapshot(): Snapshot {
    return this.#inner.snapshot();
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  checkpoint(directory: string): Promise<void> {
    return this.#inner.checkpoint(directory);
  }

  highestCounter(): number {
    return this.#inner.highestCounter();
  }

  lastLoss(): number {
    return this.#inner.lastLoss();
  }

  statistics(): StoreStatistics {
    return this.#inner.statistics();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #promise({ record, erase }: Mutation, call: number): void {
    if (erase === true) return;
    // What is answered only now may have been erased since it was asked for.
    const erased = this.#erased.get(record.key);
    if (erased !== undefined && call < erased.call && compareVersions(record, erased) <= 0) return;
    const { key, counter, nodeID } = record;
    this.#observer.promises.add(key, { counter, nodeID });
  }

  #count({ keyspace, record, erase }: Mutation): void {
    const name = `${keyspace} ${record.key}`;
    if (erase === true) this.#hints.delete(name);
    else this.#hints.set(name, sizeOf(record));
  }

  #forget(record: StoredRecord, call: number): void {
    const { key, counter, nodeID } = record;
    this.#erased.set(key, { counter, nodeID, call });
    this.#observer.promises.forget(key, { counter, nodeID });
  }
}

/** What a store holds of the clients' data, copy by copy. @throws {ConvergeError} `corrupt_file`. */
export function copiesOf(store: Store): Map<Key, Copy> {
  const copies = new Map<Key, Copy>();
  const scan = store.scan(DATA);
  for (let page = scan.next(256); page.length > 0; page = scan.next(256)) {
    for (const { key, counter, nodeID, tombstone, expiresAtMs, frame } of page) {
      copies.set(key, { counter, nodeID, tombstone, expiresAtMs, digest: crc32(frame) });
    }
  }
  scan.close();
  return copies;
}
