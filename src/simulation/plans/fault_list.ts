/** What can be asked of the faults of a plan, and of the nodes that they strike. */
import { type Random, shuffled } from "../../platform/random.ts";
import type { Fault, FaultKind, Plan } from "./plan.ts";

/** Nodes that a plan has in all: those from the beginning, and those that join. */
export function nodesInAll(plan: Plan): number {
  return plan.nodes + joinsOf(plan);
}

/** How many nodes join. */
export function joinsOf({ faults }: Pick<Plan, "faults">): number {
  return faults.filter(({ kind }) => kind === "join").length;
}

/** Whether a fault takes from a node what only another one can give back. */
export function losesData({ kind }: FaultKind): boolean {
  return kind === "wipe" || kind === "bit_rot";
}

/** By the time at which they strike. */
export function inOrder(faults: readonly Fault[]): Fault[] {
  return faults.toSorted((a, b) => a.atMs - b.atMs);
}

/** The indices of so many nodes, in any order. */
export function someOrder(random: Random, nodes: number): number[] {
  return shuffled(random, Array.from({ length: nodes }, (_, i) => i));
}
