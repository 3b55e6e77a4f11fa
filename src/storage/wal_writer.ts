/** Appends groups to one log segment. What is written and why: `wal_format.ts`. */
import { crc32 } from "node:zlib";
import { ConvergeError, invariant, isConvergeError } from "../errors.ts";
import type { AppendFile, Disk } from "../platform/disk.ts";
import { logName } from "./file_names.ts";
import { COMMIT_BYTES_MAX, commitLine, headerLine, LOG_FORMAT } from "./wal_format.ts";

/** What is written ahead of the log, see `AppendOptions`. */
const ROOM = { roomBytes: 256 * 1024 };

/** The buffer of a group without lines. */
const NO_LINES = new Uint8Array(COMMIT_BYTES_MAX);

/** The open segment. One writer; a failed append is undone before the next. */
export class LogWriter {
  readonly number: number;
  readonly #disk: Disk;
  readonly #path: string;
  #file: AppendFile;
  /** Invariant: syncedBytes <= goodBytes; everything before goodBytes is whole groups. */
  #goodBytes: number;
  #syncedBytes: number;
  /** Whether bytes behind goodBytes may be in the file, left by a failed append. */
  #spoiled = false;

  private constructor(disk: Disk, directory: string, number: number, syncedBytes: number) {
    this.number = number;
    this.#disk = disk;
    this.#path = `${directory}/${logName(number)}`;
    this.#file = disk.openAppend(this.#path, ROOM);
    this.#goodBytes = syncedBytes;
    this.#syncedBytes = syncedBytes;
  }

  /**
   * Begins a new segment, durable with its directory entry when this resolves.
   *
   * @param previousBytes Synced length of the segment before; 0 when there is none.
   */
  static async create(
    disk: Disk,
    directory: string,
    { number, previousBytes }: { number: number; previousBytes: number },
  ): Promise<LogWriter> {
    // What is there is the rest of an attempt that did not get this far.
    disk.remove(`${directory}/${logName(number)}`);
    const writer = new LogWriter(disk, directory, number, 0);
    try {
      const header = headerLine({ format: LOG_FORMAT, segment: number, previousBytes });
      writer.#file.append(header);
      writer.#goodBytes = header.byteLength;
      await writer.sync();
      await disk.syncDirectory(directory);
    } catch (error) {
      writer.close();
      disk.remove(`${directory}/${logName(number)}`);
      // The segment before is written on: a header that says how long it was must not come back.
      if (writer.bytes > 0) await makeRemovalDurable(disk, directory);
      throw error;
    }
    return writer;
  }

  /**
   * Goes on with a recovered segment, of which `bytes` are the whole groups. What follows them is cut.
   * What is not known to be on the device is written once more, in the same place: it may lie in the
   * cache only, where an fsync of it has failed once, and then another one would succeed and mean nothing.
   * All of it is durable when this resolves. The caller makes the directory so before it appends.
   *
   * @param durableBytes So many of the bytes are known to be on the device.
   */
  static async resume(
    disk: Disk,
    directory: string,
    { number, bytes, durableBytes }: { number: number; bytes: Uint8Array; durableBytes: number },
  ): Promise<LogWriter> {
    const path = `${directory}/${logName(number)}`;
    disk.truncate(path, bytes.byteLength);
    const writer = new LogWriter(disk, directory, number, bytes.byteLength);
    try {
      disk.rewrite(path, durableBytes, bytes.subarray(durableBytes));
      await writer.sync();
    } catch (error) {
      writer.close();
      throw error;
    }
    return writer;
  }

  /** Goes on with a recovered segment that is a durable header of `bytes` and nothing else. */
  static takeOver(
    disk: Disk,
    directory: string,
    { number, bytes }: { number: number; bytes: number },
  ): LogWriter {
    return new LogWriter(disk, directory, number, bytes);
  }

  /** Bytes of whole groups. */
  get bytes(): number {
    return this.#goodBytes;
  }

  get hasUnsynced(): boolean {
    return this.#syncedBytes < this.#goodBytes;
  }

  /**
   * Appends a group: the first `bytes` of `buffer`, which are `lines` lines and have
   * COMMIT_BYTES_MAX of room behind them.
   *
   * @throws {ConvergeError} `disk_full` (nothing is appended); `disk_failed`.
   */
  append(buffer: Uint8Array, bytes: number, lines: number): void {
    const crc = crc32(buffer.subarray(0, bytes));
    const commit = commitLine({ lines, bytes, crc, synced: this.#syncedBytes });
    invariant(bytes + commit.byteLength <= buffer.byteLength, "a group has room for its commit");
    buffer.set(commit, bytes);
    this.#append(buffer.subarray(0, bytes + commit.byteLength));
  }

  /** Says behind the last group that it is durable. Not worth a failure: without it, it still is. */
  witness(): void {
    try {
      this.append(NO_LINES, 0, 0);
    } catch {
      // Undone before the next append, which meets the same trouble and reports it.
    }
  }

  /** Makes all appended groups durable. After a failure the segment must not be used again. */
  async sync(): Promise<void> {
    const target = this.#goodBytes;
    // Where the file was cut meanwhile, what that one has put on the device is unclear.
    for (let file; file !== this.#file;) await (file = this.#file).sync();
    this.#syncedBytes = Math.max(this.#syncedBytes, target);
  }

  close(): void {
    this.#file.close();
  }

  #append(bytes: Uint8Array): void {
    if (this.#spoiled) this.#restore();
    try {
      this.#file.append(bytes);
    } catch (error) {
      this.#spoiled = true;
      // A part of a large group would take the room that is left, which small ones and others need.
      if (isConvergeError(error, "disk_full")) this.#restoreIfPossible();
      throw error;
    }
    this.#goodBytes += bytes.byteLength;
  }

  #restoreIfPossible(): void {
    try {
      this.#restore();
    } catch {
      // Tried again before the next append, which reports it.
    }
  }

  /** Cuts what a failed append may have left, so that the next group follows a whole one. */
  #restore(): void {
    if (this.#disk.fileSize(this.#path) !== this.#goodBytes) {
      this.#file.close();
      try {
        this.#disk.truncate(this.#path, this.#goodBytes);
      } finally {
        this.#file = this.#disk.openAppend(this.#path, ROOM);
      }
    }
    this.#spoiled = false;
  }
}

/** @throws {ConvergeError} `disk_failed`, whatever the reason: nobody knows what is there then. */
async function makeRemovalDurable(disk: Disk, directory: string): Promise<void> {
  try {
    await disk.syncDirectory(directory);
  } catch (cause) {
    throw new ConvergeError("disk_failed", `Cannot make a removal in ${directory} durable`, {
      cause,
    });
  }
}
