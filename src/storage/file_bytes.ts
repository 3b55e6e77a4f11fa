/** The bytes of whole files. */
import { isConvergeError } from "../errors.ts";
import type { Disk, ReadFile } from "../platform/disk.ts";

/** The least that a disk fails to read at a time. */
const SECTOR_BYTES = 4096;

/** All bytes of a file. @throws {ConvergeError} `disk_failed`. */
export function readWhole(disk: Disk, path: string): Uint8Array {
  const file = disk.openRead(path);
  try {
    return file.readAt(0, file.sizeBytes);
  } finally {
    file.close();
  }
}

/**
 * All bytes of a file, as far as the disk gives them. Zeros stand in the place of the others: no checksum
 * over them holds.
 *
 * @returns The bytes, and the offsets of the sectors that cannot be read.
 * @throws {ConvergeError} Whatever else than `disk_failed` a read throws.
 */
export function readReadable(
  disk: Disk,
  path: string,
): { bytes: Uint8Array; unreadable: number[] } {
  const file = disk.openRead(path);
  try {
    const bytes = new Uint8Array(file.sizeBytes);
    const unreadable = isRead(file, 0, bytes) ? [] : readSectors(file, bytes);
    return { bytes, unreadable };
  } finally {
    file.close();
  }
}

/** Reads sector by sector. Returns the offsets of those that cannot be read. */
function readSectors(file: ReadFile, bytes: Uint8Array): number[] {
  const unreadable: number[] = [];
  for (let at = 0; at < bytes.byteLength; at += SECTOR_BYTES) {
    const sector = bytes.subarray(at, at + SECTOR_BYTES);
    if (isRead(file, at, sector)) continue;
    sector.fill(0);
    unreadable.push(at);
  }
  return unreadable;
}

function isRead(file: ReadFile, offset: number, target: Uint8Array): boolean {
  try {
    file.readInto(offset, target);
    return true;
  } catch (error) {
    if (isConvergeError(error, "disk_failed")) return false;
    throw error;
  }
}
