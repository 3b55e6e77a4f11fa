/**
 * The one writer of a store: calls that wait are carried out in groups, each of which goes to the log
 * and is synced as the durability asks for, enters the memtable, and is answered.
 */
import type { Durability } from "../config.ts";
import { ConvergeError, isConvergeError } from "../errors.ts";
import { type Clock, delay } from "../platform/clock.ts";
import type { Disk } from "../platform/disk.ts";
import { Gathering } from "../platform/gathering.ts";
import type { Log } from "../platform/log.ts";
import { Reminder } from "../platform/reminder.ts";
import { hashKey, type KeyHash } from "./bloom_filter.ts";
import { EarlyFreeze } from "./early_freeze.ts";
import { Group, type Lookup } from "./group.ts";
import type { Maintenance } from "./maintenance.ts";
import { Memtable } from "./memtable.ts";
import type { Recovered } from "./recovery.ts";
import type { Reserve } from "./reserve.ts";
import { type ApplyResult, META, type Mutation } from "./store.ts";
import type { TableCatalog } from "./table_catalog.ts";
import { tableFor } from "./table_set.ts";
import { LogWriter } from "./wal_writer.ts";
import { type WaitingCall, WriteQueue } from "./write_queue.ts";

/** What the writer is made of. */
export interface StoreWriterOptions {
  disk: Disk;
  directory: string;
  clock: Clock;
  log?: Log;
  /** Default: fsync. */
  durability?: Durability;
  /** Bytes of log after which the memtable is frozen. Default: 16 MiB. */
  memtableBytes?: number;
  catalog: TableCatalog;
  maintenance: Maintenance;
  /** Nothing can be written any more. Called once. */
  onFatal?: (error: ConvergeError) => void;
}

const MEMTABLE_BYTES = 16 * 1024 * 1024;
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

/** Appends to the log, fills the memtable, and freezes it when it is full. */
export class StoreWriter {
  readonly totals = { applied: 0, syncs: 0 };
  readonly #options: StoreWriterOptions;
  readonly #clock: Clock;
  readonly #maintenance: Maintenance;
  readonly #durability: Durability;
  readonly #memtableBytes: number;
  readonly #queue = new WriteQueue();
  readonly #gathering: Gathering;
  readonly #reserve: Reserve;
  #log: LogWriter;
  #active: Memtable;
  /** Bytes of segments before the open one that the memtable that takes the writes reaches back over. */
  #recoveredLogBytes: number;
  #highestCounter: number;
  #lastSyncMs = 0;
  #writing: Promise<void> | undefined;
  #syncTimer: number | undefined;
  #witnessTimer: number | undefined;
  #lastCommitMs = 0;
  /** When the writer last let others run: one caller that awaits each write would never. */
  #sliceStartMs = 0;
  /** Never ended: where there is room for small records only, they come between. */
  readonly #fullReminder: Reminder;
  readonly #earlyFreeze: EarlyFreeze;
  #isFinishing = false;
  #closed = false;
  #fatal: ConvergeError | undefined;

  constructor(recovered: Recovered, options: StoreWriterOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#gathering = new Gathering(options.clock);
    this.#fullReminder = new Reminder(options.clock);
    this.#maintenance = options.maintenance;
    this.#durability = options.durability ?? { mode: "fsync" };
    this.#memtableBytes = options.memtableBytes ?? MEMTABLE_BYTES;
    this.#earlyFreeze = new EarlyFreeze(options.catalog, this.#memtableBytes);
    this.#log = recovered.log;
    this.#reserve = recovered.reserve;
    this.#active = recovered.memtable;
    this.#recoveredLogBytes = recovered.sealedLogBytes;
    this.#highestCounter = recovered.highestCounter;
  }

  /** The memtable that takes the writes. */
  get active(): Memtable {
    return this.#active;
  }

