/**
 * How a member is removed: a decision that all remaining members come to share before anybody counts
 * otherwise than before. Pure.
 *
 * The ring is over the members that are not removed, at once, wherever the removal is known. What
 * changes hands are arcs of which the removed member was an owner: in its place comes another, which
 * has none of their data, or leftovers from before it was no owner of them. So for each removal a
 * member says how far it is (`RemovalStage`), and on the arcs that it gains it counts
 * - for nothing, while somebody may still count the removed member: what is acknowledged is then on
 *   owners that both rings have, in quorums which meet those of the old ring;
 * - for writes, once all are known to know of the removal, and it has erased what it had there;
 * - for reads too, once it has taken over all that the other members have there, and the removed one,
 *   unless that is dead.
 * Until the removal has ended, which is when all are done, quorums are as large as before, and no
 * tombstone is collected. Where read quorums are smaller then (fewer members than N are left), all take
 * over everything: what several that are gone acknowledged with one of the others might be missed.
 */
import { parseOrigin } from "../config.ts";
import { ConvergeError } from "../errors.ts";
import { isNodeID } from "../record/version.ts";
import type { Liveness } from "./failure_detector.ts";
import type { Member } from "./member.ts";

/** Removals that are remembered; no more than these are begun. */
export const REMOVALS_MAX = 4_096;

/**
 * Removals that may go on at once: of each of them all members say how far they are, in each message.
 * Where several nodes begin some at once there may be more.
 */
export const PENDING_MAX = 64;

/** That a life of a node is no member any more. Nothing takes it back. */
export interface Removal {
  readonly name: string;
  readonly nodeID: string;
  readonly origin: string;
  /** What the life had said last: what earlier lives of the name say is not newer. */
  readonly incarnation: number;
  /** Whether nobody is to wait for what it says or has. */
  readonly dead: boolean;
  /** Whether all members have taken over what they gain. */
  readonly ended: boolean;
}

/**
 * How far a member is with a removal:
 * - `known`: it will know of it after a restart too, and no request by the ring of before is under way;
 * - `refilling`: everybody knows; it counts for writes on the arcs that it gains;
 * - `done`: it has what it should have there, and counts for reads.
 */
export type RemovalStage = "known" | "refilling" | "done";

/** By node ID of what is removed. */
export type RemovalStages = Readonly<Record<string, RemovalStage>>;

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

/** Whether nobody can count those that are removed any more, in requests that begin or have begun. */
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
 * Why a member cannot be removed now; undefined where it can. One at a time, and only while nobody is
 * on the way to own other keys than now, or to have what it owns, and nobody is away: keys of which that
 * one and the one that goes are owners would have no quorum until it is back. What waits for one that
 * is dead would wait for ever, so that one is removed at any time.
 *
 * @param liveness How the member is heard, by the node that is asked.
 * @param down Names of members that are not heard any more, by the same.
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
  if (all.length === 1) return "it is the last one";
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
 * Names of members that are being removed and have data that others may lack: not of one that lost some
 * itself, since what is left of that proves nothing.
 */
export function sourcesOf(
  { pending, leaving }: Pick<RemovalView, "pending" | "leaving">,
): string[] {
  return pending.filter(({ dead }) => !dead).map(({ name }) => name)
    .filter((name) => leaving.find((member) => member.name === name)?.status === "normal");
}

/** How far a member is, as it says; undefined where it does not say that it knows. */
export function stageOf(member: Member, nodeID: string): RemovalStage | undefined {
  return member.removals?.[nodeID];
}

/**
 * One that is new takes everything from everybody later, and need only know. Where all are, because
 * all others are being removed, there is nobody else to take it from.
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

/** Whether two statements say the same about removals. */
export function isSameStages(a: RemovalStages = {}, b: RemovalStages = {}): boolean {
  const nodeIDs = Object.keys(a);
  return nodeIDs.length === Object.keys(b).length && nodeIDs.every((id) => a[id] === b[id]);
}

/** Checks stages that came over the wire. @throws {ConvergeError} `corrupt_message`. */
export function parseStages(json: unknown): RemovalStages {
  const entries = Object.entries(json ?? {});
  const isUsable = typeof json === "object" && json !== null && entries.length <= REMOVALS_MAX &&
    entries.every(([id, stage]) =>
      isNodeID(id) && (stage === "known" || stage === "refilling" || stage === "done")
    );
  if (isUsable) return Object.fromEntries(entries) as RemovalStages;
  throw new ConvergeError("corrupt_message", "Cannot read a member: its `removals` are wrong");
}

/** Checks removals that came over the wire. @throws {ConvergeError} `corrupt_message`. */
export function parseRemovals(json: unknown): Removal[] {
  try {
    if (!Array.isArray(json) || json.length > REMOVALS_MAX) throw new TypeError("no list");
    return json.map(parseRemoval);
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read gossip: `removed` is wrong", { cause });
  }
}

function parseRemoval(json: unknown): Removal {
  const { name, nodeID, origin, incarnation, dead, ended } = (json ??
    {}) as Record<keyof Removal, unknown>;
  if (
    typeof name !== "string" || !isNodeID(nodeID) || !nodeID.startsWith(`${name}.`) ||
    typeof origin !== "string" || !Number.isSafeInteger(incarnation) ||
    typeof dead !== "boolean" || typeof ended !== "boolean"
  ) throw new TypeError("a field is missing or wrong");
  parseOrigin("origin", origin);
  return { name, nodeID, origin, incarnation: incarnation as number, dead, ended };
}
