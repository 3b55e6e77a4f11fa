/** Carries out the faults of a plan, each at its time, and undoes them. */
import type { Fault, FaultKind, Plan } from "../plans/plan.ts";
import { noDiskFaults } from "../virtual/disk_faults.ts";
import { FAILING_DISKS } from "./failing_disks.ts";
import { LINK_FAULTS } from "./link_faults.ts";
import { LOST_DISKS } from "./lost_disks.ts";
import { MEMBER_CHANGES } from "./member_changes.ts";
import { PROCESS_FAULTS } from "./process_faults.ts";
import type { Kind, NodeScene, Scene, Strikes, Undo } from "./strike.ts";

/** How each kind begins and ends. */
const STRIKES: Strikes<Kind> = {
  ...LINK_FAULTS,
  ...PROCESS_FAULTS,
  ...FAILING_DISKS,
  ...LOST_DISKS,
  ...MEMBER_CHANGES,
};

/** Times each fault of a plan; call at the beginning of the fault phase. */
export class Nemesis {
  readonly #scene: Scene;
  /** What is still to be undone, by fault. */
  readonly #undo = new Map<Fault, Undo>();
  #over = false;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** Resolves when the fault phase is over and everything is healed; nodes may still be starting. */
  async run(plan: Plan): Promise<void> {
    const { time } = this.#scene.world;
    for (const fault of plan.faults) {
      time.schedule(fault.atMs, () => void this.#strike(fault));
    }
    await time.wait(plan.faultsMs);
    this.#heal();
  }

  #strike(fault: Fault): void {
    if (this.#over || !this.#isPossible(fault)) return;
    const { world } = this.#scene;
    world.note("fault", { ...fault });
    world.countFault(fault.kind.replaceAll("_", " "));
    this.#undo.set(fault, this.#begin(fault));
    world.time.schedule(fault.durationMs, () => this.#end(fault));
  }

  /** Nothing can befall a node that has not joined. */
  #isPossible(fault: FaultKind): boolean {
    return !("node" in fault) || fault.node < this.#scene.cluster.members.length;
  }

  #begin(fault: Fault): Undo {
    const { nodes } = this.#scene.cluster;
    const scene = "node" in fault ? { ...this.#scene, node: nodes[fault.node]! } : this.#scene;
    // The compiler does not see that a kind's strike is given a fault of that kind, and its node.
    const strike = STRIKES[fault.kind] as (scene: Scene | NodeScene, fault: Fault) => Undo;
    return strike(scene, fault);
  }

  #end(fault: Fault): void {
    const undo = this.#undo.get(fault);
    this.#undo.delete(fault);
    undo?.();
  }

  #heal(): void {
    const { world, cluster } = this.#scene;
    this.#over = true;
    for (const fault of [...this.#undo.keys()]) this.#end(fault);
    world.network.heal();
    for (const node of cluster.nodes) {
      node.disk.faults = noDiskFaults();
      node.disk.crashAtOperation(Infinity);
      cluster.resume(node);
    }
    world.note("heal");
  }
}
