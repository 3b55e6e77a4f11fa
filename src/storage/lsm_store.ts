/**
 * The engine: a log-structured merge tree
 * (O'Neil et al., "The Log-Structured Merge-Tree", 1996; after leveldb's and RocksDB's design).
 *
 * A write goes to the log, is synced, enters the memtable, is answered. A full memtable is frozen
 * and written to a table (flush); tables are merged (compaction). All of it runs in one thread in
 * short slices. Which part does what: `src/storage/README.md`.
 */
import { ConvergeError, invariant, isConvergeError } from "../errors.ts";
import { type Clock, delay } from "../platform/clock.ts";
import type { Disk, FileLock } from "../platform/disk.ts";
import type { Log } from "../platform/log.ts";
import type { Key } from "../record/key.ts";
import type { StoredRecord } from "../record/record.ts";
import type { Version } from "../record/version.ts";
import { BlockCache } from "./block_cache.ts";
import { hashKey } from "./bloom_filter.ts";
import { writeCheckpoint } from "./checkpoint.ts";
import { compactionDebt, pickCompaction } from "./compaction_picker.ts";
import { MergeCursor } from "./cursor.ts";
import { DAMAGED_NAME, LOCK_NAME } from "./file_names.ts";
import { Group } from "./group.ts";
import type { LineRecord } from "./line_record.ts";
import { Memtable } from "./memtable.ts";
import { recover } from "./recovery.ts";
import { type LostRange, salvageTable } from "./salvage.ts";
import { RunCursor, type TableReader } from "./sstable_reader.ts";
import type { WrittenTable } from "./sstable_writer.ts";
import {
  type ApplyResult,
  DATA,
  type Keyspace,
  type Mutation,
  type Scan,
  type ScanOptions,
  type Store,
  type StoreStatistics,
} from "./store.ts";
import { StoreScan } from "./store_scan.ts";
import { buildTables } from "./table_builder.ts";
import { TableCatalog } from "./table_catalog.ts";
import { findInRuns, type Run, tableFor } from "./table_set.ts";
import { WriteQueue } from "./write_queue.ts";
import { LogWriter } from "./wal_writer.ts";

/** When a write counts as durable; what each can lose is in `docs/formats.md`. */
export type Durability = { mode: "fsync" } | { mode: "interval"; ms: number } | { mode: "os" };

/** What a store is opened with. */
export interface LsmStoreOptions {
  directory: string;
  clock: Clock;
  disk: Disk;
  durability?: Durability;
  /** Bytes of log after which the memtable is frozen and written to a table. */
  memtableBytes?: number;
  /** Bound of the block cache, in bytes. */
  cacheBytes?: number;
  log?: Log;
  /** The store can no longer keep its promise (an fsync failed): the node must stop. Called once. */
  onFatal?: (error: ConvergeError) => void;
  /** A table was found damaged; called before anything is answered without the lost blocks. */
  onDamage?: (report: DamageReport) => void;
}

/** What a damaged table took with it. */
export interface DamageReport {
  keyspace: Keyspace;
  /** Where the damaged file is now. */
  file: string;
  reason: string;
  /** Keys of which the newest record may be lost, or hidden behind nothing. */
  lost: LostRange[];
}

/** A memtable that is being written to tables. */
interface Frozen {
  memtable: Memtable;
  /** First log segment that holds nothing of it. */
  nextLog: number;
}

/** Frozen memtables at most: while there are as many and the next is full too, writes wait. */
const FROZEN_MAX = 1;
/** Runs of one keyspace from which writes are slowed, and from which they wait. */
const RUNS_SLOW = 12;
const RUNS_STOP = 20;
const GROUP_BYTES_MAX = 4 * 1024 * 1024;
/** Without a wait for the device in between, the writer lets others run after this long. */
const WRITER_SLICE_MS = 4;
/** Pause before something that found the disk full is tried again. */
const DISK_FULL_RETRY_MS = 1_000;
const KEYSPACE = /^[a-z][a-z0-9-]{0,62}$/;

