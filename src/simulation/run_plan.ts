/** One run: boots a cluster, lets clients and nemesis at it, heals it, waits for rest, judges. */
import { DEFAULTS, type NodeConfig, type SharedOptions } from "../config.ts";
import { majorityOf, quorumsOf } from "../membership/quorums.ts";
import type { ClusterView } from "../http/cluster_routes.ts";
import type { Key } from "../record/key.ts";
import { HashRing } from "../ring/hash_ring.ts";
import { tokenOf } from "../ring/token.ts";
import { excessOf } from "./bounds.ts";
import { CHECKERS } from "./checkers/all_checkers.ts";
import { checkDivergedOwners } from "./checkers/diverged_owners.ts";
import { checkLinearizability, type Linearizability } from "./checkers/linearizability.ts";
import { checkSplitMembership } from "./checkers/split_membership.ts";
import { Clients, keysOf } from "./clients/clients.ts";
import { Cluster } from "./world/cluster.ts";
import { DATA_DIRECTORY, type OpenProcess, type SimulatedNode } from "./world/simulated_node.ts";
import type {
  Copy,
  Evidence,
  Leftover,
  Measurement,
  MembershipView,
  Violation,
} from "./evidence/evidence.ts";
import { byKey, type History } from "./evidence/history.ts";
import { Nemesis } from "./faults/nemesis.ts";
import { Operator } from "./world/operator.ts";
import { copiesOf } from "./evidence/observed_store.ts";
import type { Plan } from "./plans/plan.ts";
import { ProcessLife } from "./virtual/process_life.ts";
import { withLosses } from "./evidence/page_cache.ts";
import { Workload } from "./clients/workload.ts";
import { World } from "./world/world.ts";

/** What a run gave. */
export interface RunResult {
  readonly plan: Plan;
  /** Equal for equal plans, on every machine. */
  readonly hash: string;
  readonly history: History;
  readonly violations: readonly Violation[];
  readonly faults: ReadonlyMap<string, number>;
  readonly virtualMs: number;
  readonly events: number;
  readonly messages: number;
  /** Keys by verdict; keys written at a smaller quorum or with a time to live are not judged. */
  readonly linearizability: Readonly<Record<Linearizability, number>>;
  /** The keys that are not linearizable. */
  readonly notLinearizable: readonly string[];
}

const REQUEST_TIMEOUT_MS = 1_000;
/** An answer may come this much after the node's own deadline: two trips and a busy event loop. */
const DEADLINE_SLACK_MS = 250;
/** Milliseconds in which a healed cluster must come to rest. */
const QUIESCE_MS_MAX = 120_000;
/** A round of the tombstone collector that took seconds, on a slow disk, is followed by minutes of rest. */
const FORGET_MS_MAX = 600_000;
const QUIESCE_POLL_MS = 500;
/** Longer than a circuit breaker stays open. */
const AUDIT_MS_MAX = 8_000;
/** Keys that are listed at once. */
const AUDIT_PAGE = 7;

/** Runs a plan on processes that `open` makes. Deterministic. */
export async function runPlan(plan: Plan, open: OpenProcess): Promise<RunResult> {
  const world = new World(plan.seed);
  world.note("plan", { plan });
  const cluster = new Cluster(world, configsOf(plan), open);
  const run = new Run(world, cluster, plan);
  let evidence: Evidence;
  try {
    evidence = await world.run(() => run.carryOut());
  } catch (error) {
    // Nothing can happen any more, or it never ends: what was seen so far is judged with that.
    world.error("the run", error);
    evidence = run.evidence();
  }
  const judgedKeys = linearizabilityOf(evidence);
  return {
    plan,
    hash: world.history.hash(),
    history: world.history,
    violations: Object.values(CHECKERS).flatMap((check) => check(evidence)),
    faults: world.faults,
    virtualMs: world.time.nowMs,
    events: world.time.eventsTotal,
    messages: world.network.messagesTotal,
    ...judgedKeys,
  };
}

