/**
 * Who owns what, and who counts: the ring and the quorums that follow from a view of the members.
 * Immutable; a change of membership makes a new one.
 *
 * N never shrinks because somebody cannot be reached: all known members are on the ring whatever
 * their liveness, and a seed from the command line that nobody has heard of yet counts as a member.
 * While all members together are no more than N, everybody owns everything, so such seeds can be
 * counted as owners without being placed; with more, ownership is unknown until they are (503).
 */
import { ConvergeError } from "../errors.ts";
import type { Member } from "../membership/member.ts";
import { type QuorumOptions, type Quorums, quorumsOf } from "../membership/quorums.ts";
import { type Key, keyFromText } from "../record/key.ts";
import { type Arc, HashRing } from "../ring/hash_ring.ts";
import { formatToken, type Token, tokenOf } from "../ring/token.ts";

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

/** What a topology is made of. */
export interface TopologyOptions extends QuorumOptions {
  members: readonly Member[];
  unresolvedSeeds: readonly string[];
  /** Names that were `normal` once; default: all that are. */
  settled?: Iterable<string>;
  selfName: string;
  virtualNodes: number;
}

/** An immutable view of ownership. */
export class Topology {
  readonly members: readonly Member[];
  readonly unresolvedSeeds: readonly string[];
  readonly quorums: Quorums;
  readonly ring: HashRing;
  /** Equal on nodes whose rings are equal: arcs, leaves and owners then mean the same on both. */
  readonly fingerprint: string;
  readonly #ownersByArc: readonly OwnerSet[];
  readonly #complete: boolean;
  readonly #tokensPerNode: number;
  /** Names that were `normal` once, as far as this node knows. */
  readonly settled: readonly string[];
  #ringBefore: HashRing | undefined;

  constructor(options: TopologyOptions) {
    this.members = options.members;
    this.#tokensPerNode = options.virtualNodes;
    this.settled = [
      ...options.settled ??
        options.members.filter(({ status }) => status === "normal").map(({ name }) => name),
    ];
    this.unresolvedSeeds = options.unresolvedSeeds;
    const total = options.members.length + options.unresolvedSeeds.length;
    this.quorums = quorumsOf(total, options);
    this.ring = new HashRing(options.members.map(({ name }) => name), {
      tokensPerNode: options.virtualNodes,
      owners: this.quorums.n,
    });
    const names = this.ring.names.join(" ");
    this.fingerprint = formatToken(
      tokenOf(keyFromText(`${this.quorums.n} ${options.virtualNodes} ${names}`)),
    );
    const owners = new Map(options.members.map((member) => [
      member.name,
      ownerOf(member, options.selfName),
    ]));
    const unplaced = options.unresolvedSeeds.map(unplacedOwner);
    // Beyond N members an unheard seed may own any key: whoever is normal has known the cluster
    // whole, and new seeds of its command line are then only addresses to try.
    const self = options.members.find(({ name }) => name === options.selfName);
    const everybodyOwns = total <= this.quorums.n;
    this.#complete = everybodyOwns || unplaced.length === 0 || self?.status === "normal";
    const sets = new Map<string, OwnerSet>();
    this.#ownersByArc = this.ring.arcs.map((arc) => {
      const id = arc.owners.join(" ");
      let set = sets.get(id);
      if (set === undefined) {
        const placed = arc.owners.map((name) => owners.get(name)!);
        sets.set(id, set = ownerSet(everybodyOwns ? [...placed, ...unplaced] : placed));
      }
      return set;
    });
  }

  /**
   * The owners of a key, first owner first; N of them.
   *
   * @throws {ConvergeError} `not_ready` while ownership is not known.
   */
  ownersOf(key: Key): readonly Owner[] {
    return this.ownerSetOf(tokenOf(key)).owners;
  }

  /** The owners of a token. @throws {ConvergeError} `not_ready` while ownership is not known. */
  ownersOfToken(token: Token): readonly Owner[] {
    return this.ownerSetOf(token).owners;
  }

  /** The owners of a token. @throws {ConvergeError} `not_ready` while ownership is not known. */
  ownerSetOf(token: Token): OwnerSet {
    const arc = this.#complete ? this.ring.arcOf(token) : undefined;
    if (arc === undefined) {
      throw new ConvergeError(
        "not_ready",
        `Cannot tell the owners of a key: not heard yet from ${this.unresolvedSeeds.join(", ")}`,
      );
    }
    return this.#ownersByArc[arc.index]!;
  }

  /**
   * The ring as it was before members joined that are still on their way: who has the data of before.
   *
   * @param settled Names that somebody else knows to have been `normal` once.
   */
  ringBefore(settled: readonly string[]): HashRing {
    const known = new Set([...this.settled, ...settled]);
    const names = this.ring.names.filter((name) => known.has(name));
    if (names.length === this.ring.names.length) return this.ring;
    if (this.#ringBefore?.names.join(" ") !== names.join(" ")) {
      const owners = this.quorums.n;
      this.#ringBefore = new HashRing(names, { tokensPerNode: this.#tokensPerNode, owners });
    }
    return this.#ringBefore!;
  }

  /** The arc of a key. Undefined only on an empty ring. */
  arcOf(key: Key): Arc | undefined {
    return this.ring.arcOf(tokenOf(key));
  }

  /** Whether ownership is known, and enough members count for quorums to be reached at all. */
  get serving(): boolean {
    const normal = this.members.filter(({ status }) => status === "normal").length;
    return this.#complete && normal >= Math.max(this.quorums.r, this.quorums.w);
  }

  /** Whether `name` is among the owners of a key. */
  owns(name: string, key: Key): boolean {
    return this.arcOf(key)?.owners.includes(name) ?? false;
  }
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

/** Makes a set of owners in this order. */
export function ownerSet(owners: readonly Owner[]): OwnerSet {
  return {
    owners,
    countsForWrites: owners.map(({ countsForWrites }) => countsForWrites),
    countsForReads: owners.map(({ countsForReads }) => countsForReads),
    selfAt: owners.findIndex(({ isSelf }) => isSelf),
  };
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
