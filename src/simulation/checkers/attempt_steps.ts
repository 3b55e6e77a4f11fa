/**
 * The operations of one key with every attempt of a write as a write of its own, by versions.
 *
 * A write that meets a newer version is tried again under a newer one, so its value can be read under
 * either, and another one's in between. Seen in this way such a history is linearizable.
 */
import { formatVersion } from "../../record/version.ts";
import type { Attempt } from "../evidence/evidence.ts";
import type { Operation } from "../evidence/history.ts";
import type { Step } from "./linearizability.ts";

/** What was tried and read of one key. */
export interface AttemptStepsOptions {
  readonly operations: readonly Operation[];
  readonly attempts: ReadonlyMap<string, Attempt>;
  /**
   * Whether an attempt that nobody acknowledged may come before what had been acknowledged when it
   * began, if whoever reads it had begun before. Such a read is overtaken: one owner shows it what that
   * attempt left there, and another one what it had before the acknowledged write.
   */
  readonly readsMayBeOvertaken: boolean;
}

/** Steps whose values are versions; null = absent, whatever tombstone says so. */
export function attemptSteps(options: AttemptStepsOptions): Step[] {
  const { operations, attempts, readsMayBeOvertaken } = options;
  // What expires reads as absent at some time, and nothing is written then.
  const mayExpire = operations.some(({ ttlMs }) => ttlMs !== undefined);
  const reads = operations.flatMap(readOf).filter(({ value }) => value !== null || !mayExpire);
  const readsOf = Map.groupBy(reads, ({ value }) => value);
  const acked = new Map(operations.flatMap(ackedVersion));
  const steps = [...reads, ...operations.flatMap(deletionOfPrefix)];
  for (const [version, { begin, tombstone }] of attempts) {
    const value = tombstone ? null : version;
    const end = acked.get(version);
    if (end !== undefined) {
      steps.push({ begin, end, write: true, value });
      continue;
    }
    // Nobody promised it: where nobody read it either, it need not have happened. Of what has the same
    // place in the order, the attempt is the first.
    const readers = readsOf.get(value)?.filter(({ end: readEnd }) => readEnd >= begin) ?? [];
    if (readers.length === 0) continue;
    const earliest = readsMayBeOvertaken
      ? readers.reduce((least, read) => Math.min(least, read.begin), begin)
      : begin;
    steps.push({ begin: earliest, end: Infinity, write: true, value });
  }
  return steps;
}

function readOf({ kind, outcome, full, begin, end, found, version }: Operation): Step[] {
  if (kind !== "get" || outcome !== "acked" || !full) return [];
  if (found === null) return [{ begin, end, write: false, value: null }];
  return version === undefined ? [] : [{ begin, end, write: false, value: formatVersion(version) }];
}

/** The version of an attempt that was acknowledged, and when. At a smaller quorum that promises nothing. */
function ackedVersion({ kind, outcome, full, version, end }: Operation): [string, number][] {
  if (kind === "get" || outcome !== "acked" || !full || version === undefined) return [];
  return [[formatVersion(version), end]];
}

/** It does not tell under which version a key was deleted, if it was there. */
function deletionOfPrefix({ kind, outcome, full, version, begin, end }: Operation): Step[] {
  if (kind !== "delete" || outcome !== "acked" || !full || version !== undefined) return [];
  return [{ begin, end, write: true, value: null }];
}
