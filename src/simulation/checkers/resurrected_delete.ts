/** A deleted key stays deleted: no value older than an acked deletion is there or is read later. */
import { compareVersions, formatVersion } from "../../record/version.ts";
import type { Evidence, Violation } from "../evidence/evidence.ts";
import { byKey, type Operation } from "../evidence/history.ts";
import { ackedWrites } from "./acked_writes.ts";
import { isFullRead } from "./read_bounds.ts";

/** Judges the copies at the end and every read at full quorum that began after the deletion. */
export function checkResurrectedDeletes(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  for (const [key, operations] of byKey(evidence.operations)) {
    const owners = evidence.owners(key);
    violations.push(...seenAfterClear(key, operations));
    for (const deletion of ackedWrites(operations).filter(({ kind }) => kind === "delete")) {
      const report = (what: string, ids: number[]) =>
        violations.push({
          checker: "resurrected_delete",
          message: `${key}: ${what} although ${formatVersion(deletion.version)} deleted it`,
          keys: [key],
          operations: [deletion.id, ...ids],
        });
      for (const name of owners) {
        const copy = evidence.copies.get(key)?.get(name);
        if (copy !== undefined && !copy.tombstone && compareVersions(copy, deletion.version) < 0) {
          report(`${name} holds ${formatVersion(copy)}`, []);
        }
      }
      for (const read of operations) {
        if (
          isFullRead(read) && read.begin > deletion.end && typeof read.found === "string" &&
          read.version !== undefined && compareVersions(read.version, deletion.version) < 0
        ) {
          report(`a read found ${formatVersion(read.version)}`, [read.id]);
        }
      }
    }
  }
  return violations;
}

/** A deletion of a whole prefix tells no version: what was there before it must not be read after it. */
function seenAfterClear(key: string, operations: readonly Operation[]): Violation[] {
  const isPromise = ({ outcome, full }: Operation) => outcome === "acked" && full;
  const clears = operations.filter((one) => one.via === "clear" && isPromise(one));
  return clears.flatMap((clear) => {
    const before = new Map(
      operations.filter((one) => one.kind === "put" && isPromise(one) && one.end < clear.begin)
        .map((put) => [put.value, put]),
    );
    const reads = operations.filter((one) => isFullRead(one) && one.begin > clear.end);
    return reads.flatMap(({ id, found }) => {
      const put = typeof found === "string" ? before.get(found) : undefined;
      if (put === undefined) return [];
      return [{
        checker: "resurrected_delete",
        message: `${key}: a read found what was there before its prefix was deleted`,
        keys: [key],
        operations: [put.id, clear.id, id],
      }];
    });
  });
}
