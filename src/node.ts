/** Composition root: one node = storage + membership + replication + http. */
import type { Hono } from "hono";
import { type NodeConfig, sharedOptions, validateConfig } from "./config.ts";
import { ConvergeError } from "./errors.ts";
import { createApp } from "./http/app.ts";
import { ClusterWatch } from "./http/cluster_watch.ts";
import { Gossip } from "./membership/gossip.ts";
import { isOfUnknownStart, type Member } from "./membership/member.ts";
import { isKnownByAll, type Removal, type RemovalStages } from "./membership/removal.ts";
import { measuredDisk } from "./metrics/measured_disk.ts";
import { createTelemetry, type Telemetry } from "./metrics/telemetry.ts";
import type { Platform } from "./platform/platform.ts";
import type { Tracer } from "./platform/tracer.ts";
import { randomHex } from "./platform/random.ts";
import { AntiEntropy } from "./replication/anti_entropy.ts";
import { Coordinator } from "./replication/coordinator.ts";
import {
  GossipLoop,
  heardOfSelf,
  MEMBERSHIP_DOCUMENT,
  type SavedMembership,
} from "./replication/gossip_loop.ts";
import { Horizon } from "./replication/horizon.ts";
import { batchBytesMax } from "./replication/internal_protocol.ts";
import { HintedHandoff } from "./replication/hinted_handoff.ts";
import { KeyExchange } from "./replication/key_exchange.ts";
import { LamportClock } from "./replication/lamport_clock.ts";
import { Lister } from "./replication/lister.ts";
import { LocalState } from "./replication/local_state.ts";
import { MessageAuth } from "./replication/message_auth.ts";
import { PeerLink } from "./replication/peer_link.ts";
import { notedLoss, noteOldCopy, Refill } from "./replication/refill.ts";
import { Replica } from "./replication/replica.ts";
import { savedStages, Takeover } from "./replication/takeover.ts";
import { TombstoneCollector } from "./replication/tombstone_collector.ts";
import { TracedCoordinator } from "./replication/traced_coordinator.ts";
import { requireLayout, type RingLayout } from "./replication/ring_layout.ts";
import { Topology, type TopologyOptions } from "./replication/topology.ts";
import { type DamageReport, LsmStore, type LsmStoreOptions } from "./storage/lsm_store.ts";
import { DATA, type Store } from "./storage/store.ts";

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

const IDENTITY_DOCUMENT = "identity";
const TAG_DIGITS = 8;
/** Lives that a node may lose before it meets the others again, and still be known by the first. */
const FORMER_IDS_MAX = 16;
/** How long a start waits for what other members say of this node. */
const SELF_QUESTION_MS = 1_000;
/** Milliseconds that a peer gets for an internal request, as a share of a client's deadline. */
const PEER_TIMEOUT_SHARE = 0.75;
/** What other answers than records may take; those may take more where values may. */
const ANSWER_BYTES_MIN = 16 * 1024 * 1024;
/** Bytes of records after which none follows in an answer: the last may be as large as any. */
const ANSWER_BYTES_BEFORE = 1024 * 1024;

interface Identity {
  name: string;
  nodeID: string;
  starts: number;
  /** Not in files of earlier versions. */
  startTag?: string;
  /** Not in files of earlier versions. */
  layout?: RingLayout;
  /** The last node IDs before data was lost, where it was. */
  formerIDs?: string[] | undefined;
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
  readonly #auth: MessageAuth;
  readonly #parts: NodeParts;
  readonly #platform: Platform;
  readonly #store: Store;
  readonly #state: LocalState;
  readonly #lamport: LamportClock;
  readonly #gossip: Gossip;
  readonly #gossipLoop: GossipLoop;
  readonly #hints: HintedHandoff;
  readonly #antiEntropy: AntiEntropy;
  readonly #collector: TombstoneCollector;
  readonly #refill: Refill;
  readonly #takeover: Takeover;
  readonly #coordinator: Coordinator;
  readonly #links = new Map<string, PeerLink>();
  readonly #telemetry: Telemetry;
  readonly #watch: ClusterWatch;
  #topology: Topology;
  #topologyVersion: string;
  #isStopping = false;
  #stopping: Promise<void> | undefined;
  #isOldCopy = false;
  #isRemoved = false;

