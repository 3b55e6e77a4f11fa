/** Removes members, as an operator would: asks again until somebody takes it on. */
import type { Cluster } from "./cluster.ts";
import type { SimulatedNode } from "./simulated_node.ts";
import type { Fault, RemovalFault } from "../plans/plan.ts";
import { ProcessLife } from "../virtual/process_life.ts";
import type { DiskCopy } from "../virtual/virtual_disk.ts";
import type { World } from "./world.ts";

const RETRY_MS = 500;
/** Of a removal that was taken on, until it is asked for once more: who took it on may have died. */
const AGAIN_MS = 5_000;
/** After this a node that lost data, and is not removed, is stopped and said to be dead. */
const PATIENCE_MS = 30_000;
const ORIGIN = "http://operator";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

type DiskReplacement = Extract<Fault, { kind: "replace_disk" }>;

/** The operator of a run. */
export class Operator {
  readonly #world: World;
  readonly #cluster: Cluster;
  /** Those whose removal somebody took on. */
  readonly #taken = new Set<SimulatedNode>();
  /** Those that are to be added again. */
  readonly #due = new Set<SimulatedNode>();
  /** Ends with the last disk that is to be replaced. */
  #replacing = Promise.resolve();
  #replacements = 0;
  /** The first disk of each node that was replaced. */
  readonly #firstDisks = new Map<SimulatedNode, DiskCopy>();
  #over = false;

  constructor(world: World, cluster: Cluster) {
    this.#world = world;
    this.#cluster = cluster;
  }

  /** Whether nothing is left to be done but to wait for removals. */
  get isIdle(): boolean {
    return this.#due.size === 0 && this.#replacements === 0;
  }

  /** Stops asking. */
  end(): void {
    this.#over = true;
  }

