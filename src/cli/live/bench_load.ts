/**
 * A bounded load: so many requests at a time, until a time or a number is reached. The requests of a
 * worker follow each other ("closed loop"), so the figures say how fast the cluster answers this many
 * clients, not what happens when more requests come than it can take.
 */
import { ClientError } from "../../client/client_error.ts";

/** What bounds a load. */
export interface LoadBounds {
  /** Requests under way at a time. */
  concurrency: number;
  /** No request begins later than this. */
  durationMs: number;
  /** Requests in all, at most. */
  requests: number;
  /** No request begins once this is aborted. */
  signal?: AbortSignal;
}

/** What became of it. */
export interface LoadResult {
  ok: number;
  failed: number;
  /** How many requests failed with which words. */
  failures: Record<string, number>;
  seconds: number;
  perSecond: number;
  /** Of the requests that succeeded; null when none did. */
  p50Ms: number | null;
  p99Ms: number | null;
  p999Ms: number | null;
  maxMs: number | null;
}

/** Kinds of failures that are told apart; whatever else comes is counted as one. */
const FAILURES_MAX = 10;
const OTHER = "other failures";

/**
 * Calls `request` with 0, 1, 2, ... within the bounds, and measures. Requests that fail count.
 *
 * @param nowMs A monotonic clock.
 */
export async function runLoad(
  request: (index: number) => Promise<unknown>,
  bounds: LoadBounds,
  nowMs: () => number = () => performance.now(),
): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  const failures = new Map<string, number>();
  const startMs = nowMs();
  let next = 0;
  let failed = 0;
  const worker = async () => {
    while (
      next < bounds.requests && nowMs() - startMs < bounds.durationMs &&
      bounds.signal?.aborted !== true
    ) {
      const index = next++;
      const beganMs = nowMs();
      try {
        await request(index);
        latenciesMs.push(nowMs() - beganMs);
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        failed += 1;
        const known = failures.has(error.message) || failures.size < FAILURES_MAX;
        const words = known ? error.message : OTHER;
        failures.set(words, (failures.get(words) ?? 0) + 1);
      }
    }
  };
  await Promise.all(Array.from({ length: bounds.concurrency }, worker));
  const seconds = (nowMs() - startMs) / 1_000;
  const sorted = Float64Array.from(latenciesMs).sort();
  return {
    ok: sorted.length,
    failed,
    failures: Object.fromEntries(failures),
    seconds,
    perSecond: seconds > 0 ? sorted.length / seconds : 0,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    p999Ms: quantile(sorted, 0.999),
    maxMs: sorted.at(-1) ?? null,
  };
}

/** The smallest value that a share of all do not exceed (nearest rank); null of nothing. */
export function quantile(sorted: Float64Array, share: number): number | null {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}
