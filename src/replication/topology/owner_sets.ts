/** Who owns each arc of a ring, and what each owner counts for there. Pure. */
import type { Member } from "../../membership/member.ts";
import type { Removal } from "../../membership/removal.ts";
import { stageOf } from "../../membership/removal_stage.ts";
import type { HashRing } from "../../ring/hash_ring.ts";
import { type Owner, type OwnerSet, ownerSet } from "./owner.ts";

/** What the owners of arcs follow from. */
export interface OwnerSetOptions {
  readonly ring: HashRing;
  /** All that are on the ring. */
  readonly members: readonly Member[];
  readonly selfName: string;
  /** Removals that have not ended. */
  readonly pending: readonly Removal[];
  /** By arc, who owns some part of it only since members are being removed; undefined where none are. */
  readonly newOwners: readonly ReadonlySet<string>[] | undefined;
  /** Origins of seeds not heard of yet that own every arc. */
  readonly unplaced: readonly string[];
}

/** By index of an arc, its owners: one object for all arcs with the same owners that count alike. */
export function ownerSetsByArc(options: OwnerSetOptions): OwnerSet[] {
  const { ring, members, selfName, pending, newOwners } = options;
  const owners = new Map(members.map((member) => [member.name, ownerOf(member, selfName)]));
  const gaining = new Map(
    members.map((member) => [member.name, gainingOwner(owners.get(member.name)!, member, pending)]),
  );
  const unplaced = options.unplaced.map(unplacedOwner);
  const sets = new Map<string, OwnerSet>();
  return ring.arcs.map((arc) => {
    const isNew = (name: string) => newOwners?.[arc.index]?.has(name) === true;
    const placed = arc.owners.map((name) => (isNew(name) ? gaining : owners).get(name)!);
    const id = placed.map(({ name, gaining = "" }) => `${name} ${gaining}`).join();
    let set = sets.get(id);
    if (set === undefined) sets.set(id, set = ownerSet([...placed, ...unplaced]));
    return set;
  });
}

function ownerOf(member: Member, selfName: string): Owner {
  return {
    name: member.name,
    member,
    isSelf: member.name === selfName,
    countsForWrites: member.status !== "joining",
    countsForReads: member.status === "normal",
  };
}

/** The same on arcs that it gains by removals: there it counts as far as it says. */
function gainingOwner(owner: Owner, member: Member, pending: readonly Removal[]): Owner {
  // In whose place it owns an arc is not looked at: it counts as far as it is with all of them.
  const stages = pending.map(({ nodeID }) => stageOf(member, nodeID))
    .filter((stage) => stage !== "done");
  if (stages.length === 0) return owner;
  const gaining = stages.every((stage) => stage === "refilling") ? "refilling" : "joining";
  const countsForWrites = owner.countsForWrites && gaining === "refilling";
  return { ...owner, gaining, countsForWrites, countsForReads: false };
}

function unplacedOwner(origin: string): Owner {
  return {
    name: origin,
    member: undefined,
    isSelf: false,
    countsForWrites: false,
    countsForReads: false,
  };
}