/** The configurations of a plan's nodes: intervals are short, since virtual time is cheap but not free. */
function configsOf(plan: Plan): NodeConfig[] {
  const origins = Array.from({ length: plan.nodes }, (_, i) => originOf(i));
  const joined = plan.faults.filter((fault) => fault.kind === "join");
  const removed = new Set(
    plan.faults.flatMap((fault) => fault.kind === "remove" ? [fault.node] : []),
  );
  const peers = [
    ...origins.map((origin) => origins.filter((other) => other !== origin)),
    // Told only of one that is removed, it would wait for that one for ever.
    ...joined.map(({ via }) => via === undefined || removed.has(via) ? origins : [originOf(via)]),
  ];
  const timeoutsMs = timeoutsOf(plan);
  return peers.map((peersOfNode, i) => ({
    ...DEFAULTS,
    name: `n${i}`,
    advertise: originOf(i),
    peers: peersOfNode,
    dataDirectory: DATA_DIRECTORY,
    replication: plan.replication,
    readQuorum: plan.readQuorum,
    writeQuorum: plan.writeQuorum,
    virtualNodes: plan.virtualNodes,
    gossipIntervalMs: plan.gossipIntervalMs ?? 500,
    requestTimeoutMs: timeoutsMs[i % timeoutsMs.length]!,
    memtableBytes: plan.memtableBytes,
    cacheBytes: 64 * 1024,
    antiEntropyIntervalMs: plan.antiEntropyIntervalMs ?? 1_000,
    tombstoneIntervalMs: 700,
    hintBytesMax: plan.hintBytesMax ?? DEFAULTS.hintBytesMax,
    inFlightMax: plan.inFlightMax ?? DEFAULTS.inFlightMax,
    durability: plan.durability ?? DEFAULTS.durability,
  }));
}

function timeoutsOf({ requestTimeoutsMs = [REQUEST_TIMEOUT_MS] }: Plan): readonly number[] {
  return requestTimeoutsMs;
}

/** Of all that nodes have one after the other. */
function longestTimeoutMs(plan: Plan): number {
  const later = plan.faults.flatMap((fault) =>
    fault.kind === "own_options" ? [fault.options.requestTimeoutMs ?? 0] : []
  );
  return Math.max(...timeoutsOf(plan), ...later);
}

function originOf(index: number): string {
  return `http://n${index}:8080`;
}

class Run {
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #plan: Plan;
  readonly #clients: Clients;
  readonly #workload: Workload;
  readonly #operator: Operator;
  readonly #nemesis: Nemesis;
  readonly #measurements: Measurement[] = [];
  readonly #views: MembershipView[] = [];
  readonly #copies = new Map<string, Map<string, Copy>>();
  #leftovers: readonly Leftover[] = [];
  #atRest = false;

  constructor(world: World, cluster: Cluster, plan: Plan) {
    this.#world = world;
    this.#cluster = cluster;
    this.#plan = plan;
    this.#clients = new Clients(world, plan);
    this.#workload = new Workload({ world, cluster, clients: this.#clients, plan });
    this.#operator = new Operator(world, cluster);
    this.#nemesis = new Nemesis({ world, cluster, operator: this.#operator });
  }

