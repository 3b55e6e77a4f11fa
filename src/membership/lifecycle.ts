/**
 * When a new or emptied node starts to count. A pure decision over the node's view of the cluster.
 *
 * A node whose data directory is new cannot tell whether it is new itself or has lost its disk. It acts
 * alike in both cases: it counts in no quorum until ownership is settled (`joining`), then for writes
 * only until it holds what it should (`refilling`), then for both (`normal`).
 *
 * The reasons, with N owners per key and any two write quorums overlapping:
 * - *Why it waits to be known.* A new name changes who owns what. A node that does not know the name
 *   still reads from the former owners, so acks of the new node must not count yet. There are two
 *   exceptions. Where the name was `normal` before, nothing changes. And where all nodes own everything
 *   (members <= N) and one node joins, a majority of the others that knows it is enough, since majorities
 *   of n and of n + 1 meet; unless the node makes N full and R is no majority of N. Of two nodes that join
 *   where neither has heard of the other, one hears of the other by a member that both majorities share.
 *   It waits until all know both, since majorities of n and of n + 2 need not meet.
 * - *Why it refills from all normal members.* Then it has every write that former owners acked. Each of
 *   them gives what it owns, and what it owned before members joined that are still on their way. So does
 *   a member that is being removed, unless it is dead.
 * - *Why it waits once more to be known, before it is `normal`.* Majorities of n and of n + 2 need not
 *   meet. The next node that joins does not wait for this one where it is not known, so all normal members
 *   have to know it first.
 * - *Why a node that lost its data waits for those that join.* Such a one may have acked a write together
 *   with the lost disk, and has to give it. One that does not know this life of the node may do so unheard.
 *   Nobody that joins waits for a node that lost its data.
 * - *Why one that lost its data before it was ever `normal` waits for those that were being filled when it
 *   began to count.* For the same reason; as it joins itself, later ones wait for it.
 * - *Why a new node waits for those that were being filled when it began to count.* W of these may have
 *   acked a write, by a ring without the new node, that nobody who is normal has. In the place of one of
 *   them it would miss that. They do not wait for it, since they began before. Where any two quorums meet
 *   with one node more it does not wait either.
 * - *Why a node with leftovers of lost data waits for all that join.* A node that joins takes keys from
 *   former owners, and what is left of lost data was compared only where this node is an owner now.
 * - *Why no new name begins to count while a removal is not known by all.* A node that still goes by the
 *   ring with the removed member need not know the new one.
 * - *When a cluster is formed.* No more than W - 1 disks may be lost at once. So where a majority of all
 *   members, and W at least, is new, nothing was ever stored, and there is nothing to refill. Where
 *   somebody is silent only those new nodes count that name each other: others may have come to join the
 *   silent one. Otherwise new nodes wait for one that is normal, with writes too: it knows which counters
 *   were given out.
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
  /** How many of the others name this node as a seed, and are named by it. */
  readonly namedBothWays: number;
  /** Names of members that were `normal` once. */
  readonly settled: ReadonlySet<string>;
  /** Whether another, while all are new, has told this node of its seeds. Default: each has. */
  hasHeard?(name: string): boolean;
  isKnownBy(name: string): boolean;
  /** Whether a member knows all members that this node knows. Default: each does. */
  knowsAll?(name: string): boolean;
  /** Names of the members from which this node has taken all that it should have. */
  readonly refilledFrom: ReadonlySet<string>;
  /** Node IDs of those that were being filled when this node began to count. Default: nobody was. */
  readonly earlier?: ReadonlySet<string>;
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
  /** Perhaps for these members, by name. */
  | { readonly action: "wait"; readonly for: readonly string[] }
  | { readonly action: "become"; readonly status: "refilling" | "normal" }
  | { readonly action: "refill"; readonly from: readonly string[] };

