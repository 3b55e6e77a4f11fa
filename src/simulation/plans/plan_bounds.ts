/** What a plan promises to whoever judges a run of it, whatever happens to nodes in between. */
import type { SharedOptions } from "../../config.ts";
import { majorityOf, quorumsOf } from "../../membership/quorums.ts";
import type { Plan } from "./plan.ts";

const REQUEST_TIMEOUT_MS = 1_000;

/** Milliseconds that nodes give a request at first, in turn. */
export function timeoutsOf({ requestTimeoutsMs = [REQUEST_TIMEOUT_MS] }: Plan): readonly number[] {
  return requestTimeoutsMs;
}

/** Of all that nodes have one after the other. */
export function longestTimeoutMs(plan: Plan): number {
  const later = plan.faults.flatMap((fault) =>
    fault.kind === "own_options" ? [fault.options.requestTimeoutMs ?? 0] : []
  );
  return Math.max(...timeoutsOf(plan), ...later);
}

/** Whether R is a majority of N all the time: any two quorum reads share an owner. */
export function readsAlwaysMeet(plan: Plan): boolean {
  return optionsOf(plan).every(({ readQuorum, replication }) =>
    readQuorum >= majorityOf(replication)
  );
}

/** W where the fewest members are that a plan can leave: more members never need less. */
export function leastWriteQuorum(plan: Plan): number {
  const removals = plan.faults.filter(({ kind }) => kind === "remove").length;
  const members = Math.max(1, plan.nodes - removals);
  return Math.min(...optionsOf(plan).map((options) => quorumsOf(members, options).w));
}

/** All that nodes have one after the other. */
function optionsOf(plan: Plan): SharedOptions[] {
  return [plan, ...plan.faults.flatMap((fault) => fault.kind === "options" ? [fault.options] : [])];
}
