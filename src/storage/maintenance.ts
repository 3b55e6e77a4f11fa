/**
 * What goes on behind the writes: frozen memtables become tables (flush), tables are merged
 * (compaction), damaged tables are replaced by what holds of them (repair). Flushes are one lane,
 * compactions and repairs another; both run in short slices in the one thread.
 */
import { type ConvergeError, isConvergeError } from "../errors.ts";
import { delay } from "../platform/clock.ts";
import { Reminder } from "../platform/reminder.ts";
import {
  AT_REST,
  compactionDebt,
  type CompactionPolicy,
  pickCompaction,
  smallestPart,
  UNDER_LOAD,
} from "./compaction_picker.ts";
import { MergeCursor } from "./cursor.ts";
import { DAMAGED_NAME } from "./file_names.ts";
import type { DamageReport, LsmStoreOptions } from "./lsm_store.ts";
import type { Memtable } from "./memtable.ts";
import { salvageTable } from "./salvage.ts";
import { RunCursor, type TableReader } from "./sstable_reader.ts";
import type { WrittenTable } from "./sstable_writer.ts";
import type { Keyspace } from "./store.ts";
import { type BuildOptions, buildTables, removeTables } from "./table_builder.ts";
import type { TableCatalog } from "./table_catalog.ts";
import type { Run } from "./table_set.ts";

/** Pause before something that found the disk full is tried again. */
const DISK_FULL_RETRY_MS = 1_000;
/** A compaction writes until the disk is full: its pause is twice as long each time, up to this. */
const DISK_FULL_RETRY_MS_MAX = 16_000;

/**
 * Rest after a slice: who waits for an answer waits for the slices between. A flush does not rest once
 * the next memtable is this full, nor a compaction once so many memtables were flushed meanwhile, nor
 * either while somebody waits for the end.
 */
const REST_MS = 4;
const FILL_HURRIED = 0.5;
const FLUSHES_HURRIED = 1;
/** A rest that ends this much late tells of others who had the thread; another rest follows it. */
const LATE_MS = 2;
const BUSY_REST_MS = 50;

/** Without a flush for this long, compaction does what it has left lying. */
const REST_AFTER_MS = 5_000;

/** A memtable that is being written to tables. */
export interface Frozen {
  readonly memtable: Memtable;
  /** First log segment that holds nothing of it. */
  readonly nextLog: number;
}

/** Runs of a keyspace to be merged into one, and those older than them. */
interface Merge {
  readonly policy: CompactionPolicy;
  readonly keyspace: Keyspace;
  readonly merged: readonly Run[];
  readonly older: readonly Run[];
}

export interface MaintenanceOptions extends LsmStoreOptions {
  catalog: TableCatalog;
  /** Called with what nothing can be done about: the store must stop. */
  onFailure: (cause: unknown) => void;
  highestCounter: () => number;
  /** How full the memtable is that takes the writes: 0 is empty, 1 is about to be frozen. */
  memtableFill: () => number;
}

/** The two lanes of background work of a store. */
export class Maintenance {
  readonly totals = { flushes: 0, compactions: 0, compactedBytes: 0 };
  readonly #options: MaintenanceOptions;
  readonly #catalog: TableCatalog;
  /** Oldest first. Readers see each until its tables are in the catalog. */
  readonly #frozen: Frozen[] = [];
  readonly #damaged = new Map<TableReader, ConvergeError>();
  #flushing: Promise<void> | undefined;
  #compacting: Promise<void> | undefined;
  /** Whether there may be something to do for compaction that it has not looked at. */
  #compactAgain = false;
  #flushError: ConvergeError | undefined;
  #compactionError: ConvergeError | undefined;
  /** Whether somebody is being told of damage, who may write to the store first. */
  #isTelling = false;
  #isStarted = false;
  #isClosing = false;
  #isStopped = false;
  #lastFlushMs = -Infinity;
  #restTimer: number | undefined;
  /** Called at the next progress of either lane. */
  #waiters: (() => void)[] = [];
  /** Calls of `settled` under way. */
  #settlers = 0;
  /** End the pauses before something is tried again. */
  readonly #retries = new Set<() => void>();

  constructor(options: MaintenanceOptions) {
    this.#options = options;
    this.#catalog = options.catalog;
  }

