/** What can be wrong with a simulated disk while it is in use. */

/** Kinds of operation that a fault or a counter can name. */
export type DiskOperation =
  | "makeDirectory"
  | "create"
  | "read"
  | "append"
  | "sync"
  | "truncate"
  | "rename"
  | "link"
  | "remove"
  | "syncDirectory";

/** Changed at will while the disk runs. */
export interface DiskFaults {
  /** Chance that an operation of a kind fails with `disk_failed`; absent = never. */
  errorRate: Partial<Record<DiskOperation, number>>;
  /** Bytes that fit on the disk. */
  capacityBytes: number;
  /** Milliseconds that a sync takes, drawn uniformly between the two. */
  syncMs: readonly [number, number];
}

/** A disk without faults, as fast as a good SSD. */
export function noDiskFaults(): DiskFaults {
  return { errorRate: {}, capacityBytes: Infinity, syncMs: [0.2, 2] };
}
