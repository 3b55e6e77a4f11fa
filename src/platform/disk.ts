/**
 * The file system as Converge needs it, small enough to be simulated faithfully
 * (after leveldb's `env.h`).
 *
 * Reads and cached writes are synchronous: they hit the page cache, and an await there costs more
 * than the call. What waits for the device (`sync`, `syncDirectory`) is asynchronous.
 *
 * Durability contract, which the simulated disk enforces:
 * - bytes appended are durable only once a later `sync()` of that file resolved;
 * - a created, renamed or removed directory entry is durable only once a later
 *   `syncDirectory()` of its directory resolved;
 * - at a crash anything not durable may be kept, lost, or (for appended bytes) torn at any byte;
 * - of a file that is or was open with room, bytes that a crash took may read as zeros, also between
 *   others that were kept, and zeros may follow the last byte.
 *
 * Errors of every method: `ConvergeError` `disk_full` when there is no space, `disk_failed` for
 * any other failure of the device or system. After a failed `sync()` the cached bytes are in an
 * unknown state: never retry on the same file.
 */
export interface Disk {
  /** Creates the directory and its parents, durably; fine if it exists. */
  makeDirectory(path: string): void;
  /** Names (not paths) in a directory, sorted; an absent directory has none. */
  list(path: string): string[];
  /** Size in bytes, or undefined when there is no such file. */
  fileSize(path: string): number | undefined;
  /** Bytes that can still be written below a directory, about; Infinity where nobody can tell. */
  freeBytes(path: string): number;
  /** Opens for appending at the end; creates the file if absent. Does not truncate. */
  openAppend(path: string, options?: AppendOptions): AppendFile;
  /** Opens an existing file for reads at any offset. */
  openRead(path: string): ReadFile;
  /** Shortens a file to `lengthBytes`; durable after a `sync()` of a handle opened later. */
  truncate(path: string, lengthBytes: number): void;
  /**
   * Writes `bytes`, which are all that a file holds from `offset` on, once more in the same place. A later
   * `sync()` of the file means all of them, whatever syncs failed before. Takes no space, but where the file
   * system never writes in place.
   */
  rewrite(path: string, offset: number, bytes: Uint8Array): void;
  /** Atomically replaces `to` by `from`. */
  rename(from: string, to: string): void;
  /** Hard-links (or, where that cannot be had, copies durably) `from` to the new name `to`. */
  link(from: string, to: string): void;
  /** Removes a file; fine if absent. */
  remove(path: string): void;
  /**
   * As `remove`, for a file that nothing names any more: to free what a large one took keeps a thread
   * for milliseconds, which here is not the caller's.
   */
  discard(path: string): Promise<void>;
  /** Removes a directory and all in it; fine if absent. */
  removeDirectory(path: string): void;
  /** Makes the directory's entries durable. */
  syncDirectory(path: string): Promise<void>;
  /** Takes an exclusive lock that ends with the process. @throws `data_locked` when held elsewhere. */
  lock(path: string): FileLock;
}

/** How a file is appended to. */
export interface AppendOptions {
  /**
   * About so many zeros are kept written behind what was appended, until the file is closed: a sync
   * of bytes for which there is room already need not make the file longer on the device, which
   * costs as much again.
   */
  readonly roomBytes?: number;
}

/** A file being appended to. One writer at a time. */
export interface AppendFile {
  /** Bytes in the file, appended ones included. */
  readonly sizeBytes: number;
  /** Appends all of `bytes` to the cached image. `bytes` may be reused afterwards. */
  append(bytes: Uint8Array): void;
  /** Resolves once everything appended before the call is on the device. */
  sync(): Promise<void>;
  close(): void;
}

/** A file open for positional reads. */
export interface ReadFile {
  readonly sizeBytes: number;
  /** Exactly `lengthBytes` bytes from `offset`, in a fresh array. @throws `disk_failed` past the end. */
  readAt(offset: number, lengthBytes: number): Uint8Array;
  /** Fills all of `target` from `offset` on. @throws `disk_failed` past the end. */
  readInto(offset: number, target: Uint8Array): void;
  close(): void;
}

/** An exclusive lock. */
export interface FileLock {
  release(): void;
}
