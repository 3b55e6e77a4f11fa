/**
 * What a node has on its disk of the cluster, and whom it may name to others by that. It names only members
 * that it will know after a restart too. A joining node counts once all know it; a node that forgot it again
 * would go by the former owners.
 */
import type { Gossip } from "../../membership/gossip.ts";
import type { GossipMessage } from "../../membership/gossip_message.ts";
import type { Member } from "../../membership/member.ts";
import type { Removal } from "../../membership/removal.ts";

/** What a node remembers of the cluster. */
export interface SavedMembership {
  self: Member;
  /** This node, and those that are being removed, too. */
  members: Member[];
  seeds: [origin: string, name: string][];
  /** Names that were `normal` once. Not in files of earlier versions. */
  settled?: string[];
  /** Lives that are members no more. Absent where there are none. */
  removed?: Removal[];
}

/** Name of the document that holds it. */
export const MEMBERSHIP_DOCUMENT = "membership";

/** Members that a node will know of after a restart, too. */
export interface KnownAfterRestart {
  /** By node ID. */
  readonly lives: ReadonlySet<string>;
  /** By name, those that will be on its ring. Another life of one of them changes nothing of that. */
  readonly names: ReadonlySet<string>;
}

/** What is to be remembered now. */
export function membershipOf(gossip: Gossip): SavedMembership {
  return {
    self: gossip.self,
    members: everybody(gossip),
    seeds: [...gossip.resolvedSeeds],
    settled: [...gossip.settled],
    ...(gossip.removed.length === 0 ? {} : { removed: gossip.removed }),
  };
}

/** @param onDisk Members that are on the disk. */
export function knownAfterRestart(gossip: Gossip, onDisk: readonly Member[]): KnownAfterRestart {
  return {
    lives: livesOf([gossip.self, ...onDisk.filter(isRemembered(gossip))]),
    names: namesOf(onDisk).intersection(namesOf(gossip.members)),
  };
}

/** Whether nothing would be forgotten by a restart that could be kept. */
export function isUpToDate({ lives }: KnownAfterRestart, gossip: Gossip): boolean {
  return livesOf(everybody(gossip).filter(isRemembered(gossip))).isSubsetOf(lives);
}

/**
 * The view to send. It is enough that an earlier life of a name is on disk, since the ring is the same
 * with that one. So a full disk here keeps nobody from coming back with an empty one.
 */
export function messageOf(gossip: Gossip, { lives, names }: KnownAfterRestart): GossipMessage {
  const message = gossip.message();
  const members = message.members.filter(({ nodeID, name }) =>
    lives.has(nodeID) || names.has(name)
  );
  return { ...message, members };
}

/** All that a node remembers: those that are being removed, too. */
function everybody(gossip: Gossip): Member[] {
  return [...gossip.members, ...gossip.leaving];
}

/** One that took the place of a life that is being removed is forgotten at the next start. */
function isRemembered(gossip: Gossip): (member: Member) => boolean {
  const { self } = gossip;
  return (member) => member.nodeID === self.nodeID || gossip.remembers(member);
}

function livesOf(members: readonly Member[]): Set<string> {
  return new Set(members.map(({ nodeID }) => nodeID));
}

function namesOf(members: readonly Member[]): Set<string> {
  return new Set(members.map(({ name }) => name));
}

/**
 * Whether a node that is removed has nothing to do any more. As long as its removal goes on, it still gives
 * the others what it has.
 */
export function isGone({ nodeID, dead, ended }: Removal, self: Member): boolean {
  return dead || ended || nodeID !== self.nodeID;
}
