/** Composition root: one node = storage + membership + replication + http. */
import type { Hono } from "hono";
import { type NodeConfig, sharedOptions, validateConfig } from "./config.ts";
import type { ConvergeError } from "./errors.ts";
import { type AppOptions, createApp } from "./http/app.ts";
import { ClusterWatch } from "./http/cluster_watch.ts";
import type { Gossip } from "./membership/gossip.ts";
import type { Removal } from "./membership/removal.ts";
import { measuredDisk } from "./metrics/measured_disk.ts";
import { createTelemetry, type Telemetry } from "./metrics/telemetry.ts";
import { EarlyDamage } from "./node/early_damage.ts";
import { type NodeParts, partsFor } from "./node/node_parts.ts";
import { type RecoveredNode, recoverNode, type StartingNode } from "./node/recovered_node.ts";
import type { Clock } from "./platform/clock.ts";
import type { Log } from "./platform/log.ts";
import type { Platform } from "./platform/platform.ts";
import { Convergence } from "./replication/convergence/convergence.ts";
import type { Coordinator } from "./replication/requests/coordinator.ts";
import { CurrentTopology } from "./replication/topology/current_topology.ts";
import { GossipLoop } from "./replication/gossip/gossip_loop.ts";
import { KeyExchange } from "./replication/convergence/key_exchange.ts";
import type { LamportClock } from "./replication/state/lamport_clock.ts";
import { Lister } from "./replication/requests/lister.ts";
import type { LocalState } from "./replication/state/local_state.ts";
import type { PeerLink } from "./replication/peers/peer_link.ts";
import { PeerLinks } from "./replication/peers/peer_links.ts";
import { noteOldCopy } from "./replication/convergence/refill_document.ts";
import type { Replica } from "./replication/replica.ts";
import * as stopReasons from "./replication/state/stop_reasons.ts";
import type { Topology } from "./replication/topology/topology.ts";
import type { DamageReport } from "./storage/lsm_store.ts";
import { DATA, type Store } from "./storage/store.ts";

/** How long a message of gossip waits for its answer, however little time clients' requests have. */
const GOSSIP_TIMEOUT_MS = 1_000;

/** What most parts of a node take from it. */
interface SharedParts {
  readonly selfName: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly lamport: LamportClock;
  readonly gossip: Gossip;
  readonly store: Store;
  readonly state: LocalState;
  readonly requestTimeoutMs: number;
  readonly topology: () => Topology;
  readonly linkTo: (name: string) => PeerLink | undefined;
}

/** One node. */
export class ConvergeNode {
  /** Everything HTTP. */
  readonly app: Hono;
  /** `<name>.<tag>`. */
  readonly nodeID: string;
  /** Resolves when the node had to stop itself, with the reason. */
  readonly failed: Promise<ConvergeError>;
  readonly #failure: PromiseWithResolvers<ConvergeError>;
  readonly #config: NodeConfig;
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #state: LocalState;
  readonly #gossip: Gossip;
  readonly #topology: CurrentTopology;
  readonly #links: PeerLinks;
  readonly #gossipLoop: GossipLoop;
  readonly #convergence: Convergence;
  readonly #coordinator: Coordinator;
  readonly #telemetry: Telemetry;
  readonly #watch: ClusterWatch;
  #isStopping = false;
  #stopping: Promise<void> | undefined;
  #isOldCopy = false;
  #isRemoved = false;

