/** Composition root: one node = storage + membership + replication + http. */
import type { Hono } from "hono";
import { type NodeConfig, sharedOptions, validateConfig } from "./config.ts";
import type { ConvergeError } from "./errors.ts";
import { createApp } from "./http/app.ts";
import { ClusterWatch } from "./http/cluster_watch.ts";
import { Gossip } from "./membership/gossip.ts";
import type { Member } from "./membership/member.ts";
import type { Removal } from "./membership/removal.ts";
import { measuredDisk } from "./metrics/measured_disk.ts";
import { createTelemetry, type Telemetry } from "./metrics/telemetry.ts";
import type { Platform } from "./platform/platform.ts";
import type { Tracer } from "./platform/tracer.ts";
import { Convergence } from "./replication/convergence.ts";
import { Coordinator } from "./replication/coordinator.ts";
import { CurrentTopology } from "./replication/current_topology.ts";
import { meetOthers, viewsOfOthers } from "./replication/first_contact.ts";
import {
  GossipLoop,
  MEMBERSHIP_DOCUMENT,
  type SavedMembership,
} from "./replication/gossip_loop.ts";
import { Horizon } from "./replication/horizon.ts";
import { HintedHandoff } from "./replication/hinted_handoff.ts";
import { isOldCopy, openIdentity, requireMember, selfMember } from "./replication/identity.ts";
import { KeyExchange } from "./replication/key_exchange.ts";
import { LamportClock } from "./replication/lamport_clock.ts";
import { Lister } from "./replication/lister.ts";
import { LocalState } from "./replication/local_state.ts";
import { MessageAuth } from "./replication/message_auth.ts";
import { PeerLink } from "./replication/peer_link.ts";
import { PeerLinks } from "./replication/peer_links.ts";
import { notedLoss, noteOldCopy } from "./replication/refill.ts";
import { Replica } from "./replication/replica.ts";
import * as stopReasons from "./replication/stop_reasons.ts";
import { savedStages } from "./replication/takeover.ts";
import { TombstoneCollector } from "./replication/tombstone_collector.ts";
import { Topology } from "./replication/topology.ts";
import { TracedCoordinator } from "./replication/traced_coordinator.ts";
import { type DamageReport, LsmStore, type LsmStoreOptions } from "./storage/lsm_store.ts";
import { DATA, META, type Store } from "./storage/store.ts";

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

/** How long a start waits for what other members say of this node. */
const SELF_QUESTION_MS = 1_000;
/** How long a message of gossip waits for its answer at most. */
const GOSSIP_TIMEOUT_MS_MAX = 1_000;

/** What is there before the node is: what its directory holds, and what that says of it. */
interface OpenedParts {
  config: NodeConfig;
  platform: Platform;
  parts: NodeParts;
  store: Store;
  state: LocalState;
  lamport: LamportClock;
  horizon: Horizon;
  gossip: Gossip;
  /** Members that the directory holds. */
  remembered: readonly Member[];
  telemetry: Telemetry;
  failure: PromiseWithResolvers<ConvergeError>;
  auth: MessageAuth;
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
  readonly #platform: Platform;
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

