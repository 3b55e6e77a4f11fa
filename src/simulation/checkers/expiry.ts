/**
 * When a value with a time to live may, and when it must, read as absent.
 *
 * Its moment is fixed by the wall clock of the node that took the put, and judged by that of the node
 * that takes the read. Clocks are wrong in a run, and by more than the store allows for: a node whose
 * clock is far ahead collects a record that others would still show.
 */
import { CLOCK_SKEW_MS_MAX } from "../../replication/convergence/tombstone_collector.ts";
import type { Evidence } from "../evidence/evidence.ts";
import type { Operation } from "../evidence/history.ts";

/** Whether `read` may have found nothing because the value of `put` had expired. */
export function mayHaveExpired(evidence: Evidence, put: Operation, read: Operation): boolean {
  if (put.ttlMs === undefined || put.outcome === "failed") return false;
  const earliestMs = expiry(evidence, put).earliestMs;
  return evidence.wall(read.node, read.beginMs, read.endMs).highMs >= earliestMs ||
    mayBeCollected(evidence, put, read.endMs);
}

/** Whether the value of `put` had expired by all clocks concerned when `read` began. */
export function mustHaveExpired(evidence: Evidence, put: Operation, read: Operation): boolean {
  if (put.ttlMs === undefined) return false;
  const { latestMs } = expiry(evidence, put);
  return evidence.wall(read.node, read.beginMs, read.endMs).lowMs >= latestMs;
}

/** Whether a node whose clock is ahead may have collected the value of `put` by `byMs`. */
export function mayBeCollected(evidence: Evidence, put: Operation, byMs: number): boolean {
  if (put.ttlMs === undefined || put.outcome === "failed" || put.beginMs > byMs) return false;
  const { highMs } = evidence.wall(undefined, put.beginMs, byMs);
  return highMs >= expiry(evidence, put).earliestMs + CLOCK_SKEW_MS_MAX;
}

/** Between which moments of wall time the value expires. */
function expiry(
  { wall }: Evidence,
  { node, beginMs, endMs, outcome, ttlMs = Infinity }: Operation,
): { earliestMs: number; latestMs: number } {
  // Without an answer the node may have come to it at any time.
  const { lowMs, highMs } = wall(node, beginMs, outcome === "acked" ? endMs : Infinity);
  return {
    earliestMs: lowMs + ttlMs,
    latestMs: outcome === "acked" ? highMs + ttlMs : Infinity,
  };
}