  /** Memtables that wait for their flush, oldest first. */
  get frozen(): readonly Frozen[] {
    return this.#frozen;
  }

  /** Why the last flush did not succeed: the disk is full. It is tried again. */
  get flushError(): ConvergeError | undefined {
    return this.#flushError;
  }

  /** As {@linkcode flushError}, of the last compaction or repair. */
  get compactionError(): ConvergeError | undefined {
    return this.#compactionError;
  }

  /** Whether damage is known that is not repaired yet. */
  get isDamaged(): boolean {
    return this.#damaged.size > 0;
  }

  /** Whether there will be fewer runs without anything being written to the store before. */
  get isCompacting(): boolean {
    return this.#compacting !== undefined && !this.#isTelling;
  }

  /** Most runs that a keyspace has: what compaction is behind by. */
  runsMax(): number {
    let most = 0;
    for (const runs of this.#catalog.tables.keyspaces.values()) most = Math.max(most, runs.length);
    return most;
  }

  /** Bytes that compaction has to move to be at rest. */
  debtBytes(): number {
    let debt = 0;
    for (const runs of this.#catalog.tables.keyspaces.values()) {
      debt += compactionDebt(runs.map(({ bytes }) => bytes));
    }
    return debt;
  }

  /** Takes a memtable that gets no more writes. */
  freeze(frozen: Frozen): void {
    this.#frozen.push(frozen);
    this.#flushing ??= this.#flushLoop();
  }

  /** Has a damaged table moved aside. */
  repair(table: TableReader, error: ConvergeError): void {
    if (this.#damaged.has(table)) return;
    this.#damaged.set(table, error);
    this.#options.log?.error("storage.table_damaged", { reason: error.message });
    this.compact();
  }

  /**
   * The store is open: tables are merged from now on. Before, damage is repaired, and none is looked for:
   * who is told of it may wait until the store is open.
   */
  start(): void {
    this.#isStarted = true;
    this.compact();
  }

  /** Starts compaction if there may be anything to do. */
  compact(): void {
    this.#compactAgain = true;
    this.#compacting ??= this.#compactLoop();
  }

  /** Resolves at the next step of either lane. */
  progress(): Promise<void> {
    return new Promise((resolve) => void this.#waiters.push(resolve));
  }

  /** Resolves once neither lane has anything to do. */
  async settled(): Promise<void> {
    this.#settlers++;
    this.compact();
    while ((this.#flushing ?? this.#compacting) !== undefined) {
      await (this.#flushing ?? this.#compacting);
    }
    this.#settlers--;
  }

  /** Ends compaction where it is, and flushes what is frozen. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#endRetryPauses();
    await this.settled();
    this.stop();
  }

  /** Ends both lanes at the next step: the store has failed, or is closed. */
  stop(): void {
    this.#isStopped = true;
    if (this.#restTimer !== undefined) this.#options.clock.clearTimer(this.#restTimer);
    this.#restTimer = undefined;
    this.#endRetryPauses();
    this.#announceProgress();
  }

  async #flushLoop(): Promise<void> {
    const { clock, log } = this.#options;
    const reminder = new Reminder(clock);
    // Ends later than it begins, also where there is nothing to do: `freeze` notes that it runs.
    await undefined;
    while (this.#frozen.length > 0 && !this.#isStopped) {
      try {
        await this.#flushOldest(this.#frozen[0]!);
        this.#flushError = undefined;
        reminder.end();
      } catch (error) {
        if (isConvergeError(error, "disk_full")) this.#flushError = error;
        else this.#options.onFailure(error);
      }
      this.#announceProgress();
      if (this.#flushError === undefined) continue;
      if (this.#isClosing) break;
      const reason = this.#flushError.message;
      if (reminder.isDue()) log?.warn("storage.flush_waits", { reason });
      await this.#pauseToRetry(DISK_FULL_RETRY_MS);
    }
    this.#flushing = undefined;
    this.#announceProgress();
  }

  async #flushOldest({ memtable, nextLog }: Frozen): Promise<void> {
    const add: WrittenTable[] = [];
    const run = this.#catalog.allocate();
    const highestCounter = this.#options.highestCounter();
    const pause = () => this.#pause(this.#options.memtableFill() >= FILL_HURRIED);
    await memtable.sort(pause);
    let isComplete = false;
    try {
      for (const keyspace of memtable.keyspaces.keys()) {
        const source = new MergeCursor(memtable.cursor(keyspace, "", undefined));
        const older = this.#catalog.tables.runs(keyspace);
        const isCancelled = () => this.#isStopped;
        const lane = { keyspace, older, pause, isCancelled };
        const tables = await buildTables(source, this.#build(lane));
        if (tables === undefined) return;
        add.push(...tables);
      }
      isComplete = true;
    } finally {
      // On a full disk they would take the room that is missing, each time that it is tried again.
      if (!isComplete) removeTables(add, this.#options);
    }
    await this.#catalog.commit({ add, run, log: nextLog, highestCounter });
    this.#frozen.shift();
    this.totals.flushes++;
    this.#lastFlushMs = this.#options.clock.monotonicMs();
    this.compact();
  }

  async #compactLoop(): Promise<void> {
    const { clock, log } = this.#options;
    const reminder = new Reminder(clock);
    let retryMs = DISK_FULL_RETRY_MS;
    await undefined;
    while (this.#compactAgain && !this.#isClosing && !this.#isStopped) {
      this.#compactAgain = false;
      try {
        if (await this.#repairOne() || await this.#compactOne()) this.#compactAgain = true;
        this.#compactionError = undefined;
        retryMs = DISK_FULL_RETRY_MS;
        reminder.end();
      } catch (error) {
        this.#compactAgain = true;
        if (isConvergeError(error, "disk_full")) {
          this.#compactionError = error;
          const reason = error.message;
          if (reminder.isDue()) log?.warn("storage.compaction_waits", { reason });
          this.#announceProgress();
          await this.#pauseToRetry(retryMs);
          retryMs = Math.min(DISK_FULL_RETRY_MS_MAX, 2 * retryMs);
        } else if (!isConvergeError(error, "corrupt_file") || this.#damaged.size === 0) {
          // Damage is repaired in the next round; anything else is beyond repair.
          this.#options.onFailure(error);
        }
      }
      this.#announceProgress();
    }
    this.#compacting = undefined;
    this.#compactAtRest();
    this.#announceProgress();
  }

  /** Has compaction look again once it is at rest, if it will find something then. */
  #compactAtRest(): void {
    if (this.#isClosing || this.#isStopped || this.#restTimer !== undefined) return;
    if (this.debtBytes() === 0) return;
    const { clock } = this.#options;
    const leftMs = this.#lastFlushMs + REST_AFTER_MS - clock.monotonicMs();
    // A timer may be a little early: then this goes on, and not with nothing to wait for.
    this.#restTimer = clock.setTimer(Math.max(1, leftMs), () => {
      this.#restTimer = undefined;
      this.compact();
    });
  }

  get #isAtRest(): boolean {
    const quietMs = this.#options.clock.monotonicMs() - this.#lastFlushMs;
    return this.#settlers > 0 || quietMs >= REST_AFTER_MS;
  }

  async #compactOne(): Promise<boolean> {
    if (!this.#isStarted) return false;
    const merge = this.#pick(UNDER_LOAD) ?? (this.#isAtRest ? this.#pick(AT_REST) : undefined);
    if (merge !== undefined) await this.#mergeRuns(merge);
    return merge !== undefined;
  }

  #pick(policy: CompactionPolicy): Merge | undefined {
    for (const [keyspace, runs] of this.#catalog.tables.keyspaces) {
      const runBytes = runs.map(({ bytes }) => bytes);
      const choice = pickCompaction(runBytes, policy);
      if (choice === undefined) continue;
      // Where there was no room for all of it, what is merged bit by bit may make some.
      const isFull = this.#compactionError !== undefined;
      const { from, to } = isFull ? smallestPart(runBytes, choice) : choice;
      return { policy, keyspace, merged: runs.slice(from, to), older: runs.slice(to) };
    }
    return undefined;
  }

  async #mergeRuns({ policy, keyspace, merged, older }: Merge): Promise<void> {
    const cursors: RunCursor[] = [];
    try {
      for (const { tables } of merged) {
        cursors.push(new RunCursor(tables, "", undefined, { isTransient: true }));
      }
    } catch (error) {
      for (const cursor of cursors) cursor.close();
      throw error;
    }
    // What there was time for at rest, and may be long, gives way to repairs and to what flushes need.
    const isOvertaken = () =>
      policy === AT_REST &&
      (this.#damaged.size > 0 || (!this.#isAtRest && this.#pick(UNDER_LOAD) !== undefined));
    const isCancelled = () => this.#isClosing || this.#isStopped || isOvertaken();
    const flushesHurried = this.totals.flushes + FLUSHES_HURRIED;
    const pause = policy === AT_REST
      ? () => this.#pauseAtRest()
      : () => this.#pause(this.totals.flushes >= flushesHurried);
    const lane = { keyspace, older, pause, isCancelled };
    const add = await buildTables(new MergeCursor(cursors), this.#build(lane));
    if (add === undefined) return;
    const remove = merged.flatMap(({ tables }) => tables);
    await this.#catalog.commit({ add, run: merged[0]!.id, remove });
    this.totals.compactions++;
    for (const { bytes } of add) this.totals.compactedBytes += bytes;
  }

  /** Moves one damaged table aside and keeps the blocks of it that hold. */
  async #repairOne(): Promise<boolean> {
    const [damage] = this.#damaged;
    if (damage === undefined) return false;
    const [table, { message }] = damage;
    const { disk, directory } = this.#options;
    const { keyspace } = table.properties;
    const run = this.#catalog.tables.runs(keyspace).find(({ tables }) => tables.includes(table));
    if (run !== undefined) {
      const number = this.#catalog.allocate();
      const target = { disk, directory, number, keyspace };
      const pause = () => this.#pause(false);
      const { lost, ...kept } = await salvageTable(disk, table.path, table, target, pause);
      const add = kept.table === undefined ? [] : [kept.table];
      const aside = `${directory}/${DAMAGED_NAME}`;
      const file = `${aside}/${table.name}`;
      const report: DamageReport = { loss: number, keyspace, file, reason: message, lost };
      let isGivenUp = false;
      try {
        // What follows makes the node forget that anything was here: whoever counts on it is told first.
        if (!await this.#tell(report)) return false;
        disk.makeDirectory(aside);
        isGivenUp = true;
      } finally {
        // On a full disk it would take the room that is missing, each time that it is tried again.
        if (!isGivenUp) removeTables(add, this.#options);
      }
      await this.#catalog.commit({ add, run: run.id, remove: [table], lastLoss: number, aside });
    }
    this.#damaged.delete(table);
    return true;
  }

  /** Whether the table may be given up. Where it may not, the store has failed. */
  async #tell(report: DamageReport): Promise<boolean> {
    this.#isTelling = true;
    this.#announceProgress();
    try {
      await this.#options.onDamage?.(report);
      return true;
    } catch (error) {
      if (!isConvergeError(error, "corrupt_file")) throw error;
      this.#options.onFailure(error);
      return false;
    } finally {
      this.#isTelling = false;
    }
  }

  #build(lane: Omit<BuildOptions, "disk" | "clock" | "directory" | "allocate">): BuildOptions {
    const { disk, clock, directory } = this.#options;
    return { disk, clock, directory, allocate: () => this.#catalog.allocate(), ...lane };
  }

  get #isAwaited(): boolean {
    return this.#settlers > 0 || this.#waiters.length > 0;
  }

  #pause(isBehind: boolean): Promise<void> {
    return delay(this.#options.clock, isBehind || this.#isAwaited ? 0 : REST_MS);
  }

  /** What is done at rest never hurries, and hardly goes on while others keep the thread busy. */
  async #pauseAtRest(): Promise<void> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    await this.#pause(false);
    const lateMs = clock.monotonicMs() - startMs - REST_MS;
    if (lateMs >= LATE_MS && !this.#isAwaited) await delay(clock, BUSY_REST_MS);
  }

  /** Until something is to be tried again; who closes the store does not wait for that. */
  async #pauseToRetry(ms: number): Promise<void> {
    if (this.#isClosing || this.#isStopped) return;
    const { clock } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.setTimer(ms, resolve);
    this.#retries.add(resolve);
    await promise;
    clock.clearTimer(timer);
    this.#retries.delete(resolve);
  }

  #endRetryPauses(): void {
    for (const end of this.#retries) end();
  }

  #announceProgress(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resume of waiters) resume();
  }
}
