/** The course of a run: boots a cluster, lets clients and nemesis at it, heals it, and waits for rest. */
import { audit } from "./audit.ts";
import { checkDivergedOwners } from "./checkers/diverged_owners.ts";
import { checkSplitMembership } from "./checkers/split_membership.ts";
import { Clients } from "./clients/clients.ts";
import { Workload } from "./clients/workload.ts";
import { Nemesis } from "./faults/nemesis.ts";
import type { Findings, FindingsOptions } from "./findings.ts";
import type { Observer } from "./observer.ts";
import type { Plan } from "./plans/plan.ts";
import type { Cluster } from "./world/cluster.ts";
import { Operator } from "./world/operator.ts";
import type { SimulatedNode } from "./world/simulated_node.ts";
import type { World } from "./world/world.ts";

/** Milliseconds in which a healed cluster must come to rest. */
const QUIESCE_MS_MAX = 120_000;
/** A round of the tombstone collector that took seconds, on a slow disk, is followed by minutes of rest. */
const FORGET_MS_MAX = 600_000;
const POLL_MS = 500;
/** Polls within which a process that was started serves, or ends. */
const START_POLLS_MAX = 20;
/** Starts of a node until it counts as beyond repair. */
const STARTS_MAX = 3;

/** What a run is made of. */
export interface RunOptions extends FindingsOptions {
  findings: Findings;
}

/** One run, from the first boot to the audit. */
export class Run {
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #plan: Plan;
  readonly #observer: Observer;
  readonly #findings: Findings;
  readonly #clients: Clients;
  readonly #workload: Workload;
  readonly #operator: Operator;
  readonly #nemesis: Nemesis;
  #atRest = false;

  constructor({ world, cluster, plan, observer, findings }: RunOptions) {
    this.#world = world;
    this.#cluster = cluster;
    this.#plan = plan;
    this.#observer = observer;
    this.#findings = findings;
    this.#clients = new Clients(world, plan);
    this.#workload = new Workload({ world, cluster, clients: this.#clients, plan });
    this.#operator = new Operator(world, cluster);
    this.#nemesis = new Nemesis({ world, cluster, operator: this.#operator });
  }

  /** Resolves when there is nothing more to be seen. */
  async carryOut(): Promise<void> {
    this.#findings.measure();
    await this.#bootAll(this.#cluster.nodes.slice(0, this.#plan.nodes));
    await this.#untilReady();
    const clients = this.#workload.run();
    await this.#world.time.wait(this.#plan.calmMs);
    await this.#nemesis.run(this.#plan);
    await this.#bootAll(this.#cluster.nodes);
    await clients;
    await this.#untilAtRest();
    await this.#untilForgotten();
    await this.#startRemoved();
    await this.#audit();
    await this.#untilOneView();
    this.#findings.collectCopies();
  }

  /** Starts those that are down; one whose files are beyond repair gets a new disk. */
  async #bootAll(nodes: readonly SimulatedNode[]): Promise<void> {
    const due = nodes.filter(({ isRemoved }) => !isRemoved);
    await Promise.all(due.map((node) => this.#bootOne(node)));
  }

  async #bootOne(node: SimulatedNode): Promise<void> {
    for (let starts = 0; starts < STARTS_MAX && !node.isUp; starts++) {
      // Somebody else's boot of it may be under way.
      if (!await this.#cluster.boot(node) && node.damaged) this.#cluster.wipe(node);
      await this.#whileAlive(node, () => !node.isUp);
    }
    if (node.leaving === undefined && !node.isUp) {
      this.#world.error(node.name, "is not up after healing");
    }
  }

  /** Waits for a process to serve or to end, but not for ever. */
  async #whileAlive(node: SimulatedNode, goesOn: () => boolean): Promise<void> {
    for (let i = 0; i < START_POLLS_MAX && goesOn() && node.life?.dead === false; i++) {
      await this.#world.time.wait(POLL_MS);
    }
  }

  async #untilReady(): Promise<void> {
    const { time } = this.#world;
    const untilMs = time.nowMs + QUIESCE_MS_MAX;
    while (!await this.#allReady()) {
      if (time.nowMs > untilMs) return this.#world.error("cluster", "never ready");
      await time.wait(POLL_MS);
    }
  }

  /** Whether all members serve, and those are gone that are to go. */
  async #allReady(): Promise<boolean> {
    for (const node of this.#cluster.members) {
      const isSettled = node.leaving === undefined
        ? await this.#observer.isReady(node)
        : await this.#operator.isGone(node);
      if (!isSettled) return false;
    }
    return true;
  }

  /**
   * Waits until owners hold equal records, and nothing comes late any more; if they never do, the
   * checkers will say so.
   */
  async #untilAtRest(): Promise<void> {
    const { time } = this.#world;
    const untilMs = time.nowMs + QUIESCE_MS_MAX;
    while (time.nowMs < untilMs) {
      // As a supervisor would: what was still stopping when everything healed is started again.
      await this.#bootAll(this.#cluster.nodes);
      await this.#correctPeers();
      this.#atRest = await this.#isAtRest();
      if (this.#atRest) break;
      await time.wait(POLL_MS);
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

  async #isAtRest(): Promise<boolean> {
    const isOver = this.#world.network.replaysUnderWay === 0 && this.#operator.isIdle;
    return await this.#allReady() && this.#findings.collectCopies() && isOver &&
      checkDivergedOwners(this.#findings.evidence()).length === 0;
  }

  /** As an operator would: who waits for an address that nobody has any more is told of those of now. */
  async #correctPeers(): Promise<void> {
    for (const node of this.#cluster.staying) {
      const { startedWith: { peers: toldOf }, config: { peers } } = node;
      if (toldOf.length === peers.length && toldOf.every((peer) => peers.includes(peer))) continue;
      const view = await this.#observer.viewOf(node);
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
      if (!await this.#findings.collectLeftovers() || time.nowMs >= untilMs) return;
      await time.wait(POLL_MS);
    }
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
      await this.#whileAlive(node, () => true);
      if (node.life?.dead === false) this.#world.error(node.name, "goes on though it was removed");
    }
  }

  async #audit(): Promise<void> {
    await audit({
      world: this.#world,
      clients: this.#clients,
      nodes: this.#cluster.staying,
      keys: this.#plan.keys,
    });
  }

  /** Views may still be on their way: a reading of the audit can find a damaged table. */
  async #untilOneView(): Promise<void> {
    const { time } = this.#world;
    const untilMs = time.nowMs + QUIESCE_MS_MAX;
    do {
      await this.#findings.collectViews();
      if (checkSplitMembership(this.#findings.evidence()).length === 0) return;
      await time.wait(POLL_MS);
    } while (time.nowMs < untilMs);
  }
}