  /** The nodes that are not removed. */
  get #staying(): readonly SimulatedNode[] {
    return this.#cluster.nodes.filter(({ leaving }) => leaving === undefined);
  }

  async carryOut(): Promise<Evidence> {
    const { time } = this.#world;
    this.#measure();
    await this.#bootAll(this.#cluster.nodes.slice(0, this.#plan.nodes));
    await this.#untilReady();
    const clients = this.#workload.run();
    await time.wait(this.#plan.calmMs);
    await this.#nemesis.run(this.#plan);
    await this.#bootAll();
    await clients;
    await this.#untilAtRest();
    await this.#untilForgotten();
    await this.#startRemoved();
    await this.#audit();
    await this.#collectViews();
    this.#collectCopies();
    return this.evidence();
  }

  /** What the checkers get. */
  evidence(): Evidence {
    // All nodes have the same, and perhaps others than at first.
    const { virtualNodes, replication } = this.#cluster.nodes[0]!.config;
    const ring = new HashRing(this.#staying.map(({ name }) => name), {
      tokensPerNode: virtualNodes,
      owners: replication,
    });
    return {
      operations: withLosses(this.#world.history.operations, this.#cluster.powerFailures),
      readsMeet: optionsOf(this.#plan).every(({ readQuorum, replication }) =>
        readQuorum >= majorityOf(replication)
      ),
      copies: this.#copies,
      owners: (key) => ring.arcOf(tokenOf(key))?.owners ?? [],
      sightings: this.#cluster.sightings,
      storings: this.#cluster.storings,
      leastW: leastWriteQuorum(this.#plan),
      brokenPromises: this.#cluster.brokenPromises,
      disturbances: this.#cluster.disturbances,
      deadlineMs: longestTimeoutMs(this.#plan) + DEADLINE_SLACK_MS,
      wall: (node, fromMs, toMs) =>
        this.#cluster.wallClocks.bounds(node, fromMs, Math.min(toMs, this.#world.time.nowMs)),
      measurements: this.#measurements,
      views: this.#views,
      leftovers: this.#leftovers,
      errors: this.#world.errors,
    };
  }

  /** Starts every node that is down; one whose files are beyond repair gets a new disk. */
  async #bootAll(nodes = this.#cluster.nodes): Promise<void> {
    await Promise.all(
      nodes.filter(({ isRemoved }) => !isRemoved).map(async (node) => {
        for (let attempt = 0; attempt < 3 && !node.isUp; attempt++) {
          // Somebody else's boot of it may be under way.
          if (!await this.#cluster.boot(node) && node.damaged) this.#cluster.wipe(node);
          for (let i = 0; i < 20 && !node.isUp && node.life?.dead === false; i++) {
            await this.#world.time.wait(QUIESCE_POLL_MS);
          }
        }
        if (node.leaving !== undefined) return;
        if (!node.isUp) this.#world.error(node.name, "is not up after healing");
      }),
    );
  }

  async #untilReady(): Promise<void> {
    const untilMs = this.#world.time.nowMs + QUIESCE_MS_MAX;
    while (!await this.#allReady()) {
      if (this.#world.time.nowMs > untilMs) return this.#world.error("cluster", "never ready");
      await this.#world.time.wait(QUIESCE_POLL_MS);
    }
  }

  async #allReady(): Promise<boolean> {
    for (const node of this.#cluster.members) {
      if (node.leaving !== undefined) {
        if (!await this.#operator.isGone(node)) return false;
      } else if ((await this.#ask(node, "/readyz"))?.status !== 200) return false;
    }
    return true;
  }

  /**
   * Waits until owners hold equal records, and nothing comes late any more; if they never do, the
   * checkers will say so.
   */
  async #untilAtRest(): Promise<void> {
    const { time, network } = this.#world;
    const untilMs = time.nowMs + QUIESCE_MS_MAX;
    while (time.nowMs < untilMs) {
      // As a supervisor would: what was still stopping when everything healed is started again.
      await this.#bootAll();
      await this.#correctPeers();
      const isOver = network.replaysUnderWay === 0 && this.#operator.isIdle;
      if (await this.#allReady() && this.#collectCopies() && isOver) {
        this.#atRest = checkDivergedOwners(this.evidence()).length === 0;
        if (this.#atRest) break;
      }
      await time.wait(QUIESCE_POLL_MS);
    }
    this.#world.note("at rest", { atRest: this.#atRest });
    // What is read later is repaired, and looks as if it had been so.
    if (!this.#atRest) this.#world.error("cluster", "never comes to rest");
    for (const node of this.#cluster.nodes) {
      if (node.leaving === undefined || await this.#operator.isGone(node)) continue;
      this.#world.error(node.name, "is never removed");
    }
    this.#operator.end();
  }

  /** As an operator would: who waits for an address that nobody has any more is told of those of now. */
  async #correctPeers(): Promise<void> {
    for (const node of this.#staying) {
      const { startedWith: { peers: toldOf }, config: { peers } } = node;
      if (toldOf.length === peers.length && toldOf.every((peer) => peers.includes(peer))) continue;
      const view = await this.#viewOf(node);
      if (view === undefined || view.unresolvedSeeds.length === 0) continue;
      await this.#cluster.stop(node);
      await this.#cluster.boot(node);
    }
  }

  /** Waits until what all owners have is forgotten; if it never is, a checker will say so. */
  async #untilForgotten(): Promise<void> {
    const { time } = this.#world;
    const untilMs = time.nowMs + FORGET_MS_MAX;
    while (this.#atRest) {
      this.#leftovers = await this.#lookForLeftovers();
      if (this.#leftovers.length === 0 || time.nowMs >= untilMs) return;
      await time.wait(QUIESCE_POLL_MS);
    }
  }

  async #lookForLeftovers(): Promise<Leftover[]> {
    this.#collectCopies();
    const { owners } = this.evidence();
    const views = await Promise.all(this.#staying.map((node) => this.#viewOf(node)));
    const hints = views.flatMap((view) =>
      Object.keys(view?.hints.waiting ?? {})
        .map((to) => ({ node: view!.self, what: `hints for ${to}`, keys: [] }))
    );
    // One that nobody will ever hear, since its address was never its own, confirms nothing.
    if (views.some((view) => view?.unresolvedSeeds.length !== 0)) return hints;
    const tombstones = [...this.#copies].flatMap(([key, copies]) =>
      owners(key).filter((node) => copies.get(node)?.tombstone === true)
        .map((node) => ({ node, what: "a tombstone", keys: [key] }))
    );
    return [...tombstones, ...hints];
  }

  /** What was removed does not come back, nor goes on once it is told where the others are now. */
  async #startRemoved(): Promise<void> {
    const hasMoved = this.#plan.faults.some(({ kind }) => kind === "move" || kind === "swap");
    for (const node of this.#cluster.nodes) {
      if (!this.#operator.wasTaken(node) || node.leaving === undefined || node.damaged) continue;
      if (hasMoved) {
        await this.#cluster.stop(node);
        this.#cluster.tellOfMembers(node);
      }
      await this.#cluster.bootRemoved(node);
      for (let i = 0; i < 20 && node.life?.dead === false; i++) {
        await this.#world.time.wait(QUIESCE_POLL_MS);
      }
      if (node.life?.dead === false) this.#world.error(node.name, "goes on though it was removed");
    }
  }

  /** Reads every key through two nodes, and lists all through each. */
  async #audit(): Promise<void> {
    const random = this.#world.streams.stream("audit");
    const nodes = this.#staying;
    for (const node of nodes) await this.#auditList(node);
    for (const key of keysOf(this.#plan.keys)) {
      for (let i = 0; i < 2; i++) {
        await this.#auditRead(nodes[Math.floor(random.next() * nodes.length)]!, key);
      }
    }
  }

  async #auditList(node: SimulatedNode): Promise<void> {
    let after: Key | undefined;
    do {
      const page = { prefix: "", limit: AUDIT_PAGE, after };
      after = await this.#clients.performList("audit", node, page);
    } while (after !== undefined);
  }

  /** A node may take a while until it asks peers again that did not answer it just before. */
  async #auditRead(node: SimulatedNode, key: Key): Promise<void> {
    const { time } = this.#world;
    const untilMs = time.nowMs + AUDIT_MS_MAX;
    while (true) {
      const read = await this.#clients.perform("audit", node, { kind: "get", key });
      if (read.outcome === "acked") return;
      if (time.nowMs >= untilMs) {
        return this.#world.error(node.name, `could not read after healing: ${read.reason}`);
      }
      await time.wait(QUIESCE_POLL_MS);
    }
  }

  /** Takes stock of all stores; false when one cannot be read. */
  #collectCopies(): boolean {
    this.#copies.clear();
    for (const node of this.#staying) {
      if (node.store === undefined) return false;
      try {
        for (const [key, copy] of copiesOf(node.store)) {
          const copies = this.#copies.get(key) ?? new Map<string, Copy>();
          this.#copies.set(key, copies.set(node.name, copy));
        }
      } catch {
        return false;
      }
    }
    return true;
  }

  /** Views may still be on their way: a reading of the audit can find a damaged table. */
  async #collectViews(): Promise<void> {
    const untilMs = this.#world.time.nowMs + QUIESCE_MS_MAX;
    do {
      this.#views.length = 0;
      await this.#lookAround();
      if (checkSplitMembership(this.evidence()).length === 0) return;
      await this.#world.time.wait(QUIESCE_POLL_MS);
    } while (this.#world.time.nowMs < untilMs);
  }

  async #lookAround(): Promise<void> {
    for (const node of this.#staying) {
      const view = await this.#viewOf(node);
      if (view === undefined) {
        this.#world.error(node.name, "does not answer /cluster");
        continue;
      }
      this.#views.push({ node: node.name, members: view.members.map(describeMember) });
    }
  }

  async #viewOf(node: SimulatedNode): Promise<ClusterView | undefined> {
    const response = await this.#ask(node, "/cluster");
    if (response?.status !== 200) return undefined;
    return JSON.parse(new TextDecoder().decode(response.body));
  }

  /** Measures what must be bounded, once a second. */
  #measure(): void {
    const { time, network } = this.#world;
    const { valueBytesMax } = this.#plan;
    for (const node of this.#cluster.nodes) {
      this.#measurements.push(...excessOf(node, { atMs: time.nowMs, valueBytesMax }));
    }
    this.#measurements.push({
      node: "cluster",
      what: "requests in flight",
      value: network.inFlight,
      bound: 1_000 * this.#cluster.nodes.length,
      atMs: time.nowMs,
    });
    time.schedule(1_000, () => this.#measure());
  }

  async #ask(node: SimulatedNode, path: string) {
    const { network, time } = this.#world;
    network.calmOrigins.add("http://observer");
    try {
      return await network.send("http://observer", new ProcessLife(time), {
        method: "GET",
        origin: node.origin,
        path,
        timeoutMs: 5_000,
      });
    } catch {
      return undefined;
    }
  }
}

