/**
 * What goes on behind the writes: frozen memtables become tables (flush), tables are merged
 * (compaction), damaged tables are replaced by what holds of them (repair). Flushes are one lane,
 * compactions and repairs another; both run in short slices in the one thread.
 */
import type { ConvergeError } from "../errors.ts";
import { CompactionLane } from "./compaction_lane.ts";
import { FlushLane, type Frozen } from "./flush_lane.ts";
import { LaneControl } from "./lane_control.ts";
import type { TableReader } from "./sstable_reader.ts";
import type { LsmStoreOptions } from "./store_options.ts";
import type { TableTarget } from "./table_builder.ts";
import type { TableCatalog } from "./table_catalog.ts";
import { TableRepair } from "./table_repair.ts";

/** What both lanes are made of. */
export interface MaintenanceOptions extends LsmStoreOptions {
  catalog: TableCatalog;
  /** Called with what nothing can be done about: the store must stop. */
  onFailure: (cause: unknown) => void;
  highestCounter: () => number;
  /** How full the memtable is that takes the writes: 0 is empty, 1 is about to be frozen. */
  memtableFill: () => number;
  /** Called after each flush and each merge. */
  onTables: () => void;
}

/** The two lanes of background work of a store. */
export class Maintenance {
  /** Memtables that wait for their flush, oldest first. One list for ever: each read looks at it. */
  readonly frozen: readonly Frozen[];
  readonly #catalog: TableCatalog;
  readonly #control: LaneControl;
  readonly #flushes: FlushLane;
  readonly #repair: TableRepair;
  readonly #compactions: CompactionLane;

  constructor(options: MaintenanceOptions) {
    const { catalog, clock, disk, directory } = options;
    this.#catalog = catalog;
    this.#control = new LaneControl(clock);
    const target: TableTarget = { disk, directory, allocate: () => catalog.allocate() };
    const shared = { ...options, control: this.#control, target };
    const onFlushed = () => {
      this.#compactions.look();
      options.onTables();
    };
    this.#flushes = new FlushLane({ ...shared, onFlushed });
    this.frozen = this.#flushes.frozen;
    this.#repair = new TableRepair(shared);
    this.#compactions = new CompactionLane({
      ...shared,
      repair: this.#repair,
      flushed: this.#flushes,
    });
  }

  /** Since the store was opened. */
  get totals(): { flushes: number; compactions: number; compactedBytes: number } {
    return { flushes: this.#flushes.flushes, ...this.#compactions.totals };
  }

  /** Why the last flush did not succeed: the disk is full. It is tried again. */
  get flushError(): ConvergeError | undefined {
    return this.#flushes.error;
  }

  /** As {@linkcode flushError}, of the last compaction or repair. */
  get compactionError(): ConvergeError | undefined {
    return this.#compactions.error;
  }

  /** Whether damage is known that is not repaired yet. */
  get isDamaged(): boolean {
    return this.#repair.isNeeded;
  }

  /** Whether there will be fewer runs without anything being written to the store before. */
  get isCompacting(): boolean {
    return this.#compactions.running !== undefined && !this.#repair.isTelling;
  }

  /** Most runs that a keyspace has: what compaction is behind by. */
  runsMax(): number {
    let most = 0;
    for (const runs of this.#catalog.tables.keyspaces.values()) most = Math.max(most, runs.length);
    return most;
  }

  /** Bytes that compaction has to move to be at rest. */
  debtBytes(): number {
    return this.#compactions.debtBytes();
  }

  /** Takes a memtable that gets no more writes. */
  freeze(frozen: Frozen): void {
    this.#flushes.freeze(frozen);
  }

  /** Has a damaged table moved aside. */
  repair(table: TableReader, error: ConvergeError): void {
    if (this.#repair.add(table, error)) this.#compactions.look();
  }

  /**
   * The store is open: tables are merged from now on. Before, damage is repaired, and none is looked for:
   * who is told of it may wait until the store is open.
   */
  start(): void {
    this.#compactions.beginMerging();
  }

  /** Resolves at the next step of either lane. */
  progress(): Promise<void> {
    return this.#control.progress();
  }

  /** Resolves once neither lane has anything to do. */
  async settled(): Promise<void> {
    this.#control.beginSettling();
    this.#compactions.look();
    while (this.#running !== undefined) await this.#running;
    this.#control.endSettling();
  }

  get #running(): Promise<void> | undefined {
    return this.#flushes.running ?? this.#compactions.running;
  }

  /** Ends compaction where it is, and flushes what is frozen. */
  async close(): Promise<void> {
    this.#control.close();
    await this.settled();
    this.stop();
  }

  /** Ends both lanes at the next step: the store has failed, or is closed. */
  stop(): void {
    this.#compactions.cancelTimer();
    this.#control.stop();
  }
}
