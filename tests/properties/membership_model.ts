/**
 * A model of a cluster whose members come, go and lose disks, as a random schedule of single steps. What
 * a node says, whom it counts, when it begins to count and what it takes from whom are decisions of the
 * house. There are no sockets, no disks and no clock: a message is a call, a write is a number in a map,
 * a restart is none. So each schedule takes milliseconds, and the order of steps is any that can be,
 * where a cluster in the simulation nearly always gossips sooner than it acts.
 *
 * What else the model leaves out: damaged tables, old copies of directories, deletions and all that is
 * collected, hints and read repair, restarts with the disk kept, clusters that form of new nodes only,
 * retries of writes, and seeds that refuse connections. What fails is no more than what the house
 * promises to survive: one disk at most is lost, of a node that does not count yet, or while three are
 * normal; and each node that starts has a seed that is normal.
 */
import type { SharedOptions } from "../../src/config.ts";
import { isConvergeError } from "../../src/errors.ts";
import type { GossipMessage } from "../../src/membership/gossip_message.ts";
import type { Member, MemberStatus } from "../../src/membership/member.ts";
import { majorityOf } from "../../src/membership/quorums.ts";
import { whyNotRemovable } from "../../src/membership/removal_step.ts";
import { pick, type Random, randomHex, randomInteger } from "../../src/platform/random.ts";
import type { Key } from "../../src/record/key.ts";
import { RandomStreams } from "../../src/simulation/virtual/random_streams.ts";
import { gossipOf, member } from "../support/members.ts";
import { violationIn } from "./membership_judge.ts";
import { ModelNode, TOKENS } from "./membership_node.ts";
import { ModelWrite } from "./membership_write.ts";

/** How a schedule ended. */
export interface ScheduleResult {
  /** What did not hold after the last step; undefined where all did. */
  readonly violation: string | undefined;
  /** What happened, one line for each event. */
  readonly log: readonly string[];
  readonly acked: number;
  /** How many nodes joined and are normal now. */
  readonly joined: number;
}

/** What a schedule draws at its beginning. */
interface Plan extends SharedOptions {
  /** Nodes that are normal at the beginning. */
  readonly firstNodes: number;
  readonly steps: number;
  /** How probable it is that a step is followed by a change of the members. */
  readonly eagerness: number;
  /** Steps after which other links are cut. */
  readonly epoch: number;
  /** Share of links that are cut at a time. */
  readonly cutShare: number;
  /** Weights beside those of other steps. */
  readonly writes: number;
  readonly sleeps: number;
}

/** Changes that are left to be made. */
interface Budget {
  joins: number;
  losses: number;
  removals: number;
}

/** A step that a node can make, and how often it does beside others. */
interface Action {
  readonly weight: number;
  readonly act: (node: ModelNode) => void;
}

/** Runs the schedule of a seed, to its end or the first violation. The same seed gives the same one. */
export function runSchedule(seed: number): ScheduleResult {
  return new MembershipModel(seed).run();
}

function planOf(random: Random): Plan {
  const replication = pick(random, [2, 3, 3, 3, 5]);
  const majority = majorityOf(replication);
  const writeQuorum = majority + randomInteger(random, replication - majority + 1);
  return {
    replication,
    writeQuorum,
    readQuorum: replication - writeQuorum + 1 + randomInteger(random, writeQuorum),
    virtualNodes: pick(random, [1, 2, 4]),
    firstNodes: Math.max(1, replication - 2 + randomInteger(random, 4)),
    steps: 80 + randomInteger(random, 200),
    eagerness: pick(random, [0.03, 0.08, 0.2]),
    epoch: pick(random, [20, 50, 100]),
    cutShare: pick(random, [0.1, 0.2, 0.3]),
    writes: pick(random, [8, 20]),
    sleeps: pick(random, [0, 0, 2]),
  };
}