/** A durable store in a directory. Made by {@linkcode LsmStore.open}. */
export class LsmStore implements Store {
  readonly #options: LsmStoreOptions;
  readonly #clock: Clock;
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #durability: Durability;
  readonly #memtableBytes: number;
  readonly #lock: FileLock;
  readonly #catalog: TableCatalog;
  readonly #cache: BlockCache;
  readonly #queue = new WriteQueue();
  readonly #keyspaces = new Set<Keyspace>();
  #log: LogWriter;
  #active: Memtable;
  /** Oldest first. */
  readonly #frozen: Frozen[] = [];
  /** Bytes of segments before the open one that are still needed. */
  #sealedLogBytes: number;
  #highestCounter: number;
  #writing: Promise<void> | undefined;
  #flushing: Promise<void> | undefined;
  #compacting: Promise<void> | undefined;
  /** Whether there may be something to do for compaction that it has not looked at. */
  #compactAgain = false;
  #syncTimer: number | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;
  #fatal: ConvergeError | undefined;
  /** Why the last flush did not succeed: the disk is full. */
  #flushError: ConvergeError | undefined;
  readonly #damaged = new Map<TableReader, ConvergeError>();
  /** Called at the next progress of flush or compaction. */
  #progressWaiters: (() => void)[] = [];
  readonly #totals = { flushes: 0, compactions: 0, compactedBytes: 0, applied: 0, syncs: 0 };
  #lastSyncMs = 0;

