/** A disk that measures how long its files take to reach the device. */
import type { Clock } from "../platform/clock.ts";
import type { Disk } from "../platform/disk.ts";
import { appendFileAround, diskAround } from "../platform/disk_around.ts";
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
  return diskAround(disk, {
    openAppend(path, options) {
      const file = disk.openAppend(path, options);
      const latency = /\.log$/.test(path) ? latencies.log : latencies.other;
      return appendFileAround(file, async () => {
        const startMs = clock.monotonicMs();
        await file.sync();
        latency.observe(clock.monotonicMs() - startMs);
      });
    },
  });
}
