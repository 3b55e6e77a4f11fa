/**
 * How a member is removed. All remaining members come to share the decision before anybody counts
 * otherwise than before. Pure.
 *
 * As soon as a node knows of a removal, its ring is over the members that are not removed. The arcs
 * that the removed member owned go to other owners. Such a new owner has none of their data, or what is
 * left from a time at which it owned them. So each member says, for each removal, how far it is
 * (`RemovalStage`), and on the arcs that it gains it counts
 * - for nothing, while somebody may still count the removed member. What is acknowledged meanwhile is on
 *   owners that the old ring and the new one have in common, in quorums that meet those of the old ring;
 * - for writes, once all are known to know of the removal, and this member has erased what it had there;
 * - for reads too, once it has taken over all that the other members have there, and all that the removed
 *   member has, unless that is dead.
 * A removal has ended when all members are done. Until then quorums are as large as before, and no
 * tombstone is collected. Where the removal makes read quorums smaller (fewer members than N are left),
 * all members take over everything from each other. Else a small read quorum could miss a write that only
 * removed members and one of the others have.
 */
import type { Liveness } from "./failure_detector.ts";
import type { Member } from "./member.ts";
import type { Removal } from "./removal.ts";
import { stageOf } from "./removal_stage.ts";

/**
 * Removals that may go on at once: each message says how far each member is with each of them. There may
 * be more of them for a while, where several nodes begin some at the same time.
 */
export const PENDING_MAX = 64;

/** What the decisions below rest on. */
export interface RemovalView {
  readonly self: Member;
  /** All other members that are not removed. */
  readonly others: readonly Member[];
  /** Removals that have not ended. */
  readonly pending: readonly Removal[];
  /** What those say that are being removed. */
  readonly leaving: readonly Member[];
  /** Names that were `normal` once. */
  readonly settled: ReadonlySet<string>;
}

/** What to do next about removals. */
export type RemovalStep =
  | { readonly action: "wait" }
  /** Say that this node knows these, by node ID, once it is so. */
  | { readonly action: "know"; readonly nodeIDs: readonly string[] }
  /** Erase what this node has where it was no owner before these, then be `refilling`. */
  | { readonly action: "clear"; readonly names: readonly string[] }
  /** Take from these what they have on the arcs that this node gains. */
  | { readonly action: "refill"; readonly from: readonly string[] }
  /** Say that this node is done with all of them. */
  | { readonly action: "finish" }
  /** All are done with these, by node ID. */
  | { readonly action: "end"; readonly nodeIDs: readonly string[] };

const WAIT: RemovalStep = { action: "wait" };

/** The next step. @param refilledFrom Names of those that this node has read to the end. */
export function nextRemovalStep(
  view: RemovalView & { readonly refilledFrom: ReadonlySet<string> },
): RemovalStep {
  const { self, others, pending, refilledFrom } = view;
  const ended = pending.filter((removal) => isEnded(view, removal));
  if (ended.length > 0) return { action: "end", nodeIDs: ended.map(({ nodeID }) => nodeID) };
  const unknown = pending.filter(({ nodeID }) => stageOf(self, nodeID) === undefined);
  if (unknown.length > 0) return { action: "know", nodeIDs: unknown.map(({ nodeID }) => nodeID) };
  if (pending.some(({ nodeID }) => nodeID === self.nodeID)) return WAIT;
  if (self.status !== "normal" || pending.every(({ nodeID }) => isDone(self, nodeID))) return WAIT;
  const known = pending.filter(({ nodeID }) => stageOf(self, nodeID) === "known");
  if (known.length > 0) {
    if (!isKnownByAll(view)) return WAIT;
    return { action: "clear", names: known.map(({ name }) => name) };
  }
  const established = others.filter((member) => !isNew(view, member));
  if (established.some(({ status }) => status !== "normal")) return WAIT;
  const from = [...established.map(({ name }) => name), ...sourcesOf(view)]
    .filter((name) => !refilledFrom.has(name));
  return from.length === 0 ? { action: "finish" } : { action: "refill", from };
}

/** Whether no request, of those under way or to come, can count a removed member any more. */
export function isKnownByAll(
  { self, others, pending, leaving }: Omit<RemovalView, "settled">,
): boolean {
  return pending.every(({ nodeID, dead }) => {
    const knows = (member: Member) => stageOf(member, nodeID) !== undefined;
    return knows(self) && others.every(knows) &&
      (dead || leaving.some((member) => member.nodeID === nodeID && knows(member)));
  });
}

/**
 * Why a member cannot be removed now; undefined where it can. Members that live are removed one at a
 * time, and only while all are `normal` and nobody is away: keys of which the one that is away and the
 * one that goes are owners would have no quorum until it is back. One that is dead is removed at any
 * time: whatever waits for it would wait for ever.
 *
 * @param liveness How the node that is asked hears the member.
 * @param down Names of members that the same node does not hear any more.
 */
export function whyNotRemovable(
  { name, dead, liveness, down = [] }: {
    name: string;
    dead: boolean;
    liveness: Liveness;
    down?: readonly string[];
  },
  { self, others, pending }: Pick<RemovalView, "self" | "others" | "pending">,
): string | undefined {
  // Who is asked may be on its way out itself, and is then nobody who stays.
  const all = [self, ...others].filter((one) =>
    pending.every((removal) => removal.name !== one.name)
  );
  const goesOn = pending.find((removal) => removal.name === name);
  if (goesOn === undefined && all.every((one) => one.name !== name)) {
    return "there is no such member";
  }
  if (dead && name === self.name) return "it is the one that is asked";
  if (dead && liveness === "up") return "it answers: stop it first, or leave out that it is dead";
  if (goesOn !== undefined) return undefined;
  if (all.length === 1) return "it is the last one: start another node first";
  if (pending.length >= PENDING_MAX) return `${pending.length} members are being removed`;
  if (dead) return undefined;
  if (pending.length > 0) return `${pending[0]!.name} is being removed`;
  if (liveness === "down") return "it does not answer: start it, or say that it is dead";
  const late = all.find((one) => one.status !== "normal");
  if (late !== undefined) return `${late.name} is ${late.status}`;
  const away = all.find((one) => down.includes(one.name));
  if (away === undefined) return undefined;
  return `${away.name} does not answer: start it, or say of it first that it is dead`;
}

/**
 * Names of members that are being removed and have data that others may lack. A member that lost data
 * itself is not among them, since what it has left proves nothing.
 */
export function sourcesOf(
  { pending, leaving }: Pick<RemovalView, "pending" | "leaving">,
): string[] {
  return pending.filter(({ dead }) => !dead).map(({ name }) => name)
    .filter((name) => leaving.find((member) => member.name === name)?.status === "normal");
}

/**
 * Whether all members are done with a removal. One that is new takes everything from everybody later, so
 * it only has to know. But where all are new, because all others are being removed, nobody else is left
 * to take it from.
 */
function isEnded(view: RemovalView, { nodeID, dead }: Removal): boolean {
  const members = [view.self, ...view.others];
  if (!dead && members.every((member) => isNew(view, member))) return false;
  return members.every((member) =>
    isNew(view, member) ? stageOf(member, nodeID) !== undefined : isDone(member, nodeID)
  );
}

function isDone(member: Member, nodeID: string): boolean {
  return stageOf(member, nodeID) === "done";
}

function isNew({ settled }: RemovalView, { name, status }: Member): boolean {
  return status === "joining" && !settled.has(name);
}
