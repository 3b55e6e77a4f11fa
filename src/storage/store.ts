/**
 * What a node keeps, as the rest of the house sees it.
 *
 * A store holds a few named *keyspaces*, each an ordered map from key to its newest record. All of
 * them are under one log: a batch over several keyspaces is atomic. `memory_store.ts` is the
 * reference; `lsm_store.ts` the engine. One conformance suite runs on both.
 */
import type { Key } from "../record/key.ts";
import type { StoredRecord } from "../record/record.ts";
import type { Version } from "../record/version.ts";

/** Name of a keyspace: lower-case letters, digits, `-`. */
export type Keyspace = string;

/** What a keyspace may be called: it stands in lines of the log and in names of files. */
export const KEYSPACE_NAME = /^[a-z][a-z0-9-]{0,62}$/;

/** The clients' records. */
export const DATA: Keyspace = "data";
/** What the node keeps for itself: reserved counters, members, progress. */
export const META: Keyspace = "meta";

/** One change. */
export interface Mutation {
  readonly keyspace: Keyspace;
  /** Stored if newer than what is there. */
  readonly record: StoredRecord;
  /**
   * Forget the key physically instead, if its record is not newer than `record` (only key and
   * version of which count). Leaves nothing that a read or scan shows.
   */
  readonly erase?: boolean;
}

/** What became of a mutation: `stored` (again, for the same version), or the newer version there. */
export type ApplyResult = "stored" | Version;

/** A bounded part of a keyspace, from a stable snapshot, in key order. */
export interface ScanOptions {
  /** First key to return; default: the first of all. */
  start?: Key;
  /** First key not to return; default: none. */
  end?: Key;
  /**
   * Only these keys, where given: those of a range of tokens, which lie scattered over the order of
   * keys. Asked once per key, in order; of the others nothing but the key is read.
   */
  isWanted?: (key: Key) => boolean;
}

/** Bytes of records after which a step of a scan ends, however many records it was asked for. */
export const SCAN_STEP_BYTES = 1024 * 1024;

/** A scan under way. Holds resources until it is exhausted or closed. */
export interface Scan {
  /** The last key that was looked at, wanted or not; undefined before the first. */
  readonly lastKey: Key | undefined;
  /** Whether there is nothing left to look at. */
  readonly isDone: boolean;
  /**
   * Up to `recordsMax` next records, tombstones and expired ones too; empty at the end. Fewer where
   * they are large: none comes after those that are `SCAN_STEP_BYTES` together.
   *
   * @param looksMax Keys to look at, at most: where few are wanted, fewer records may come, or none.
   * @throws {ConvergeError} `corrupt_file`; `closed`.
   */
  next(recordsMax: number, looksMax?: number): StoredRecord[];
  close(): void;
}

/** What a store held at one moment. Holds resources until it is closed. */
export interface Snapshot {
  /** As `Store.get` at that moment. @throws {ConvergeError} `corrupt_file`; `closed`. */
  get(keyspace: Keyspace, key: Key): StoredRecord | undefined;
  close(): void;
}

/** Figures for metrics, `/cluster` and the tools. Bytes and counts are of now, totals since open. */
export interface StoreStatistics {
  /** Keys with a record per keyspace, as well as is known without a scan. */
  approximateKeys: Record<Keyspace, number>;
  memtableBytes: number;
  logBytes: number;
  tableCount: number;
  tableBytes: number;
  cacheBytes: number;
  /** Bytes that compaction still has to move to be at rest. */
  compactionDebtBytes: number;
  flushesTotal: number;
  compactionsTotal: number;
  compactedBytesTotal: number;
  appliedTotal: number;
  syncsTotal: number;
  /** Milliseconds of the last fsync of the log. */
  lastSyncMs: number;
}

/** A durable, ordered, versioned map. All methods may be called at any time until `close`. */
export interface Store {
  /**
   * Applies a batch, atomically and durably: all of its stored mutations survive a crash, or none.
   * Resolves after the fsync that covers it (per durability mode), with one result per mutation, in
   * order. Nothing of it is readable before.
   *
   * @throws {ConvergeError} `disk_full`, `overloaded` (nothing was applied; try again later);
   * `disk_failed` (unknown whether applied; the store takes no more writes); `closed`.
   */
  apply(mutations: readonly Mutation[]): Promise<ApplyResult[]>;
  /**
   * Resolves once all that was applied before the call is on the device, in every durability mode.
   *
   * @throws {ConvergeError} `disk_failed` (the store takes no more writes); `closed`.
   */
  sync(): Promise<void>;
  /**
   * The newest record of a key, a tombstone or expired one too; synchronous.
   * @throws {ConvergeError} `corrupt_file` when its bytes are damaged; `closed`.
   */
  get(keyspace: Keyspace, key: Key): StoredRecord | undefined;
  /** Where `get` would find a key: `memtable`, the name of a table, or undefined when absent. */
  locate(keyspace: Keyspace, key: Key): string | undefined;
  /** Scans a keyspace from a snapshot of now. */
  scan(keyspace: Keyspace, options?: ScanOptions): Scan;
  /** Keeps what is there now for look-ups, whatever is stored afterwards. */
  snapshot(): Snapshot;
  /** Moves everything from memory into tables. */
  flush(): Promise<void>;
  /** Makes an openable copy in a new directory, as of a moment during the call, while serving. */
  checkpoint(directory: string): Promise<void>;
  /** The highest counter of any record in the data keyspace, ever; 0 when none. */
  highestCounter(): number;
  /**
   * Names the last time that stored records were given up because their bytes were damaged: greater
   * than for every earlier such loss, 0 for none. Changes together with what is readable.
   */
  lastLoss(): number;
  statistics(): StoreStatistics;
  /** Finishes what waits, flushes, releases the directory. Idempotent. */
  close(): Promise<void>;
}
