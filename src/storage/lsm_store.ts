/**
 * The engine: a log-structured merge tree
 * (O'Neil et al., "The Log-Structured Merge-Tree", 1996; after leveldb's and RocksDB's design).
 *
 * A write goes to the log, is synced, enters the memtable, is answered. A full memtable is frozen
 * and written to a table (flush); tables are merged (compaction). All of it runs in one thread in
 * short slices. Which part does what: `src/storage/README.md`.
 */
import { type ConvergeError, invariant, isConvergeError } from "../errors.ts";
import type { Disk, FileLock } from "../platform/disk.ts";
import type { Key } from "../record/key.ts";
import type { StoredRecord } from "../record/record.ts";
import { BlockCache } from "./block_cache.ts";
import { hashKey, type KeyHash } from "./bloom_filter.ts";
import { writeCheckpoint } from "./checkpoint.ts";
import { MergeCursor } from "./cursor.ts";
import { LOCK_NAME } from "./file_names.ts";
import type { LineRecord } from "./line_record.ts";
import { Maintenance } from "./maintenance.ts";
import { recover, type Recovered } from "./recovery.ts";
import { RunCursor } from "./run_cursor.ts";
import {
  type ApplyResult,
  type Keyspace,
  KEYSPACE_NAME,
  META,
  type Mutation,
  type Scan,
  type ScanOptions,
  type Snapshot,
  type Store,
  type StoreStatistics,
} from "./store.ts";
import type { DamageReport, LsmStoreOptions } from "./store_options.ts";
import { StoreScan } from "./store_scan.ts";
import { StoreSnapshot } from "./store_snapshot.ts";
import { closedError, StoreWriter } from "./store_writer.ts";
import { TableCatalog } from "./table_catalog.ts";
import { findInRuns } from "./table_set.ts";

export type { DamageReport, LsmStoreOptions };

/** Bound of the block cache where none is given. */
const CACHE_BYTES = 32 * 1024 * 1024;

/** A durable store in a directory. Made by {@linkcode LsmStore.open}. */
export class LsmStore implements Store {
  readonly #disk: Disk;
  readonly #lock: FileLock;
  readonly #catalog: TableCatalog;
  readonly #maintenance: Maintenance;
  readonly #writer: StoreWriter;
  readonly #cache: BlockCache;
  readonly #keyspaces = new Set<Keyspace>();
  #closing: Promise<void> | undefined;
  #closed = false;

