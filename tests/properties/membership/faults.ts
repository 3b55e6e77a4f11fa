/**
 * What befalls the model of membership, and what its operators do: links are cut, nodes come, lose disks,
 * are removed and added again, crash and move.
 */
import { whyNotRemovable } from "../../../src/membership/removal_step.ts";
import type { Machine } from "./machine.ts";
import type { ModelNode } from "./node.ts";
import type { Budget, Plan } from "./plan.ts";
import type { World } from "./world.ts";

/** Machines that links may be cut between. */
const MACHINES_MAX = 14;

/** All that is done to the members of a schedule. */
export class Faults {
  readonly #world: World;
  readonly #plan: Plan;
  readonly #left: Budget;
  /** By node ID of what somebody removed, its name. */
  readonly #removed = new Map<string, string>();

  constructor(world: World, plan: Plan) {
    this.#world = world;
    this.#plan = plan;
    this.#left = { ...plan.budget };
  }

  /** One change, if there is one left of the kind that is drawn. */
  async change(): Promise<void> {
    if (this.#world.awake.length === 0) return;
    const kind = this.#world.pick(Object.keys(this.#left) as (keyof Budget)[]);
    if (this.#left[kind] === 0) return;
    switch (kind) {
      case "join":
        return await this.#join();
      case "loss":
        return await this.#lose();
      case "removal":
        return this.#removeLive();
      case "crash":
        return await this.#crash();
      case "comeback":
        return await this.#comeBack();
      case "move":
        return await this.#move();
    }
  }

  /** Often several at once. */
  async #join(): Promise<void> {
    do {
      const seeds = this.#seeds();
      if (seeds === undefined) return;
      this.#left.join--;
      await this.#world.start(this.#world.newMachine(), seeds);
    } while (this.#left.join > 0 && this.#world.chance(0.4));
  }

  /** One of them at least is normal now: nobody could tell new ones of the cluster else. */
  #seeds(): string[] | undefined {
    const world = this.#world;
    const members = world.living.filter((node) => !world.isGhost(node));
    const normal = world.normal.filter((node) => members.includes(node));
    if (normal.length === 0) return undefined;
    const named = world.chance(0.5) ? members : [world.pick(normal)];
    return named.map(({ machine }) => machine.origin);
  }

  /** A disk is lost, or a node that is away, or only seems to be, is said to be dead. */
  async #lose(): Promise<void> {
    const world = this.#world;
    const away = world.machines.filter(({ node, downSince }) =>
      node === undefined ? downSince === "crashed" : node.isAsleep
    );
    if (away.length > 0 && world.chance(0.5)) return this.#giveUp(world.pick(away));
    const node = this.#pickToLose();
    const { machine } = node;
    if (!this.#mayLose(node) || this.#plan.isCareful && node.isLeaving) return;
    this.#left.loss--;
    world.note(`${node.nodeID} loses its disk`);
    world.loseDisk(machine);
    if (world.chance(0.3) && this.#removeDead(machine.name)) return;
    const seeds = this.#seeds();
    if (seeds !== undefined) await world.start(machine, seeds);
  }

  /** Often one that has not counted yet. */
  #pickToLose(): ModelNode {
    const { awake } = this.#world;
    const joining = awake.filter(({ gossip }) => gossip.self.status === "joining");
    return this.#world.pick(joining.length > 0 && this.#world.chance(0.5) ? joining : awake);
  }

  #mayLose(node: ModelNode | undefined): boolean {
    return !this.#plan.isCareful || node?.gossip.self.status === "joining" ||
      this.#world.normal.filter((one) => one !== node).length >= 2;
  }

  /** Its disk is as it was: nobody gives up the only one that has everything. */
  #giveUp({ name, node }: Machine): void {
    const world = this.#world;
    const others = world.normal.filter((one) => one !== node && !world.isGhost(one));
    if (others.length === 0) return;
    if (this.#mayLose(node) && this.#removeDead(name)) this.#left.loss--;
  }

  #removeDead(name: string): boolean {
    const world = this.#world;
    // Nobody asks those that are put out themselves, or are new: they may know less than the others.
    const members = world.awake.filter((node) => !this.#removed.has(node.nodeID) && canWrite(node));
    const normal = members.filter(({ gossip }) => gossip.self.status === "normal");
    const asked = normal.length > 0 ? normal : members;
    if (asked.length === 0) return false;
    const node = world.pick(asked);
    const { removalView } = node.gossip;
    if (whyNotRemovable({ name, dead: true, liveness: "down" }, removalView) !== undefined) {
      return false;
    }
    this.#remove(node, name, true);
    return true;
  }

