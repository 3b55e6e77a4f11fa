/** What an LSM store is opened with, and what it tells whoever opened it. */
import type { Durability } from "../config.ts";
import type { ConvergeError } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { Disk } from "../platform/disk.ts";
import type { Log } from "../platform/log.ts";
import type { LostRange } from "./salvage.ts";
import type { Keyspace } from "./store.ts";

/** What a store is opened with. */
export interface LsmStoreOptions {
  directory: string;
  clock: Clock;
  disk: Disk;
  /** Default: fsync. */
  durability?: Durability;
  /** Bytes of log after which the memtable is frozen and written to a table; or `MEMTABLE_KEYS_MAX`. */
  memtableBytes?: number;
  /** Bound of the block cache, in bytes. */
  cacheBytes?: number;
  /** Bound of the table files that are open at a time; default: `OPEN_FILES_MAX` of `table_files.ts`. */
  openFilesMax?: number;
  log?: Log;
  /** The store can no longer keep its promise (an fsync failed): the node must stop. Called once. */
  onFatal?: (error: ConvergeError) => void;
  /**
   * A table was found damaged. Called, and waited for, before anything is answered without the blocks
   * that are lost. It may write to the store, but must not wait for the repair. While the store is
   * being opened it is called for the keyspace `meta` alone, and must not wait until the store is open.
   * Where it rejects with `corrupt_file` the table is not given up: it stays as it is, and the store
   * fails.
   * Where it rejects with `closed`, as a write does once the store is being closed, the table stays as it
   * is for the next start.
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
