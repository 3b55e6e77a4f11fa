/**
 * What pages show live: samples of all nodes, taken once a second while anybody watches, however many do.
 * They hold totals since start, from which the watcher makes rates: who misses a sample loses nothing.
 */
import { ConvergeError } from "../errors.ts";
import type { MemberStatus } from "../membership/member.ts";
import type { Liveness } from "../membership/failure_detector.ts";
import type { Quorums } from "../membership/quorums.ts";
import type { HotKey } from "../metrics/hot_keys.ts";
import { LATENCY_BOUNDS_MS } from "../metrics/latency_histogram.ts";
import type { Telemetry } from "../metrics/telemetry.ts";
import type { Clock, TimerID } from "../platform/clock.ts";
import type { Network } from "../platform/network.ts";
import { KEY_PATH_MAX } from "../record/key.ts";
import type { CollectorCounts, CoordinatorCounts, RefillProgress } from "../replication/counts.ts";
import { type ClusterRoutesOptions, clusterView } from "./cluster_routes.ts";

/** What one node says of itself: `GET /internal/sample`. */
export interface NodeSample {
  requests: CoordinatorCounts & { inFlight: number };
  /** Requests for keys by latency, in ranges; the last one has no upper bound. */
  latencyCounts: number[];
  keys: number;
  memtableBytes: number;
  diskBytes: number;
  compactionDebtBytes: number;
  compactions: number;
  hintsWaiting: Record<string, number>;
  tombstones: CollectorCounts;
  refill: RefillProgress;
  lagMs: number;
  hotKeys: HotKey[];
}

/** A member as the answering node sees it. */
export interface WatchedMember {
  name: string;
  origin: string;
  status: MemberStatus;
  state: Liveness;
  silentMs: number | null;
  ownership: number;
  /** Whether it is being removed. */
  leaving: boolean;
  /** Null when it did not answer within a second. */
  sample: NodeSample | null;
}

/** One event of `GET /events`. */
export interface ClusterEvent {
  /** Monotonic ms of the answering node. */
  atMs: number;
  self: string;
  ready: boolean;
  quorums: Quorums;
  /** Changes with the ring. */
  ring: string;
  unresolvedSeeds: string[];
  /** Upper bounds of the ranges of `latencyCounts`, in ms. */
  latencyBoundsMs: readonly number[];
  members: WatchedMember[];
}

/** What watching needs of its node. */
export interface ClusterWatchOptions extends ClusterRoutesOptions {
  telemetry: Telemetry;
  network: Network;
  clock: Clock;
}

/** Pages that one node serves at once. */
const WATCHERS_MAX = 256;
const INTERVAL_MS = 1_000;
const ANSWER_MS = 900;
const HOT_KEYS = 12;
/** Far more than what a sample holds beside the names of its keys. */
const SAMPLE_BYTES_MAX = HOT_KEYS * KEY_PATH_MAX + 64 * 1024;
/** Members that are asked for samples at most: pages are for clusters that fit on a screen. */
const ASKED_MAX = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** This node's sample of now. */
export function nodeSample(options: ClusterWatchOptions): NodeSample {
  const { coordinator, telemetry, store, hints, collector, refill } = options;
  const storage = store.statistics();
  return {
    requests: { ...coordinator.counts, inFlight: coordinator.inFlight },
    latencyCounts: telemetry.requests.keyRequests().counts,
    keys: storage.approximateKeys["data"] ?? 0,
    memtableBytes: storage.memtableBytes,
    diskBytes: storage.logBytes + storage.tableBytes,
    compactionDebtBytes: storage.compactionDebtBytes,
    compactions: storage.compactionsTotal,
    hintsWaiting: hints.counts().waiting,
    tombstones: { ...collector.counts },
    refill: refill.progress(),
    lagMs: telemetry.lag.lastMs,
    hotKeys: telemetry.hotKeys.top(HOT_KEYS),
  };
}

/** Somebody who watches. */
export interface Watcher {
  /** One event as it goes over the wire; the same bytes go to all. */
  event(bytes: Uint8Array): void;
  /** There will be no more. */
  end(): void;
}

/** Tells watchers how the cluster is. Costs nothing while there are none. */
export class ClusterWatch {
  readonly #options: ClusterWatchOptions;
  readonly #watchers = new Set<Watcher>();
  #timer: TimerID | undefined;
  #taking = false;
  #closed = false;

  constructor(options: ClusterWatchOptions) {
    this.#options = options;
  }

  /**
   * Begins to tell `watcher`. Returns what ends it.
   *
   * @throws {ConvergeError} `overloaded`, `closed`.
   */
  watch(watcher: Watcher): () => void {
    if (this.#closed) throw new ConvergeError("closed", "Cannot watch: the node is stopping");
    if (this.#watchers.size >= WATCHERS_MAX) {
      throw new ConvergeError("overloaded", `Cannot watch: ${WATCHERS_MAX} pages do already`);
    }
    this.#watchers.add(watcher);
    if (this.#timer === undefined && !this.#taking) void this.#take();
    return () => void this.#watchers.delete(watcher);
  }

  /** Ends all watching, so that a node which stops need not wait for those who never would. */
  close(): void {
    this.#closed = true;
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
  }

  async #take(): Promise<void> {
    this.#taking = true;
    const event = await this.#event();
    const bytes = encoder.encode(`data: ${JSON.stringify(event)}\n\n`);
    for (const watcher of this.#watchers) watcher.event(bytes);
    this.#taking = false;
    this.#timer = this.#watchers.size === 0
      ? undefined
      : this.#options.clock.setTimer(INTERVAL_MS, () => {
        this.#timer = undefined;
        if (this.#watchers.size > 0) void this.#take();
      });
  }

  async #event(): Promise<ClusterEvent> {
    const options = this.#options;
    const { self, ready, quorums, members, unresolvedSeeds, removals } = clusterView(options);
    const leaving = new Set(removals.map(({ name }) => name));
    const watched = members.map(async (member, i): Promise<WatchedMember> => {
      const { name, origin, status, state, silentMs, ownership } = member;
      const asked = name === self ? nodeSample(options) : i < ASKED_MAX ? this.#ask(origin) : null;
      return {
        ...{ name, origin, status, state, silentMs, ownership },
        leaving: leaving.has(name),
        sample: await asked,
      };
    });
    return {
      atMs: options.clock.monotonicMs(),
      self,
      ready,
      quorums,
      ring: options.topology().fingerprint,
      unresolvedSeeds,
      latencyBoundsMs: LATENCY_BOUNDS_MS,
      members: await Promise.all(watched),
    };
  }

  /** Not over the peer's link: a page must not sway what the node thinks of its peers. */
  async #ask(origin: string): Promise<NodeSample | null> {
    try {
      const { status, body } = await this.#options.network.request({
        method: "GET",
        origin,
        path: "/internal/sample",
        timeoutMs: ANSWER_MS,
        maxResponseBytes: SAMPLE_BYTES_MAX,
      });
      return status === 200 ? JSON.parse(decoder.decode(body)) as NodeSample : null;
    } catch {
      return null;
    }
  }
}
