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
import { BlockCache } from "./block_cache.ts";
import { hashKey, type KeyHash } from "./bloom_filter.ts";
import { writeCheckpoint } from "./checkpoint.ts";
import { MergeCursor } from "./cursor.ts";
import { LOCK_NAME } from "./file_names.ts";
import { Group, type Lookup } from "./group.ts";
import type { LineRecord } from "./line_record.ts";
import { Maintenance } from "./maintenance.ts";
import { Memtable } from "./memtable.ts";
import { recover } from "./recovery.ts";
import type { LostRange } from "./salvage.ts";
import { RunCursor } from "./sstable_reader.ts";
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
import { StoreScan } from "./store_scan.ts";
import { StoreSnapshot } from "./store_snapshot.ts";
import { TableCatalog } from "./table_catalog.ts";
import { findInRuns, tableFor } from "./table_set.ts";
import { type WaitingCall, WriteQueue } from "./write_queue.ts";
import { LogWriter } from "./wal_writer.ts";

/** When a write counts as durable; what each can lose is in `docs/formats.md`. */
export type Durability = { mode: "fsync" } | { mode: "interval"; ms: number } | { mode: "os" };

/** What a store is opened with. */
export interface LsmStoreOptions {
  directory: string;
  clock: Clock;
  disk: Disk;
  durability?: Durability;
  /** Bytes of log after which the memtable is frozen and written to a table; or {@linkcode MEMTABLE_KEYS_MAX}. */
  memtableBytes?: number;
  /** Bound of the block cache, in bytes. */
  cacheBytes?: number;
  /** Bound of the table files that are open at a time; default: `OPEN_FILES_MAX` of `table_files.ts`. */
  openFilesMax?: number;
  log?: Log;
  /** The store can no longer keep its promise (an fsync failed): the node must stop. Called once. */
  onFatal?: (error: ConvergeError) => void;
  /**
   * A table was found damaged; called, and waited for, before anything is answered without the lost
   * blocks. It must not wait for the repair, and may write to the store. Where it rejects with
   * `corrupt_file` the table is not given up: it stays as it is, and the store fails.
   */
  onDamage?: (report: DamageReport) => void | Promise<void>;
}

/** What a damaged table took with it. */
export interface DamageReport {
  /** What `Store.lastLoss` will say. */
  loss: number;
  keyspace: Keyspace;
  /** Where the damaged file is now. */
  file: string;
  reason: string;
  /** Keys of which the newest record may be lost, or hidden behind nothing. */
  lost: LostRange[];
}

/**
 * Keys after which a memtable is frozen, however small they are: what it takes to sort them, to hold
 * them and to read them again at a start goes by their number.
 */
export const MEMTABLE_KEYS_MAX = 32 * 1024;
/** Frozen memtables at most: while there are as many and the next is full too, writes wait. */
const FROZEN_MAX = 1;
/** Runs of one keyspace from which writes are slowed, and from which they wait. */
const RUNS_SLOW = 16;
const RUNS_STOP = 24;
const GROUP_BYTES_MAX = 4 * 1024 * 1024;
/** Without a wait for the device in between, the writer lets others run after this long. */
const WRITER_SLICE_MS = 2;

/**
 * How long after the last fsync the log says that its last group is durable. While writes go on each
 * group says it of those before, and a write of its own for it would cost as much again.
 */
