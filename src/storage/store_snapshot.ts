/** What a store held at one moment, for look-ups later: see `Store.snapshot`. */
import { ConvergeError } from "../errors.ts";
import type { Key } from "../record/key.ts";
import type { StoredRecord } from "../record/record.ts";
import { hashKey } from "./bloom_filter.ts";
import type { Memtable, MemtableSnapshot } from "./memtable.ts";
import type { Keyspace, Snapshot } from "./store.ts";
import { findInRuns, type TableSet } from "./table_set.ts";

/** Memory tables, newest first, and tables; kept until it is closed. */
export class StoreSnapshot implements Snapshot {
  readonly #memtables: readonly MemtableSnapshot[];
  readonly #tables: TableSet;
  readonly #isStoreClosed: () => boolean;
  #closed = false;

  constructor(memtables: readonly Memtable[], tables: TableSet, isStoreClosed: () => boolean) {
    this.#memtables = memtables.map((memtable) => memtable.snapshot());
    this.#tables = tables;
    this.#isStoreClosed = isStoreClosed;
    for (const { table } of tables.all()) table.acquire();
  }

  get(keyspace: Keyspace, key: Key): StoredRecord | undefined {
    if (this.#closed || this.#isStoreClosed()) {
      throw new ConvergeError("closed", "Cannot use a snapshot: it is closed");
    }
    const hash = hashKey(key);
    for (const memtable of this.#memtables) {
      const line = memtable.get(keyspace, key, hash);
      if (line !== undefined) return line.erase ? undefined : line;
    }
    const line = findInRuns(this.#tables.runs(keyspace), key, hash)?.line;
    return line === undefined || line.erase ? undefined : line;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const memtable of this.#memtables) memtable.close();
    for (const { table } of this.#tables.all()) table.release();
  }
}
