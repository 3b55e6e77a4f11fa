/** An owner of a key, and the owners of a key together. */
import type { Member } from "../../membership/member.ts";

/** An owner of a key. */
export interface Owner {
  /** Name, or origin for a seed not heard of yet. */
  readonly name: string;
  /** Undefined for a seed not heard of yet. */
  readonly member: Member | undefined;
  readonly isSelf: boolean;
  /** Whether its answers count towards W. */
  readonly countsForWrites: boolean;
  /** Whether its answers count towards R. */
  readonly countsForReads: boolean;
  /**
   * Present where it owns the arc in the place of a member that is being removed, and lacks data there. A
   * `joining` owner is not told of writes. Neither a `joining` nor a `refilling` one is asked what it has.
   */
  readonly gaining?: "joining" | "refilling";
}

/** The owners of a key, first owner first. One object per distinct set: operations share it. */
export interface OwnerSet {
  readonly owners: readonly Owner[];
  /** By position, whether it counts towards W. */
  readonly countsForWrites: readonly boolean[];
  /** By position, whether it counts towards R. */
  readonly countsForReads: readonly boolean[];
  /** Position of this node, -1 where it is no owner. */
  readonly selfAt: number;
}

/** Makes a set of owners in this order. */
export function ownerSet(owners: readonly Owner[]): OwnerSet {
  return {
    owners,
    countsForWrites: owners.map(({ countsForWrites }) => countsForWrites),
    countsForReads: owners.map(({ countsForReads }) => countsForReads),
    selfAt: owners.findIndex(({ isSelf }) => isSelf),
  };
}
