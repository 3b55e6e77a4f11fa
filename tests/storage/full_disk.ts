/** A disk that is full for tables. */
import { ConvergeError } from "../../src/errors.ts";
import type { Disk } from "../../src/platform/disk.ts";

/** Has `disk` refuse what is appended to new tables, where `isFull` says so of their length by then. */
export function fullForTables(disk: Disk, isFull: (tableBytes: number) => boolean): Disk {
  const openAppend = disk.openAppend.bind(disk);
  disk.openAppend = (path, options) => {
    const file = openAppend(path, options);
    if (!path.endsWith(".sst.tmp")) return file;
    const append = file.append.bind(file);
    file.append = (bytes) => {
      if (isFull(file.sizeBytes + bytes.byteLength)) {
        throw new ConvergeError("disk_full", `Cannot append to ${path}: no space`);
      }
      append(bytes);
    };
    return file;
  };
  return disk;
}

/** A disk that has no room for a table of so many bytes, until some is made. */
export function withoutRoomFor(
  disk: Disk,
  tableBytes: number,
): { disk: Disk; makeRoom: () => void } {
  let bytesMax = tableBytes;
  fullForTables(disk, (bytes) => bytes >= bytesMax);
  return { disk, makeRoom: () => void (bytesMax = Infinity) };
}