  private constructor(options: {
    config: NodeConfig;
    platform: Platform;
    parts: NodeParts;
    store: Store;
    state: LocalState;
    lamport: LamportClock;
    horizon: Horizon;
    gossip: Gossip;
    telemetry: Telemetry;
    failure: PromiseWithResolvers<ConvergeError>;
    auth: MessageAuth;
  }) {
    const { config, platform, parts, store, state, lamport, horizon, gossip } = options;
    const { clock, log } = platform;
    this.#config = config;
    this.#auth = options.auth;
    this.#parts = parts;
    this.#platform = platform;
    this.#store = store;
    this.#state = state;
    this.#lamport = lamport;
    this.#gossip = gossip;
    this.#telemetry = options.telemetry;
    this.#failure = options.failure;
    this.failed = options.failure.promise;
    this.nodeID = gossip.self.nodeID;
    this.#topologyVersion = this.#currentTopologyVersion();
    this.#topology = this.#createTopology();
    const selfName = config.name;
    const topology = () => this.#topology;
    const linkTo = (name: string) => this.#linkTo(name);
    const onHeard = (name: string) => this.#onHeard(name);

    const replica = parts.createReplica({
      store,
      clock,
      lamport,
      horizon,
      takesRecords: () => gossip.self.status !== "joining" && gossip.ownRemoval === undefined,
      onStored: (record) => {
        this.#antiEntropy.onStored(record.key);
        this.#collector.onStored(record);
      },
    });
    const isBusy = () => this.#coordinator.inFlight > 0;
    const vouches = () => gossip.self.status === "normal";
    const exchange = new KeyExchange({ store, replica, clock, selfName, linkTo, vouches, isBusy });
    this.#hints = parts.createHintedHandoff({
      store,
      clock,
      log,
      linkTo,
      bytesMax: config.hintBytesMax,
      ageMsMax: config.hintAgeMsMax,
    });
    this.#antiEntropy = new AntiEntropy({
      store,
      exchange,
      clock,
      log,
      selfName,
      topology,
      linkTo,
      keysUnderWay: () => replica.keysUnderWay(),
      intervalMs: config.antiEntropyIntervalMs,
    });
    this.#collector = parts.createTombstoneCollector({
      store,
      replica,
      clock,
      log,
      lamport,
      topology,
      linkTo,
      intervalMs: config.tombstoneIntervalMs,
    });
    this.#gossipLoop = new GossipLoop({
      gossip,
      auth: this.#auth,
      platform,
      lamport,
      state,
      intervalMs: config.gossipIntervalMs,
      timeoutMs: Math.min(config.requestTimeoutMs, 1_000),
      onChange: () => this.#onMembershipChange(),
      onHeard,
      onOtherOptions: ({ from, options }) => {
        this.#failure.resolve(
          new ConvergeError(
            "bad_config",
            `Cannot join ${from}: its --replication, --read-quorum, --write-quorum and ` +
              `--virtual-nodes are ${Object.values(options ?? {}).join(", ")}`,
          ),
        );
      },
      onOtherCluster: (seed) => {
        this.#failure.resolve(
          new ConvergeError(
            "bad_config",
            `Cannot join ${seed}: it is of another cluster than others that --peers names`,
          ),
        );
      },
      onTwin: ({ origin }) => {
        this.#failure.resolve(
          new ConvergeError(
            "name_taken",
            `Cannot go on as ${selfName}: another node of that name runs at ${origin}`,
          ),
        );
      },
      onOldCopy: () => void this.#onOldCopy().catch(() => {}), // a store that fails stops it, too
      onRemoved: (removal) => void this.#onRemoved(removal).catch(() => {}),
    });
    this.#refill = new Refill({
      gossip,
      exchange,
      antiEntropy: this.#antiEntropy,
      state,
      clock,
      log,
      quorums: config,
      requestTimeoutMs: config.requestTimeoutMs,
      topology,
      linkTo,
      refusedSeeds: () => this.#gossipLoop.refusedSeeds,
      onBeforeRefill: () => horizon.raiseTo(lamport.current),
      onRejoined: () => lamport.skipLost(),
      onStatus: () => {
        this.#onMembershipChange();
        this.#gossipLoop.announce();
        return this.#gossipLoop.save();
      },
    });
    this.#takeover = new Takeover({
      gossip,
      store,
      replica,
      exchange,
      state,
      clock,
      log,
      requestTimeoutMs: config.requestTimeoutMs,
      topology,
      linkTo,
      save: () => this.#gossipLoop.save(),
      onBeforeRefill: () => horizon.raiseTo(lamport.current),
      onChange: () => {
        this.#onMembershipChange();
        this.#gossipLoop.announce();
      },
    });
    this.#coordinator = parts.createCoordinator({
      selfName,
      nodeID: this.nodeID,
      clock,
      random: platform.random,
      lamport,
      replica,
      hints: this.#hints,
      topology,
      linkTo,
      locate: (key) => store.locate("data", key),
      requestTimeoutMs: config.requestTimeoutMs,
      inFlightMax: config.inFlightMax,
      fsynced: config.durability.mode === "fsync",
    });
    const lister = new Lister({
      store,
      clock,
      coordinator: this.#coordinator,
      selfName,
      topology,
      linkTo,
    });
    const served = {
      auth: this.#auth,
      lister,
      nodeID: this.nodeID,
      coordinator: this.#coordinator,
      clock,
      log,
      maxValueBytes: config.maxValueBytes,
      lamport,
      replica,
      store,
      isBusy,
      isStopping: () => this.#isStopping,
      gossip,
      gossipLoop: this.#gossipLoop,
      antiEntropy: this.#antiEntropy,
      collector: this.#collector,
      status: () => gossip.self.status,
      isLeaving: () => gossip.ownRemoval !== undefined,
      isFromRemoved: (from: string, life: string | undefined) => gossip.isFromRemoved(from, life),
      onRemovalBegun: () => {
        this.#onMembershipChange();
        this.#gossipLoop.announce();
      },
      refill: this.#refill,
      hints: this.#hints,
      topology,
      onHeard,
      telemetry: this.#telemetry,
      links: () => this.#links,
      network: platform.network,
      linkTo,
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
    // Damage may be found before there is a node to tell.
    let onDamage = ({ loss }: DamageReport): void | Promise<void> => void (lossEarly = loss);
    let lossEarly = 0;
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
      onDamage: (report) => onDamage(report),
    });
    try {
      const state = new LocalState(store);
      const auth = new MessageAuth(config.clusterSecret);
      const saved = state.read<SavedMembership>(MEMBERSHIP_DOCUMENT);
      const heard = await heardAtStart({ state, config, platform, auth, saved });
      if (heard.isOldCopy) await noteOldCopy(state);
      requireMember(state, config, [...saved?.removed ?? [], ...heard.removed]);
      // Where documents may be gone, the node may have given out counters that it knows nothing of:
      // it is another life then, as one with an empty disk is.
      const isAnotherLife = store.lastLoss() !== notedLoss(state);
      const members = saved?.members.length ?? 1;
      const identity = await openIdentity(state, config, platform, { isAnotherLife, members });
      const lamport = await parts.openLamportClock(state, store.highestCounter());
      const gossip = parts.createGossip({
        shared: sharedOptions(config),
        self: selfMember(config, identity, {
          saved: isAnotherLife ? undefined : saved,
          stages: isAnotherLife ? {} : savedStages(state),
        }),
        known: saved?.members.filter(({ name }) => name !== config.name) ?? [],
        seeds: config.peers,
        resolvedSeeds: saved?.seeds ?? [],
        settled: saved?.settled ?? [],
        formerIDs: identity.formerIDs ?? [],
        removed: saved?.removed ?? [],
        intervalMs: config.gossipIntervalMs,
        random: platform.random,
      });
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
        telemetry,
        failure,
      });
      onDamage = (report) => node.#onDamage(report);
      if (isAnotherLife || lossEarly > 0) {
        await node.#onDataLost(Math.max(lossEarly, store.lastLoss()));
      }
      return node;
    } catch (error) {
      await store.close().catch(() => {});
      throw error;
    }
  }

  /** Begins to gossip, deliver hints, refill and compare. */
  start(): void {
    this.#gossipLoop.start();
    this.#hints.start(this.#peerNames());
    this.#dropHintsInVain();
    this.#refill.start();
    this.#takeover.start();
    this.#antiEntropy.start();
    this.#collector.start();
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
    this.#refill.stop();
    this.#takeover.stop();
    this.#antiEntropy.stop();
    this.#collector.stop();
    this.#hints.stop();
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
    if (keyspace === DATA && lost.length > 0 && this.#topology.quorums.n === 1) {
      throw new ConvergeError(
        "corrupt_file",
        `${reason}, and no other node has what it held. ` +
          `Run: converge doctor --data ${this.#config.dataDirectory} --salvage`,
      );
    }
    await this.#onDataLost(loss);
  }

  /** @param loss What `Store.lastLoss` says, or will say once the damaged table is replaced. */
  async #onDataLost(loss: number): Promise<void> {
    this.#antiEntropy.onDataLost();
    this.#takeover.onDataLost();
    try {
      await this.#refill.restart(loss);
    } catch (error) {
      this.#platform.log.error("refill.failed", { why: String(error) });
    }
  }

  /** Nobody could tell when it started: it stops, since it counts for more than it has. */
  async #onOldCopy(): Promise<void> {
    if (this.#isOldCopy) return;
    this.#isOldCopy = true;
    const error = new ConvergeError(
      "old_copy",
      `Cannot go on with ${this.#config.dataDirectory}: it is an old copy, others have heard of a later life`,
    );
    try {
      await noteOldCopy(this.#state);
    } finally {
      this.#failure.resolve(error);
    }
  }

  /** One whose place another life of its name had taken, before it knew, may have missed deletions. */
  async #onRemoved({ nodeID, dead }: Removal): Promise<void> {
    if (this.#isRemoved) return;
    this.#isRemoved = true;
    try {
      if (nodeID !== this.nodeID) await noteOldCopy(this.#state);
      await this.#gossipLoop.save();
    } finally {
      this.#failure.resolve(
        new ConvergeError(
          "removed",
          `Cannot go on as ${this.#config.name}: it was removed from its cluster`,
          { details: { asAsked: !dead && nodeID === this.nodeID } },
        ),
      );
    }
  }

  #onMembershipChange(): void {
    const version = this.#currentTopologyVersion();
    if (version === this.#topologyVersion) return;
    const before = new Set(this.#topology.members.map(({ name }) => name));
    this.#topologyVersion = version;
    this.#topology = this.#createTopology();
    const added = this.#peerNames().filter((name) => !before.has(name));
    if (added.length > 0) this.#hints.start(added);
    for (const name of added) this.#antiEntropy.urgent(name);
    this.#antiEntropy.onMembersChanged();
    this.#takeover.start();
    const names = new Set(this.#peerNames());
    for (const name of before) if (!names.has(name)) this.#hints.forget(name);
    for (const name of this.#links.keys()) {
      if (this.#gossip.member(name) === undefined) this.#links.delete(name);
    }
  }

  /** What an earlier life of this node left for those that were removed. */
  #dropHintsInVain(): void {
    const members = new Set(this.#peerNames());
    const gone = this.#gossip.removed.map(({ name }) => name).filter((name) => !members.has(name));
    if (gone.length > 0) this.#hints.start(gone);
    for (const name of gone) this.#hints.forget(name);
  }

  #onHeard(name: string): void {
    const { clock } = this.#platform;
    const wasSilent = this.#gossip.livenessOf(name, clock.monotonicMs()) !== "up";
    this.#gossip.heard(name, clock.monotonicMs());
    this.#links.get(name)?.heard();
    if (wasSilent) this.#antiEntropy.urgent(name);
  }

  #linkTo(name: string): PeerLink | undefined {
    const existing = this.#links.get(name);
    if (existing !== undefined) return existing;
    let member = this.#gossip.member(name);
    if (member === undefined || name === this.#config.name) return undefined;
    const link = this.#parts.createPeerLink({
      platform: this.#platform,
      selfName: this.#config.name,
      auth: this.#auth,
      lamport: this.#lamport,
      timeoutMs: Math.ceil(this.#config.requestTimeoutMs * PEER_TIMEOUT_SHARE),
      answerBytesMax: Math.max(
        ANSWER_BYTES_MIN,
        batchBytesMax(this.#config.maxValueBytes) + ANSWER_BYTES_BEFORE,
      ),
      selfLife: () => this.#gossip.hasNameOfRemoved ? this.nodeID : undefined,
      // One that is a member no more may still be asked.
      member: () => member = this.#gossip.member(name) ?? member!,
      onHeard: () => this.#onHeard(name),
    });
    this.#links.set(name, link);
    return link;
  }

  #peerNames(): string[] {
    return this.#gossip.members.map(({ name }) => name).filter((n) => n !== this.#config.name);
  }

  #createTopology(): Topology {
    const { replication, readQuorum, writeQuorum, virtualNodes, name } = this.#config;
    return this.#parts.createTopology({
      members: this.#gossip.members,
      unresolvedSeeds: this.#gossip.unresolvedSeeds,
      settled: this.#gossip.settled,
      ...this.#removals(),
      selfName: name,
      replication,
      readQuorum,
      writeQuorum,
      virtualNodes,
    });
  }

  #removals(): Pick<TopologyOptions, "pending" | "isKnownByAll"> {
    const { pending } = this.#gossip;
    if (pending.length === 0) return {};
    return { pending, isKnownByAll: isKnownByAll(this.#gossip.removalView) };
  }

  /** What a topology is made from, as text: heartbeats alone do not need a new one. */
  #currentTopologyVersion(): string {
    return `${this.#gossip.version} ${this.#gossip.unresolvedSeeds.join(" ")}`;
  }
}

