/** How much a disk is given between two syncs of a file. */
import type { Disk } from "../../src/platform/disk.ts";

/** What was seen so far. */
export interface Syncs {
  /** Bytes appended since the last one. */
  unsynced: number;
  /** The most that were appended before one. */
  most: number;
  count: number;
}

/** Watches all files that are opened from now on. They are expected one after the other. */
export function watchSyncs(disk: Disk): Syncs {
  const syncs: Syncs = { unsynced: 0, most: 0, count: 0 };
  const openAppend = disk.openAppend.bind(disk);
  disk.openAppend = (path) => {
    const file = openAppend(path);
    const { append, sync } = file;
    file.append = (bytes) => {
      syncs.most = Math.max(syncs.most, syncs.unsynced += bytes.byteLength);
      append.call(file, bytes);
    };
    file.sync = () => {
      syncs.count++;
      syncs.unsynced = 0;
      return sync.call(file);
    };
    return file;
  };
  return syncs;
}
