/**
 * The lane that merges tables, and repairs those that are damaged before anything else.
 *
 * Which runs are merged is decided by `compaction_picker.ts`; when, and how hastily, here.
 */
import { type ConvergeError, isConvergeError } from "../errors.ts";
import type { Clock, TimerID } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
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
import { HiddenBytes } from "./hidden_bytes.ts";
import type { LaneControl } from "./lane_control.ts";
import { LOOK_MS, Misfit } from "./misfit.ts";
import { RunCursor } from "./run_cursor.ts";
import type { Keyspace } from "./store.ts";
import { buildTables, type TableTarget } from "./table_builder.ts";
import type { TableCatalog } from "./table_catalog.ts";
import type { TableRepair } from "./table_repair.ts";
import type { Run } from "./table_set.ts";

/**
 * Pause before something that found the disk full is tried again, where it cannot be told whether there is
 * more room. A compaction writes until the disk is full, so its pause is twice as long each time, up to a
 * bound.
 */
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 16_000;

/** A merge does not rest any more once so many memtables were flushed since it began. */
const FLUSHES_HURRIED = 1;

/** Without a flush for this long, compaction does what it has left lying. */
const REST_AFTER_MS = 5_000;

/** Runs of a keyspace to be merged into one, and those older than them. */
interface Merge {
  readonly policy: CompactionPolicy;
  readonly keyspace: Keyspace;
  readonly merged: readonly Run[];
  readonly older: readonly Run[];
}

/** What the lane is made of. */
export interface CompactionLaneOptions {
  clock: Clock;
  log?: Log;
  catalog: TableCatalog;
  control: LaneControl;
  target: TableTarget;
  repair: TableRepair;
  /** What goes on in the other lane. */
  flushed: { readonly flushes: number; readonly lastFlushMs: number };
  /** A merge was made. */
  onTables: () => void;
  /** Called with what nothing can be done about: the store must stop. */
  onFailure: (cause: unknown) => void;
}

/** Repairs and merges tables. */
export class CompactionLane {
  readonly totals = { compactions: 0, compactedBytes: 0 };
  readonly #options: CompactionLaneOptions;
  readonly #catalog: TableCatalog;
  readonly #control: LaneControl;
  readonly #repair: TableRepair;
  readonly #hidden = new HiddenBytes();
  readonly #misfit: Misfit;
  #running: Promise<void> | undefined;
  /** Whether there may be something to do that it has not looked at. */
  #runAgain = false;
  #error: ConvergeError | undefined;
  #mayMerge = false;
  #restTimer: TimerID | undefined;

  constructor(options: CompactionLaneOptions) {
    this.#options = options;
    this.#catalog = options.catalog;
    this.#control = options.control;
    this.#repair = options.repair;
    this.#misfit = new Misfit(options.target, options.clock);
  }

  /** Resolves at the end of the work that goes on; undefined where there is none. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  /** Why the last compaction or repair did not succeed: the disk is full. It is tried again. */
  get error(): ConvergeError | undefined {
    return this.#error;
  }

  /** Bytes that compaction has to move to be at rest. */
  debtBytes(): number {
    let debt = 0;
    for (const runs of this.#catalog.tables.keyspaces.values()) {
      debt += compactionDebt(runs, this.#hidden.of(runs));
    }
    return debt;
  }

  /** From now on tables are merged, too, and not only repaired. */
  beginMerging(): void {
    this.#mayMerge = true;
    this.look();
  }

  /** Looks for something to do. */
  look(): void {
    this.#runAgain = true;
    this.#running ??= this.#run();
  }

  /** It will not look again by itself. */
  cancelTimer(): void {
    if (this.#restTimer !== undefined) this.#options.clock.clearTimer(this.#restTimer);
    this.#restTimer = undefined;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const reminder = new Reminder(clock);
    let retryMs = RETRY_MS;
    await undefined;
    while (this.#runAgain && !this.#isEnding) {
      this.#runAgain = false;
      try {
        if (await this.#repair.repairOne() || await this.#mergeOne()) this.#runAgain = true;
        this.#error = undefined;
        retryMs = RETRY_MS;
        reminder.end();
      } catch (error) {
        this.#runAgain = true;
        if (isConvergeError(error, "disk_full")) {
          const wasTried = error !== this.#error;
          this.#error = error;
          const reason = error.message;
          if (reminder.isDue()) log?.warn("storage.compaction_waits", { reason });
          this.#control.announceProgress();
          await this.#control.pauseToRetry(wasTried ? retryMs : LOOK_MS);
          if (wasTried) retryMs = Math.min(RETRY_MS_MAX, 2 * retryMs);
        } else if (!isConvergeError(error, "corrupt_file") || !this.#repair.isNeeded) {
          // Damage is repaired in the next round; anything else is beyond repair.
          this.#options.onFailure(error);
        }
      }
      this.#control.announceProgress();
    }
    this.#running = undefined;
    this.#lookAtRest();
    this.#control.announceProgress();
  }

  /** Has it look again once the store is at rest, if it will find something then. */
  #lookAtRest(): void {
    if (this.#isEnding || this.#restTimer !== undefined) return;
    if (this.debtBytes() === 0 && !this.#mayHideMore) return;
    const { clock, flushed } = this.#options;
    const leftMs = flushed.lastFlushMs + REST_AFTER_MS - clock.monotonicMs();
    // A timer may be a little early: then this goes on, and not with nothing to wait for.
    this.#restTimer = clock.setTimer(Math.max(1, leftMs), () => {
      this.#restTimer = undefined;
      this.look();
    });
  }

  get #isEnding(): boolean {
    return this.#control.isClosing || this.#control.isStopped;
  }

  get #isAtRest(): boolean {
    const { clock, flushed } = this.#options;
    return this.#control.isSettling || clock.monotonicMs() - flushed.lastFlushMs >= REST_AFTER_MS;
  }