const WITNESS_DELAY_MS = 5;

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
  readonly #maintenance: Maintenance;
  readonly #cache: BlockCache;
  readonly #queue = new WriteQueue();
  readonly #keyspaces = new Set<Keyspace>();
  #log: LogWriter;
  #active: Memtable;
  /** Bytes of segments before the open one that are still needed. */
  readonly #recoveredLogBytes: number;
  #highestCounter: number;
  #writing: Promise<void> | undefined;
  #syncTimer: number | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;
  #fatal: ConvergeError | undefined;
  #appliedTotal = 0;
  #syncsTotal = 0;
  #lastSyncMs = 0;
  #witnessTimer: number | undefined;
  #lastCommitMs = 0;
  /** When the writer last let others run: one caller that awaits each write would never. */
  #sliceStartMs = 0;

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
    this.#memtableBytes = options.memtableBytes ?? 16 * 1024 * 1024;
    this.#lock = lock;
    this.#cache = new BlockCache(options.cacheBytes ?? 32 * 1024 * 1024);
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
      onFailure: (cause) => void this.#fail(cause),
      highestCounter: () => this.#highestCounter,
      memtableFill: () => this.#memtableFill,
    });
    this.#log = recovered.log;
    this.#active = recovered.memtable;
    this.#recoveredLogBytes = recovered.sealedLogBytes;
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
    store.#maintenance.compact();
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
      const error = this.#fatal ?? this.#maintenance.compactionError;
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
    const done = this.#queue.push(mutations);
    this.#writing ??= this.#writeLoop();
    return done;
  }

  async sync(): Promise<void> {
    if (this.#fatal !== undefined) throw this.#fatal;
    if (this.#closed) throw closedError();
    // Where each group is synced before it is answered, all that is left is a note.
    if (this.#durability.mode !== "fsync" && this.#log.hasUnsynced) await this.#syncLog();
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
    const sources = this.#active.cursor(keyspace, start, end);
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
    const memtables = [this.#active, ...frozen.reverse()];
    return new StoreSnapshot(memtables, this.#catalog.tables, () => this.#closed);
  }

  async flush(): Promise<void> {
    await this.#freeze();
    while (this.#maintenance.frozen.length > 0) {
      if (this.#fatal !== undefined) throw this.#fatal;
      if (this.#maintenance.flushError !== undefined) throw this.#maintenance.flushError;
      await this.#maintenance.progress();
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

  lastLoss(): number {
    return this.#catalog.manifest.lastLoss;
  }

  statistics(): StoreStatistics {
    const approximateKeys: Record<Keyspace, number> = {};
    const memtables = [this.#active, ...this.#maintenance.frozen.map(({ memtable }) => memtable)];
    let memtableBytes = 0;
    for (const memtable of memtables) {
      memtableBytes += memtable.logBytes;
      for (const [keyspace, { size }] of memtable.keyspaces) {
        approximateKeys[keyspace] = (approximateKeys[keyspace] ?? 0) + size;
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
      approximateKeys[keyspace] = Math.max(0, keys);
    }
    return {
      approximateKeys,
      memtableBytes,
      logBytes: this.#logBytes(),
      tableCount,
      tableBytes,
      cacheBytes: this.#cache.bytes,
      compactionDebtBytes: this.#maintenance.debtBytes(),
      flushesTotal: this.#maintenance.totals.flushes,
      compactionsTotal: this.#maintenance.totals.compactions,
      compactedBytesTotal: this.#maintenance.totals.compactedBytes,
      appliedTotal: this.#appliedTotal,
      syncsTotal: this.#syncsTotal,
      lastSyncMs: this.#lastSyncMs,
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
      while (this.#writing !== undefined) await this.#writing;
      // Where this fails (disk full), what is in memory is in the log.
      if (this.#fatal === undefined) await this.#freeze().catch(() => {});
    } finally {
      await this.#maintenance.close();
      this.#closed = true;
      for (const timer of [this.#syncTimer, this.#witnessTimer]) {
        if (timer !== undefined) this.#clock.clearTimer(timer);
      }
      try {
        if (this.#fatal === undefined && this.#log.hasUnsynced) await this.#log.sync();
      } finally {
        this.#log.close();
        await this.#catalog.close();
        this.#lock.release();
      }
    }
  }

  /** Bytes of all segments that are still needed, about. */
  #logBytes(): number {
    let bytes = this.#log.bytes;
    for (const { memtable } of this.#maintenance.frozen) bytes += memtable.logBytes;
    // The recovered memtable reaches back over the segments before the one that is open.
    return this.#maintenance.totals.flushes === 0 ? bytes + this.#recoveredLogBytes : bytes;
  }

  #refusal(): ConvergeError | undefined {
    if (this.#fatal !== undefined) return this.#fatal;
    return this.#closing === undefined ? undefined : closedError();
  }

  #admitKeyspace(keyspace: Keyspace): void {
    invariant(KEYSPACE_NAME.test(keyspace), `${JSON.stringify(keyspace)} is no name of a keyspace`);
    this.#keyspaces.add(keyspace);
  }

  #inMemory(keyspace: Keyspace, key: Key, hash: KeyHash): LineRecord | undefined {
    let line = this.#active.get(keyspace, key, hash);
    for (let i = this.#maintenance.frozen.length - 1; line === undefined && i >= 0; i--) {
      line = this.#maintenance.frozen[i]!.memtable.get(keyspace, key, hash);
    }
    return line;
  }

  /** What is there for a key beside the active memtable, unless it is certainly older than `atLeast`. */
  readonly #lookup: Lookup = (keyspace, key, atLeast) => {
    const { frozen } = this.#maintenance;
    let hash: KeyHash | undefined;
    for (let i = frozen.length - 1; i >= 0; i--) {
      const line = frozen[i]!.memtable.get(keyspace, key, hash ??= hashKey(key));
      if (line !== undefined) return line.erase ? undefined : line;
    }
    for (const run of this.#catalog.tables.runs(keyspace)) {
      // Nearly always so at the first: new writes have the highest counters.
      if (run.maxCounterFromHere < atLeast) return undefined;
      const found = tableFor(run, key)?.get(key, hash ??= hashKey(key));
      if (found !== undefined) return found.erase ? undefined : found;
    }
    return undefined;
  };

  // ---- The writer ---------------------------------------------------------------------------

  async #writeLoop(): Promise<void> {
    // One turn later, so that all who call in the same turn share the first fsync.
    await undefined;
    while (!this.#queue.isEmpty) {
      try {
        await this.#writeOnce();
      } catch (error) {
        this.#queue.rejectAll(error);
      }
      if (this.#clock.monotonicMs() - this.#sliceStartMs >= WRITER_SLICE_MS) {
        if (this.#durability.mode !== "fsync") await delay(this.#clock, 0);
        this.#sliceStartMs = this.#clock.monotonicMs();
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
    const { calls, bytes } = this.#queue.take(GROUP_BYTES_MAX);
    const group = new Group({ memtable: this.#active, lookup: this.#lookup, bytesMax: bytes });
    const decided: { call: WaitingCall; results: ApplyResult[] }[] = [];
    for (const call of calls) {
      try {
        decided.push({ call, results: group.add(call.mutations) });
      } catch (error) {
        call.reject(error);
      }
    }
    try {
      if (!group.isEmpty) await this.#commit(group);
    } catch (error) {
      group.abandon();
      for (const { call } of decided) call.reject(error);
      return;
    }
    this.#appliedTotal += group.stored;
    for (const { call, results } of decided) call.resolve(results);
  }

  async #commit(group: Group): Promise<void> {
    try {
      this.#log.append(group.buffer, group.bytes, group.lines);
    } catch (error) {
      throw isConvergeError(error, "disk_full") ? error : this.#fail(error);
    }
    if (this.#durability.mode === "fsync") await this.#syncLog();
    else this.#scheduleSync();
    this.#highestCounter = Math.max(this.#highestCounter, group.highestCounter);
    group.commit();
    if (this.#durability.mode === "fsync") this.#scheduleWitness();
  }

  /** Has the last group get its witness once writing has paused. */
  #scheduleWitness(): void {
    this.#lastCommitMs = this.#clock.monotonicMs();
    this.#witnessTimer ??= this.#clock.setTimer(WITNESS_DELAY_MS, () => this.#witness());
  }

  #cancelWitness(): void {
    if (this.#witnessTimer !== undefined) this.#clock.clearTimer(this.#witnessTimer);
    this.#witnessTimer = undefined;
  }

  #witness(): void {
    this.#witnessTimer = undefined;
    if (this.#closed || this.#fatal !== undefined || this.#log.hasUnsynced) return;
    const leftMs = this.#lastCommitMs + WITNESS_DELAY_MS - this.#clock.monotonicMs();
    if (leftMs <= 0) this.#log.witness();
    else this.#witnessTimer = this.#clock.setTimer(leftMs, () => this.#witness());
  }

  async #syncLog(): Promise<void> {
    const start = this.#clock.monotonicMs();
    try {
      await this.#log.sync();
    } catch (error) {
      throw this.#fail(error);
    }
    this.#lastSyncMs = this.#clock.monotonicMs() - start;
    this.#syncsTotal++;
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
    const runs = this.#maintenance.runsMax();
    if (runs >= RUNS_SLOW) await delay(this.#clock, 1);
    while (this.#maintenance.runsMax() >= RUNS_STOP && this.#maintenance.isCompacting) {
      if (this.#maintenance.compactionError !== undefined) throw this.#maintenance.compactionError;
      await this.#maintenance.progress();
    }
    if (this.#memtableFill < 1) return;
    while (this.#maintenance.frozen.length >= FROZEN_MAX) {
      if (this.#fatal !== undefined) throw this.#fatal;
      if (this.#maintenance.flushError !== undefined) throw this.#maintenance.flushError;
      await this.#maintenance.progress();
    }
    await this.#rotate();
  }

  /** How full the active memtable is; at 1 it is frozen. */
  get #memtableFill(): number {
    const { logBytes, size } = this.#active;
    return Math.max(logBytes / this.#memtableBytes, size / MEMTABLE_KEYS_MAX);
  }

  /** Freezes the memtable and goes on in a new segment. Only the writer may call it. */
  async #rotate(): Promise<void> {
    if (this.#active.isEmpty) return;
    this.#cancelWitness(); // of this segment, whose length the next one is told
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
    this.#maintenance.freeze({ memtable: this.#active, nextLog: this.#log.number });
    this.#active = new Memtable();
  }

  /** Has the writer freeze what is in memory now. */
  #freeze(): Promise<void> {
    if (this.#fatal !== undefined) return Promise.reject(this.#fatal);
    if (this.#closed) return Promise.reject(closedError());
    const done = this.#queue.requestFreeze();
    this.#writing ??= this.#writeLoop();
    return done;
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
    this.#maintenance.stop();
    this.#options.onFatal?.(this.#fatal);
    return this.#fatal;
  }
}

function closedError(): ConvergeError {
  return new ConvergeError("closed", "Cannot use the store: it is closed");
}
