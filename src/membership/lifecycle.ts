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
 *   (members <= N) and one joins, since majorities of n and of n + 1 meet; nor where the name was on
 *   the ring before.
 * - A node that refilled from all normal members has every write that was acked by owners of before:
 *   each gives what it owns, and what it owned before members joined that are still on their way.
 * - No more than W - 1 disks may be lost at once. So where a majority of all members is new, nothing
 *   was ever stored, and there is nothing to refill: the cluster is being formed.
 */
import type { Member } from "./member.ts";

/** What the decision rests on. */
export interface LifecycleView {
  readonly self: Member;
  /** All other members. */
  readonly others: readonly Member[];
  /** Seeds that nobody has been heard under. */
  readonly unresolvedSeeds: number;
  /** Of these, seeds where certainly nobody listens now. */
  readonly refusedSeeds: number;
  readonly rejoined: boolean;
  readonly replication: number;
  isKnownBy(name: string): boolean;
  /** Names of the members from which this node has taken all that it should have. */
  readonly refilledFrom: ReadonlySet<string>;
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
  if (view.others.length + view.unresolvedSeeds === 0) return become("normal");
  if (view.self.status === "joining") return isSettled(view) ? become("refilling") : WAIT;
  const established = view.others.filter(({ status }) => status === "normal");
  if (established.length === 0) return isForming(view) ? become("normal") : WAIT;
  const from = established.map(({ name }) => name).filter((name) => !view.refilledFrom.has(name));
  return from.length === 0 ? become("normal") : { action: "refill", from };
}

/** Whether everybody who must know this node does. */
function isSettled(view: LifecycleView): boolean {
  const total = totalOf(view);
  const knowing = 1 + view.others.filter(({ name }) => view.isKnownBy(name)).length;
  const isEstablished = view.others.some(({ status }) => status === "normal");
  const othersJoin = view.others.some(({ status }) => status !== "normal");
  const majoritiesMeet = total <= view.replication && !(isEstablished && othersJoin);
  if (view.rejoined || majoritiesMeet) return knowing >= majority(total);
  return knowing === view.others.length + 1 && (isEstablished || view.unresolvedSeeds === 0);
}

/** Whether a majority of all is new, and nobody is there who might know better. */
function isForming(view: LifecycleView): boolean {
  return view.unresolvedSeeds === view.refusedSeeds &&
    view.others.length + 1 >= majority(totalOf(view));
}

function totalOf(view: LifecycleView): number {
  return 1 + view.others.length + view.unresolvedSeeds;
}

function majority(total: number): number {
  return Math.floor(total / 2) + 1;
}

function become(status: "refilling" | "normal"): LifecycleStep {
  return { action: "become", status };
}
