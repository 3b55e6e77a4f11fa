/** A disk that is full for tables from some size on. */
import { ConvergeError } from "../../src/errors.ts";
import type { Disk } from "../../src/platform/disk.ts";

/** A disk that has no room for a table of so many bytes, until some is made. */
export function withoutRoomFor(
  disk: Disk,
  tableBytes: number,
): { disk: Disk; makeRoom: () => void } {
  let bytesMax = tableBytes;
  const openAppend = disk.openAppend.bind(disk);
  disk.openAppend = (path, options) => {
    const file = openAppend(path, options);
    if (!path.endsWith(".sst.tmp")) return file;
    const append = file.append.bind(file);
    file.append = (bytes) => {
      if (file.sizeBytes + bytes.byteLength >= bytesMax) {
        throw new ConvergeError("disk_full", `Cannot append to ${path}: no space`);
      }
      append(bytes);
    };
    return file;
  };
  return { disk, makeRoom: () => void (bytesMax = Infinity) };
}
