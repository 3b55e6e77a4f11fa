/** `/cluster`, `/healthz`, `/readyz`: what people and orchestrators look at. */
import type { Hono } from "hono";
import type { Gossip } from "../membership/gossip.ts";
import type { Clock } from "../platform/clock.ts";
import type { Liveness } from "../membership/failure_detector.ts";
import type { Member } from "../membership/member.ts";
import type { Quorums } from "../membership/quorums.ts";
import type { AntiEntropy, AntiEntropyCounts } from "../replication/convergence/anti_entropy.ts";
import type { Coordinator, CoordinatorCounts } from "../replication/requests/coordinator.ts";
import type { HintCounts, HintedHandoff } from "../replication/convergence/hinted_handoff.ts";
import type { LamportClock } from "../replication/state/lamport_clock.ts";
import type { Cleanup } from "../replication/convergence/cleanup.ts";
import type { Refill, RefillProgress } from "../replication/convergence/refill.ts";
import type {
  CollectorCounts,
  TombstoneCollector,
} from "../replication/convergence/tombstone_collector.ts";
import type { Topology } from "../replication/topology/topology.ts";
import type { Store, StoreStatistics } from "../storage/store.ts";
import { methodNotAllowed } from "./problem.ts";
import { type RemovalProgress, removalsUnderWay } from "./removal_routes.ts";

/** What the routes use of their node. */
export interface ClusterRoutesOptions {
  gossip: Gossip;
  clock: Clock;
  coordinator: Coordinator;
  hints: HintedHandoff;
  antiEntropy: AntiEntropy;
  collector: TombstoneCollector;
  refill: Refill;
  cleanup: Pick<Cleanup, "erased">;
  lamport: LamportClock;
  store: Store;
  topology(): Topology;
}

/** The answer of `GET /cluster`. */
export interface ClusterView {
  /** Name of the node that answers. */
  self: string;
  ready: boolean;
  quorums: Quorums;
  /** Highest Lamport counter seen. */
  counter: number;
  members: ClusterMember[];
  /** Origins from the command line that nobody has been heard under yet. */
  unresolvedSeeds: string[];
  /** Removals that have not ended. */
  removals: RemovalProgress[];
  refill: RefillProgress;
  hints: HintCounts;
  antiEntropy: AntiEntropyCounts;
  tombstones: CollectorCounts;
  requests: CoordinatorCounts & { inFlight: number };
  storage: StoreStatistics;
}

/** A member, as the answering node sees it. */
export interface ClusterMember extends Member {
  state: Liveness;
  /** Milliseconds since it was heard of; null when never. */
  silentMs: number | null;
  /** Share of the token space of which it is first owner, 0..1. */
  ownership: number;
}

/** Adds the routes. */
export function clusterRoutes(app: Hono, options: ClusterRoutesOptions): void {
  app.get("/cluster", (c) => c.json(clusterView(options)));
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", (c) => {
    const { status } = options.gossip.self;
    const ready = status === "normal" && options.topology().serving;
    return c.json({ ready, status }, ready ? 200 : 503);
  });
  for (const path of ["/cluster", "/healthz", "/readyz"]) {
    app.all(path, ({ req }) => methodNotAllowed(req.method, "GET, HEAD"));
  }
}

/** The cluster as this node sees it. */
export function clusterView(options: ClusterRoutesOptions): ClusterView {
  const { gossip, clock, topology, lamport, hints, antiEntropy, refill, coordinator } = options;
  const nowMs = clock.monotonicMs();
  const { quorums, ring, serving, unresolvedSeeds } = topology();
  const ownership = ring.ownership();
  return {
    self: gossip.self.name,
    ready: gossip.self.status === "normal" && serving,
    quorums,
    counter: lamport.current,
    members: [...gossip.members, ...gossip.leaving].map((member) => ({
      ...member,
      state: gossip.livenessOf(member.name, nowMs),
      silentMs: finite(gossip.silenceMs(member.name, nowMs)),
      ownership: ownership.get(member.name) ?? 0,
    })),
    unresolvedSeeds: [...unresolvedSeeds],
    removals: removalsUnderWay(gossip),
    refill: refill.progress(),
    hints: hints.counts(),
    antiEntropy: antiEntropy.counts,
    tombstones: options.collector.counts,
    requests: { ...coordinator.counts, inFlight: coordinator.inFlight },
    storage: options.store.statistics(),
  };
}

/** JSON has no Infinity. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? Math.round(value) : null;
}
