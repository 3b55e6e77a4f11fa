/** Rates and percentiles from totals since start: one point per event for the charts. */
import type { ClusterEvent, NodeSample } from "../../http/cluster_watch.ts";

/** What the charts show of one moment; null where it is not known. */
export interface Point {
  atMs: number;
  readsPerSecond: number | null;
  writesPerSecond: number | null;
  failedPerSecond: number | null;
  p50Ms: number | null;
  p99Ms: number | null;
  repairsPerSecond: number | null;
  hintsWaiting: number | null;
  compactionDebtBytes: number | null;
  /** Requests per second that each node coordinates, by name. */
  perNode: Map<string, number>;
}

/** Points kept: three minutes of one each second. */
export const POINTS_MAX = 180;

/** The last points. Invariant: at most `POINTS_MAX`, of one start of one node, the oldest first. */
export class RecentPoints {
  readonly #points: Point[] = [];

  get all(): readonly Point[] {
    return this.#points;
  }

  add(point: Point): void {
    // A node that was started anew counts its time anew.
    if (point.atMs < (this.#points.at(-1)?.atMs ?? point.atMs)) this.#points.length = 0;
    this.#points.push(point);
    if (this.#points.length > POINTS_MAX) this.#points.shift();
  }

  /** The worst p99 of so many ms before the newest point; null where there was no request. */
  worstP99Ms(withinMs: number): number | null {
    const sinceMs = (this.#points.at(-1)?.atMs ?? 0) - withinMs;
    let worst: number | null = null;
    for (const { atMs, p99Ms } of this.#points) {
      if (atMs > sinceMs && p99Ms !== null) worst = Math.max(worst ?? 0, p99Ms);
    }
    return worst;
  }
}

/** Remembers the totals of the event before. */
export class Rates {
  #before: ClusterEvent | undefined;

  /** The point of an event. */
  next(event: ClusterEvent): Point {
    const before = this.#before;
    this.#before = event;
    const seconds = before === undefined ? 0 : (event.atMs - before.atMs) / 1_000;
    const point = pointAt(event);
    // Another node, the same one started anew, or a long pause: the next event makes a rate again.
    if (before === undefined || before.self !== event.self || seconds <= 0) return point;
    const sum = { reads: 0, writes: 0, failed: 0, repairs: 0 };
    const counts: number[] = [];
    for (const { name, sample } of event.members) {
      const old = before.members.find((member) => member.name === name)?.sample;
      if (sample === null || old === null || old === undefined || restarted(old, sample)) continue;
      const [now, then] = [sample.requests, old.requests];
      const requests = now.reads - then.reads + now.writes - then.writes;
      point.perNode.set(name, requests / seconds);
      sum.reads += now.reads - then.reads;
      sum.writes += now.writes - then.writes;
      sum.failed += now.readsFailed - then.readsFailed + now.writesFailed - then.writesFailed;
      sum.repairs += now.repairs - then.repairs;
      sample.latencyCounts.forEach((count, i) => {
        counts[i] = (counts[i] ?? 0) + count - (old.latencyCounts[i] ?? 0);
      });
    }
    return {
      ...point,
      readsPerSecond: sum.reads / seconds,
      writesPerSecond: sum.writes / seconds,
      failedPerSecond: sum.failed / seconds,
      repairsPerSecond: sum.repairs / seconds,
      p50Ms: percentile(counts, event.latencyBoundsMs, 0.5),
      p99Ms: percentile(counts, event.latencyBoundsMs, 0.99),
    };
  }
}

/**
 * The latency below which a share of requests lies, interpolated within its range.
 *
 * @param counts Requests per range; there is one range more than there are bounds.
 */
export function percentile(
  counts: readonly number[],
  boundsMs: readonly number[],
  share: number,
): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let below = 0;
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i]!;
    if (count > 0 && below + count >= share * total) {
      const low = boundsMs[i - 1] ?? 0;
      const high = boundsMs[i] ?? low;
      return low + (high - low) * (share * total - below) / count;
    }
    below += count;
  }
  return null;
}

function pointAt(event: ClusterEvent): Point {
  const samples = event.members.flatMap(({ sample }) => sample === null ? [] : [sample]);
  const sum = (read: (sample: NodeSample) => number) =>
    samples.reduce((total, sample) => total + read(sample), 0);
  return {
    atMs: event.atMs,
    readsPerSecond: null,
    writesPerSecond: null,
    failedPerSecond: null,
    p50Ms: null,
    p99Ms: null,
    repairsPerSecond: null,
    hintsWaiting: sum(hintsOf),
    compactionDebtBytes: sum((sample) => sample.compactionDebtBytes),
    perNode: new Map(),
  };
}

/** Hints that a node keeps for others. */
export function hintsOf({ hintsWaiting }: NodeSample): number {
  return Object.values(hintsWaiting).reduce((sum, count) => sum + count, 0);
}

function restarted(old: NodeSample, sample: NodeSample): boolean {
  return sample.requests.reads < old.requests.reads || sample.requests.writes < old.requests.writes;
}