/** All that nodes have one after the other. */
function optionsOf(plan: Plan): SharedOptions[] {
  return [plan, ...plan.faults.flatMap((fault) => fault.kind === "options" ? [fault.options] : [])];
}

/** W where the fewest members are that a plan can leave: more members never need less. */
function leastWriteQuorum(plan: Plan): number {
  const removals = plan.faults.filter(({ kind }) => kind === "remove").length;
  const members = Math.max(1, plan.nodes - removals);
  return Math.min(...optionsOf(plan).map((options) => quorumsOf(members, options).w));
}

function describeMember(member: { name: string; origin?: string; status?: string }): string {
  return `${member.name} ${member.origin} ${member.status}`;
}

function linearizabilityOf({ operations, readsMeet }: Evidence) {
  const linearizability = { "linearizable": 0, "not linearizable": 0, "unknown": 0 };
  const notLinearizable: string[] = [];
  if (!readsMeet) return { linearizability, notLinearizable };
  for (const [key, ofKey] of byKey(operations)) {
    // No register: writes at a smaller quorum promise less, and expiry depends on whose clock is asked.
    if (ofKey.some((one) => (one.kind !== "get" && !one.full) || one.ttlMs !== undefined)) continue;
    const verdict = checkLinearizability(ofKey);
    linearizability[verdict]++;
    if (verdict === "not linearizable") notLinearizable.push(key);
  }
  return { linearizability, notLinearizable };
}