class MembershipModel {
  readonly #random: Random;
  /** Another one, so that a schedule stays alike where gossip draws otherwise. */
  readonly #gossipRandom: Random;
  readonly #plan: Plan;
  readonly #budget: Budget;
  readonly #actions: readonly Action[];
  /** All that ever were. */
  readonly #nodes: ModelNode[] = [];
  readonly #acked = new Map<Key, number>();
  readonly #log: string[] = [];
  /** Messages of gossip that arrive late, again, or at somebody else. */
  readonly #late: GossipMessage[] = [];
  /** `<from> <to>`, by name. */
  readonly #cutRequests = new Set<string>();
  readonly #cutGossip = new Set<string>();
  #writes: ModelWrite[] = [];
  #step = 0;
  #lastVersion = 0;
  #names = 0;

  constructor(seed: number) {
    const streams = new RandomStreams(seed);
    this.#random = streams.stream("model");
    this.#gossipRandom = streams.stream("gossip");
    this.#plan = planOf(this.#random);
    this.#budget = {
      joins: this.#pick([2, 3, 4]),
      losses: this.#pick([0, 1, 1]),
      removals: this.#pick([0, 0, 0, 1, 2]),
    };
    this.#actions = [
      { weight: 35, act: (node) => this.#gossip(node) },
      { weight: 25, act: (node) => this.#goOn(node) },
      { weight: 6, act: (node) => this.#takeOver(node) },
      { weight: this.#plan.writes, act: (node) => this.#write(node) },
      { weight: 6, act: () => this.#sendWrite() },
      { weight: 1, act: () => this.#deliverLate() },
      { weight: 1, act: (node) => this.#compare(node) },
      { weight: this.#plan.sleeps, act: (node) => this.#fallAsleep(node) },
      { weight: 2 * this.#plan.sleeps, act: () => this.#wakeAll() },
    ];
    this.#startFirst();
    this.#cutLinks();
  }

  run(): ScheduleResult {
    const { steps, epoch, eagerness } = this.#plan;
    let violation: string | undefined;
    while (violation === undefined && this.#step < steps && this.#awake.length > 0) {
      this.#step++;
      this.#writes = this.#writes.filter((write) => write.isUnderWay(this.#step));
      this.#act(this.#nextToAct());
      if (this.#chance(eagerness)) this.#changeMembers();
      if (this.#step % epoch === 0) this.#cutLinks();
      this.#endRemoved();
      violation = violationIn({ awake: this.#awake, acked: this.#acked });
    }
    return {
      violation,
      log: [JSON.stringify(this.#plan), ...this.#log],
      acked: this.#acked.size,
      joined: this.#normal.length - this.#plan.firstNodes,
    };
  }

  #pick<T>(items: readonly T[]): T {
    return pick(this.#random, items);
  }

  #chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  #note(event: string): void {
    this.#log.push(`${this.#step} ${event}`);
  }

  get #living(): ModelNode[] {
    return this.#nodes.filter(({ isAlive }) => isAlive);
  }

  get #awake(): ModelNode[] {
    return this.#nodes.filter(({ isAwake }) => isAwake);
  }

  get #normal(): ModelNode[] {
    return this.#living.filter(({ gossip }) => gossip.self.status === "normal");
  }

  /** The node of a name that answers another one's messages of a kind. */
  #reach(from: ModelNode, name: string, cut: ReadonlySet<string>): ModelNode | undefined {
    const node = this.#awake.find((one) => one.name === name);
    // The answer has to come back, too.
    const isCut = cut.has(`${from.name} ${name}`) || cut.has(`${name} ${from.name}`);
    return node === from || isCut ? undefined : node;
  }

  /** All have heard of all. */
  #startFirst(): void {
    const members = Array.from({ length: this.#plan.firstNodes }, () => this.#newMember("normal"));
    for (const self of members) this.#start(self, members.filter((one) => one !== self), []);
    for (let round = 0; round < 3; round++) {
      for (const from of this.#nodes) {
        for (const to of this.#nodes) if (to !== from) to.gossip.receive(from.gossip.message(), 0);
      }
    }
  }

  #newMember(status: MemberStatus, name = `node${++this.#names}`): Member {
    const nodeID = `${name}.${randomHex(this.#random, 8)}`;
    return member(name, { nodeID, startTag: randomHex(this.#random, 8), status });
  }

  #start(self: Member, known: readonly Member[], seeds: readonly string[]): void {
    const { replication, readQuorum, writeQuorum, virtualNodes } = this.#plan;
    const shared = { replication, readQuorum, writeQuorum, virtualNodes };
    const gossip = gossipOf(self, { shared, known, seeds, random: this.#gossipRandom });
    this.#nodes.push(new ModelNode(gossip, shared));
  }

  /** Rather one on whose progress something depends. */
  #nextToAct(): ModelNode {
    const late = this.#awake.filter(({ gossip }) => gossip.self.status !== "normal");
    return this.#pick(late.length > 0 && this.#chance(0.5) ? late : this.#awake);
  }

  #act(node: ModelNode): void {
    let left = this.#random.next() * this.#actions.reduce((sum, { weight }) => sum + weight, 0);
    for (const { weight, act } of this.#actions) {
      left -= weight;
      if (left < 0) return act(node);
    }
  }

  /** With a seed that was not heard of, or with a member. */
  #gossip(node: ModelNode): void {
    const { unresolvedSeeds, members, leaving } = node.gossip;
    if (unresolvedSeeds.length > 0 && this.#chance(0.6)) {
      const origin = this.#pick(unresolvedSeeds);
      const seed = this.#living.find(({ gossip }) => gossip.self.origin === origin);
      if (seed !== undefined) this.#gossipWith(node, seed.name, origin);
      return;
    }
    const others = [...members, ...leaving].filter(({ name }) => name !== node.name);
    if (others.length > 0) this.#gossipWith(node, this.#pick(others).name);
  }

  #gossipWith(node: ModelNode, name: string, viaSeed?: string): void {
    const peer = this.#reach(node, name, this.#cutGossip);
    if (peer === undefined) return;
    node.gossip.tick(this.#nowMs);
    const message = node.gossip.message();
    if (this.#chance(0.2)) this.#late.push(message);
    this.#receive(peer, message);
    const answer = peer.gossip.message();
    if (this.#chance(0.75)) this.#receive(node, answer, viaSeed);
    else if (this.#chance(0.5)) this.#late.push(answer);
  }

  #receive({ gossip }: ModelNode, message: GossipMessage, viaSeed?: string): void {
    if (gossip.reactionTo(message) === "merge") gossip.receive(message, this.#nowMs, viaSeed);
  }

  get #nowMs(): number {
    return this.#step * 1_000;
  }

  #deliverLate(): void {
    if (this.#late.length === 0) return;
    const message = this.#pick(this.#late);
    const node = this.#pick(this.#awake);
    if (message.from !== node.name) this.#receive(node, message);
  }

  /** Towards `normal`, or the end of a removal. */
  #goOn(node: ModelNode): void {
    if (node.gossip.self.status === "normal" || node.isLeaving) return this.#takeOver(node);
    const step = node.nextLifecycleStep();
    if (step.action === "become") {
      node.become(step.status, this.#step);
      this.#note(`${node.name} becomes ${step.status}`);
    } else if (step.action === "refill") {
      this.#refill(node, step.from);
    }
  }

  /** From those of these members that it reaches; mostly not from all in one step. */
  #refill(node: ModelNode, from: readonly string[]): void {
    const isOfBefore = ({ firstStep }: ModelWrite) => firstStep <= node.countsSince;
    if (node.waitsForWritesOfBefore && this.#writes.some(isOfBefore)) return;
    for (const name of from) {
      const peer = this.#chance(0.7) ? this.#reach(node, name, this.#cutRequests) : undefined;
      if (peer !== undefined && node.refillFrom(peer)) {
        this.#note(`${node.name} has all of ${name}`);
      }
    }
  }

  #takeOver(node: ModelNode): void {
    if (node.gossip.pending.length === 0) return;
    const step = node.nextRemovalStep();
    switch (step.action) {
      case "wait":
        return;
      case "know":
        return this.#knowRemovals(node, step.nodeIDs);
      case "clear":
        return node.clear(step.names);
      case "refill":
        for (const name of step.from) {
          const peer = this.#chance(0.7) ? this.#reach(node, name, this.#cutRequests) : undefined;
          if (peer !== undefined) node.takeOverFrom(peer);
        }
        return;
      case "finish":
        return node.finishRemovals();
      case "end":
        this.#note(`${node.name} ends the removal of ${step.nodeIDs.join(", ")}`);
        for (const nodeID of step.nodeIDs) node.gossip.endRemoval(nodeID);
    }
  }

  /** Says that it knows once no write of its own is under way that does not. */
  #knowRemovals(node: ModelNode, nodeIDs: readonly string[]): void {
    const sinceStep = node.hearOfRemovals(nodeIDs, this.#step);
    const isOfBefore = ({ coordinator, firstStep }: ModelWrite) =>
      coordinator === node && firstStep <= sinceStep;
    if (sinceStep < this.#step && !this.#writes.some(isOfBefore)) {
      node.setRemovalStage("known", nodeIDs);
    }
  }

  /** Most are sent to all owners at once; messages get lost. */
  #write(coordinator: ModelNode): void {
    const write = this.#newWrite(coordinator);
    if (write === undefined) return;
    this.#writes.push(write);
    this.#note(`${coordinator.name} writes ${write}`);
    if (write.ownSlot !== undefined) this.#sendTo(write, write.ownSlot);
    if (!this.#chance(0.7)) return;
    for (const slot of [...write.unsent]) if (this.#chance(0.65)) this.#sendTo(write, slot);
  }

  #newWrite(coordinator: ModelNode): ModelWrite | undefined {
    try {
      return new ModelWrite({
        coordinator,
        key: this.#pick([...TOKENS.keys()]),
        version: ++this.#lastVersion,
        firstStep: this.#step,
        steps: 3 + randomInteger(this.#random, 25),
      });
    } catch (error) {
      if (isConvergeError(error, "not_ready")) return undefined;
      throw error;
    }
  }

  #sendWrite(): void {
    const writes = this.#writes.filter(({ coordinator, unsent }) =>
      coordinator.isAwake && unsent.length > 0
    );
    if (writes.length === 0) return;
    const write = this.#pick(writes);
    this.#sendTo(write, this.#pick(write.unsent));
  }

  #sendTo(write: ModelWrite, slot: number): void {
    write.unsent.splice(write.unsent.indexOf(slot), 1);
    const { coordinator, key, version, isAcked } = write;
    const { isSelf, name, member } = write.ownerAt(slot);
    if (isSelf) {
      write.storeAt(slot, coordinator);
    } else {
      const target = this.#reach(coordinator, name, this.#cutRequests);
      if (target?.admits(coordinator, member?.nodeID) === true) write.storeAt(slot, target);
    }
    if (isAcked || !write.isAcked) return;
    this.#acked.set(key, Math.max(version, this.#acked.get(key) ?? 0));
    this.#note(`${key} = ${version} is acknowledged`);
  }

  /** Anti-entropy. */
  #compare(node: ModelNode): void {
    const peer = this.#reach(node, this.#pick(this.#awake).name, this.#cutRequests);
    if (peer !== undefined && node.gossip.self.status === "normal") node.exchangeWith(peer, {});
  }

  #fallAsleep(node: ModelNode): void {
    node.isAsleep = true;
    this.#note(`${node.name} falls asleep`);
  }

  #wakeAll(): void {
    for (const node of this.#living) {
      if (!node.isAsleep || !this.#chance(0.7)) continue;
      node.isAsleep = false;
      this.#note(`${node.name} wakes up`);
    }
  }

  #changeMembers(): void {
    if (this.#awake.length === 0) return;
    const { joins, losses, removals } = this.#budget;
    const change = this.#pick(["join", "loss", "removal"]);
    if (change === "join" && joins > 0) this.#join();
    if (change === "loss" && losses > 0) this.#loseDisk(this.#pickToLose());
    if (change === "removal" && removals > 0) this.#removeLive();
  }

  /** Often several at once. */
  #join(): void {
    do {
      this.#budget.joins--;
      this.#startJoining(this.#newMember("joining"));
    } while (this.#budget.joins > 0 && this.#chance(0.4));
  }

  /** One of its seeds at least is normal now: nobody could tell new ones of the cluster else. */
  #startJoining(self: Member): void {
    const isOther = ({ name }: ModelNode) => name !== self.name;
    const normal = this.#normal.filter(isOther);
    if (normal.length === 0) return;
    const named = this.#chance(0.5) ? this.#living.filter(isOther) : [this.#pick(normal)];
    const seeds = named.map(({ gossip }) => gossip.self.origin);
    this.#start(self, [], seeds);
    this.#note(`${self.nodeID} starts with the seeds ${seeds.join(", ")}`);
  }

  /** Often one that has not counted yet. */
  #pickToLose(): ModelNode {
    const joining = this.#awake.filter(({ gossip }) => gossip.self.status === "joining");
    return this.#pick(joining.length > 0 && this.#chance(0.5) ? joining : this.#awake);
  }

  /** Then it starts once more, or is removed. */
  #loseDisk(node: ModelNode): void {
    const mayBeMissed = node.gossip.self.status === "joining" || this.#normal.length >= 3;
    if (!mayBeMissed || node.isLeaving) return;
    this.#budget.losses--;
    node.isAlive = false;
    this.#note(`${node.nodeID} loses its disk`);
    const isRemoved = this.#chance(0.3) && this.#removeDead(node);
    if (!isRemoved) this.#startJoining(this.#newMember("joining", node.name));
  }

  #removeDead({ name }: ModelNode): boolean {
    if (this.#awake.length === 0) return false;
    const { gossip, name: asked } = this.#pick(this.#awake);
    const why = whyNotRemovable({ name, dead: true, liveness: "down" }, gossip.removalView);
    if (why !== undefined) return false;
    gossip.remove(name, true);
    this.#note(`${asked} removes ${name}, which is dead`);
    return true;
  }

  #removeLive(): void {
    const { gossip, name: asked } = this.#pick(this.#awake);
    const { name } = this.#pick(this.#awake);
    const why = whyNotRemovable({ name, dead: false, liveness: "up" }, gossip.removalView);
    if (name === asked || why !== undefined) return;
    this.#budget.removals--;
    gossip.remove(name, false);
    this.#note(`${asked} removes ${name}`);
  }

  /**
   * Other links than before, those of nodes to come too. Gossip may be cut between two sides of which each
   * goes on alone.
   */
  #cutLinks(): void {
    const count = this.#names + this.#budget.joins;
    const names = Array.from({ length: count }, (_, i) => `node${i + 1}`);
    const hasSides = this.#chance(0.5);
    const share = this.#pick([0.2, 0.5]);
    const near = new Set(names.filter(() => this.#chance(share)));
    this.#cutRequests.clear();
    this.#cutGossip.clear();
    for (const from of names) {
      for (const to of names) {
        const isCut = hasSides
          ? near.has(from) !== near.has(to)
          : this.#chance(this.#plan.cutShare);
        if (isCut) this.#cutGossip.add(`${from} ${to}`);
        if (this.#chance(this.#plan.cutShare / 3)) this.#cutRequests.add(`${from} ${to}`);
      }
    }
  }

  #endRemoved(): void {
    for (const node of this.#awake) {
      if (node.gossip.ownRemoval?.ended !== true) continue;
      node.isAlive = false;
      this.#note(`${node.name} is removed`);
    }
  }
}
