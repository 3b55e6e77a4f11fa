/** Mistakes in how the disk is used: made by a disk that does not do what it is told. */
import type { AppendFile, Disk } from "../../platform/disk.ts";
import type { Platform } from "../../platform/platform.ts";
import { withSyncErrors } from "./focused_plans.ts";
import type { Defect } from "./defect.ts";

/** What is done instead. */
interface FaultyWays {
  sync?: (file: AppendFile) => Promise<void>;
  syncDirectory?: (disk: Disk, path: string) => Promise<void>;
}

function withDisk(ways: FaultyWays): NonNullable<Defect["platform"]> {
  return (platform: Platform) => {
    const { disk } = platform;
    const { sync, syncDirectory } = ways;
    const faulty: Disk = {
      makeDirectory: (path) => disk.makeDirectory(path),
      list: (path) => disk.list(path),
      fileSize: (path) => disk.fileSize(path),
      freeBytes: (path) => disk.freeBytes(path),
      openAppend: (path, options) => {
        const file = disk.openAppend(path, options);
        return sync === undefined ? file : {
          get sizeBytes() {
            return file.sizeBytes;
          },
          append: (bytes) => file.append(bytes),
          sync: () => sync(file),
          close: () => file.close(),
        };
      },
      openRead: (path) => disk.openRead(path),
      truncate: (path, lengthBytes) => disk.truncate(path, lengthBytes),
      rewrite: (path, bytes) => disk.rewrite(path, bytes),
      rename: (from, to) => disk.rename(from, to),
      link: (from, to) => disk.link(from, to),
      remove: (path) => disk.remove(path),
      discard: (path) => disk.discard(path),
      removeDirectory: (path) => disk.removeDirectory(path),
      syncDirectory: (path) => syncDirectory?.(disk, path) ?? disk.syncDirectory(path),
      lock: (path) => disk.lock(path),
    };
    return { ...platform, disk: faulty };
  };
}

/** Defects of durability. */
export const DISK_DEFECTS: readonly Defect[] = [
  {
    name: "fsync-skipped",
    about: "a write is acknowledged before it is on the disk",
    seedsMax: 50,
    platform: withDisk({ sync: () => Promise.resolve() }),
  },
  {
    name: "fsync-error-ignored",
    about: "a failed fsync is taken for a good one",
    seedsMax: 50,
    plan: withSyncErrors,
    platform: withDisk({ sync: (file) => file.sync().catch(() => {}) }),
  },
  {
    name: "fsync-retried",
    about: "a failed fsync is tried again on the same file",
    seedsMax: 50,
    plan: withSyncErrors,
    platform: withDisk({ sync: (file) => file.sync().catch(() => file.sync()) }),
  },
  {
    name: "directory-sync-skipped",
    about: "a file is lost for want of a directory fsync",
    seedsMax: 50,
    platform: withDisk({ syncDirectory: () => Promise.resolve() }),
  },
];
