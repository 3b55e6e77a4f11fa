/** Disks and files that do as others do, but for what they are given to do otherwise. */
import type { AppendFile, Disk } from "./disk.ts";

/** A disk that does as `disk` does, but for `ways`. */
export function diskAround(disk: Disk, ways: Partial<Disk>): Disk {
  return {
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    fileSize: (path) => disk.fileSize(path),
    freeBytes: (path) => disk.freeBytes(path),
    openAppend: (path, options) => disk.openAppend(path, options),
    openRead: (path) => disk.openRead(path),
    truncate: (path, lengthBytes) => disk.truncate(path, lengthBytes),
    rewrite: (path, offset, bytes) => disk.rewrite(path, offset, bytes),
    rename: (from, to) => disk.rename(from, to),
    link: (from, to) => disk.link(from, to),
    remove: (path) => disk.remove(path),
    discard: (path) => disk.discard(path),
    removeDirectory: (path) => disk.removeDirectory(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    lock: (path) => disk.lock(path),
    ...ways,
  };
}

/** A file that does as `file` does, but for how it reaches the device. */
export function appendFileAround(file: AppendFile, sync: () => Promise<void>): AppendFile {
  return {
    get sizeBytes() {
      return file.sizeBytes;
    },
    append: (bytes) => file.append(bytes),
    sync,
    close: () => file.close(),
  };
}