  private constructor(opened: OpenedParts) {
    const { config, platform, parts, auth, store, state, lamport, horizon, gossip } = opened;
    const { clock, log } = platform;
    const { requestTimeoutMs } = config;
    this.#config = config;
    this.#platform = platform;
    this.#store = store;
    this.#state = state;
    this.#gossip = gossip;
    this.#telemetry = opened.telemetry;
    this.#failure = opened.failure;
    this.failed = opened.failure.promise;
    this.nodeID = gossip.self.nodeID;

    const onHeard = (name: string) => this.#onHeard(name);
    const shared = sharedOptions(config);
    this.#topology = new CurrentTopology({
      gossip,
      shared,
      createTopology: parts.createTopology,
    });
    this.#links = new PeerLinks({
      gossip,
      config,
      platform,
      auth,
      lamport,
      createLink: parts.createPeerLink,
      onHeard,
    });
    const base = {
      selfName: config.name,
      clock,
      log,
      lamport,
      gossip,
      store,
      state,
      topology: () => this.#topology.topology,
      linkTo: (name: string) => this.#links.to(name),
      requestTimeoutMs,
    };

    const replica = parts.createReplica({
      store,
      clock,
      lamport,
      horizon,
      takesRecords: () => gossip.self.status !== "joining" && gossip.ownRemoval === undefined,
      onStored: (change) => this.#convergence.onStored(change),
    });
    const isBusy = () => this.#coordinator.inFlight > 0;
    const exchange = new KeyExchange({
      ...base,
      replica,
      vouches: () => gossip.self.status === "normal",
      isBusy,
    });

    this.#gossipLoop = new GossipLoop({
      ...base,
      platform,
      auth,
      remembered: opened.remembered,
      intervalMs: config.gossipIntervalMs,
      timeoutMs: Math.min(requestTimeoutMs, GOSSIP_TIMEOUT_MS_MAX),
      onChange: () => this.#onMembershipChange(),
      onHeard,
      onOtherOptions: (message) => this.#failure.resolve(stopReasons.otherOptions(message)),
      onOtherCluster: (seed) => this.#failure.resolve(stopReasons.otherCluster(seed)),
      onTwin: (twin) => this.#failure.resolve(stopReasons.nameTaken(twin)),
      onOldCopy: () => void this.#onOldCopy().catch(() => {}), // a store that fails stops it, too
      onRemoved: (removal) => void this.#onRemoved(removal).catch(() => {}),
    });
    const onSelfChange = () => this.#onSelfChange();
    this.#convergence = new Convergence({
      ...base,
      config,
      horizon,
      gossipLoop: this.#gossipLoop,
      replica,
      exchange,
      createHintedHandoff: parts.createHintedHandoff,
      createTombstoneCollector: parts.createTombstoneCollector,
      onSelfChange,
    });

    this.#coordinator = parts.createCoordinator({
      selfName: config.name,
      nodeID: this.nodeID,
      clock,
      random: platform.random,
      lamport,
      replica,
      hints: this.#convergence.hints,
      topology: base.topology,
      linkTo: base.linkTo,
      locate: (key) => store.locate(DATA, key),
      requestTimeoutMs,
      inFlightMax: config.inFlightMax,
      fsynced: config.durability.mode === "fsync",
    });
    const served = {
      ...base,
      nodeID: this.nodeID,
      network: platform.network,
      auth,
      replica,
      coordinator: this.#coordinator,
      lister: new Lister({ ...base, coordinator: this.#coordinator }),
      hints: this.#convergence.hints,
      antiEntropy: this.#convergence.antiEntropy,
      collector: this.#convergence.collector,
      refill: this.#convergence.refill,
      gossipLoop: this.#gossipLoop,
      telemetry: this.#telemetry,
      links: () => this.#links.all,
      maxValueBytes: config.maxValueBytes,
      status: () => gossip.self.status,
      isBusy,
      isStopping: () => this.#isStopping,
      isLeaving: () => gossip.ownRemoval !== undefined,
      isFromRemoved: (from: string, life: string | undefined) => gossip.isFromRemoved(from, life),
      onHeard,
      onRemovalBegun: onSelfChange,
    };
    this.#watch = new ClusterWatch(served);
    this.app = createApp({ ...served, watch: this.#watch });
  }

  /**
   * Recovers a node from its data directory, or makes a new one there.
   *
   * @throws {ConvergeError} `bad_config`, `data_locked`, `wrong_data`, `corrupt_file`, `disk_failed`,
   * `disk_full`.
   */
  static async open(
    unchecked: NodeConfig,
    platform: Platform,
    replaced: Partial<NodeParts> = {},
  ): Promise<ConvergeNode> {
    const config = validateConfig(unchecked);
    const parts = { ...REAL_PARTS, ...tracingParts(platform.tracer), ...replaced };
    const failure = Promise.withResolvers<ConvergeError>();
    const opening = Promise.withResolvers<ConvergeNode>();
    opening.promise.catch(() => {}); // who called hears of it
    // Damage may be found before there is a node to tell. Only its own documents cannot wait for it.
    let isOpen = false;
    let lossEarly = 0;
    const onDamage = async (report: DamageReport) => {
      if (report.keyspace === META && !isOpen) lossEarly = report.loss;
      else await (await opening.promise).#onDamage(report);
    };
    const telemetry = createTelemetry(platform.clock);
    const store = await parts.openStore({
      directory: config.dataDirectory,
      clock: platform.clock,
      disk: measuredDisk(platform.disk, platform.clock, telemetry.syncs),
      log: platform.log,
      durability: config.durability,
      memtableBytes: config.memtableBytes,
      cacheBytes: config.cacheBytes,
      onFatal: failure.resolve,
      onDamage,
    });
    try {
      const state = new LocalState(store);
      const auth = new MessageAuth(config.clusterSecret);
      const saved = state.read<SavedMembership>(MEMBERSHIP_DOCUMENT);
      const views = await viewsOfOthers({
        name: config.name,
        members: saved?.members ?? [],
        seeds: config.peers,
        platform,
        auth,
        timeoutMs: Math.min(config.requestTimeoutMs, SELF_QUESTION_MS),
      });
      if (isOldCopy(state, views.flatMap(({ view }) => view.members))) await noteOldCopy(state);
      const removed = views.flatMap(({ view }) => view.removed ?? []);
      await requireMember(state, config, removed);
      // Where documents may be gone, the node may have given out counters that it knows nothing of:
      // it is another life then, as one with an empty disk is.
      const isAnotherLife = store.lastLoss() !== notedLoss(state);
      const members = saved?.members.length ?? 1;
      const { random } = platform;
      const identity = await openIdentity({ state, config, random, isAnotherLife, members });
      const lamport = await parts.openLamportClock(state, store.highestCounter());
      const gossip = parts.createGossip({
        shared: sharedOptions(config),
        self: selfMember(config, identity, {
          self: isAnotherLife ? undefined : saved?.self,
          stages: isAnotherLife ? {} : savedStages(state),
        }),
        known: saved?.members.filter(({ name }) => name !== config.name) ?? [],
        seeds: config.peers,
        resolvedSeeds: saved?.seeds ?? [],
        settled: saved?.settled ?? [],
        formerIDs: identity.formerIDs ?? [],
        removed: saved?.removed ?? [],
        intervalMs: config.gossipIntervalMs,
        random,
      });
      const shared = sharedOptions(config);
      meetOthers({ gossip, shared, lamport, clock: platform.clock }, views);
      const node = new ConvergeNode({
        config,
        auth,
        platform,
        parts,
        store,
        state,
        lamport,
        horizon: new Horizon(state),
        gossip,
        remembered: saved?.members ?? [],
        telemetry,
        failure,
      });
      isOpen = true;
      if (isAnotherLife || lossEarly > 0) {
        await node.#convergence.onDataLost(Math.max(lossEarly, store.lastLoss()));
      }
      opening.resolve(node);
      return node;
    } catch (error) {
      opening.reject(error);
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

  /**
   * A damaged table is given up where others can bring back what is lost with it. Where keys have one
   * owner nobody can, and to go on without would be to answer that there was nothing.
   *
   * @throws {ConvergeError} `corrupt_file`.
   */
  async #onDamage({ loss, keyspace, reason, lost }: DamageReport): Promise<void> {
    if (keyspace === DATA && lost.length > 0 && this.#topology.topology.quorums.n === 1) {
      throw stopReasons.onlyCopyDamaged(reason, this.#config.dataDirectory);
    }
    await this.#convergence.onDataLost(loss);
  }

  /** Nobody could tell when it started: it stops, since it counts for more than it has. */
  async #onOldCopy(): Promise<void> {
    if (this.#isOldCopy) return;
    this.#isOldCopy = true;
    try {
      await noteOldCopy(this.#state);
    } finally {
      this.#failure.resolve(stopReasons.oldCopy(this.#config.dataDirectory));
    }
  }

  /** One whose place another life of its name had taken, before it knew, may have missed deletions. */
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
    const { clock } = this.#platform;
    const wasSilent = this.#gossip.livenessOf(name, clock.monotonicMs()) !== "up";
    this.#gossip.heard(name, clock.monotonicMs());
    this.#links.all.get(name)?.heard();
    if (wasSilent) this.#convergence.onHeardAgain(name);
  }
}

/** A coordinator that records traces, where somebody wants them. */
function tracingParts(tracer: Tracer | undefined): Partial<NodeParts> {
  if (tracer === undefined) return {};
  return { createCoordinator: (...args) => new TracedCoordinator(tracer, ...args) };
}
