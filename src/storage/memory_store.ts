/** The reference implementation of `Store`: correct by being obvious. Loses everything at the end. */
import { ConvergeError, invariant } from "../errors.ts";
import type { Key } from "../record/key.ts";
import type { StoredRecord } from "../record/record.ts";
import { sizeOf } from "../record/record_line.ts";
import { compareVersions } from "../record/version.ts";
import {
  type ApplyResult,
  DATA,
  type Keyspace,
  KEYSPACE_NAME,
  type Mutation,
  type Scan,
  SCAN_STEP_BYTES,
  type ScanOptions,
  type Snapshot,
  type Store,
  type StoreStatistics,
} from "./store.ts";

/** Keeps every keyspace in a `Map`. */
export class MemoryStore implements Store {
  readonly #keyspaces = new Map<Keyspace, Map<Key, StoredRecord>>();
  #highestCounter = 0;
  #appliedTotal = 0;
  #closed = false;

  apply(mutations: readonly Mutation[]): Promise<ApplyResult[]> {
    if (this.#closed) return Promise.reject(closedError());
    try {
      return Promise.resolve(mutations.map((mutation) => this.#applyOne(mutation)));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  get(keyspace: Keyspace, key: Key): StoredRecord | undefined {
    if (this.#closed) throw closedError();
    return this.#keyspaces.get(keyspace)?.get(key);
  }

  locate(keyspace: Keyspace, key: Key): string | undefined {
    return this.get(keyspace, key) === undefined ? undefined : "memtable";
  }

  scan(keyspace: Keyspace, options: ScanOptions = {}): Scan {
    if (this.#closed) throw closedError();
    const { start = "", end, isWanted = () => true } = options;
    const snapshot = [...this.#keyspaces.get(keyspace)?.values() ?? []]
      .filter(({ key }) => key >= start && (end === undefined || key < end))
      .sort((a, b) => a.key < b.key ? -1 : 1);
    let position = 0;
    return {
      get lastKey() {
        return snapshot[position - 1]?.key;
      },
      get isDone() {
        return position === snapshot.length;
      },
      next: (recordsMax, looksMax = Infinity) => {
        if (this.#closed) throw closedError();
        const page: StoredRecord[] = [];
        const end = Math.min(snapshot.length, position + looksMax);
        let bytes = 0;
        while (position < end && page.length < recordsMax && bytes < SCAN_STEP_BYTES) {
          const record = snapshot[position++]!;
          if (!isWanted(record.key)) continue;
          page.push(record);
          bytes += sizeOf(record);
        }
        return page;
      },
      close: () => void (position = snapshot.length),
    };
  }

  snapshot(): Snapshot {
    if (this.#closed) throw closedError();
    const copy = new Map(
      [...this.#keyspaces].map(([keyspace, records]) => [keyspace, new Map(records)]),
    );
    return {
      get: (keyspace, key) => copy.get(keyspace)?.get(key),
      close: () => copy.clear(),
    };
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  checkpoint(_directory: string): Promise<void> {
    return Promise.reject(new ConvergeError("bad_request", "Cannot checkpoint a memory store"));
  }

  highestCounter(): number {
    return this.#highestCounter;
  }

  lastLoss(): number {
    return 0;
  }

  statistics(): StoreStatistics {
    const approximateKeys: Record<Keyspace, number> = {};
    let memtableBytes = 0;
    for (const [keyspace, records] of this.#keyspaces) {
      approximateKeys[keyspace] = records.size;
      for (const record of records.values()) memtableBytes += record.frame.byteLength;
    }
    return {
      approximateKeys,
      memtableBytes,
      logBytes: 0,
      tableCount: 0,
      tableBytes: 0,
      cacheBytes: 0,
      compactionDebtBytes: 0,
      flushesTotal: 0,
      compactionsTotal: 0,
      compactedBytesTotal: 0,
      appliedTotal: this.#appliedTotal,
      syncsTotal: 0,
      lastSyncMs: 0,
    };
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  #applyOne({ keyspace, record, erase = false }: Mutation): ApplyResult {
    invariant(KEYSPACE_NAME.test(keyspace), `${keyspace} is no name of a keyspace`);
    let records = this.#keyspaces.get(keyspace);
    if (records === undefined) this.#keyspaces.set(keyspace, records = new Map());
    const current = records.get(record.key);
    const order = current === undefined ? 1 : compareVersions(record, current);
    if (order < 0) return { counter: current!.counter, nodeID: current!.nodeID };
    if (keyspace === DATA) this.#highestCounter = Math.max(this.#highestCounter, record.counter);
    if (erase) records.delete(record.key);
    else if (order > 0) records.set(record.key, record);
    this.#appliedTotal++;
    return "stored";
  }
}

function closedError(): ConvergeError {
  return new ConvergeError("closed", "Cannot use the store: it is closed");
}