/** A coordinator that records traces, where somebody wants them. */
function tracingParts(tracer: Tracer | undefined): Partial<NodeParts> {
  if (tracer === undefined) return {};
  return { createCoordinator: (...args) => new TracedCoordinator(tracer, ...args) };
}

/**
 * What others have heard of this node: whether of a start of this directory that the directory knows
 * nothing of; and what was removed.
 */
async function heardAtStart({ state, config, platform, auth, saved }: {
  state: LocalState;
  config: NodeConfig;
  platform: Platform;
  auth: MessageAuth;
  saved: SavedMembership | undefined;
}): Promise<{ isOldCopy: boolean; removed: readonly Removal[] }> {
  const identity = state.read<Identity>(IDENTITY_DOCUMENT);
  if (identity === undefined || saved === undefined) return { isOldCopy: false, removed: [] };
  const { statements, removed } = await heardOfSelf({
    name: config.name,
    members: saved.members,
    seeds: config.peers,
    platform,
    auth,
    timeoutMs: Math.min(config.requestTimeoutMs, SELF_QUESTION_MS),
  });
  return { isOldCopy: statements.some((member) => isOfUnknownStart(member, identity)), removed };
}

/** @throws {ConvergeError} `removed` where the directory is that of a node that was removed. */
function requireMember(state: LocalState, config: NodeConfig, removed: readonly Removal[]): void {
  const identity = state.read<Identity>(IDENTITY_DOCUMENT);
  const ids = new Set([identity?.nodeID, ...identity?.formerIDs ?? []]);
  if (!removed.some(({ nodeID, dead, ended }) => ids.has(nodeID) && (dead || ended))) return;
  throw new ConvergeError(
    "removed",
    `Cannot use ${config.dataDirectory} as ${config.name}: it was removed from its cluster`,
  );
}

