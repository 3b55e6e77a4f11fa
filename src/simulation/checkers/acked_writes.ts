/** The writes whose guarantees nobody gave up: acked, at the cluster's quorum, with a version. */
import type { Version } from "../../record/version.ts";
import { compareVersions } from "../../record/version.ts";
import type { Operation } from "../evidence/history.ts";

/** An acked write at full quorum. */
export type AckedWrite = Operation & { version: Version };

/** Those of `operations` (any order kept). */
export function ackedWrites(operations: readonly Operation[]): AckedWrite[] {
  return operations.filter((operation): operation is AckedWrite =>
    operation.kind !== "get" && operation.outcome === "acked" && operation.full &&
    operation.version !== undefined
  );
}

/** The write with the newest version, or undefined of none. */
export function newestWrite(writes: readonly AckedWrite[]): AckedWrite | undefined {
  return writes.reduce<AckedWrite | undefined>(
    (best, write) =>
      best === undefined || compareVersions(write.version, best.version) > 0 ? write : best,
    undefined,
  );
}
