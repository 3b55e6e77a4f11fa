/** What carries out one kind of fault: it is given what it strikes at, and tells how the fault ends. */
import type { Fault } from "../plans/plan.ts";
import type { Cluster } from "../world/cluster.ts";
import type { Operator } from "../world/operator.ts";
import type { SimulatedNode } from "../world/simulated_node.ts";
import type { World } from "../world/world.ts";

/** Kinds of fault, by name. */
export type Kind = Fault["kind"];

/** A fault of one kind. */
export type FaultOf<K extends Kind> = Extract<Fault, { kind: K }>;

/** All that faults strike at. */
export interface Scene {
  readonly world: World;
  readonly cluster: Cluster;
  readonly operator: Operator;
}

/** The same for a fault of one node. */
export interface NodeScene extends Scene {
  readonly node: SimulatedNode;
}

/** Ends a fault. Called once. */
export type Undo = () => void;

/** Begins a fault; the answer ends it. */
export type Strike<K extends Kind> = (
  scene: FaultOf<K> extends { node: number } ? NodeScene : Scene,
  fault: FaultOf<K>,
) => Undo;

/** By kind. */
export type Strikes<K extends Kind> = { readonly [One in K]: Strike<One> };

/** The end of a fault that needs none. */
export const NO_UNDO: Undo = (): void => {};

/** The end of a fault after which nodes are started. */
export function booting(cluster: Cluster, ...nodes: readonly SimulatedNode[]): Undo {
  return () => {
    for (const node of nodes) void cluster.boot(node);
  };
}