  /** Begins a removal; it goes on, whatever else happens, until the node is no member any more. */
  remove(node: SimulatedNode, { how, again }: RemovalFault): void {
    if (node.leaving !== undefined) return;
    node.leaving = how;
    // That of a removed life is none of this cluster's any more.
    this.#firstDisks.delete(node);
    if (how === "dead") this.#cluster.kill(node);
    if (how === "paused") this.#cluster.pause(node);
    if (again) this.#due.add(node);
    void this.#insist(node).then(() => {
      if (again) return void this.#addAgain(node);
      if (!this.#over) this.#onGone(node);
    });
  }

  /**
   * Replaces the disk of a node, if all members come to be there and complete in time, after those that
   * were to be replaced before. The node is down for as long as the fault lasts.
   */
  replaceDisk(node: SimulatedNode, fault: DiskReplacement): void {
    this.#replacements++;
    this.#replacing = this.#replacing.then(() => this.#replace(node, fault))
      .finally(() => this.#replacements--);
  }

  async #replace(node: SimulatedNode, { durationMs, by }: DiskReplacement): Promise<void> {
    const { time } = this.#world;
    const untilMs = time.nowMs + PATIENCE_MS;
    while (!await this.#isWhole()) {
      if (time.nowMs > untilMs) return;
      await time.wait(RETRY_MS);
    }
    const first = this.#firstDisks.get(node);
    if (node.leaving !== undefined || (by === "first" && first === undefined)) return;
    this.#cluster.kill(node);
    if (by === "first") this.#cluster.restore(node, first!);
    else {
      if (first === undefined) this.#firstDisks.set(node, node.disk.copy());
      this.#cluster.wipe(node);
    }
    await time.wait(durationMs);
    // Not waited for: a start that is cut short never ends.
    void this.#cluster.boot(node);
  }

  /** Whether all members are there, and have all that they should have. */
  async #isWhole(): Promise<boolean> {
    for (const node of this.#cluster.members) {
      if (node.leaving !== undefined) continue;
      const view = await this.#ask(node, "GET", "/cluster");
      if (view === undefined) return false;
      const { members, self } = view as { self: string; members: { status?: string }[] };
      if (self !== node.name || members.some(({ status }) => status !== "normal")) return false;
    }
    return true;
  }

  /** Whether there is a removal to hear of: one that met nobody was no member in the first place. */
  wasTaken(node: SimulatedNode): boolean {
    return this.#taken.has(node);
  }

  /** Whether a node is no member any more in the view of all others. */
  async isGone(node: SimulatedNode): Promise<boolean> {
    for (const other of this.#cluster.members) {
      if (other.leaving !== undefined) continue;
      const view = await this.#ask(other, "GET", "/cluster");
      if (view === undefined) return false;
      const { members, removals } = view as { members: { name: string }[]; removals: unknown[] };
      if (removals.length > 0 || members.some(({ name }) => name === node.name)) return false;
    }
    return true;
  }

  /** One that joins may not be a member yet. */
  async #isDone(node: SimulatedNode): Promise<boolean> {
    return (node.leaving !== "live" || this.#taken.has(node)) && await this.isGone(node);
  }

  async #insist(node: SimulatedNode): Promise<void> {
    const { time, streams } = this.#world;
    const random = streams.stream(`operator ${node.name}`);
    const sinceMs = time.nowMs;
    while (!this.#over && !await this.#isDone(node)) {
      const others = this.#cluster.members.filter(({ leaving, isUp }) =>
        leaving === undefined && isUp
      );
      const asked = others[Math.floor(random.next() * others.length)];
      // One that lost data may be another life, of which nobody waits to hear.
      const isLost = node.damaged || node.isRemoved;
      if (isLost && node.leaving === "live" && time.nowMs - sinceMs > PATIENCE_MS) {
        this.#cluster.kill(node);
        node.leaving = "dead";
      }
      const dead = node.leaving !== "live";
      const body = { name: node.name, ...(dead ? { dead } : {}) };
      const answer = asked && await this.#ask(asked, "POST", "/cluster/removals", body);
      if (answer !== undefined) this.#onTaken(node, random.next());
      await time.wait(answer === undefined ? RETRY_MS : AGAIN_MS);
    }
  }

  /** Starts an empty node of the name of one that was removed, if that is over in time. */
  async #addAgain(node: SimulatedNode): Promise<void> {
    while (!this.#over && !await this.isGone(node)) await this.#world.time.wait(RETRY_MS);
    if (this.#over) return;
    if (node.life?.dead === false) this.#cluster.kill(node);
    this.#cluster.wipe(node);
    node.leaving = undefined;
    node.isRemoved = false;
    node.comebacks++;
    this.#due.delete(node);
    await this.#cluster.boot(node);
  }

  /** With an empty disk it would be, or is already, a new member, which nobody asked for. */
  #onGone(node: SimulatedNode): void {
    node.isGone = true;
    if (!node.damaged) return;
    if (node.life?.dead === false) this.#cluster.kill(node);
    node.isRemoved = true;
  }

  #onTaken(node: SimulatedNode, chance: number): void {
    this.#taken.add(node);
    this.#world.note("removal", { node: node.name });
    if (node.leaving !== "paused") return;
    this.#world.time.schedule(5_000 * chance, () => this.#cluster.wake(node));
  }

  /** The JSON of an answer that is well; undefined for all else. */
  async #ask(
    node: SimulatedNode,
    method: "GET" | "POST",
    path: string,
    body?: unknown,
  ): Promise<unknown> {
    const { network, time } = this.#world;
    network.calmOrigins.add(ORIGIN);
    try {
      const response = await network.send(ORIGIN, new ProcessLife(time), {
        method,
        origin: node.origin,
        path,
        timeoutMs: 5_000,
        ...(body === undefined ? {} : { body: encoder.encode(JSON.stringify(body)) }),
      });
      const text = decoder.decode(response.body);
      if (method === "POST") {
        this.#world.note("asked", { node: node.name, status: response.status, text });
      }
      return response.status < 300 ? JSON.parse(text) : undefined;
    } catch {
      return undefined;
    }
  }
}
