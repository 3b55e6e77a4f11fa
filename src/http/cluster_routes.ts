/** `/cluster`, `/healthz`, `/readyz`: what people and orchestrators look at. */
import type { Hono } from "hono";
import type { Gossip } from "../membership/gossip.ts";
import type { Clock } from "../platform/clock.ts";
import type { AntiEntropy } from "../replication/convergence/anti_entropy.ts";
import type { Coordinator } from "../replication/requests/coordinator.ts";
import type { HintedHandoff } from "../replication/convergence/hinted_handoff.ts";
import type { LamportClock } from "../replication/state/lamport_clock.ts";
import type { Cleanup } from "../replication/convergence/cleanup.ts";
import type { Refill } from "../replication/convergence/refill.ts";
import type { TombstoneCollector } from "../replication/convergence/tombstone_collector.ts";
import type { Topology } from "../replication/topology/topology.ts";
import type { Store } from "../storage/store.ts";
import type { ClusterView } from "./cluster_view.ts";
import { methodNotAllowed } from "./problem.ts";
import { removalsUnderWay } from "./removal_routes.ts";

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
