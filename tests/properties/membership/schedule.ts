/**
 * A model of a cluster whose members come, go and lose disks, as a random schedule of single steps. What
 * a node says, whom it counts, when it begins to count and what it takes from whom are decisions of the
 * house, and so are a node's start and what it keeps on its disk. Each schedule takes milliseconds, and the
 * order of steps is any that can be, where a cluster in the simulation nearly always gossips sooner than
 * it acts.
 *
 * What the model leaves out: damaged tables, old copies of directories, deletions and all that is
 * collected, hints and read repair, clusters that form of new nodes only, and retries of writes.
 */
import type { GossipMessage } from "../../../src/membership/gossip_message.ts";
import { RandomStreams } from "../../../src/simulation/virtual/random_streams.ts";
import { Faults } from "./faults.ts";
import type { ModelNode } from "./node.ts";
import { type Plan, planOf } from "./plan.ts";
import { violationIn } from "./quorum_judge.ts";
import { Rest } from "./rest.ts";
import { World } from "./world.ts";

/** How a schedule ended. */
export interface ScheduleResult {
  /** What did not hold after the last step, or at rest; undefined where all did. */
  readonly violation: string | undefined;
  /** What happened, one line for each event. */
  readonly log: readonly string[];
  readonly acked: number;
  /** How many more nodes are normal than at the beginning. */
  readonly joined: number;
  /** What operators had to do until all came to rest. */
  readonly orders: readonly string[];
}

/** A step that a node can make, and how often it does beside others. */
interface Action {
  readonly weight: number;
  act(node: ModelNode): void;
}

/**
 * Runs the schedule of a seed, to its end or the first violation. The same seed gives the same one.
 *
 * @param changes What of its plan is not drawn.
 */
export function runSchedule(seed: number, changes: Partial<Plan> = {}): Promise<ScheduleResult> {
  return new Schedule(seed, changes).run();
}

class Schedule {
  readonly #plan: Plan;
  readonly #world: World;
  readonly #faults: Faults;
  readonly #actions: readonly Action[];
  /** Messages of gossip that arrive late, again, or at somebody else. */
  readonly #late: GossipMessage[] = [];

  constructor(seed: number, changes: Partial<Plan>) {
    const streams = new RandomStreams(seed);
    this.#plan = { ...planOf(streams.stream("plan")), ...changes };
    const world = this.#world = new World(streams, this.#plan);
    this.#faults = new Faults(world, this.#plan);
    const { writes, sleeps, saves } = this.#plan;
    this.#actions = [
      { weight: 35, act: (node) => this.#gossip(node) },
      { weight: 25, act: (node) => world.goOn(node) },
      { weight: 6, act: (node) => world.takeOver(node) },
      { weight: saves, act: (node) => this.#save(node) },
      { weight: writes, act: (node) => world.writes.begin(node) },
      { weight: 6, act: () => world.writes.goOn() },
      { weight: 1, act: () => this.#deliverLate() },
      { weight: 1, act: (node) => this.#compare(node) },
      { weight: sleeps, act: (node) => this.#fallAsleep(node) },
      { weight: 2 * sleeps, act: () => this.#wakeAll() },
    ];
  }

  async run(): Promise<ScheduleResult> {
    const world = this.#world;
    const { firstNodes, steps } = this.#plan;
    await world.startFirst(firstNodes);
    this.#faults.cutLinks();
    let violation: string | undefined;
    while (violation === undefined && world.step < steps) violation = await this.#step();
    const rest = new Rest(world);
    violation ??= await rest.run() ?? this.#judge();
    return {
      violation,
      log: [JSON.stringify(this.#plan), ...world.log],
      acked: world.writes.acked.size,
      joined: world.normal.length - firstNodes,
      orders: rest.orders,
    };
  }

  /** @returns What does not hold after it. */
  async #step(): Promise<string | undefined> {
    const world = this.#world;
    const { eagerness, epoch } = this.#plan;
    world.step++;
    world.writes.onStep();
    if (world.awake.length > 0) this.#act(this.#nextToAct());
    if (world.chance(eagerness)) await this.#faults.change();
    if (world.chance(0.1)) await this.#faults.restartSome();
    if (world.step % epoch === 0) {
      this.#faults.cutLinks();
      this.#faults.fillDisks();
    }
    return this.#judge();
  }

  #judge(): string | undefined {
    if (!this.#plan.isCareful) return undefined;
    const world = this.#world;
    const { awake, writes } = world;
    return violationIn({ awake, isGhost: (node) => world.isGhost(node), acked: writes.acked });
  }

  /** Rather one on whose progress something depends. */
  #nextToAct(): ModelNode {
    const { awake } = this.#world;
    const late = awake.filter(({ gossip }) => gossip.self.status !== "normal");
    return this.#world.pick(late.length > 0 && this.#world.chance(0.5) ? late : awake);
  }

  #act(node: ModelNode): void {
    const total = this.#actions.reduce((sum, { weight }) => sum + weight, 0);
    let left = this.#world.random.next() * total;
    for (const { weight, act } of this.#actions) {
      left -= weight;
      if (left < 0) return act(node);
    }
  }

  #gossip(node: ModelNode): void {
    const world = this.#world;
    const { origins } = node.gossip.tick(world.nowMs);
    if (origins.length === 0) return;
    const message = world.gossip(node, world.pick(origins), { isAnswered: world.chance(0.75) });
    if (message !== undefined && world.chance(0.2)) this.#late.push(message);
  }

  #deliverLate(): void {
    if (this.#late.length === 0) return;
    const message = this.#world.pick(this.#late);
    const node = this.#world.pick(this.#world.awake);
    if (message.from !== node.name) this.#world.deliver(node, message);
  }

  #save(node: ModelNode): void {
    if (node.isUnsaved) node.save();
  }

  /** Anti-entropy. */
  #compare(node: ModelNode): void {
    const peer = this.#world.reach(node, this.#world.pick(this.#world.awake).name);
    if (peer !== undefined && node.gossip.self.status === "normal") node.exchangeWith(peer, {});
  }

  #fallAsleep(node: ModelNode): void {
    node.isAsleep = true;
    this.#world.note(`${node.nodeID} falls asleep`);
  }

  #wakeAll(): void {
    for (const node of this.#world.living) {
      if (!node.isAsleep || !this.#world.chance(0.7)) continue;
      node.isAsleep = false;
      this.#world.note(`${node.nodeID} wakes up`);
    }
  }
}
