/** Replaces damaged tables by what holds of them, one at a time, once whoever counts on them is told. */
import { type ConvergeError, isConvergeError } from "../errors.ts";
import type { Log } from "../platform/log.ts";
import { DAMAGED_NAME } from "./file_names.ts";
import type { LaneControl } from "./lane_control.ts";
import { salvageTable } from "./salvage.ts";
import type { TableReader } from "./sstable_reader.ts";
import type { DamageReport } from "./store_options.ts";
import { removeTables, type TableTarget } from "./table_builder.ts";
import type { TableCatalog } from "./table_catalog.ts";

/** What a repair is made of. */
export interface TableRepairOptions {
  log?: Log;
  catalog: TableCatalog;
  control: LaneControl;
  target: TableTarget;
  /** As `LsmStoreOptions.onDamage`. */
  onDamage?: (report: DamageReport) => void | Promise<void>;
  /** Called with what nothing can be done about: the store must stop. */
  onFailure: (cause: unknown) => void;
}

/** The damaged tables of a store. */
export class TableRepair {
  readonly #options: TableRepairOptions;
  readonly #damaged = new Map<TableReader, ConvergeError>();
  /** Whether somebody is being told of damage, who may write to the store first. */
  #isTelling = false;

  constructor(options: TableRepairOptions) {
    this.#options = options;
  }

  /** Whether damage is known that is not repaired yet. */
  get isNeeded(): boolean {
    return this.#damaged.size > 0;
  }

  /** Whether it waits for somebody who is told of damage, and may write to the store before it goes on. */
  get isTelling(): boolean {
    return this.#isTelling;
  }

  /** Takes note of damage. @returns Whether it was not known. */
  add(table: TableReader, error: ConvergeError): boolean {
    if (this.#damaged.has(table)) return false;
    this.#damaged.set(table, error);
    this.#options.log?.error("storage.table_damaged", { reason: error.message });
    return true;
  }

  /**
   * Moves one damaged table aside and keeps the blocks of it that hold.
   *
   * @returns Whether it did; where not, there is none, or it may not be given up.
   * @throws {ConvergeError} `disk_full`; `disk_failed`; what `onDamage` rejects with.
   */
  async repairOne(): Promise<boolean> {
    const [damage] = this.#damaged;
    if (damage === undefined) return false;
    const [table, { message }] = damage;
    const { catalog, control } = this.#options;
    const { disk, directory, allocate } = this.#options.target;
    const { keyspace } = table.properties;
    const run = catalog.tables.runs(keyspace).find(({ tables }) => tables.includes(table));
    if (run !== undefined) {
      const number = allocate();
      const target = { disk, directory, number, keyspace };
      const pause = () => control.rest(false);
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
        if (!isGivenUp) removeTables(add, target);
      }
      await catalog.commit({ add, run: run.id, remove: [table], lastLoss: number, aside });
    }
    this.#damaged.delete(table);
    return true;
  }

  /**
   * Whether the table may be given up. Where it may not, the store has failed, or is being closed and
   * takes no note of the loss any more: then the damage is found again after the next start.
   */
  async #tell(report: DamageReport): Promise<boolean> {
    this.#isTelling = true;
    this.#options.control.announceProgress();
    try {
      await this.#options.onDamage?.(report);
      return true;
    } catch (error) {
      if (isConvergeError(error, "closed")) return false;
      if (!isConvergeError(error, "corrupt_file")) throw error;
      this.#options.onFailure(error);
      return false;
    } finally {
      this.#isTelling = false;
    }
  }
}
