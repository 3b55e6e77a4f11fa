/**
 * The removals that a node knows of: a set that only grows, of entries that only ever go one way. So
 * copies of it come to agree whoever merges what, in any order and any number of times (a state-based
 * CRDT: Shapiro et al., "Conflict-Free Replicated Data Types", SSS 2011).
 */
import type { Member } from "./member.ts";
import { LIVES_MAX, type Removal, REMOVALS_MAX } from "./removal.ts";

/** What a merge has changed. */
export interface RemovalNews {
  /** The removal as it is known now. */
  readonly removal: Removal;
  /** Whether nothing was known of it. */
  readonly isNew: boolean;
  /** Whether it was not known to have ended. */
  readonly hasJustEnded: boolean;
}

/** The removals that one node knows of. */
export class RemovalSet {
  /** Invariant: only grows, up to `REMOVALS_MAX`. */
  readonly #byNodeID = new Map<string, Removal>();
  /** The same by name, in the order in which this node heard of them. */
  #byName = new Map<string, readonly Removal[]>();

  /** @param removals Those remembered from before a restart. */
  constructor(removals: Iterable<Removal> = []) {
    for (const removal of removals) this.#byNodeID.set(removal.nodeID, removal);
    this.#indexNames();
  }

  get isEmpty(): boolean {
    return this.#byNodeID.size === 0;
  }

  /** All of them, those that have ended too. */
  get all(): Removal[] {
    return [...this.#byNodeID.values()];
  }

  /** Those that have not ended. */
  get pending(): Removal[] {
    if (this.isEmpty) return [];
    return this.all.filter(({ ended }) => !ended);
  }

  /** Names of those that are being removed. */
  get pendingNames(): Set<string> {
    return new Set(this.pending.map(({ name }) => name));
  }

  /** The removal of one life. */
  get(nodeID: string): Removal | undefined {
    return this.#byNodeID.get(nodeID);
  }

  /** Removals of lives of one name; undefined where there are none. */
  ofName(name: string): readonly Removal[] | undefined {
    return this.#byName.get(name);
  }

  /** Whether what is said is by a life that is no member any more, or by an earlier one of the name. */
  isOfRemovedLife(member: Member): boolean {
    return this.ofName(member.name)?.some((removal) => isRemovedLife(removal, member)) ?? false;
  }

  /** Whether what a member says is taken note of: of one that is being removed it is, by a life that is. */
  admits(member: Member): boolean {
    const pending = this.ofName(member.name)?.filter(({ ended }) => !ended) ?? [];
    if (pending.length === 0) return !this.isOfRemovedLife(member);
    return pending.some(({ nodeID }) => nodeID === member.nodeID);
  }

  /** Merges what somebody knows of one removal; undefined where it is no news, or there is no room. */
  merge(heard: Removal): RemovalNews | undefined {
    const before = this.#byNodeID.get(heard.nodeID);
    if (before === undefined && this.#byNodeID.size >= REMOVALS_MAX) return undefined;
    const removal = mergedRemoval(heard, before);
    if (before !== undefined && isSameRemoval(removal, before)) return undefined;
    this.#byNodeID.set(removal.nodeID, removal);
    this.#indexNames();
    const hasJustEnded = removal.ended && before?.ended !== true;
    return { removal, isNew: before === undefined, hasJustEnded };
  }

  #indexNames(): void {
    this.#byName = Map.groupBy(this.#byNodeID.values(), ({ name }) => name);
  }
}

/** Both of what two nodes know of one removal: nothing of it is ever taken back. */
function mergedRemoval(a: Removal, b: Removal | undefined): Removal {
  if (b === undefined) return a;
  const incarnation = Math.max(a.incarnation, b.incarnation);
  return {
    ...a,
    incarnation,
    ...mergedReplaced(a, b),
    dead: a.dead || b.dead,
    ended: a.ended || b.ended,
  };
}

/** In one order, so that those that are left out over the bound are the same everywhere. */
function mergedReplaced(a: Removal, b: Removal): Pick<Removal, "replaced"> {
  if (a.replaced === undefined && b.replaced === undefined) return {};
  const lives = new Set([...a.replaced ?? [], ...b.replaced ?? []]);
  return { replaced: [...lives].sort().slice(0, LIVES_MAX) };
}

/** Whether a statement is by a life that is no member any more, or by an earlier one of the name. */
function isRemovedLife(removal: Removal, member: Member): boolean {
  return member.name === removal.name &&
    (member.incarnation <= removal.incarnation || removesLife(removal, member.nodeID));
}

/** Whether a life is removed, or was replaced by the one that is. */
export function removesLife({ nodeID, replaced }: Removal, life: string): boolean {
  return life === nodeID || (replaced?.includes(life) ?? false);
}

/** By all that ever changes of a removal. */
function isSameRemoval(a: Removal, b: Removal): boolean {
  return a.dead === b.dead && a.ended === b.ended && a.incarnation === b.incarnation &&
    a.replaced?.join() === b.replaced?.join();
}
