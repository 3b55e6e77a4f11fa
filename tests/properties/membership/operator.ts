/**
 * Orders of an operator, where nobody can safely go on by himself once nothing fails any more. Each is an
 * excuse for what has not come to rest: it is given only for what `converge status` shows, and only as
 * `docs/operations.md` tells to.
 */
import { waitsOf } from "../../../src/cli/remove.ts";
import { removalsUnderWay } from "../../../src/http/removal_routes.ts";
import { whyNotRemovable } from "../../../src/membership/removal_step.ts";
import type { ModelNode } from "./node.ts";
import type { World } from "./world.ts";

/** Whoever looks after the cluster at the end of a schedule. */
export class Operator {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Looks at the status of each node, one after the other. @returns What was ordered, if anything. */
  async order(): Promise<string | undefined> {
    const introduced = await this.#introduce();
    if (introduced !== undefined) return introduced;
    for (const node of this.#world.living) {
      const order = this.#removeSilent(node);
      if (order !== undefined) return order;
    }
    return await this.#tellOfOthers() ?? this.#stopForgotten() ?? await this.#replaceAll();
  }

  /**
   * New nodes wait for whom nobody has heard under their seeds, since no member is left who knows better:
   * they are told of those that run.
   */
  async #tellOfOthers(): Promise<string | undefined> {
    const world = this.#world;
    const isWaiting = ({ gossip }: ModelNode) =>
      gossip.unresolvedSeeds.length > 0 &&
      gossip.members.every(({ status }) => status !== "normal");
    const waiting = world.living.filter(isWaiting);
    if (waiting.length === 0) return undefined;
    const origins = world.living.map(({ machine }) => machine.origin);
    for (const { machine } of waiting) {
      world.end(machine, "crashed");
      await world.start(machine, origins);
    }
    return `${waiting.map(({ nodeID }) => nodeID)} are told of those that run`;
  }

  /**
   * A new node knows nobody who runs, nor do they know it: they have moved, or are as new as it is. It is told
   * of them.
   */
  async #introduce(): Promise<string | undefined> {
    const { living } = this.#world;
    const lost = living.find((node) =>
      node.gossip.self.status === "joining" && !node.isLeaving && this.#knowsNobodysAddress(node) &&
      living.every((one) => one === node || one.gossip.member(node.name)?.nodeID !== node.nodeID)
    );
    if (lost === undefined) return undefined;
    const others = living.filter((node) => node !== lost).map(({ machine }) => machine.origin);
    this.#world.end(lost.machine, "crashed");
    await this.#world.start(lost.machine, others);
    return `${lost.nodeID} is told of those that it does not know`;
  }

  /** A node whose removal has ended cannot hear of that, since all others have moved: it is stopped. */
  #stopForgotten(): string | undefined {
    const { living } = this.#world;
    const forgotten = living.find((node) =>
      node.isLeaving && this.#knowsNobodysAddress(node) &&
      living.some(({ gossip }) =>
        gossip.removed.some(({ nodeID, ended }) => nodeID === node.nodeID && ended)
      )
    );
    if (forgotten === undefined) return undefined;
    this.#world.end(forgotten.machine, "removed");
    return `${forgotten.nodeID} is ended, as others say that it is no member`;
  }

  /** Whether others run, but nobody where this node takes a member to be. */
  #knowsNobodysAddress(node: ModelNode): boolean {
    const { members, leaving } = node.gossip;
    const origins = new Set([...members, ...leaving].map(({ origin }) => origin));
    const others = this.#world.living.filter((one) => one !== node);
    return others.length > 0 && others.every(({ machine }) => !origins.has(machine.origin));
  }

  /**
   * A member is `down`, and does not come back: it is said to be dead, perhaps once more, if it was said to one
   * only that has lost its disk since.
   */
  #removeSilent(node: ModelNode): string | undefined {
    const { gossip, nodeID } = node;
    const isDead = (id: string) => gossip.pending.some((one) => one.nodeID === id && one.dead);
    const waitedFor = gossip.pending.filter(({ name, dead }) =>
      !dead && saysDead(this.#world, node, name)
    );
    for (const { name, nodeID: silent } of [...gossip.members, ...waitedFor]) {
      const liveness = gossip.livenessOf(name, this.#world.nowMs);
      if (liveness !== "down" || !this.#world.isForgotten(silent) || isDead(silent)) continue;
      const why = whyNotRemovable({ name, dead: true, liveness }, gossip.removalView);
      if (why !== undefined) continue;
      gossip.remove(name, true);
      return `${nodeID} is told that ${name} is dead`;
    }
    return undefined;
  }

  /** The names of all that live are being removed: a new one has to take everything over. */
  async #replaceAll(): Promise<string | undefined> {
    const world = this.#world;
    const { living } = world;
    const isMember = ({ gossip, name }: ModelNode) =>
      gossip.pending.every((removal) => removal.name !== name);
    if (living.length === 0 || living.some(isMember)) return undefined;
    const machine = world.newMachine();
    await world.start(machine, living.map((node) => node.machine.origin));
    return `${machine.name} is started, since all others are being removed`;
  }
}

/** Whether the status of a node says that a member which is being removed may be said to be dead. */
function saysDead({ nowMs }: World, { gossip }: ModelNode, name: string): boolean {
  const heard = [...gossip.members, ...gossip.leaving].map((member) => {
    return { name: member.name, state: gossip.livenessOf(member.name, nowMs) };
  });
  return removalsUnderWay(gossip).some((removal) =>
    removal.name === name && waitsOf(removal, heard).endsWith(`converge remove --dead ${name}`)
  );
}