  /** How full it is; at 1 it is frozen. */
  get memtableFill(): number {
    const { logBytes, size } = this.#active;
    return Math.max(logBytes / this.#memtableBytes, size / MEMTABLE_KEYS_MAX);
  }

  /** The highest counter of all records that the store ever held. */
  get highestCounter(): number {
    return this.#highestCounter;
  }

  /** Bytes of all segments that are still needed, about. */
  get logBytes(): number {
    let bytes = this.#log.bytes + this.#recoveredLogBytes;
    for (const { memtable } of this.#maintenance.frozen) bytes += memtable.logBytes;
    return bytes;
  }

  /** Milliseconds that the last fsync of the log took. */
  get lastSyncMs(): number {
    return this.#lastSyncMs;
  }

  /** Why nothing can be written any more; undefined while it can. */
  get fatal(): ConvergeError | undefined {
    return this.#fatal;
  }

  /** As `Store.apply`. */
  apply(mutations: readonly Mutation[]): Promise<ApplyResult[]> {
    const done = this.#queue.push(mutations);
    this.#writing ??= this.#writeLoop();
    return done;
  }

  /** As `Store.sync`. */
  async sync(): Promise<void> {
    if (this.#fatal !== undefined) throw this.#fatal;
    if (this.#closed) throw closedError();
    // Where each group is synced before it is answered, all that is left is a note.
    if (this.#durability.mode !== "fsync" && this.#log.hasUnsynced) await this.#syncLog();
  }

  /** Resolves when all that was answered is in tables. @throws {ConvergeError} as `Store.flush`. */
  async flush(): Promise<void> {
    await this.#freeze();
    while (this.#maintenance.frozen.length > 0) {
      if (this.#fatal !== undefined) throw this.#fatal;
      if (this.#maintenance.flushError !== undefined) throw this.#maintenance.flushError;
      await this.#maintenance.progress();
    }
  }

  /** Carries out what waits, and freezes what is in memory then. */
  async finish(): Promise<void> {
    this.#isFinishing = true;
    while (this.#writing !== undefined) await this.#writing;
    // Where this fails (disk full), what is in memory is in the log.
    if (this.#fatal === undefined) await this.#freeze().catch(() => {});
    while (this.#writing !== undefined) await this.#writing;
  }

  /** There are other tables than before, of which what is in memory may hide more. */
  onTables(): void {
    if (this.#isFinishing || this.#fatal !== undefined || !this.#shouldFreezeEarly()) return;
    // On a full disk all goes on as it is; and of a failure all are told.
    this.#freeze().catch(() => {});
  }

  /** Closes the log; nothing is written after that. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of [this.#syncTimer, this.#witnessTimer]) {
      if (timer !== undefined) this.#clock.clearTimer(timer);
    }
    try {
      if (this.#fatal === undefined && this.#log.hasUnsynced) await this.#log.sync();
    } finally {
      this.#log.close();
    }
  }

  /** Stops all writing for ever. Returns the error to give to those who wait. */
  fail(cause: unknown): ConvergeError {
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

  /** What is there for a key beside the active memtable, unless it is certainly older than `atLeast`. */
  readonly #lookup: Lookup = (keyspace, key, atLeast) => {
    const { frozen } = this.#maintenance;
    let hash: KeyHash | undefined;
    for (let i = frozen.length - 1; i >= 0; i--) {
      const line = frozen[i]!.memtable.get(keyspace, key, hash ??= hashKey(key));
      if (line !== undefined) return line.erase ? undefined : line;
    }
    for (const run of this.#options.catalog.tables.runs(keyspace)) {
      // Nearly always so at the first: new writes have the highest counters.
      if (run.maxCounterFromHere < atLeast) return undefined;
      const found = tableFor(run, key)?.get(key, hash ??= hashKey(key));
      if (found !== undefined) return found.erase ? undefined : found;
    }
    return undefined;
  };

  /** How full the next group is; at 1 it is full. */
  readonly #groupFill = (): number => this.#queue.bytes / GROUP_BYTES_MAX;

  async #writeLoop(): Promise<void> {
    // One turn later, so that all who call in the same turn share the first fsync.
    await undefined;
    while (!this.#queue.isEmpty) {
      // An fsync is shared by all of its group. Not in a function of its own: each await costs.
      if (this.#durability.mode === "fsync") {
        if (this.#gathering.isWorthIt) await this.#gathering.gather(this.#groupFill);
        this.#gathering.left();
      }
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
    try {
      await this.#makeRoom();
    } catch (error) {
      // A memtable takes some small documents more.
      if (!isConvergeError(error, "disk_full") || !areDocuments(this.#queue.calls)) throw error;
    }
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
      if (!group.isEmpty) await this.#commit(group, calls);
    } catch (error) {
      group.abandon();
      for (const { call } of decided) call.reject(error);
      return;
    }
    this.totals.applied += group.stored;
    for (const { call, results } of decided) call.resolve(results);
  }

  async #commit(group: Group, calls: readonly WaitingCall[]): Promise<void> {
    try {
      this.#append(group, calls);
    } catch (error) {
      throw this.#refusal(error);
    }
    if (this.#durability.mode === "fsync") await this.#syncLog();
    else this.#scheduleSync();
    this.#highestCounter = Math.max(this.#highestCounter, group.highestCounter);
    group.commit();
    if (this.#durability.mode === "fsync") this.#scheduleWitness();
  }

  /** Where there is no room otherwise, what the node keeps for itself goes into the reserve. */
  #append({ buffer, bytes, lines }: Group, calls: readonly WaitingCall[]): void {
    try {
      this.#log.append(buffer, bytes, lines);
    } catch (error) {
      const mayUseReserve = isConvergeError(error, "disk_full") && areDocuments(calls);
      if (!mayUseReserve || !this.#reserve.use()) throw error;
      this.#log.append(buffer, bytes, lines);
    }
  }

  /** Why the log takes nothing: a full disk refuses what was to be written, all else ends the writing. */
  #refusal(error: unknown): ConvergeError {
    if (!isConvergeError(error, "disk_full")) return this.fail(error);
    if (this.#fullReminder.isDue()) {
      this.#options.log?.warn("storage.writes_refused", { reason: error.message });
    }
    return error;
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
    // The group that gathers says it itself when it is written.
    const leftMs = this.#gathering.isGathering
      ? WITNESS_DELAY_MS
      : this.#lastCommitMs + WITNESS_DELAY_MS - this.#clock.monotonicMs();
    if (leftMs <= 0) this.#log.witness();
    else this.#witnessTimer = this.#clock.setTimer(leftMs, () => this.#witness());
  }

  async #syncLog(): Promise<void> {
    const start = this.#clock.monotonicMs();
    try {
      await this.#log.sync();
    } catch (error) {
      throw this.fail(error);
    }
    this.#lastSyncMs = this.#clock.monotonicMs() - start;
    this.totals.syncs++;
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
    if (this.memtableFill < 1) {
      if (this.#shouldFreezeEarly()) await this.#rotateForSpace();
      return;
    }
    while (this.#maintenance.frozen.length >= FROZEN_MAX) {
      if (this.#fatal !== undefined) throw this.#fatal;
      if (this.#maintenance.flushError !== undefined) throw this.#maintenance.flushError;
      await this.#maintenance.progress();
    }
    try {
      await this.#rotate();
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  #shouldFreezeEarly(): boolean {
    return this.#maintenance.frozen.length === 0 && this.#earlyFreeze.isWorthIt(this.#active);
  }

  /**
   * Freezes the memtable before it is full, where what it hides is a large share of a large run: who
   * deletes much, or makes it short, and writes nothing after that, wants the space back. On a full disk
   * all goes on as it is.
   */
  async #rotateForSpace(): Promise<void> {
    try {
      await this.#rotate();
    } catch (error) {
      if (!isConvergeError(error, "disk_full")) throw error;
    }
  }

  /** Freezes the memtable and goes on in a new segment. Only the writer may call it. */
  async #rotate(): Promise<void> {
    if (this.#active.isEmpty) return;
    this.#cancelWitness(); // of this segment, whose length the next one is told
    if (this.#log.hasUnsynced) await this.#syncLog();
    const sealed = this.#log;
    try {
      this.#log = await LogWriter.create(this.#options.disk, this.#options.directory, {
        number: sealed.number + 1,
        previousBytes: sealed.bytes,
      });
    } catch (error) {
      throw isConvergeError(error, "disk_full") ? error : this.fail(error);
    }
    sealed.close();
    this.#maintenance.freeze({ memtable: this.#active, nextLog: this.#log.number });
    this.#active = new Memtable();
    this.#recoveredLogBytes = 0;
  }

  /** Has the writer freeze what is in memory now. */
  #freeze(): Promise<void> {
    if (this.#fatal !== undefined) return Promise.reject(this.#fatal);
    if (this.#closed) return Promise.reject(closedError());
    const done = this.#queue.requestFreeze();
    this.#writing ??= this.#writeLoop();
    return done;
  }
}

/** Whether all is what the node keeps for itself. */
function areDocuments(calls: readonly WaitingCall[]): boolean {
  return calls.every(({ mutations }) => mutations.every(({ keyspace }) => keyspace === META));
}

/** What a store says that is closed. */
export function closedError(): ConvergeError {
  return new ConvergeError("closed", "Cannot use the store: it is closed");
}
