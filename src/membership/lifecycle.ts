/**
 * When a new or emptied node starts to count. A pure decision over the node's view of the cluster.
 *
 * A node whose data directory is new cannot tell whether it is new itself or lost its disk, and acts
 * alike: it counts in no quorum until ownership is settled (`joining`), then for writes only until it
 * holds what it should (`refilling`), then for both (`normal`).
 *
 * The reasons, with N owners per key and any two write quorums overlapping:
 * - A new name changes who owns what. While somebody does not know it, that somebody reads from the
 *   owners of before, so acks of the new node must not count. Not so where all nodes own everything
 *   (members <= N) and one joins, since majorities of n and of n + 1 meet, unless it makes N full and R
 *   is no majority of N; nor where the name was on the ring before.
 * - A node that refilled from all normal members has every write that was acked by owners of before:
 *   each gives what it owns, and what it owned before members joined that are still on their way. So
 *   does a member that is being removed, unless it is dead.
 * - Majorities of n and of n + 2 need not meet: so nobody is `normal`, whom the next one that joins then
 *   does not wait for, before all normal members know it.
 * - One that joins may have acked a write together with a node that lost its data then: that one must take
 *   it from there, so it waits for all that join, while nobody that joins waits for it.
 * - One that joins takes keys from owners of before. What is left of lost data was compared where this node
 *   is an owner now only: so one that has such leftovers waits for all that join, and gives them nothing.
 * - While somebody may still go by the ring with a member that is being removed, no new name begins to
 *   count: that one need not know it.
 * - No more than W - 1 disks may be lost at once. So where a majority of all members, and W at least,
 *   is new, nothing was ever stored, and there is nothing to refill: the cluster is being formed. Where
 *   somebody is silent only those count that name each other: others may have come to join it. Else
 *   new nodes wait for one that is normal, with writes too: it knows which counters were given out.
 */
import type { Member } from "./member.ts";
import { majorityOf, type QuorumOptions, quorumsMeet, quorumsOf } from "./quorums.ts";

/** What the decision rests on. */
export interface LifecycleView extends QuorumOptions {
  readonly self: Member;
  /** All other members. */
  readonly others: readonly Member[];
  /** Seeds that nobody has been heard under. */
  readonly unresolvedSeeds: number;
  /** Of these, seeds where certainly nobody listens now. */
  readonly refusedSeeds: number;
  readonly rejoined: boolean;
  /** How many of the others name this node as a seed, and are named by it. */
  readonly namedBothWays: number;
  /** Names of members that were `normal` once. */
  readonly settled: ReadonlySet<string>;
  isKnownBy(name: string): boolean;
  /** Names of the members from which this node has taken all that it should have. */
  readonly refilledFrom: ReadonlySet<string>;
  /** Whether it may have copies from before deletions that the others have forgotten. */
  readonly hasLeftovers?: boolean;
  /** Present while members are being removed. */
  readonly removals?: {
    /** Names of those that still give what they have. */
    readonly sources: readonly string[];
    /** Whether nobody goes by the ring with them any more. */
    readonly areKnownByAll: boolean;
  } | undefined;
}

/** What to do: nothing now, change status, or take data from these members. */
export type LifecycleStep =
  | { readonly action: "wait" }
  | { readonly action: "become"; readonly status: "refilling" | "normal" }
  | { readonly action: "refill"; readonly from: readonly string[] };

const WAIT: LifecycleStep = { action: "wait" };

/** The next step towards `normal`. */
export function nextStep(view: LifecycleView): LifecycleStep {
  if (view.self.status === "normal") return WAIT;
  const leaving = view.removals?.sources ?? [];
  if (view.others.length + view.unresolvedSeeds + leaving.length === 0) return become("normal");
  const established = view.others.filter(({ status }) => status === "normal");
  const sources = [...established.map(({ name }) => name), ...leaving];
  if (sources.length === 0 && !isForming(view)) return WAIT;
  if (view.self.status === "joining") return isSettled(view) ? become("refilling") : WAIT;
  if (sources.length === 0) return become("normal");
  const from = sources.filter((name) => !view.refilledFrom.has(name));
  if (from.length > 0) return { action: "refill", from };
  return waitsForJoiners(view) || waitsToBeKnown(view) ? WAIT : become("normal");
}

/**
 * Whether this node lost data that perhaps only a member has that is still being filled; or is none that
 * one may be filled from.
 */
function waitsForJoiners({ self, others, settled, hasLeftovers }: LifecycleView): boolean {
  const joiners = others.filter(({ name, status }) => status !== "normal" && !settled.has(name));
  return settled.has(self.name) &&
    (hasLeftovers === true ? joiners.length > 0 : joiners.some(isRefilling));
}

function isRefilling({ status }: Member): boolean {
  return status === "refilling";
}

/** Whether one of those who were there before may still forget this node. */
function waitsToBeKnown({ self, others, settled, rejoined, isKnownBy }: LifecycleView): boolean {
  if (rejoined || settled.has(self.name)) return false;
  return others.some(({ name, status }) => status === "normal" && !isKnownBy(name));
}

/** Whether everybody who must know this node does. */
function isSettled(view: LifecycleView): boolean {
  const total = totalOf(view);
  const knowing = 1 + view.others.filter(({ name }) => view.isKnownBy(name)).length;
  const isEstablished = view.others.some(({ status }) => status === "normal");
  const othersJoin = view.others.some(({ status }) => status !== "normal");
  const { rejoined, removals } = view;
  if (!rejoined && removals?.areKnownByAll === false) return false;
  const isAlone = !(isEstablished && othersJoin) && removals === undefined;
  if (rejoined || isAlone && quorumsMeet(total, view)) return knowing >= majorityOf(total);
  return knowing === view.others.length + 1 && (isEstablished || view.unresolvedSeeds === 0);
}

/** Whether a majority of all, and W, is new, and nobody is there who might know better. */
function isForming(view: LifecycleView): boolean {
  const total = totalOf(view);
  const here = 1 + (view.unresolvedSeeds === 0 ? view.others.length : view.namedBothWays);
  return view.unresolvedSeeds === view.refusedSeeds &&
    here >= Math.max(majorityOf(total), quorumsOf(total, view).w);
}

function totalOf(view: LifecycleView): number {
  return 1 + view.others.length + view.unresolvedSeeds;
}

function become(status: "refilling" | "normal"): LifecycleStep {
  return { action: "become", status };
}
