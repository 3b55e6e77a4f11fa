/** The parts of a node that can be replaced, and the real ones. */
import { Gossip } from "../membership/gossip.ts";
import type { Platform } from "../platform/platform.ts";
import { Coordinator } from "../replication/requests/coordinator.ts";
import { HintedHandoff } from "../replication/convergence/hinted_handoff.ts";
import { LamportClock } from "../replication/state/lamport_clock.ts";
import type { LocalState } from "../replication/state/local_state.ts";
import { PeerLink } from "../replication/peers/peer_link.ts";
import { Replica } from "../replication/replica.ts";
import { TombstoneCollector } from "../replication/convergence/tombstone_collector.ts";
import { Topology } from "../replication/topology/topology.ts";
import { TracedCoordinator } from "../replication/requests/traced_coordinator.ts";
import { LsmStore, type LsmStoreOptions } from "../storage/lsm_store.ts";
import type { Store } from "../storage/store.ts";

/**
 * Parts that can be replaced when a node is put together: for tests and for the simulation, which
 * shows that it catches faulty ones.
 */
export interface NodeParts {
  openStore(options: LsmStoreOptions): Promise<Store>;
  openLamportClock(state: LocalState, highestStored: number): Promise<LamportClock>;
  createReplica(...args: ConstructorParameters<typeof Replica>): Replica;
  createCoordinator(...args: ConstructorParameters<typeof Coordinator>): Coordinator;
  createHintedHandoff(...args: ConstructorParameters<typeof HintedHandoff>): HintedHandoff;
  createTombstoneCollector(
    ...args: ConstructorParameters<typeof TombstoneCollector>
  ): TombstoneCollector;
  createGossip(...args: ConstructorParameters<typeof Gossip>): Gossip;
  createTopology(...args: ConstructorParameters<typeof Topology>): Topology;
  createPeerLink(...args: ConstructorParameters<typeof PeerLink>): PeerLink;
}

const REAL_PARTS: NodeParts = {
  openStore: (options) => LsmStore.open(options),
  openLamportClock: (state, highestStored) => LamportClock.open(state, highestStored),
  createReplica: (...args) => new Replica(...args),
  createCoordinator: (...args) => new Coordinator(...args),
  createHintedHandoff: (...args) => new HintedHandoff(...args),
  createTombstoneCollector: (...args) => new TombstoneCollector(...args),
  createGossip: (...args) => new Gossip(...args),
  createTopology: (...args) => new Topology(...args),
  createPeerLink: (...args) => new PeerLink(...args),
};

/** The parts that a node is put together from. Where somebody wants traces, its coordinator records them. */
export function partsFor({ tracer }: Platform, replaced: Partial<NodeParts>): NodeParts {
  if (tracer === undefined) return { ...REAL_PARTS, ...replaced };
  const createCoordinator: NodeParts["createCoordinator"] = (...args) =>
    new TracedCoordinator(tracer, ...args);
  return { ...REAL_PARTS, createCoordinator, ...replaced };
}
