/** The lane that writes frozen memtables to tables, the oldest first. */
import { type ConvergeError, isConvergeError } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import { Reminder } from "../platform/reminder.ts";
import { MergeCursor } from "./cursor.ts";
import type { LaneControl } from "./lane_control.ts";
import { LOOK_MS, Misfit } from "./misfit.ts";
import type { Memtable } from "./memtable.ts";
import type { WrittenTable } from "./sstable_writer.ts";
import { buildTables, removeTables, type TableTarget } from "./table_builder.ts";
import type { TableCatalog } from "./table_catalog.ts";

/** Pause before a flush that found the disk full is tried again, where it cannot be told whether there is more room. */
const RETRY_MS = 1_000;
/** A flush does not rest any more once the next memtable is this full. */
const FILL_HURRIED = 0.5;

/** A memtable that is being written to tables. */
export interface Frozen {
  readonly memtable: Memtable;
  /** First log segment that holds nothing of it. */
  readonly nextLog: number;
}

/** What the lane is made of. */
export interface FlushLaneOptions {
  clock: Clock;
  log?: Log;
  catalog: TableCatalog;
  control: LaneControl;
  target: TableTarget;
  highestCounter: () => number;
  /** How full the memtable is that takes the writes: 0 is empty, 1 is about to be frozen. */
  memtableFill: () => number;
  /** There is one run more. */
  onFlushed: () => void;
  /** Called with what nothing can be done about: the store must stop. */
  onFailure: (cause: unknown) => void;
}

/** Writes frozen memtables to tables. */
export class FlushLane {
  readonly #options: FlushLaneOptions;
  readonly #control: LaneControl;
  readonly #misfit: Misfit;
  readonly #frozen: Frozen[] = [];
  #running: Promise<void> | undefined;
  #error: ConvergeError | undefined;
  #flushes = 0;
  #lastFlushMs = -Infinity;

  constructor(options: FlushLaneOptions) {
    this.#options = options;
    this.#control = options.control;
    this.#misfit = new Misfit(options.target, options.clock);
  }

  /** Memtables that wait for their flush, oldest first. Each is here until its tables are in the catalog. */
  get frozen(): readonly Frozen[] {
    return this.#frozen;
  }

  /** Resolves at the end of the work that goes on; undefined where there is none. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  /** Why the last flush did not succeed: the disk is full. It is tried again. */
  get error(): ConvergeError | undefined {
    return this.#error;
  }

  /** Memtables that were flushed since the store was opened. */
  get flushes(): number {
    return this.#flushes;
  }

  /** Time of the last flush, by `Clock.monotonicMs`; -Infinity before the first. */
  get lastFlushMs(): number {
    return this.#lastFlushMs;
  }

  /** Takes a memtable that gets no more writes. */
  freeze(frozen: Frozen): void {
    this.#frozen.push(frozen);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const reminder = new Reminder(clock);
    // Ends later than it begins, also where there is nothing to do: `freeze` notes that it runs.
    await undefined;
    while (this.#frozen.length > 0 && !this.#control.isStopped) {
      const frozen = this.#frozen[0]!;
      const work = { name: `before ${frozen.nextLog}`, bytes: frozen.memtable.logBytes };
      let wasTried = true;
      try {
        await this.#misfit.attempt(work, () => this.#flush(frozen));
        this.#error = undefined;
        reminder.end();
      } catch (error) {
        wasTried = error !== this.#error;
        if (isConvergeError(error, "disk_full")) this.#error = error;
        else this.#options.onFailure(error);
      }
      this.#control.announceProgress();
      if (this.#error === undefined) continue;
      if (this.#control.isClosing) break;
      const reason = this.#error.message;
      if (reminder.isDue()) log?.warn("storage.flush_waits", { reason });
      await this.#control.pauseToRetry(wasTried ? RETRY_MS : LOOK_MS);
    }
    this.#running = undefined;
    this.#control.announceProgress();
  }

  async #flush({ memtable, nextLog }: Frozen): Promise<void> {
    const { catalog, target, clock } = this.#options;
    const add: WrittenTable[] = [];
    const run = catalog.allocate();
    const highestCounter = this.#options.highestCounter();
    const pause = () => this.#control.rest(this.#options.memtableFill() >= FILL_HURRIED);
    const isCancelled = () => this.#control.isStopped;
    await memtable.sort(pause);
    let isComplete = false;
    try {
      for (const keyspace of memtable.keyspaces.keys()) {
        const source = new MergeCursor(memtable.cursor(keyspace, "", undefined));
        const older = catalog.tables.runs(keyspace);
        const build = { ...target, clock, keyspace, older, pause, isCancelled };
        const tables = await buildTables(source, build);
        if (tables === undefined) return;
        add.push(...tables);
      }
      isComplete = true;
    } finally {
      // On a full disk they would take the room that is missing, each time that it is tried again.
      if (!isComplete) removeTables(add, target);
    }
    await catalog.commit({ add, run, log: nextLog, highestCounter });
    this.#frozen.shift();
    this.#flushes++;
    this.#lastFlushMs = clock.monotonicMs();
    this.#options.onFlushed();
  }
}