  private constructor(recovered: RecoveredNode) {
    const { config, platform, parts, store, state, gossip } = recovered;
    this.#config = config;
    this.#clock = platform.clock;
    this.#store = store;
    this.#state = state;
    this.#gossip = gossip;
    this.#telemetry = recovered.telemetry;
    this.#failure = recovered.failure;
    this.failed = recovered.failure.promise;
    this.nodeID = gossip.self.nodeID;

    const { createTopology, createPeerLink } = parts;
    const onHeard = (name: string) => this.#onHeard(name);
    this.#topology = new CurrentTopology({ gossip, shared: sharedOptions(config), createTopology });
    this.#links = new PeerLinks({ ...recovered, createLink: createPeerLink, onHeard });
    const shared = this.#sharedParts(recovered);
    const replica = this.#createReplica(recovered);
    this.#gossipLoop = this.#createGossipLoop(recovered, shared);
    this.#convergence = this.#createConvergence(recovered, shared, replica);
    this.#coordinator = this.#createCoordinator(recovered, shared, replica);
    const served = this.#served(recovered, shared, replica);
    this.#watch = new ClusterWatch(served);
    this.app = createApp({ ...served, watch: this.#watch });
  }

  /**
   * Recovers a node from its data directory, or makes a new one there.
   *
   * @throws {ConvergeError} `bad_config`, `data_locked`, `wrong_data`, `removed`, `corrupt_file`,
   * `disk_failed`, `disk_full`.
   */
  static async open(
    unchecked: NodeConfig,
    platform: Platform,
    replaced: Partial<NodeParts> = {},
  ): Promise<ConvergeNode> {
    const config = validateConfig(unchecked);
    const parts = partsFor(platform, replaced);
    const failure = Promise.withResolvers<ConvergeError>();
    const telemetry = createTelemetry(platform.clock);
    const damage = new EarlyDamage();
    const store = await openStore({ config, platform, parts, telemetry, failure }, damage);
    try {
      const recovered = await recoverNode({ config, platform, parts, telemetry, failure, store });
      const node = new ConvergeNode(recovered);
      damage.nodeMade();
      if (recovered.isAnotherLife || damage.documentsLoss > 0) {
        const loss = Math.max(damage.documentsLoss, store.lastLoss());
        await node.#convergence.onDataLost(loss);
      }
      damage.handTo((report) => node.#onDamage(report));
      return node;
    } catch (error) {
      damage.abandon(error);
      await store.close().catch(() => {});
      throw error;
    }
  }

  /** Begins to gossip, deliver hints, refill and compare. */
  start(): void {
    this.#gossipLoop.start();
    this.#convergence.start();
    this.#telemetry.lag.start();
  }

  /**
   * Ends the streams that would not end by themselves. Every other request is still answered, where its
   * body has come.
   */
  drain(): void {
    this.#isStopping = true;
    this.#watch.close();
  }

  /** Ends what is under way, flushes, and releases the data directory. Idempotent. */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  async #stop(): Promise<void> {
    this.drain();
    this.#gossipLoop.stop();
    this.#convergence.stop();
    this.#telemetry.lag.stop();
    await this.#store.close();
  }

  #sharedParts({ config, platform, lamport, gossip, store, state }: RecoveredNode): SharedParts {
    return {
      selfName: config.name,
      clock: platform.clock,
      log: platform.log,
      lamport,
      gossip,
      store,
      state,
      requestTimeoutMs: config.requestTimeoutMs,
      topology: () => this.#topology.topology,
      linkTo: (name) => this.#links.to(name),
    };
  }

  #createReplica({ parts, platform, store, lamport, horizon, gossip }: RecoveredNode): Replica {
    return parts.createReplica({
      store,
      clock: platform.clock,
      lamport,
      horizon,
      takesRecords: () => gossip.self.status !== "joining" && gossip.ownRemoval === undefined,
      onStored: (change) => this.#convergence.onStored(change),
    });
  }