  #removeLive(): void {
    const world = this.#world;
    const node = world.pick(world.awake);
    const { name } = world.pick(world.awake);
    const { removalView } = node.gossip;
    const why = whyNotRemovable({ name, dead: false, liveness: "up" }, removalView);
    if (name === node.name || why !== undefined || !canWrite(node)) return;
    this.#left.removal--;
    this.#remove(node, name, false);
  }

  /** An order is answered once it is on disk: who gets no answer gives it again. */
  #remove(asked: ModelNode, name: string, dead: boolean): void {
    asked.gossip.remove(name, dead);
    asked.save();
    for (const { nodeID } of asked.gossip.pending.filter((one) => one.name === name)) {
      this.#removed.set(nodeID, name);
      if (!dead) continue;
      const told = this.#world.toldDead.get(nodeID) ?? new Set();
      this.#world.toldDead.set(nodeID, told.add(asked.nodeID));
    }
    this.#world.note(`${asked.nodeID} removes ${name}${dead ? ", which is dead" : ""}`);
  }

  async #crash(): Promise<void> {
    const world = this.#world;
    const { machine } = world.pick(world.living);
    this.#left.crash--;
    world.end(machine, "crashed");
    if (world.chance(0.5)) await world.start(machine, machine.seeds);
  }

  /** Whoever looks after processes starts some of those that ended. */
  async restartSome(): Promise<void> {
    for (const machine of this.#world.machines) {
      if (machine.isRestarted && this.#world.chance(0.5)) {
        await this.#world.start(machine, machine.seeds);
      }
    }
  }

  /**
   * A name that was removed is added again: with an empty disk, with the one of the removed life, or on
   * another machine, while the removed life may only sleep.
   */
  async #comeBack(): Promise<void> {
    const world = this.#world;
    const removed = new Set(this.#removed.values());
    const machines = world.machines.filter(({ name, node }) =>
      removed.has(name) && (node === undefined || node.isAsleep)
    );
    const seeds = this.#seeds();
    if (machines.length === 0 || seeds === undefined) return;
    const machine = world.pick(machines);
    const { name } = machine;
    const isRunning = world.awake.some((node) => node.name === name);
    if (isRunning || this.#plan.isCareful && !this.#isGone(name)) return;
    this.#left.comeback--;
    const way = world.pick(["empty", "empty", "as it was", "elsewhere"]);
    world.note(`${name} is added again, ${way}`);
    if (way === "elsewhere") {
      const other = world.newMachine(name);
      world.makeRoom(other);
      return await world.start(other, seeds);
    }
    if (way === "empty") world.loseDisk(machine);
    else if (machine.node !== undefined) world.end(machine, "crashed");
    world.makeRoom(machine);
    await world.start(machine, seeds);
  }

  /** Whether a removal has ended for one of the members. */
  #isGone(name: string): boolean {
    const world = this.#world;
    const asked = world.awake.filter((node) => !world.isGhost(node));
    if (asked.length === 0) return false;
    const { gossip } = world.pick(asked);
    return gossip.member(name) === undefined &&
      gossip.pending.every((removal) => removal.name !== name);
  }

  /** To an address of its own, to that of a node that is gone, or with another node in exchange. */
  async #move(): Promise<void> {
    const world = this.#world;
    const { machine } = world.pick(world.living);
    const free = world.machines.filter(({ node, isRestarted }) =>
      node === undefined && !isRestarted
    );
    const others = world.living.map((node) => node.machine).filter((one) => one !== machine);
    this.#left.move--;
    const moved = [machine];
    const before = machine.origin;
    if (free.length > 0 && world.chance(0.5)) machine.origin = world.pick(free).origin;
    else if (others.length > 0 && world.chance(0.5)) {
      const other = world.pick(others);
      machine.origin = other.origin;
      other.origin = before;
      moved.push(other);
    } else {
      machine.origin = `http://${machine.name}:${1_000 + world.step}`;
    }
    for (const one of moved) world.end(one, "crashed");
    world.makeRoom(machine);
    for (const one of moved) await world.start(one, this.#othersOf(one));
  }

  /** Where others are now: who starts a node at another address tells it of one that is normal. */
  #othersOf(machine: Machine): string[] {
    const world = this.#world;
    const running = world.machines.filter((one) =>
      one !== machine && (one.node !== undefined ? !world.isGhost(one.node) : one.isRestarted)
    );
    const normal = running.filter(({ node }) => node?.gossip.self.status === "normal");
    const named = normal.length === 0 || world.chance(0.5) ? running : [world.pick(normal)];
    return named.map(({ origin }) => origin);
  }

  /**
   * Other links than before, those of nodes to come too. Gossip may be cut between two sides of which each
   * goes on alone.
   */
  cutLinks(): void {
    const world = this.#world;
    const { cutShare } = this.#plan;
    const machines = Array.from({ length: MACHINES_MAX }, (_, index) => index);
    const hasSides = world.chance(0.5);
    const share = world.pick([0.2, 0.5]);
    const near = new Set(machines.filter(() => world.chance(share)));
    const requests = new Set<string>();
    const gossip = new Set<string>();
    for (const from of machines) {
      for (const to of machines) {
        const isCut = hasSides ? near.has(from) !== near.has(to) : world.chance(cutShare);
        if (isCut) gossip.add(`${from} ${to}`);
        if (world.chance(cutShare / 3)) requests.add(`${from} ${to}`);
      }
    }
    world.links = { requests, gossip };
  }

  /** Other disks than before are full. */
  fillDisks(): void {
    const share = this.#plan.fullDisks;
    for (const { disk } of this.#world.machines) disk.isFull = this.#world.chance(share);
  }
}

function canWrite({ machine }: ModelNode): boolean {
  return !machine.disk.isFull;
}
