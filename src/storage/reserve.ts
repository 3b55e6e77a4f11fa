/**
 * Room that a store keeps for a start on a full disk. Before a node says anything it writes which start
 * this is, and which counters it may give out: without room for that it could not even be read from.
 */
import { isConvergeError } from "../errors.ts";
import type { Disk } from "../platform/disk.ts";
import { RESERVE_NAME } from "./file_names.ts";

/** What a start may take of it: some blocks of a file system, of which the documents need two. */
const STEP_BYTES = 16 * 1024;
/** Enough for so many starts between which there is no room to make it whole again. */
const STARTS = 16;
const RESERVE_BYTES = STARTS * STEP_BYTES;

/** A file of zeros, in the data directory. */
export class Reserve {
  readonly #disk: Disk;
  readonly #path: string;
  /** Whether it had nothing when it was opened: then its entry in the directory may have changed. */
  readonly wasMissing: boolean;
  #isUsed = false;

  private constructor(disk: Disk, path: string, wasMissing: boolean) {
    this.#disk = disk;
    this.#path = path;
    this.wasMissing = wasMissing;
  }

  /**
   * The reserve of a directory, made whole where there is room for that. The caller syncs the directory
   * where it `wasMissing`.
   *
   * @throws {ConvergeError} `disk_failed`.
   */
  static async open(disk: Disk, directory: string): Promise<Reserve> {
    const path = `${directory}/${RESERVE_NAME}`;
    const sizeBytes = disk.fileSize(path) ?? 0;
    const reserve = new Reserve(disk, path, sizeBytes === 0);
    if (sizeBytes < RESERVE_BYTES) {
      try {
        await fill(disk, path, RESERVE_BYTES - sizeBytes);
      } catch (error) {
        if (!isConvergeError(error, "disk_full")) throw error;
        // The last room is for who writes now.
        if (sizeBytes > 0) disk.truncate(path, sizeBytes);
        else disk.remove(path);
      }
    }
    return reserve;
  }

  /**
   * Frees what one start may take, once.
   *
   * @returns Whether there is more room now.
   * @throws {ConvergeError} `disk_failed`.
   */
  use(): boolean {
    const sizeBytes = this.#disk.fileSize(this.#path) ?? 0;
    if (this.#isUsed || sizeBytes === 0) return false;
    this.#isUsed = true;
    this.#disk.truncate(this.#path, Math.max(0, sizeBytes - STEP_BYTES));
    return true;
  }
}

async function fill(disk: Disk, path: string, bytes: number): Promise<void> {
  const file = disk.openAppend(path);
  try {
    file.append(new Uint8Array(bytes));
    await file.sync();
  } finally {
    file.close();
  }
}
