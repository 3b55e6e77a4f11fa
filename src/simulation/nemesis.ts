/** Carries out the faults of a plan, each at its time, and undoes them. */
import { randomInteger } from "../platform/random.ts";
import type { Cluster } from "./world/cluster.ts";
import type { SimulatedNode } from "./world/simulated_node.ts";
import { noDiskFaults } from "./virtual/disk_faults.ts";
import type { Operator } from "./world/operator.ts";
import type { Fault, FaultKind, Plan } from "./plans/plan.ts";
import { CALM_LINK } from "./virtual/virtual_network.ts";
import type { World } from "./world/world.ts";

/** Times each fault of `plan`; call at the beginning of the fault phase. */
export class Nemesis {
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #operator: Operator;
  /** What is still to be undone, by fault. */
  readonly #undo = new Map<Fault, () => void>();
  #over = false;

  constructor(world: World, cluster: Cluster, operator: Operator) {
    this.#world = world;
    this.#cluster = cluster;
    this.#operator = operator;
  }

  /** Resolves when the fault phase is over and everything is healed; nodes may still be starting. */
  async run(plan: Plan): Promise<void> {
    const { time } = this.#world;
    for (const fault of plan.faults) {
      time.schedule(fault.atMs, () => void this.#strike(fault));
    }
    await time.wait(plan.faultsMs);
    this.#heal();
  }

  #strike(fault: Fault): void {
    if (this.#over || !this.#isPossible(fault)) return;
    const { time } = this.#world;
    this.#world.note("fault", { ...fault });
    this.#world.countFault(fault.kind.replaceAll("_", " "));
    this.#undo.set(fault, this.#begin(fault));
    time.schedule(fault.durationMs, () => this.#end(fault));
  }

  /** Nothing can befall a node that has not joined. */
  #isPossible(fault: FaultKind): boolean {
    return !("node" in fault) || fault.node < this.#cluster.members.length;
  }

  #end(fault: Fault): void {
    const undo = this.#undo.get(fault);
    this.#undo.delete(fault);
    undo?.();
  }

  #heal(): void {
    this.#over = true;
    for (const fault of [...this.#undo.keys()]) this.#end(fault);
    this.#world.network.heal();
    for (const node of this.#cluster.nodes) {
      node.disk.faults = noDiskFaults();
      node.disk.crashAtOperation(Infinity);
      this.#cluster.resume(node);
    }
    this.#world.note("heal");
  }

  /** Begins a fault; the answer ends it. */
  #begin(fault: Fault): () => void {
    const { network } = this.#world;
    const { nodes, members } = this.#cluster;
    switch (fault.kind) {
      case "partition":
        return this.#cut(
          nodes.flatMap((a, i) =>
            nodes.flatMap((b, j) =>
              fault.side.includes(i) === fault.side.includes(j) ? [] : [[a, b] as const]
            )
          ),
        );
      case "one_way":
        return this.#cut([[nodes[fault.from]!, nodes[fault.to]!]]);
      case "cut_link": {
        const [a, b] = [nodes[fault.a]!, nodes[fault.b]!];
        return this.#cut([[a, b], [b, a]]);
      }
      case "slow_link":
        return this.#slow([[nodes[fault.from]!, nodes[fault.to]!]], fault.delayMs);
      case "storm":
        network.weather = fault.weather;
        return () => network.weather = CALM_LINK;
      case "replay":
        network.replays = fault;
        return () => network.replays = undefined;
      case "blackout":
        for (const node of members) this.#cluster.kill(node, { silent: true });
        return () => members.forEach((node) => this.#boot(node));
      case "remove":
        this.#operator.remove(nodes[fault.node]!, fault);
        return () => {};
      case "swap":
        return this.#swap(nodes[fault.a]!, nodes[fault.b]!);
      case "join":
        this.#join(nodes[members.length]!, fault.via === undefined);
        return () => {};
      case "options":
        // At once: nodes with other options than others have must not meet.
        for (const node of members) this.#cluster.kill(node, { power: false });
        for (const node of nodes) node.config = { ...node.config, ...fault.options };
        return () => members.forEach((node) => this.#boot(node));
      default:
        return this.#beginAt(nodes[fault.node]!, fault);
    }
  }

  #beginAt(
    node: SimulatedNode,
    fault: Exclude<Extract<Fault, { node: number }>, { kind: "remove" }>,
  ): () => void {
    const boot = () => this.#boot(node);
    switch (fault.kind) {
      case "slow_node": {
        const others = this.#cluster.nodes.filter((other) => other !== node);
        const links = others.flatMap((other) => [[node, other], [other, node]] as const);
        return this.#slow(links, fault.delayMs);
      }
      case "crash":
        this.#cluster.kill(node, { power: fault.power, silent: fault.silent });
        return boot;
      case "crash_in_write":
        node.disk.crashAtOperation(node.disk.operations + fault.operations);
        return () => {
          node.disk.crashAtOperation(Infinity);
          boot();
        };
      case "restart":
        void this.#cluster.stop(node);
        return boot;
      case "own_options":
        void this.#cluster.stop(node);
        node.config = { ...node.config, ...fault.options };
        return boot;
      case "pause":
        this.#cluster.pause(node);
        return () => this.#cluster.resume(node);
      case "move":
        this.#cluster.kill(node, { power: false });
        this.#cluster.move([[node, node.origin.replace(/\d+$/, String(8080 + node.lives))]]);
        return boot;
      case "other_peers": {
        this.#cluster.kill(node, { power: false });
        const peers = fault.peers.map((peer) => this.#cluster.nodes[peer]!.origin);
        node.config = { ...node.config, peers };
        return boot;
      }
      case "wipe":
        this.#cluster.kill(node);
        this.#cluster.wipe(node);
        return boot;
      case "replace_disk":
        this.#operator.replaceDisk(node, fault);
        return () => {};
      case "old_copy":
        return this.#copy(node);
      case "lost_disk":
        return this.#lose(node);
      case "bit_rot":
        this.#rot(node, fault.bits);
        return boot;
      case "slow_disk":
        node.disk.faults.syncMs = fault.syncMs;
        node.pageCache.syncsTake(fault.syncMs[1]);
        return () => node.disk.faults.syncMs = noDiskFaults().syncMs;
      case "full_disk":
        node.disk.faults.capacityBytes = fault.freeBytes +
          node.disk.files().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
        return () => {
          node.disk.faults.capacityBytes = Infinity;
          boot();
        };
      case "disk_error":
        node.disk.faults.errorRate[fault.operation] = 0.3;
        return () => {
          node.disk.faults.errorRate = {};
          boot();
        };
      case "clock_jump":
        this.#cluster.skew(node, fault);
        return () => {};
    }
  }

  #swap(a: SimulatedNode, b: SimulatedNode): () => void {
    for (const node of [a, b]) this.#cluster.kill(node, { power: false });
    this.#cluster.move([[a, b.origin], [b, a.origin]]);
    return () => [a, b].forEach((node) => this.#boot(node));
  }

  #cut(pairs: readonly (readonly [SimulatedNode, SimulatedNode])[]): () => void {
    const { network } = this.#world;
    const links = pairs.map(([from, to]) => [from.origin, to.origin] as const);
    for (const [from, to] of links) network.cut(from, to);
    return () => links.forEach(([from, to]) => network.mend(from, to));
  }