  async #mergeOne(): Promise<boolean> {
    if (!this.#mayMerge) return false;
    const merge = this.#pick(UNDER_LOAD) ?? await this.#pickAtRest();
    if (merge === undefined) return false;
    const name = merge.merged.map(({ id, bytes }) => `${id}:${bytes}`).join();
    const bytes = merge.merged.reduce((sum, run) => sum + run.bytes, 0);
    await this.#misfit.attempt({ name, bytes }, () => this.#merge(merge));
    return true;
  }

  async #pickAtRest(): Promise<Merge | undefined> {
    if (!this.#isAtRest) return undefined;
    const pause = async () => {
      await this.#control.restGenerously();
      return !this.#isEnding && this.#isAtRest;
    };
    for (const runs of this.#catalog.tables.keyspaces.values()) {
      await this.#hidden.look(runs, pause);
    }
    return this.#pick(AT_REST);
  }

  /** Whether a look at rest would tell more of what newer runs hide. */
  get #mayHideMore(): boolean {
    for (const runs of this.#catalog.tables.keyspaces.values()) {
      if (this.#hidden.isDue(runs)) return true;
    }
    return false;
  }

  #pick(policy: CompactionPolicy): Merge | undefined {
    for (const [keyspace, runs] of this.#catalog.tables.keyspaces) {
      const choice = pickCompaction(runs, policy, this.#hidden.of(runs));
      if (choice === undefined) continue;
      // Where there was no room for all of it, what is merged bit by bit may make some.
      const isFull = this.#error !== undefined;
      const { from, to } = isFull ? smallestPart(runs, choice) : choice;
      return { policy, keyspace, merged: runs.slice(from, to), older: runs.slice(to) };
    }
    return undefined;
  }

  async #merge({ policy, keyspace, merged, older }: Merge): Promise<void> {
    const source = mergeOf(merged);
    const isCancelled = () => this.#isEnding || (policy === AT_REST && this.#isOvertaken);
    const pause = policy === AT_REST
      ? () => this.#control.restGenerously()
      : this.#restUnlessBehind();
    const { target, clock } = this.#options;
    const build = { ...target, clock, keyspace, older, pause, isCancelled };
    const add = await buildTables(source, build);
    if (add === undefined) return;
    const remove = merged.flatMap(({ tables }) => tables);
    await this.#catalog.commit({ add, run: merged[0]!.id, remove });
    this.totals.compactions++;
    for (const { bytes } of add) this.totals.compactedBytes += bytes;
    this.#options.onTables();
  }

  /** What there was time for at rest, and may be long, gives way to repairs and to what flushes need. */
  get #isOvertaken(): boolean {
    return this.#repair.isNeeded || (!this.#isAtRest && this.#pick(UNDER_LOAD) !== undefined);
  }

  /** The rest between the slices of a merge that begins now. */
  #restUnlessBehind(): () => Promise<void> {
    const { flushed } = this.#options;
    const flushesHurried = flushed.flushes + FLUSHES_HURRIED;
    return () => this.#control.rest(flushed.flushes >= flushesHurried);
  }
}

/** All lines of some runs, each key once, the newest. */
function mergeOf(runs: readonly Run[]): MergeCursor {
  const cursors: RunCursor[] = [];
  try {
    for (const { tables } of runs) {
      cursors.push(new RunCursor(tables, "", undefined, { isTransient: true }));
    }
  } catch (error) {
    for (const cursor of cursors) cursor.close();
    throw error;
  }
  return new MergeCursor(cursors);
}