/** The next step towards `normal`. */
export function nextStep(view: LifecycleView): LifecycleStep {
  if (view.self.status === "normal") return waitFor([]);
  const leaving = view.removals?.sources ?? [];
  if (view.others.length + view.unresolvedSeeds + leaving.length === 0) return become("normal");
  const established = view.others.filter(({ status }) => status === "normal");
  const sources = [...established.map(({ name }) => name), ...leaving];
  if (sources.length === 0 && !isForming(view)) return waitFor(unheardMembers(view));
  if (view.self.status === "joining") {
    if (isSettled(view)) return become("refilling");
    const unaware = view.others.filter(({ name }) => !view.isKnownBy(name));
    const behind = view.others.filter(({ name }) => view.knowsAll?.(name) === false);
    return waitFor(unaware.length > 0 ? unaware : behind);
  }
  if (sources.length === 0) return become("normal");
  const from = sources.filter((name) => !view.refilledFrom.has(name));
  if (from.length > 0) return { action: "refill", from };
  const late = [...joinersWithMore(view), ...earlierJoiners(view), ...unawareMembers(view)];
  return late.length === 0 ? become("normal") : waitFor(late);
}

/**
 * Where this node lost data: members that are still being filled, and may be the only ones to have it; or
 * where it has leftovers of that data: all that join, since none may be filled from these.
 */
function joinersWithMore(view: LifecycleView): Member[] {
  const { self, others, settled, hasLeftovers, isKnownBy } = view;
  if (!settled.has(self.name)) return [];
  return joinersOf(others, settled).filter((one) =>
    hasLeftovers === true || isRefilling(one) || !isKnownBy(one.name)
  );
}

export function isRefilling({ status }: Member): boolean {
  return status === "refilling";
}

/** Those that began to count before this node, and may have what nobody has who is normal. */
function earlierJoiners(view: LifecycleView): Member[] {
  const { earlier, self, settled, others } = view;
  const hasLostData = self.replaces !== undefined;
  if (earlier === undefined || !hasLostData && quorumsMeet(totalOf(view), view)) return [];
  return joinersOf(others, settled).filter((one) => isRefilling(one) && earlier.has(one.nodeID));
}

/** Members that have yet to take over what they own for the first time. */
export function joinersOf(members: readonly Member[], settled: ReadonlySet<string>): Member[] {
  return members.filter(({ name, status }) => status !== "normal" && !settled.has(name));
}

/**
 * Normal members that may not know this node yet. All know the name of one that was normal once. Who gave
 * what it has did so by a ring with this node; but until it says so itself, a restart may forget that.
 */
function unawareMembers({ self, others, settled, isKnownBy }: LifecycleView): Member[] {
  if (settled.has(self.name)) return [];
  return others.filter(({ name, status }) => status === "normal" && !isKnownBy(name));
}

/** Whether everybody who must know this node does. */
function isSettled(view: LifecycleView): boolean {
  const { self, others, settled, removals, isKnownBy, knowsAll = () => true } = view;
  const total = totalOf(view);
  const knowing = others.filter(({ name }) => isKnownBy(name)).length;
  if (settled.has(self.name)) return knowing + 1 >= majorityOf(total);
  if (removals?.areKnownByAll === false) return false;
  const established = others.filter(({ status }) => status === "normal").length;
  const isEstablished = established > 0;
  const othersJoin = established < others.length;
  const isAlone = !(isEstablished && othersJoin) && removals === undefined;
  if (isAlone && quorumsMeet(total, view)) {
    if (knowing + 1 < majorityOf(total)) return false;
    // Not of all with itself: another that joins, unheard of, would have a majority with itself, too. Of
    // seeds that nobody was heard under none can know it.
    return !isEstablished || knowing >= Math.min(others.length, majorityOf(total - 1));
  }
  if (knowing < others.length || !isEstablished && view.unresolvedSeeds > 0) return false;
  // Only up to N members may one count already that not all know.
  return !quorumsMeet(established + 1, view) || others.every(({ name }) => knowsAll(name));
}

/** Those known by hearsay: each may have come to join a cluster that it alone was told of. */
function unheardMembers({ others, hasHeard }: LifecycleView): Member[] {
  return others.filter(({ name }) => hasHeard?.(name) === false);
}

/** Whether a majority of all, and at least W, is new and here, and no silent seed may know better. */
function isForming(view: LifecycleView): boolean {
  if (unheardMembers(view).length > 0) return false;
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

function waitFor(members: readonly Member[]): LifecycleStep {
  return { action: "wait", for: [...new Set(members.map(({ name }) => name))] };
}