  #slow(pairs: readonly (readonly [SimulatedNode, SimulatedNode])[], delayMs: [number, number]) {
    const { network } = this.#world;
    const links = pairs.map(([from, to]) => [from.origin, to.origin] as const);
    for (const [from, to] of links) network.setLink(from, to, { ...CALM_LINK, delayMs });
    return () => links.forEach(([from, to]) => network.clearLink(from, to));
  }

  /** Only tables rot: a flipped bit in the log's last record cannot be told from a torn tail. */
  #rot(node: SimulatedNode, bits: number): void {
    const random = this.#world.streams.stream("rot");
    const tables = node.disk.files().filter(({ path, sizeBytes }) =>
      path.endsWith(".sst") && sizeBytes > 0
    );
    if (tables.length === 0) return;
    for (let i = 0; i < bits; i++) {
      const { path, sizeBytes } = tables[randomInteger(random, tables.length)]!;
      const offset = randomInteger(random, sizeBytes);
      node.disk.flipBit(path, offset);
      this.#world.note("rot", { node: node.name, path, offset });
    }
    node.damaged = true;
  }

  #join(node: SimulatedNode, isToldOfAll: boolean): void {
    if (isToldOfAll) this.#cluster.tellOfMembers(node);
    this.#boot(node);
  }

  /** Copies the disk of a node, which then goes on; the answer puts the copy back. */
  #copy(node: SimulatedNode): () => void {
    this.#cluster.kill(node, { power: false });
    const putBack = this.#keepDisk(node);
    this.#boot(node);
    return putBack;
  }

  #lose(node: SimulatedNode): () => void {
    this.#cluster.kill(node, { power: false });
    const putBack = this.#keepDisk(node);
    this.#cluster.wipe(node);
    this.#boot(node);
    return putBack;
  }

  /**
   * Copies a disk; the answer puts it back. Not where nobody can be asked: such a node counts with what
   * it has, which is not judged.
   */
  #keepDisk(node: SimulatedNode): () => void {
    const copy = node.disk.copy();
    const { comebacks } = node;
    return () => {
      const others = this.#cluster.members.filter((other) => other !== node);
      const isForeign = node.leaving !== undefined || node.comebacks !== comebacks;
      if (isForeign || !others.every(({ isUp }) => isUp)) return this.#boot(node);
      this.#cluster.kill(node);
      this.#cluster.restore(node, copy);
      this.#boot(node);
    };
  }

  #boot(node: SimulatedNode): void {
    void this.#cluster.boot(node);
  }
}