async function openIdentity(
  state: LocalState,
  config: NodeConfig,
  platform: Platform,
  { isAnotherLife, members }: { isAnotherLife: boolean; members: number },
): Promise<Identity> {
  const existing = state.read<Identity>(IDENTITY_DOCUMENT);
  if (existing !== undefined && existing.name !== config.name) {
    throw new ConvergeError(
      "wrong_data",
      `Cannot use ${config.dataDirectory} as ${config.name}: it belongs to ${existing.name}`,
    );
  }
  const { replication, virtualNodes } = config;
  const layout = { replication, virtualNodes };
  if (existing?.layout !== undefined) requireLayout(existing.layout, layout, members);
  const startTag = randomHex(platform.random, TAG_DIGITS);
  const nodeID = existing === undefined || isAnotherLife
    ? `${config.name}.${startTag}`
    : existing.nodeID;
  const formerIDs = [...existing?.formerIDs ?? []];
  if (existing !== undefined && isAnotherLife) formerIDs.push(existing.nodeID);
  const identity = {
    name: config.name,
    nodeID,
    starts: (existing?.starts ?? 0) + 1,
    startTag,
    layout,
    formerIDs: formerIDs.length === 0 ? undefined : formerIDs.slice(-FORMER_IDS_MAX),
  };
  await state.write(IDENTITY_DOCUMENT, identity);
  return identity;
}

function selfMember(
  config: NodeConfig,
  identity: Identity,
  { saved, stages }: { saved: SavedMembership | undefined; stages: RemovalStages },
): Member {
  return {
    ...(Object.keys(stages).length === 0 ? {} : { removals: stages }),
    name: config.name,
    nodeID: identity.nodeID,
    origin: config.advertise,
    starts: identity.starts,
    ...(identity.startTag === undefined ? {} : { startTag: identity.startTag }),
    incarnation: Math.max(identity.starts, (saved?.self.incarnation ?? 0) + 1),
    heartbeat: 0,
    status: saved?.self.status ?? "joining",
  };
}
