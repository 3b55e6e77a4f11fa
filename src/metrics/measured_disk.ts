/** A disk that measures how long its files take to reach the device. */
import type { Clock } from "../platform/clock.ts";
import type { AppendFile, Disk } from "../platform/disk.ts";
import { LatencyHistogram } from "./latency_histogram.ts";

/** Latencies of fsync. */
export interface SyncLatencies {
  /** Of the write-ahead log. */
  readonly log: LatencyHistogram;
  /** Of all other files. */
  readonly other: LatencyHistogram;
}

/** Fresh ones. */
export function syncLatencies(): SyncLatencies {
  return { log: new LatencyHistogram(), other: new LatencyHistogram() };
}

/** A disk like `disk` that counts into `latencies`. */
export function measuredDisk(disk: Disk, clock: Clock, latencies: SyncLatencies): Disk {
  return {
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    fileSize: (path) => disk.fileSize(path),
    freeBytes: (path) => disk.freeBytes(path),
    openAppend: (path, options) =>
      measuredFile(
        disk.openAppend(path, options),
        clock,
        /\.log$/.test(path) ? latencies.log : latencies.other,
      ),
    openRead: (path) => disk.openRead(path),
    truncate: (path, lengthBytes) => disk.truncate(path, lengthBytes),
    rewrite: (path, bytes) => disk.rewrite(path, bytes),
    rename: (from, to) => disk.rename(from, to),
    link: (from, to) => disk.link(from, to),
    remove: (path) => disk.remove(path),
    discard: (path) => disk.discard(path),
    removeDirectory: (path) => disk.removeDirectory(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    lock: (path) => disk.lock(path),
  };
}

function measuredFile(file: AppendFile, clock: Clock, latency: LatencyHistogram): AppendFile {
  return {
    get sizeBytes() {
      return file.sizeBytes;
    },
    append: (bytes) => file.append(bytes),
    async sync() {
      const startMs = clock.monotonicMs();
      await file.sync();
      latency.observe(clock.monotonicMs() - startMs);
    },
    close: () => file.close(),
  };
}
