/**
 * All by which this node's replicas come to agree with those of others by themselves, without any
 * request: hints, anti-entropy, the collection of tombstones, what fills a node that lacks data, and what
 * takes back the space of keys that others own now.
 */
import type { NodeConfig } from "../../config.ts";
import type { Gossip } from "../../membership/gossip.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Log } from "../../platform/log.ts";
import type { Store } from "../../storage/store.ts";
import { AntiEntropy } from "./anti_entropy.ts";
import { Cleanup } from "./cleanup.ts";
import type { GossipLoop } from "../gossip/gossip_loop.ts";
import type { HintedHandoff, HintedHandoffOptions } from "./hinted_handoff.ts";
import type { Horizon } from "../state/horizon.ts";
import type { KeyExchange } from "./key_exchange.ts";
import type { LamportClock } from "../state/lamport_clock.ts";
import type { LocalState } from "../state/local_state.ts";
import type { PeerLink } from "../peers/peer_link.ts";
import { Refill } from "./refill.ts";
import type { Replica, ReplicaChange } from "../replica.ts";
import { Takeover } from "./takeover.ts";
import type { TombstoneCollector, TombstoneCollectorOptions } from "./tombstone_collector.ts";
import type { Topology } from "../topology/topology.ts";

/** What convergence is made of. */
export interface ConvergenceOptions {
  config: NodeConfig;
  selfName: string;
  clock: Clock;
  log: Log;
  lamport: LamportClock;
  horizon: Horizon;
  store: Store;
  state: LocalState;
  gossip: Gossip;
  gossipLoop: GossipLoop;
  replica: Replica;
  exchange: KeyExchange;
  requestTimeoutMs: number;
  topology(): Topology;
  linkTo(name: string): PeerLink | undefined;
  createHintedHandoff(options: HintedHandoffOptions): HintedHandoff;
  createTombstoneCollector(options: TombstoneCollectorOptions): TombstoneCollector;
  /** What this node says of itself has changed. */
  onSelfChange(): void;
}

/** The parts of one node that bring its replicas to agree with others. */
export class Convergence {
  readonly hints: HintedHandoff;
  readonly antiEntropy: AntiEntropy;
  readonly collector: TombstoneCollector;
  readonly refill: Refill;
  readonly takeover: Takeover;
  readonly cleanup: Cleanup;
  readonly #gossip: Gossip;
  readonly #log: Log;

  constructor(options: ConvergenceOptions) {
    const { config, gossip, gossipLoop, lamport, horizon, replica } = options;
    this.#gossip = gossip;
    this.#log = options.log;
    this.hints = options.createHintedHandoff({
      ...options,
      bytesMax: config.hintBytesMax,
      ageMsMax: config.hintAgeMsMax,
    });
    this.antiEntropy = new AntiEntropy({
      ...options,
      keysUnderWay: () => replica.keysUnderWay(),
      isCatchingUp: (name) => this.hints.isCatchingUp(name),
      deliverHints: (name) => void this.hints.deliver(name),
      intervalMs: config.antiEntropyIntervalMs,
    });
    this.collector = options.createTombstoneCollector({
      ...options,
      intervalMs: config.tombstoneIntervalMs,
    });
    const onBeforeRefill = () => horizon.raiseTo(lamport.current);
    this.refill = new Refill({
      ...options,
      antiEntropy: this.antiEntropy,
      quorums: config,
      refusedSeeds: () => gossipLoop.refusedSeeds,
      onBeforeRefill,
      onRejoined: (loss) => lamport.skipLost(loss),
      onStatus: () => {
        options.onSelfChange();
        return gossipLoop.save();
      },
    });
    this.takeover = new Takeover({
      ...options,
      save: () => gossipLoop.save(),
      onBeforeRefill,
      onChange: () => options.onSelfChange(),
    });
    this.cleanup = new Cleanup({ ...options, intervalMs: config.tombstoneIntervalMs });
  }

  start(): void {
    this.hints.start(this.#peerNames());
    this.#dropHintsInVain();
    this.refill.start();
    this.takeover.start();
    this.antiEntropy.start();
    this.collector.start();
    this.cleanup.start();
  }

  stop(): void {
    this.refill.stop();
    this.takeover.stop();
    this.antiEntropy.stop();
    this.collector.stop();
    this.cleanup.stop();
    this.hints.stop();
  }

  /** This node has stored a record, or collected one. */
  onStored(change: ReplicaChange): void {
    this.antiEntropy.onStored(change.key);
    this.collector.onStored(change);
  }

  /** A member that was silent was heard. What hints do not bring it is found after them. Never rejects. */
  async onHeardAgain(name: string): Promise<void> {
    await this.hints.deliverAnew(name);
    this.antiEntropy.urgent(name);
  }

  /** Members came or went, or count otherwise than before. */
  onMembershipChange(before: Topology): void {
    const namesBefore = new Set(before.members.map(({ name }) => name));
    const names = new Set(this.#gossip.members.map(({ name }) => name));
    const added = [...names.difference(namesBefore)];
    if (added.length > 0) this.hints.start(added);
    for (const name of added) this.antiEntropy.urgent(name);
    this.antiEntropy.onMembersChanged();
    this.takeover.start();
    for (const name of namesBefore.difference(names)) this.hints.forget(name);
  }

  /** @param loss What `Store.lastLoss` says, or will say once the damaged table is replaced. */
  async onDataLost(loss: number): Promise<void> {
    this.antiEntropy.onDataLost();
    this.takeover.onDataLost();
    try {
      await this.refill.restart(loss);
    } catch (error) {
      this.#log.error("refill.failed", { why: String(error) });
    }
  }

  /** What an earlier life of this node left for those that were removed. */
  #dropHintsInVain(): void {
    const members = new Set(this.#peerNames());
    const gone = this.#gossip.removed.map(({ name }) => name).filter((name) => !members.has(name));
    if (gone.length > 0) this.hints.start(gone);
    for (const name of gone) this.hints.forget(name);
  }

  #peerNames(): string[] {
    const { self, members } = this.#gossip;
    return members.map(({ name }) => name).filter((name) => name !== self.name);
  }
}