  private constructor(options: LsmStoreOptions, lock: FileLock, recovered: Recovered) {
    const { directory, disk } = options;
    this.#disk = disk;
    this.#lock = lock;
    this.#cache = new BlockCache(options.cacheBytes ?? CACHE_BYTES);
    this.#catalog = new TableCatalog(recovered.manifest, {
      disk,
      directory,
      cache: this.#cache,
      openFilesMax: options.openFilesMax,
      log: options.log,
      onDamage: (table, error) => this.#maintenance.repair(table, error),
    });
    this.#maintenance = new Maintenance({
      ...options,
      catalog: this.#catalog,
      onFailure: (cause) => void this.#writer.fail(cause),
      highestCounter: () => this.#writer.highestCounter,
      memtableFill: () => this.#writer.memtableFill,
      onTables: () => this.#writer.onTables(),
    });
    this.#writer = new StoreWriter(recovered, {
      ...options,
      catalog: this.#catalog,
      maintenance: this.#maintenance,
    });
  }

  /**
   * Opens the store of a directory; makes it when there is none.
   *
   * @throws {ConvergeError} `data_locked`; `corrupt_file` with the file, the offset and what to run;
   * `wrong_data` for a format from the future; `disk_full`; `disk_failed`.
   */
  static async open(options: LsmStoreOptions): Promise<LsmStore> {
    const { disk, directory, log } = options;
    disk.makeDirectory(directory);
    const lock = disk.lock(`${directory}/${LOCK_NAME}`);
    let store: LsmStore;
    try {
      const recovered = await recover(disk, directory);
      if (recovered.cutBytes > 0) {
        log?.warn("storage.torn_tail_cut", { directory, bytes: recovered.cutBytes });
      }
      store = new LsmStore(options, lock, recovered);
    } catch (error) {
      lock.release();
      throw error;
    }
    try {
      await store.#mendDocuments();
    } catch (error) {
      await store.close().catch(() => {});
      throw error;
    }
    store.#maintenance.start();
    return store;
  }

  /**
   * Waits for the repair of what the node keeps for itself, if that is damaged: a node begins by
   * reading it. Damage to anything else is found, and repaired, while the node serves.
   *
   * @throws {ConvergeError} `disk_full`; `disk_failed`.
   */
  async #mendDocuments(): Promise<void> {
    while (!this.#isReadable(META)) {
      await this.#maintenance.progress();
      const error = this.#writer.fatal ?? this.#maintenance.compactionError;
      if (error !== undefined) throw error;
    }
  }

  /** Whether no damage is met in a keyspace. For few and small records: it reads them all at once. */
  #isReadable(keyspace: Keyspace): boolean {
    try {
      const scan = this.scan(keyspace);
      while (!scan.isDone) scan.next(Infinity);
      return true;
    } catch (error) {
      if (isConvergeError(error, "corrupt_file") && this.#maintenance.isDamaged) return false;
      throw error;
    }
  }

  apply(mutations: readonly Mutation[]): Promise<ApplyResult[]> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    for (const { keyspace } of mutations) {
      if (!this.#keyspaces.has(keyspace)) this.#admitKeyspace(keyspace);
    }
    return this.#writer.apply(mutations);
  }

  sync(): Promise<void> {
    return this.#writer.sync();
  }

  get(keyspace: Keyspace, key: Key): StoredRecord | undefined {
    if (this.#closed) throw closedError();
    const hash = hashKey(key);
    const line = this.#inMemory(keyspace, key, hash) ??
      findInRuns(this.#catalog.tables.runs(keyspace), key, hash)?.line;
    return line === undefined || line.erase ? undefined : line;
  }

  locate(keyspace: Keyspace, key: Key): string | undefined {
    if (this.#closed) throw closedError();
    const hash = hashKey(key);
    const line = this.#inMemory(keyspace, key, hash);
    if (line !== undefined) return line.erase ? undefined : "memtable";
    const found = findInRuns(this.#catalog.tables.runs(keyspace), key, hash);
    return found === undefined || found.line.erase ? undefined : found.table.name;
  }

  scan(keyspace: Keyspace, { start = "", end, isWanted }: ScanOptions = {}): Scan {
    if (this.#closed) throw closedError();
    const sources = this.#writer.active.cursor(keyspace, start, end);
    try {
      for (let i = this.#maintenance.frozen.length - 1; i >= 0; i--) {
        sources.push(...this.#maintenance.frozen[i]!.memtable.cursor(keyspace, start, end));
      }
      for (const { tables } of this.#catalog.tables.runs(keyspace)) {
        sources.push(new RunCursor(tables, start, end));
      }
    } catch (error) {
      for (const source of sources) source.close();
      throw error;
    }
    return new StoreScan(new MergeCursor(sources), () => this.#closed, isWanted);
  }

  snapshot(): Snapshot {
    if (this.#closed) throw closedError();
    const frozen = this.#maintenance.frozen.map(({ memtable }) => memtable);
    const memtables = [this.#writer.active, ...frozen.reverse()];
    return new StoreSnapshot(memtables, this.#catalog.tables, () => this.#closed);
  }

  flush(): Promise<void> {
    return this.#writer.flush();
  }

  async checkpoint(directory: string): Promise<void> {
    await this.flush();
    await writeCheckpoint({
      disk: this.#disk,
      directory,
      manifest: this.#catalog.manifest,
      tables: [...this.#catalog.tables.all()].map(({ table }) => table),
    });
  }

  highestCounter(): number {
    return this.#writer.highestCounter;
  }

  lastLoss(): number {
    return this.#catalog.manifest.lastLoss;
  }

  statistics(): StoreStatistics {
    const approximateKeys: Record<Keyspace, number> = {};
    const frozen = this.#maintenance.frozen.map(({ memtable }) => memtable);
    const memtables = [this.#writer.active, ...frozen];
    let memtableBytes = 0;
    for (const memtable of memtables) {
      memtableBytes += memtable.logBytes;
      for (const [keyspace, { size, erases, removals }] of memtable.keyspaces) {
        // What is erased is no key, and one less in the tables, unless its first line here was a value.
        const keys = size - erases - Math.min(erases, removals);
        approximateKeys[keyspace] = (approximateKeys[keyspace] ?? 0) + keys;
      }
    }
    let tableCount = 0;
    let tableBytes = 0;
    for (const [keyspace, runs] of this.#catalog.tables.keyspaces) {
      let keys = approximateKeys[keyspace] ?? 0;
      for (const { tables, bytes } of runs) {
        tableCount += tables.length;
        tableBytes += bytes;
        for (const { properties } of tables) keys += properties.records - 2 * properties.erases;
      }
      approximateKeys[keyspace] = keys;
    }
    for (const [keyspace, keys] of Object.entries(approximateKeys)) {
      approximateKeys[keyspace] = Math.max(0, keys);
    }
    return {
      approximateKeys,
      memtableBytes,
      logBytes: this.#writer.logBytes,
      tableCount,
      tableBytes,
      cacheBytes: this.#cache.bytes,
      compactionDebtBytes: this.#maintenance.debtBytes(),
      flushesTotal: this.#maintenance.totals.flushes,
      compactionsTotal: this.#maintenance.totals.compactions,
      compactedBytesTotal: this.#maintenance.totals.compactedBytes,
      appliedTotal: this.#writer.totals.applied,
      syncsTotal: this.#writer.totals.syncs,
      lastSyncMs: this.#writer.lastSyncMs,
    };
  }

  /** Resolves once flush and compaction have nothing to do. For tools, tests and benchmarks. */
  settled(): Promise<void> {
    return this.#maintenance.settled();
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    try {
      await this.#writer.finish();
    } finally {
      await this.#maintenance.close();
      this.#closed = true;
      try {
        await this.#writer.close();
      } finally {
        await this.#catalog.close();
        this.#lock.release();
      }
    }
  }

  #refusal(): ConvergeError | undefined {
    if (this.#writer.fatal !== undefined) return this.#writer.fatal;
    return this.#closing === undefined ? undefined : closedError();
  }

  #admitKeyspace(keyspace: Keyspace): void {
    invariant(KEYSPACE_NAME.test(keyspace), `${JSON.stringify(keyspace)} is no name of a keyspace`);
    this.#keyspaces.add(keyspace);
  }

  #inMemory(keyspace: Keyspace, key: Key, hash: KeyHash): LineRecord | undefined {
    let line = this.#writer.active.get(keyspace, key, hash);
    for (let i = this.#maintenance.frozen.length - 1; line === undefined && i >= 0; i--) {
      line = this.#maintenance.frozen[i]!.memtable.get(keyspace, key, hash);
    }
    return line;
  }
}
