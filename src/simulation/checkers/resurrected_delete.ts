/** A deleted key stays deleted: no value older than an acked deletion is there or is read later. */
import { compareVersions, formatVersion } from "../../record/version.ts";
import type { Evidence, Violation } from "../evidence.ts";
import { byKey } from "../history.ts";
import { ackedWrites } from "./acked_writes.ts";
import { isFullRead } from "./read_bounds.ts";

/** Judges the copies at the end and every read at full quorum that began after the deletion. */
export function checkResurrectedDeletes(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  for (const [key, operations] of byKey(evidence.operations)) {
    const owners = evidence.owners(key);
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