  private constructor(
    options: LsmStoreOptions,
    lock: FileLock,
    recovered: Awaited<ReturnType<typeof recover>>,
  ) {
    const { directory, clock, disk } = options;
    this.#options = options;
    this.#clock = clock;
    this.#disk = disk;
    this.#directory = directory;
    this.#durability = options.durability ?? { mode: "fsync" };
    this.#memtableBytes = options.memtableBytes ?? 8 * 1024 * 1024;
    this.#lock = lock;
    this.#cache = new BlockCache(options.cacheBytes ?? 32 * 1024 * 1024);
    this.#catalog = new TableCatalog(recovered.manifest, {
      disk,
      directory,
      cache: this.#cache,
      onDamage: (table, error) => this.#noteDamage(table, error),
    });
    this.#log = recovered.log;
    this.#active = recovered.memtable;
    this.#sealedLogBytes = recovered.sealedLogBytes;
    this.#highestCounter = recovered.highestCounter;
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
    try {
      const recovered = await recover(disk, directory);
      if (recovered.cutBytes > 0) {
        log?.warn("storage.torn_tail_cut", { directory, bytes: recovered.cutBytes });
      }
      const store = new LsmStore(options, lock, recovered);
      store.#compact();
      return store;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  apply(mutations: readonly Mutation[]): Promise<ApplyResult[]> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    for (const { keyspace } of mutations) {
      if (!this.#keyspaces.has(keyspace)) this.#admitKeyspace(keyspace);
    }
    const done = this.#queue.push(mutations);
    this.#writing ??= this.#writeLoop();
    return done;
  }

  get(keyspace: Keyspace, key: Key): StoredRecord | undefined {
    if (this.#closed) throw closedError();
    const line = this.#inMemory(keyspace, key) ??
      findInRuns(this.#catalog.tables.runs(keyspace), key, hashKey(key))?.line;
    return line === undefined || line.erase ? undefined : line;
  }

  locate(keyspace: Keyspace, key: Key): string | undefined {
    if (this.#closed) throw closedError();
    const line = this.#inMemory(keyspace, key);
    if (line !== undefined) return line.erase ? undefined : "memtable";
    const found = findInRuns(this.#catalog.tables.runs(keyspace), key, hashKey(key));
    return found === undefined || found.line.erase ? undefined : found.table.name;
  }

  scan(keyspace: Keyspace, { start = "", end }: ScanOptions = {}): Scan {
    if (this.#closed) throw closedError();
    const sources = this.#active.cursor(keyspace, start, end);
    try {
      for (let i = this.#frozen.length - 1; i >= 0; i--) {
        sources.push(...this.#frozen[i]!.memtable.cursor(keyspace, start, end));
      }
      for (const { tables } of this.#catalog.tables.runs(keyspace)) {
        sources.push(new RunCursor(tables, start, end));
      }
    } catch (error) {
      for (const source of sources) source.close();
      throw error;
    }
    return new StoreScan(new MergeCursor(sources));
  }

  async flush(): Promise<void> {
    await this.#freeze();
    while (this.#frozen.length > 0) {
      if (this.#fatal !== undefined) throw this.#fatal;
      if (this.#flushError !== undefined) throw this.#flushError;
      await this.#progress();
    }
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
    return this.#highestCounter;
  }

  statistics(): StoreStatistics {
    const approximateKeys: Record<Keyspace, number> = {};
    const memtables = [this.#active, ...this.#frozen.map(({ memtable }) => memtable)];
    let memtableBytes = 0;
    for (const memtable of memtables) {
      memtableBytes += memtable.logBytes;
      for (const [keyspace, { slots }] of memtable.keyspaces) {
        approximateKeys[keyspace] = (approximateKeys[keyspace] ?? 0) + slots.size;
      }
    }
    let tableCount = 0;
    let tableBytes = 0;
    let compactionDebtBytes = 0;
    for (const [keyspace, runs] of this.#catalog.tables.keyspaces) {
      compactionDebtBytes += compactionDebt(runs.map(({ bytes }) => bytes));
      let keys = approximateKeys[keyspace] ?? 0;
      for (const { tables, bytes } of runs) {
        tableCount += tables.length;
        tableBytes += bytes;
        for (const { properties } of tables) keys += properties.records - 2 * properties.erases;
      }
      approximateKeys[keyspace] = Math.max(0, keys);
    }
    return {
      approximateKeys,
      memtableBytes,
      logBytes: this.#sealedLogBytes + this.#log.bytes,
      tableCount,
      tableBytes,
      cacheBytes: this.#cache.bytes,
      compactionDebtBytes,
      flushesTotal: this.#totals.flushes,
      compactionsTotal: this.#totals.compactions,
      compactedBytesTotal: this.#totals.compactedBytes,
      appliedTotal: this.#totals.applied,
      syncsTotal: this.#totals.syncs,
      lastSyncMs: this.#lastSyncMs,
    };
  }

  /** Resolves once flush and compaction have nothing to do. For tools, tests and benchmarks. */
  async settled(): Promise<void> {
    while ((this.#flushing ?? this.#compacting) !== undefined) {
      await (this.#flushing ?? this.#compacting);
    }
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    try {
      while (this.#writing !== undefined) await this.#writing;
      // Where this fails (disk full), what is in memory is in the log.
      if (this.#fatal === undefined) await this.#freeze().catch(() => {});
      await this.#flushing;
    } finally {
      this.#closed = true;
      this.#announceProgress();
      await this.#flushing;
      await this.#compacting;
      if (this.#syncTimer !== undefined) this.#clock.clearTimer(this.#syncTimer);
      try {
        if (this.#fatal === undefined && this.#log.hasUnsynced) await this.#log.sync();
      } finally {
        this.#log.close();
        this.#catalog.close();
        this.#lock.release();
      }
    }
  }

  #refusal(): ConvergeError | undefined {
    if (this.#fatal !== undefined) return this.#fatal;
    return this.#closing === undefined ? undefined : closedError();
  }

  #admitKeyspace(keyspace: Keyspace): void {
    invariant(KEYSPACE.test(keyspace), `${JSON.stringify(keyspace)} is no name of a keyspace`);
    this.#keyspaces.add(keyspace);
  }

  #inMemory(keyspace: Keyspace, key: Key): LineRecord | undefined {
    let line = this.#active.get(keyspace, key);
    for (let i = this.#frozen.length - 1; line === undefined && i >= 0; i--) {
      line = this.#frozen[i]!.memtable.get(keyspace, key);
    }
    return line;
  }

  /** What is there for a key, unless it is certainly older than `atLeast`. */
  #current(keyspace: Keyspace, key: Key, atLeast: number): Version | undefined {
    const line = this.#inMemory(keyspace, key);
    if (line !== undefined) return line.erase ? undefined : line;
    const runs = this.#catalog.tables.runs(keyspace);
    for (const run of runs) {
      // Nearly always so at the first: new writes have the highest counters.
      if (run.maxCounterFromHere < atLeast) return undefined;
      const found = tableFor(run, key)?.get(key, hashKey(key));
      if (found !== undefined) return found.erase ? undefined : found;
    }
    return undefined;
  }

  // ---- The writer ---------------------------------------------------------------------------

  async #writeLoop(): Promise<void> {
    // One turn later, so that all who call in the same turn share the first fsync.
    await undefined;
    let sliceStart = this.#clock.monotonicMs();
    while (!this.#queue.isEmpty) {
      try {
        await this.#writeOnce();
      } catch (error) {
        this.#queue.rejectAll(error);
      }
      if (this.#durability.mode !== "fsync") {
        if (this.#clock.monotonicMs() - sliceStart >= WRITER_SLICE_MS) {
          await delay(this.#clock, 0);
          sliceStart = this.#clock.monotonicMs();
        }
      }
    }
    this.#writing = undefined;
  }

  /** Carries out one group. @throws What makes all who wait fail. */
  async #writeOnce(): Promise<void> {
    if (this.#fatal !== undefined) throw this.#fatal;
    if (this.#queue.freezeRequested) {
      await this.#queue.answerFreeze(() => this.#rotate());
      return;
    }
    await this.#makeRoom();
    const group = new Group((keyspace, key, atLeast) => this.#current(keyspace, key, atLeast));
    const calls = this.#queue.take(group, GROUP_BYTES_MAX);
    try {
      if (!group.isEmpty) await this.#commit(group);
    } catch (error) {
      for (const { reject } of calls) reject(error);
      return;
    }
    for (const { resolve, results } of calls) {
      for (const result of results) if (result === "stored") this.#totals.applied++;
      resolve(results);
    }
  }

  async #commit(group: Group): Promise<void> {
    const { buffer, bytes, lines } = group.lay();
    try {
      this.#log.append(buffer, bytes, lines.length);
    } catch (error) {
      throw isConvergeError(error, "disk_full") ? error : this.#fail(error);
    }
    if (this.#durability.mode === "fsync") await this.#syncLog();
    else this.#scheduleSync();
    for (const { keyspace, line } of lines) {
      if (keyspace === DATA && line.counter > this.#highestCounter) {
        this.#highestCounter = line.counter;
      }
      this.#active.put(keyspace, line);
    }
    this.#active.logBytes += buffer.byteLength;
    if (this.#durability.mode === "fsync" && this.#queue.isEmpty) this.#log.witness();
  }

  async #syncLog(): Promise<void> {
    const start = this.#clock.monotonicMs();
    try {
      await this.#log.sync();
    } catch (error) {
      throw this.#fail(error);
    }
    this.#lastSyncMs = this.#clock.monotonicMs() - start;
    this.#totals.syncs++;
  }

  #scheduleSync(): void {
    if (this.#durability.mode !== "interval" || this.#syncTimer !== undefined) return;
    this.#syncTimer = this.#clock.setTimer(this.#durability.ms, () => {
      this.#syncTimer = undefined;
      if (this.#closed || this.#fatal !== undefined || !this.#log.hasUnsynced) return;
      this.#syncLog().catch(() => {});
    });
  }

  /** Waits until there is room for a group. @throws `disk_full`. */
  async #makeRoom(): Promise<void> {
    const runs = this.#runsMax();
    if (runs >= RUNS_SLOW) await delay(this.#clock, 1);
    while (this.#runsMax() >= RUNS_STOP && this.#compacting !== undefined) await this.#progress();
    if (this.#active.logBytes < this.#memtableBytes) return;
    while (this.#frozen.length >= FROZEN_MAX) {
      if (this.#fatal !== undefined) throw this.#fatal;
      if (this.#flushError !== undefined) throw this.#flushError;
      await this.#progress();
    }
    await this.#rotate();
  }

  #runsMax(): number {
    let most = 0;
    for (const runs of this.#catalog.tables.keyspaces.values()) most = Math.max(most, runs.length);
    return most;
  }

  /** Freezes the memtable and goes on in a new segment. Only the writer may call it. */
  async #rotate(): Promise<void> {
    if (this.#active.isEmpty) return;
    if (this.#log.hasUnsynced) await this.#syncLog();
    const sealed = this.#log;
    try {
      this.#log = await LogWriter.create(this.#disk, this.#directory, {
        number: sealed.number + 1,
        previousBytes: sealed.bytes,
      });
    } catch (error) {
      throw isConvergeError(error, "disk_full") ? error : this.#fail(error);
    }
    sealed.close();
    this.#sealedLogBytes += sealed.bytes;
    this.#frozen.push({ memtable: this.#active, nextLog: this.#log.number });
    this.#active = new Memtable();
    this.#flushing ??= this.#flushLoop();
  }

  /** Has the writer freeze what is in memory now. */
  #freeze(): Promise<void> {
    if (this.#fatal !== undefined) return Promise.reject(this.#fatal);
    if (this.#closed) return Promise.reject(closedError());
    const done = this.#queue.requestFreeze();
    this.#writing ??= this.#writeLoop();
    return done;
  }

  // ---- Flush and compaction -----------------------------------------------------------------

  async #flushLoop(): Promise<void> {
    while (this.#frozen.length > 0 && this.#fatal === undefined) {
      try {
        await this.#flushOldest(this.#frozen[0]!);
        this.#flushError = undefined;
      } catch (error) {
        if (isConvergeError(error, "disk_full")) this.#flushError = error;
        else this.#fail(error);
      }
      this.#announceProgress();
      if (this.#flushError !== undefined) {
        if (this.#closing !== undefined) break;
        this.#options.log?.warn("storage.flush_waits", { reason: this.#flushError.message });
        await delay(this.#clock, DISK_FULL_RETRY_MS);
      }
    }
    this.#flushing = undefined;
    this.#announceProgress();
    this.#compact();
  }

  async #flushOldest({ memtable, nextLog }: Frozen): Promise<void> {
    const add: WrittenTable[] = [];
    const run = this.#catalog.allocate();
    for (const keyspace of memtable.keyspaces.keys()) {
      const source = new MergeCursor(memtable.cursor(keyspace, "", undefined));
      const tables = await buildTables(source, {
        disk: this.#disk,
        clock: this.#clock,
        directory: this.#directory,
        keyspace,
        allocate: () => this.#catalog.allocate(),
        older: this.#catalog.tables.runs(keyspace),
        isCancelled: () => false,
      });
      add.push(...tables ?? []);
    }
    await this.#catalog.commit({ add, run, log: nextLog, highestCounter: this.#highestCounter });
    this.#frozen.shift();
    this.#sealedLogBytes = this.#frozen.reduce((sum, { memtable }) => sum + memtable.logBytes, 0);
    this.#totals.flushes++;
    this.#compact();
  }

  /** Starts compaction if there is anything to do and it is not under way. */
  #compact(): void {
    if (this.#closed || this.#fatal !== undefined) return;
    this.#compactAgain = true;
    this.#compacting ??= this.#compactLoop();
  }

  async #compactLoop(): Promise<void> {
    await undefined;
    while (this.#compactAgain && !this.#isStopping()) {
      this.#compactAgain = false;
      try {
        if (await this.#repairOne() || await this.#compactOne()) this.#compactAgain = true;
      } catch (error) {
        this.#compactAgain = true;
        if (isConvergeError(error, "disk_full")) {
          this.#options.log?.warn("storage.compaction_waits", { reason: error.message });
          this.#announceProgress();
          await delay(this.#clock, DISK_FULL_RETRY_MS);
        } else if (!isConvergeError(error, "corrupt_file") || this.#damaged.size === 0) {
          // Damage is repaired in the next round; anything else is beyond repair.
          this.#fail(error);
        }
      }
      this.#announceProgress();
    }
    this.#compacting = undefined;
    this.#announceProgress();
  }

  #isStopping(): boolean {
    return this.#closed || this.#closing !== undefined || this.#fatal !== undefined;
  }

  async #compactOne(): Promise<boolean> {
    for (const [keyspace, runs] of this.#catalog.tables.keyspaces) {
      const choice = pickCompaction(runs.map(({ bytes }) => bytes));
      if (choice === undefined) continue;
      await this.#mergeRuns(keyspace, runs.slice(choice.from, choice.to), runs.slice(choice.to));
      return true;
    }
    return false;
  }

  async #mergeRuns(keyspace: Keyspace, merged: Run[], older: Run[]): Promise<void> {
    const cursors: RunCursor[] = [];
    try {
      for (const { tables } of merged) cursors.push(new RunCursor(tables, "", undefined));
    } catch (error) {
      for (const cursor of cursors) cursor.close();
      throw error;
    }
    const add = await buildTables(new MergeCursor(cursors), {
      disk: this.#disk,
      clock: this.#clock,
      directory: this.#directory,
      keyspace,
      allocate: () => this.#catalog.allocate(),
      older,
      isCancelled: () => this.#isStopping(),
    });
    if (add === undefined) return;
    const remove = merged.flatMap(({ tables }) => tables);
    await this.#catalog.commit({ add, run: merged[0]!.id, remove });
    this.#totals.compactions++;
    for (const { bytes } of add) this.#totals.compactedBytes += bytes;
  }

  // ---- Trouble ------------------------------------------------------------------------------

  #noteDamage(table: TableReader, error: ConvergeError): void {
    if (this.#damaged.has(table)) return;
    this.#damaged.set(table, error);
    this.#options.log?.error("storage.table_damaged", { reason: error.message });
    this.#compact();
  }

  /** Moves one damaged table aside and keeps the blocks of it that hold. */
  async #repairOne(): Promise<boolean> {
    const [damage] = this.#damaged;
    if (damage === undefined) return false;
    const [table, error] = damage;
    const { keyspace } = table.properties;
    const run = this.#catalog.tables.runs(keyspace).find(({ tables }) => tables.includes(table));
    this.#damaged.delete(table);
    if (run === undefined) return true;
    const salvaged = await salvageTable(this.#disk, table.path, table.properties, {
      disk: this.#disk,
      directory: this.#directory,
      number: this.#catalog.allocate(),
      keyspace,
    });
    const aside = `${this.#directory}/${DAMAGED_NAME}`;
    const file = `${aside}/${table.name}`;
    this.#options.onDamage?.({ keyspace, file, reason: error.message, lost: salvaged.lost });
    this.#disk.makeDirectory(aside);
    await this.#catalog.commit({
      add: salvaged.table === undefined ? [] : [salvaged.table],
      run: run.id,
      remove: [table],
      dispose: ({ path }) => this.#disk.rename(path, file),
    });
    return true;
  }

  /** Stops all writing for ever. Returns the error to give to those who wait. */
  #fail(cause: unknown): ConvergeError {
    if (this.#fatal !== undefined) return this.#fatal;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const code = isConvergeError(cause) && cause.code === "corrupt_file"
      ? cause.code
      : "disk_failed";
    this.#fatal = new ConvergeError(code, `Cannot write any more: ${reason}`, { cause });
    this.#options.log?.error("storage.failed", { reason });
    this.#queue.rejectAll(this.#fatal);
    this.#announceProgress();
    this.#options.onFatal?.(this.#fatal);
    return this.#fatal;
  }

  #progress(): Promise<void> {
    return new Promise((resolve) => void this.#progressWaiters.push(resolve));
  }

  #announceProgress(): void {
    const waiters = this.#progressWaiters;
    this.#progressWaiters = [];
    for (const resume of waiters) resume();
  }
}

function closedError(): ConvergeError {
  return new ConvergeError("closed", "Cannot use the store: it is closed");
}
