/**
 * What must hold once links are whole, every process that can run does, and nothing fails any more: all
 * come to rest. Then
 * - all nodes that run agree on who is a member, where and how far;
 * - each member runs, and is `normal`; and nobody else runs;
 * - all removals have ended.
 *
 * Where nobody can safely go on by himself an operator has to give an order, see `operator.ts`, and all
 * must come to rest with that.
 */
import { removalsUnderWay } from "../../../src/http/removal_routes.ts";
import type { ModelNode } from "./node.ts";
import { Operator } from "./operator.ts";
import { memberText, type World } from "./world.ts";

/** Rounds without news after which all may have come to rest. */
const QUIET_ROUNDS = 4;
/** The same where something is left: a silent member is `down` long before. */
const SILENT_ROUNDS = 14;
const ROUNDS_MAX = 150;
const ORDERS_MAX = 12;

/** The end of a schedule. */
export class Rest {
  /** Those that were given. */
  readonly orders: string[] = [];
  readonly #world: World;
  readonly #operator: Operator;

  constructor(world: World) {
    this.#world = world;
    this.#operator = new Operator(world);
  }

  /** @returns What does not hold; undefined where all does. */
  async run(): Promise<string | undefined> {
    const world = this.#world;
    world.links = { requests: new Set(), gossip: new Set() };
    world.lossiness = 0;
    world.step += 100;
    world.note("from here on all is well");
    world.writes.onStep();
    for (const node of world.living) node.isAsleep = false;
    for (const { disk } of world.machines) disk.isFull = false;
    while (true) {
      const isQuiet = await this.#settle(QUIET_ROUNDS);
      if (isQuiet && this.#left() === undefined) return undefined;
      if (!isQuiet || !await this.#settle(SILENT_ROUNDS)) return "all go on for ever";
      const left = this.#left();
      if (left === undefined) return undefined;
      const order = this.orders.length < ORDERS_MAX ? await this.#operator.order() : undefined;
      if (order === undefined) {
        for (const node of world.living) world.note(statusText(node));
        return left;
      }
      world.note(`an operator has to act, since ${left}: ${order}`);
      this.orders.push(order);
    }
  }

  /** Lets time pass until there is no news. @returns Whether that comes. */
  async #settle(quietRounds: number): Promise<boolean> {
    let before = "";
    let quiet = 0;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      await this.#round();
      const now = this.#world.living.map(stateText).join("\n");
      quiet = now === before ? quiet + 1 : 0;
      if (quiet === quietRounds) return true;
      before = now;
    }
    return false;
  }

  async #round(): Promise<void> {
    const world = this.#world;
    world.step++;
    for (const machine of world.machines) {
      if (machine.isRestarted) await world.start(machine, machine.seeds);
    }
    for (const node of world.living) {
      if (!node.isAlive) continue;
      for (const origin of node.gossip.tick(world.nowMs).origins) {
        if (node.isAlive) world.gossip(node, origin);
      }
      if (!node.isAlive) continue;
      world.goOn(node);
      world.takeOver(node);
      if (node.isUnsaved) node.save();
    }
  }

  #left(): string | undefined {
    const { living, machines } = this.#world;
    const misfit = machines.find(({ node, downSince }) =>
      node === undefined && downSince === "misfit"
    );
    if (misfit !== undefined) return `${misfit.name} takes the others for another cluster`;
    const [first] = living;
    if (first === undefined) return undefined;
    for (const node of living) {
      const why = this.#leftAt(node, first);
      if (why !== undefined) return why;
    }
    return undefined;
  }

  #leftAt(node: ModelNode, first: ModelNode): string | undefined {
    const { gossip, nodeID } = node;
    const { pending, members, self } = gossip;
    if (pending.length > 0) {
      return `the removal of ${pending[0]!.nodeID} goes on for ${nodeID}`;
    }
    if (self.status !== "normal") {
      const step = node.nextLifecycleStep();
      return `${nodeID} is ${self.status}, and ${step.action}s for ${
        step.action === "wait" ? step.for : ""
      }`;
    }
    const views = [node, first].map((one) => one.gossip.members.map(memberText).join(", "));
    if (views[0] !== views[1]) {
      return `${nodeID} sees ${views[0]}, and ${first.nodeID} sees ${views[1]}`;
    }
    const running = new Set(this.#world.living.map((one) => one.nodeID));
    const missing = members.find((one) => !running.has(one.nodeID));
    if (missing !== undefined) return `${missing.nodeID} is a member, and does not run`;
    return undefined;
  }
}

/** How things stand for a node, for whoever reads the log. */
function statusText(node: ModelNode): string {
  const { gossip, nodeID } = node;
  const { members, pending, unresolvedSeeds, self } = gossip;
  const step = node.nextLifecycleStep();
  const waits = step.action === "wait" ? step.for : step.action === "refill" ? step.from : [];
  return `${nodeID} is ${self.status}, ${step.action}s for ${waits}; members: ${
    members.map(memberText).join(", ")
  }; removals: ${JSON.stringify(removalsUnderWay(gossip))}, next ${
    pending.length === 0 ? "none" : JSON.stringify(node.nextRemovalStep())
  }; silent seeds: ${unresolvedSeeds}`;
}

/** All that others may wait for. */
function stateText({ gossip }: ModelNode): string {
  const said = [...gossip.members, ...gossip.leaving].map(({ heartbeat: _, ...member }) => member);
  return JSON.stringify([said, gossip.removed, gossip.unresolvedSeeds]);
}
