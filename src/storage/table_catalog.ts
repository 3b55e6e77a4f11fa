/** The tables that are open and the manifest that names them: every edit of both. */
import { invariant, isConvergeError } from "../errors.ts";
import type { Disk } from "../platform/disk.ts";
import type { Log } from "../platform/log.ts";
import type { BlockCache } from "./block_cache.ts";
import { logName } from "./file_names.ts";
import { type Manifest, writeManifest } from "./manifest.ts";
import { TableReader, type TableReaderOptions } from "./sstable_reader.ts";
import type { WrittenTable } from "./sstable_writer.ts";
import { removeTables } from "./table_builder.ts";
import { TableFiles } from "./table_files.ts";
import { TableSet } from "./table_set.ts";

/** What one edit changes. */
export interface CatalogEdit {
  /** Tables that are complete and renamed; their directory entries are made durable here. */
  add?: readonly WrittenTable[];
  /** Run of the added tables. */
  run?: number;
  remove?: readonly TableReader[];
  /** First log segment that counts afterwards. */
  log?: number;
  highestCounter?: number;
  /** What `Store.lastLoss` says afterwards. */
  lastLoss?: number;
  /** Where the files of removed tables go once nobody reads them; default: they are removed. */
  aside?: string;
}

export interface CatalogOptions {
  disk: Disk;
  directory: string;
  cache: BlockCache;
  openFilesMax?: number | undefined;
  log?: Log | undefined;
  onDamage: NonNullable<TableReaderOptions["onDamage"]>;
}

/** Invariant: `tables` is what the manifest on disk names (while no edit is under way). */
export class TableCatalog {
  readonly #options: CatalogOptions;
  readonly #files: TableFiles;
  #manifest: Manifest;
  #tables: TableSet;
  /** The edits under way, one after the other. */
  #tail: Promise<void> = Promise.resolve();
  /** The removals under way, one after the other. */
  #discarding: Promise<void> = Promise.resolve();

  constructor(manifest: Manifest, options: CatalogOptions) {
    this.#options = options;
    const files = this.#files = new TableFiles(options.disk, options.openFilesMax);
    this.#manifest = manifest;
    this.#tables = new TableSet(
      manifest.tables.map((table) => ({
        run: table.run,
        table: new TableReader({ ...options, ...table, files }),
      })),
    );
  }

  get tables(): TableSet {
    return this.#tables;
  }

  get manifest(): Readonly<Manifest> {
    return this.#manifest;
  }

  /** A file number that was never used. */
  allocate(): number {
    return this.#manifest.next++;
  }

  /**
   * Makes an edit, durably; readers see it when this resolves.
   *
   * @throws {ConvergeError} `disk_full` (nothing changed and the added tables are removed);
   * `disk_failed` (unknown).
   */
  commit(edit: CatalogEdit): Promise<void> {
    const done = this.#tail.then(() => this.#commit(edit));
    this.#tail = done.catch(() => {});
    return done;
  }

  /** Closes all tables and ends removals. No edit may be under way. */
  async close(): Promise<void> {
    for (const { table } of this.#tables.all()) table.close();
    await this.#discarding;
  }

  async #commit(edit: CatalogEdit): Promise<void> {
    const { add = [], remove = [], run } = edit;
    const { disk, directory } = this.#options;
    const removed = new Set(remove);
    const kept = [...this.#tables.all()].filter(({ table }) => !removed.has(table));
    const added = add.map((table) => {
      invariant(run !== undefined, "added tables belong to a run");
      const options = { ...this.#options, ...table, files: this.#files };
      return { run, table: new TableReader(options, table.index) };
    });
    const named = [...added, ...kept];
    const next: Manifest = {
      next: this.#manifest.next,
      log: edit.log ?? this.#manifest.log,
      highestCounter: Math.max(this.#manifest.highestCounter, edit.highestCounter ?? 0),
      lastLoss: edit.lastLoss ?? this.#manifest.lastLoss,
      tables: named.map(({ run, table: { number, bytes, tail, properties } }) => ({
        run,
        number,
        bytes,
        tail,
        properties,
      })),
    };
    try {
      // The tables' names must be durable before a manifest that relies on them can be.
      if (added.length > 0) await disk.syncDirectory(directory);
      await writeManifest(disk, directory, next);
    } catch (error) {
      // They would take the room that is missing, and more of it each time that it is tried again.
      if (isConvergeError(error, "disk_full")) removeTables(add, this.#options);
      throw error;
    }
    next.next = this.#manifest.next;
    const logBefore = this.#manifest.log;
    this.#manifest = next;
    this.#tables = new TableSet(named);
    const { aside } = edit;
    for (const table of removed) {
      table.retire(() =>
        aside === undefined ? this.#discard(table.path) : this.#setAside(table, aside)
      );
    }
    for (let log = logBefore; log < next.log; log++) this.#discard(`${directory}/${logName(log)}`);
  }

  /** Never throws: who lets go of a table last need not know of its damage. */
  #setAside({ path, name }: TableReader, aside: string): void {
    try {
      this.#options.disk.rename(path, `${aside}/${name}`);
    } catch (error) {
      this.#noteLeft(path, error);
    }
  }

  /** Removes a file that the manifest does not name. */
  #discard(path: string): void {
    const { disk } = this.#options;
    this.#discarding = this.#discarding.then(() => disk.discard(path))
      .catch((error) => this.#noteLeft(path, error));
  }

  /** A file that is left is removed at the next start. */
  #noteLeft(path: string, error: unknown): void {
    this.#options.log?.warn("storage.file_left", { path, reason: String(error) });
  }
}
