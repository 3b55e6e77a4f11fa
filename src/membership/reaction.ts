/** What a node does about a view that another one sends it. Pure. */
import { isSameOptions, type SharedOptions } from "../config.ts";
import type { GossipMessage } from "./gossip_message.ts";
import type { Member } from "./member.ts";
import type { RemovalSet } from "./removal_set.ts";

/**
 * What to do about a view:
 * - `merge`: take over what is newer in it;
 * - `ignore`: leave it. Its sender was removed, and is told so by the answer; or it is new and was
 *   started with other options, and is not taken in;
 * - `stop`: this node must stop, since it is the one that is new and has other options;
 * - `other_cluster`: leave it. Its sender is a member of another cluster.
 */
export type Reaction = "merge" | "ignore" | "stop" | "other_cluster";

/** What the decision rests on: the node that receives the view. */
export interface Receiver {
  readonly self: Member;
  readonly shared: SharedOptions;
  /** By name; this node, and those that are being removed, too. */
  readonly members: ReadonlyMap<string, Member>;
  readonly removals: RemovalSet;
  /** Node IDs of this node from before it lost its data. */
  readonly formerIDs: ReadonlySet<string>;
  /** Whether all members that it knows are new. */
  readonly isForming: boolean;
}

/** What to do about a view. */
export function reactionTo(message: GossipMessage, receiver: Receiver): Reaction {
  if (isByRemoved(message, receiver)) return "ignore";
  const reaction = reactionToOptions(message, receiver);
  return reaction !== "ignore" && isOfAnotherCluster(message, receiver)
    ? "other_cluster"
    : reaction;
}

/** Whether a removed life sent it. What such a one says is old news. */
function isByRemoved({ from, members }: GossipMessage, { removals }: Receiver): boolean {
  if (removals.isEmpty) return false;
  const sender = members.find(({ name }) => name === from);
  return sender !== undefined && !removals.admits(sender);
}

/**
 * Nodes that were started with other options would own and count otherwise than the members do. Between
 * members that know each other the options decide nothing.
 */
function reactionToOptions(
  { from, members, options }: GossipMessage,
  { self, shared, isForming }: Receiver,
): Reaction {
  if (options === undefined || isSameOptions(options, shared)) return "merge";
  const sender = members.find(({ name }) => name === from);
  const isSenderNormal = sender !== undefined && isNormal(sender);
  if (isNormal(self)) return isSenderNormal ? "merge" : "ignore";
  return isSenderNormal || isForming ? "stop" : "ignore";
}

/**
 * Two views of one cluster always share a member, or one that was removed, since no member is removed
 * before all others know of it. Nodes that are new prove nothing: one may have spoken to two clusters.
 * A node that lost its data is recognized by a node ID of before, since all others that it remembers may
 * have been replaced meanwhile; and where it was replaced itself, by the lives that say so.
 */
function isOfAnotherCluster(
  { members, removed = [] }: GossipMessage,
  receiver: Receiver,
): boolean {
  return members.some(isNormal) && !receiver.isForming &&
    !members.some((member) => isShared(member, receiver)) &&
    !removed.some(({ nodeID }) => knowsLife(nodeID, receiver));
}

/** Whether a member of a view proves that it is of this node's cluster. */
function isShared(member: Member, { members, removals, formerIDs }: Receiver): boolean {
  const lives = livesOf(member);
  if (isNormal(member) && lives.some((nodeID) => formerIDs.has(nodeID))) return true;
  if (removals.get(member.nodeID) !== undefined) return true;
  const known = members.get(member.name);
  return known !== undefined && livesOf(known).some((nodeID) => lives.includes(nodeID)) &&
    (isNormal(known) || isNormal(member));
}

/** Node IDs of a member, and of those whose place it has certainly taken: a new one may be wrong. */
function livesOf(member: Member): string[] {
  const replaced = isNormal(member) ? member.replaces ?? [] : [];
  return [member.nodeID, ...replaced.map(({ nodeID }) => nodeID)];
}

/** Whether there is, or was, a member of this node ID. */
function knowsLife(nodeID: string, { members, removals }: Receiver): boolean {
  return removals.get(nodeID) !== undefined ||
    [...members.values()].some((member) => member.nodeID === nodeID);
}

function isNormal({ status }: Member): boolean {
  return status === "normal";
}