  #createGossipLoop(
    { config, platform, auth, remembered }: RecoveredNode,
    shared: SharedParts,
  ): GossipLoop {
    return new GossipLoop({
      ...shared,
      platform,
      auth,
      remembered,
      intervalMs: config.gossipIntervalMs,
      timeoutMs: GOSSIP_TIMEOUT_MS,
      onChange: () => this.#onMembershipChange(),
      onHeard: (name) => this.#onHeard(name),
      onOtherOptions: (message) => this.#failure.resolve(stopReasons.otherOptions(message)),
      onOtherCluster: (seed) => this.#failure.resolve(stopReasons.otherCluster(seed)),
      onTwin: (twin) => this.#failure.resolve(stopReasons.nameTaken(twin)),
      onOldCopy: () => void this.#onOldCopy().catch(() => {}), // a store that fails stops it, too
      onRemoved: (removal) => void this.#onRemoved(removal).catch(() => {}),
    });
  }

  #createConvergence(
    { config, horizon, parts }: RecoveredNode,
    shared: SharedParts,
    replica: Replica,
  ): Convergence {
    const exchange = new KeyExchange({
      ...shared,
      replica,
      vouches: () => shared.gossip.self.status === "normal",
      isBusy: () => this.#isBusy,
    });
    return new Convergence({
      ...shared,
      config,
      horizon,
      gossipLoop: this.#gossipLoop,
      replica,
      exchange,
      createHintedHandoff: parts.createHintedHandoff,
      createTombstoneCollector: parts.createTombstoneCollector,
      onSelfChange: () => this.#onSelfChange(),
    });
  }

  #createCoordinator(
    { config, platform, parts }: RecoveredNode,
    shared: SharedParts,
    replica: Replica,
  ): Coordinator {
    const { selfName, clock, lamport, topology, linkTo, requestTimeoutMs, store } = shared;
    return parts.createCoordinator({
      selfName,
      nodeID: this.nodeID,
      clock,
      random: platform.random,
      lamport,
      replica,
      hints: this.#convergence.hints,
      topology,
      linkTo,
      locate: (key) => store.locate(DATA, key),
      requestTimeoutMs,
      inFlightMax: config.inFlightMax,
      fsynced: config.durability.mode === "fsync",
    });
  }

  /** What the routes use. */
  #served(
    { config, platform, auth }: RecoveredNode,
    shared: SharedParts,
    replica: Replica,
  ): Omit<AppOptions, "watch"> {
    const { gossip } = shared;
    const { hints, antiEntropy, collector, refill, cleanup } = this.#convergence;
    return {
      ...shared,
      nodeID: this.nodeID,
      network: platform.network,
      auth,
      replica,
      coordinator: this.#coordinator,
      lister: new Lister({
        ...shared,
        coordinator: this.#coordinator,
        maxValueBytes: config.maxValueBytes,
      }),
      hints,
      antiEntropy,
      collector,
      refill,
      cleanup,
      gossipLoop: this.#gossipLoop,
      telemetry: this.#telemetry,
      links: () => this.#links.all,
      maxValueBytes: config.maxValueBytes,
      status: () => gossip.self.status,
      isBusy: () => this.#isBusy,
      isStopping: () => this.#isStopping,
      isLeaving: () => gossip.ownRemoval !== undefined,
      isFromRemoved: (from, life) => gossip.isFromRemoved(from, life),
      onHeard: (name) => this.#onHeard(name),
      onRemovalBegun: () => this.#onSelfChange(),
    };
  }

  /**
   * A damaged table is given up where others can bring back what is lost with it. Where nobody else is
   * sure to have that, to go on without the table would be to answer that there was nothing.
   *
   * @throws {ConvergeError} `corrupt_file`.
   */
  async #onDamage({ loss, keyspace, reason, lost }: DamageReport): Promise<void> {
    if (keyspace === DATA && lost.length > 0 && this.#topology.topology.isLastHolder) {
      throw stopReasons.onlyCopyDamaged(reason, this.#config.dataDirectory);
    }
    await this.#convergence.onDataLost(loss);
  }

  /**
   * What it was started on is an old copy of its directory, which nobody could tell it at its start. It
   * stops: the others count on records of it that the copy lacks.
   */
  async #onOldCopy(): Promise<void> {
    if (this.#isOldCopy) return;
    this.#isOldCopy = true;
    try {
      await noteOldCopy(this.#state);
    } finally {
      this.#failure.resolve(stopReasons.oldCopy(this.#config.dataDirectory));
    }
  }

  /**
   * This node is no member any more. Where it is another life of its name that was removed, this one had
   * taken its place before it knew, and may have missed deletions: so its next start is as another life.
   */
  async #onRemoved({ nodeID, dead }: Removal): Promise<void> {
    if (this.#isRemoved) return;
    this.#isRemoved = true;
    const isThisLife = nodeID === this.nodeID;
    try {
      if (!isThisLife) await noteOldCopy(this.#state);
      await this.#gossipLoop.save();
    } finally {
      this.#failure.resolve(stopReasons.removed(this.#config.name, isThisLife && !dead));
    }
  }

  get #isBusy(): boolean {
    return this.#coordinator.inFlight > 0;
  }

  /** What this node says of the members, or of itself, has changed: others wait for that. */
  #onSelfChange(): void {
    this.#onMembershipChange();
    this.#gossipLoop.announce();
  }

  #onMembershipChange(): void {
    const before = this.#topology.refresh();
    if (before === undefined) return;
    this.#convergence.onMembershipChange(before);
    this.#links.dropOfRemoved();
  }

  #onHeard(name: string): void {
    const nowMs = this.#clock.monotonicMs();
    const wasSilent = this.#gossip.livenessOf(name, nowMs) !== "up";
    this.#gossip.heard(name, nowMs);
    this.#links.all.get(name)?.heard();
    if (wasSilent) void this.#convergence.onHeardAgain(name);
  }
}

function openStore(
  { config, platform, parts, telemetry, failure }: Omit<StartingNode, "store">,
  damage: EarlyDamage,
): Promise<Store> {
  return parts.openStore({
    directory: config.dataDirectory,
    clock: platform.clock,
    disk: measuredDisk(platform.disk, platform.clock, telemetry.syncs),
    log: platform.log,
    durability: config.durability,
    memtableBytes: config.memtableBytes,
    cacheBytes: config.cacheBytes,
    onFatal: failure.resolve,
    onDamage: (report) => damage.report(report),
  });
}
