/** What `converge top` shows of one moment. Pure: events in, figures and cells out. */
import { hintsOf, percentile } from "../../dashboard/page/rates.ts";
import type { ClusterEvent, NodeSample } from "../../http/cluster_watch.ts";

/** One member; figures are null where the member did not answer, or there is nothing to tell. */
export interface TopRow {
  name: string;
  state: string;
  /** Where its data stands: `joining`, `refilling` or `normal`. */
  status: string;
  readsPerSecond: number | null;
  writesPerSecond: number | null;
  /** Requests that it coordinated since the event before and that missed their quorum. */
  failed: number | null;
  p50Ms: number | null;
  p99Ms: number | null;
  inFlight: number | null;
  keys: number | null;
  diskBytes: number | null;
  hintsWaiting: number | null;
  tombstones: number | null;
  refilled: number | null;
  lagMs: number | null;
}

/** One moment. */
export interface TopView {
  self: string;
  ready: boolean;
  quorums: ClusterEvent["quorums"];
  members: TopRow[];
  /** The keys asked for most, as they stand in request paths. */
  hotKeys: string[];
}

const HOT_KEYS = 5;

/** The view of an event; rates need the one before, of the same node. */
export function topView(event: ClusterEvent, before?: ClusterEvent): TopView {
  const seconds = before === undefined ? 0 : (event.atMs - before.atMs) / 1_000;
  const { self, ready, quorums } = event;
  return {
    self,
    ready,
    quorums,
    members: event.members.map(({ name, state, status, sample }) => {
      const old = before?.members.find((member) => member.name === name)?.sample ?? null;
      return {
        name,
        state,
        status,
        ...(sample === null ? NO_LEVELS : levels(sample)),
        ...(sample === null || old === null || seconds <= 0 || isRestarted(old, sample)
          ? NO_RATES
          : rates(old, sample, { seconds, boundsMs: event.latencyBoundsMs })),
      };
    }),
    hotKeys: hotKeys(event),
  };
}

function hotKeys({ members }: ClusterEvent): string[] {
  const requests = new Map<string, number>();
  for (const hot of members.flatMap(({ sample }) => sample?.hotKeys ?? [])) {
    requests.set(hot.path, (requests.get(hot.path) ?? 0) + hot.requests);
  }
  const hottestFirst = [...requests].sort(([, a], [, b]) => b - a);
  return hottestFirst.slice(0, HOT_KEYS).map(([path]) => path);
}

const NO_RATES = {
  readsPerSecond: null,
  writesPerSecond: null,
  failed: null,
  p50Ms: null,
  p99Ms: null,
};
const NO_LEVELS = {
  inFlight: null,
  keys: null,
  diskBytes: null,
  hintsWaiting: null,
  tombstones: null,
  refilled: null,
  lagMs: null,
};

function levels(sample: NodeSample): Record<keyof typeof NO_LEVELS, number> {
  return {
    inFlight: sample.requests.inFlight,
    keys: sample.keys,
    diskBytes: sample.diskBytes,
    hintsWaiting: hintsOf(sample),
    tombstones: sample.tombstones.tombstones,
    refilled: sample.refill.pulled,
    lagMs: sample.lagMs,
  };
}

function rates(
  old: NodeSample,
  now: NodeSample,
  { seconds, boundsMs }: { seconds: number; boundsMs: readonly number[] },
): Record<keyof typeof NO_RATES, number | null> {
  const counts = now.latencyCounts.map((count, i) => count - (old.latencyCounts[i] ?? 0));
  const failed = (sample: NodeSample) => sample.requests.readsFailed + sample.requests.writesFailed;
  return {
    readsPerSecond: (now.requests.reads - old.requests.reads) / seconds,
    writesPerSecond: (now.requests.writes - old.requests.writes) / seconds,
    failed: failed(now) - failed(old),
    p50Ms: percentile(counts, boundsMs, 0.5),
    p99Ms: percentile(counts, boundsMs, 0.99),
  };
}

function isRestarted(old: NodeSample, now: NodeSample): boolean {
  return now.requests.reads < old.requests.reads || now.requests.writes < old.requests.writes;
}
