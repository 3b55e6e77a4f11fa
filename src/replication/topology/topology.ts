/**
 * Who owns what, and who counts: the ring and the quorums that follow from a view of the members.
 * Immutable; a change of membership makes a new one.
 *
 * N never shrinks because somebody cannot be reached. All known members are on the ring, whatever their
 * liveness, and a seed from the command line counts as a member even while nobody has heard of it. As
 * long as all members together are no more than N, everybody owns everything, so such seeds count as
 * owners without a place on the ring. With more members, ownership is unknown until the seeds are heard
 * of, and requests are answered 503.
 *
 * While a member is being removed the ring is over the others, and quorums are as large as with it.
 * `membership/removal_step.ts` says when an owner counts on an arc that it gains by that.
 */
import { ConvergeError } from "../../errors.ts";
import type { Member } from "../../membership/member.ts";
import { type QuorumOptions, type Quorums, quorumsOf } from "../../membership/quorums.ts";
import type { Removal } from "../../membership/removal.ts";
import { stageOf } from "../../membership/removal_stage.ts";
import { type Key, keyFromText } from "../../record/key.ts";
import { type Arc, HashRing } from "../../ring/hash_ring.ts";
import { formatToken, type Token, tokenOf } from "../../ring/token.ts";
import { arcsOnceOwnedBy, newOwnersByArc } from "./gained_arcs.ts";

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

/** What a topology is made of. */
export interface TopologyOptions extends QuorumOptions {
  members: readonly Member[];
  unresolvedSeeds: readonly string[];
  /** Names that were `normal` once; default: all that are. */
  settled?: Iterable<string>;
  /** Removals that have not ended. Default: none. */
  pending?: readonly Removal[];
  /** Names of those of them that have data which others may lack. Default: all that are not dead. */
  sources?: readonly string[];
  /** Whether this node may know less than those who count do, see `Gossip.isUnknown`. Default: no. */
  isUnknown?: boolean;
  /** Whether this node is no member any more; one that is being removed is in `pending`. Default: no. */
  isRemoved?: boolean;
  selfName: string;
  virtualNodes: number;
}

/** An immutable view of ownership. */
export class Topology {
  readonly members: readonly Member[];
  readonly unresolvedSeeds: readonly string[];
  /** Names that were `normal` once, as far as this node knows. */
  readonly settled: readonly string[];
  /** Removals that have not ended. */
  readonly pending: readonly Removal[];
  /** Names of those of them that have what they owned. */
  readonly sources: readonly string[];
  readonly quorums: Quorums;
  readonly ring: HashRing;
  /** Equal on nodes whose rings are equal: arcs, leaves and owners then mean the same on both. */
  readonly fingerprint: string;
  readonly #selfName: string;
  readonly #tokensPerNode: number;
  /** N of a cluster that has as many members. */
  readonly #ownersMax: number;
  /** Whether ownership is known. */
  readonly #complete: boolean;
  readonly #isLeaving: boolean;
  /** Of those that are being removed: two lives of one name were one owner. */
  readonly #leavingNames: ReadonlySet<string>;
  readonly #isUnknown: boolean;
  readonly #ownersByArc: readonly OwnerSet[];
  /** The ring with those that are being removed; undefined where there are none. */
  readonly #ringWithLeaving: HashRing | undefined;
  /** By arc, who owns some part of it only since members are being removed; undefined likewise. */
  readonly #newOwners: readonly ReadonlySet<string>[] | undefined;
  /** Whether read quorums are smaller once those are removed that are being removed. */
  readonly #readsShrink: boolean;
  /** What was asked for last, of `ringBefore`, `ringsBefore`, `ringsToFill` and `leftovers`. */
  #ringBefore: HashRing | undefined;
  #ringOfRemaining: HashRing | undefined;
  #ringsToFill: { name: string; rings: readonly HashRing[] } | undefined;
  #leftovers: ((token: Token) => boolean) | undefined;

  constructor(options: TopologyOptions) {
    const { members, unresolvedSeeds, pending = [], selfName } = options;
    this.members = members;
    this.unresolvedSeeds = unresolvedSeeds;
    this.pending = pending;
    this.sources = options.sources ?? pending.filter(({ dead }) => !dead).map(({ name }) => name);
    this.settled = [
      ...options.settled ??
        members.filter(({ status }) => status === "normal").map(({ name }) => name),
    ];
    this.#selfName = selfName;
    this.#tokensPerNode = options.virtualNodes;
    this.#ownersMax = options.replication;
    this.#leavingNames = new Set(pending.map(({ name }) => name));
    this.#isLeaving = options.isRemoved === true || this.#leavingNames.has(selfName);
    this.#isUnknown = options.isUnknown === true;
    const total = members.length + unresolvedSeeds.length;
    const now = quorumsOf(total, options);
    const before = quorumsOf(total + this.#leavingNames.size, options);
    this.quorums = pending.length === 0 ? now : { ...before, n: now.n };
    this.#readsShrink = now.r < before.r;
    this.ring = this.#ringOf(members.map(({ name }) => name), this.quorums.n);
    // A seed that this node alone waits for owns nothing that others could compare.
    const placed = Math.min(this.quorums.n, this.ring.names.length);
    const names = this.ring.names.join(" ");
    this.fingerprint = formatToken(
      tokenOf(keyFromText(`${placed} ${options.virtualNodes} ${names}`)),
    );
    if (pending.length > 0) {
      const withLeaving = [...this.ring.names, ...this.#leavingNames];
      this.#ringWithLeaving = this.#ringOf(withLeaving, before.n);
      this.#newOwners = newOwnersByArc(this.ring, this.#ringWithLeaving);
    }
    // Beyond N members a seed that was not heard of may own any key. But a node that is normal has known
    // the whole cluster: to it, new seeds on its command line are only addresses to try.
    const self = members.find(({ name }) => name === selfName);
    const everybodyOwns = total <= this.quorums.n;
    this.#complete = !this.#isLeaving && !this.#isUnknown &&
      (everybodyOwns || unresolvedSeeds.length === 0 || self?.status === "normal");
    this.#ownersByArc = this.#ownerSets(everybodyOwns ? unresolvedSeeds.map(unplacedOwner) : []);
  }

  /** By arc; `everywhere` are owners that every arc has. */
  #ownerSets(everywhere: readonly Owner[]): OwnerSet[] {
    const owners = new Map(
      this.members.map((member) => [member.name, ownerOf(member, this.#selfName)]),
    );
    const sets = new Map<string, OwnerSet>();
    return this.ring.arcs.map((arc) => {
      const id = this.#setID(arc, owners);
      let set = sets.get(id);
      if (set === undefined) {
        const placed = arc.owners.map((name) => this.#ownerAt(arc.index, owners.get(name)!));
        sets.set(id, set = ownerSet([...placed, ...everywhere]));
      }
      return set;
    });
  }

  /** The same for arcs with equal owners that count equally. */
  #setID(arc: Arc, owners: ReadonlyMap<string, Owner>): string {
    if (this.#newOwners === undefined) return arc.owners.join(" ");
    return arc.owners.map((name) => {
      const { gaining = "" } = this.#ownerAt(arc.index, owners.get(name)!);
      return `${name} ${gaining}`;
    }).join();
  }

  /** An owner of an arc: where it gains that, it counts as far as it says. */
  #ownerAt(arc: number, owner: Owner): Owner {
    const gaining = this.#newOwners?.[arc]?.has(owner.name) === true
      ? this.#gaining(owner.member!)
      : undefined;
    if (gaining === undefined) return owner;
    const countsForWrites = owner.countsForWrites && gaining === "refilling";
    return { ...owner, gaining, countsForWrites, countsForReads: false };
  }

  /** How far a member is with what it gains, in the place of whomever. */
  #gaining(member: Member): "joining" | "refilling" | undefined {
    const stages = this.pending.map(({ nodeID }) => stageOf(member, nodeID));
    if (stages.every((stage) => stage === "done")) return undefined;
    return stages.every((stage) => stage === "done" || stage === "refilling")
      ? "refilling"
      : "joining";
  }

  #ringOf(names: Iterable<string>, owners: number): HashRing {
    return new HashRing(names, { tokensPerNode: this.#tokensPerNode, owners });
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
      if (this.#isLeaving) {
        throw new ConvergeError("not_ready", "Cannot take requests: this node is being removed");
      }
      if (this.#isUnknown) {
        throw new ConvergeError(
          "not_ready",
          "Cannot tell the owners of a key: this node is new here",
        );
      }
      throw new ConvergeError(
        "not_ready",
        `Cannot tell the owners of a key: not heard yet from ${this.unresolvedSeeds.join(", ")}`,
      );
    }
    return this.#ownersByArc[arc.index]!;
  }

  /**
   * The ring of those that have the data of before: without members that are still joining, and with
   * those that are being removed.
   *
   * @param settled Names that somebody else knows to have been `normal` once.
   */
  ringBefore(settled: readonly string[]): HashRing {
    const known = new Set([...this.settled, ...settled]);
    const ring = this.#ringWithLeaving ?? this.ring;
    const names = ring.names.filter((name) => known.has(name) || this.#leavingNames.has(name));
    if (names.length === ring.names.length) return ring;
    if (this.#ringBefore?.names.join(" ") !== names.join(" ")) {
      this.#ringBefore = this.#ringOf(names, this.#ownersMax);
    }
    return this.#ringBefore!;
  }

  /**
   * The rings by which records were stored before members joined that are still on their way: that of
   * before, and while members are being removed the same without them. Who owns an arc by the second one
   * alone counts for writes there.
   */
  ringsBefore(settled: readonly string[]): readonly HashRing[] {
    const before = this.ringBefore(settled);
    if (this.pending.length === 0) return [before];
    const names = before.names.filter((name) => !this.#leavingNames.has(name));
    if (this.#ringOfRemaining?.names.join(" ") !== names.join(" ")) {
      this.#ringOfRemaining = this.#ringOf(names, this.#ownersMax);
    }
    return [before, this.#ringOfRemaining!];
  }

  /**
   * The rings by which `name` is filled: those of before, and the same with itself. A node that is filled
   * later, when this one counts, goes by them: what this one owns there others need not have any more as
   * owners of before, though it owns less once all that join are there.
   *
   * @param settled As for `ringBefore`.
   */
  ringsToFill(name: string, settled: readonly string[]): readonly HashRing[] {
    const before = this.ringsBefore(settled);
    const last = this.#ringsToFill;
    if (last?.name === name && before.every((ring, i) => ring === last.rings[i])) return last.rings;
    const joins = before.filter(({ names }) => !names.includes(name));
    const rings = [
      ...before,
      ...joins.map(({ names }) => this.#ringOf([...names, name], this.#ownersMax)),
    ];
    // Each page asks for them, and to make one takes milliseconds: tens where there are a hundred nodes.
    this.#ringsToFill = { name, rings };
    return rings;
  }

  /**
   * Tells of a token whether `name` owns it only since some members (`leaving`) were removed. It must
   * have been an owner in none of the rings that anybody went by before: neither in the one with members
   * that were still joining, nor in the one without them.
   */
  isNewTo(name: string, leaving: readonly string[]): (token: Token) => boolean {
    const withLeaving = [...this.ring.names, ...leaving];
    const settled = withLeaving.filter((one) => this.settled.includes(one));
    // Whoever owns a token by more members owns it by fewer of them, too, as long as it is one.
    const rings = [withLeaving, settled].map((names) => this.#ringOf(names, this.#ownersMax));
    const owns = (ring: HashRing, token: Token) =>
      ring.arcOf(token)?.owners.includes(name) ?? false;
    return (token) => owns(this.ring, token) && !rings.some((ring) => owns(ring, token));
  }

  /**
   * Tells of a token whether this node may have leftovers there: it gains the token by a removal, and has
   * not erased yet what it had of it before. Undefined where there can be none. What it gained by an
   * earlier removal, and counted for since, is no leftover: perhaps the only other owner is dead by now.
   */
  leftovers(): ((token: Token) => boolean) | undefined {
    const name = this.#selfName;
    const member = this.members.find((one) => one.name === name);
    if (member === undefined) return undefined;
    const uncleared = this.pending.filter(({ nodeID }) => {
      const stage = stageOf(member, nodeID);
      return stage === undefined || stage === "known";
    });
    if (uncleared.length === 0) return undefined;
    this.#leftovers ??= this.isNewTo(name, uncleared.map((removal) => removal.name));
    return this.#leftovers;
  }

  /** Whether an owner of an arc has all that it should have there, as far as removals go. */
  isCompleteAt(name: string, arc: number): boolean {
    return this.#ownersByArc[arc]!.owners.find((one) => one.name === name)?.gaining === undefined;
  }

  /**
   * Arcs, by index, of which `name` has to take over what others have, because members are being removed:
   * those that it gains, or a part of them. Where the removal makes read quorums smaller it is all arcs:
   * a smaller quorum could miss what several removed members acknowledged.
   */
  arcsToTakeOver(name: string): number[] {
    if (this.#readsShrink) return this.ring.arcs.map(({ index }) => index);
    return [...this.#newOwners?.entries() ?? []]
      .filter(([, names]) => names.has(name)).map(([arc]) => arc);
  }

  /** Arcs, by index, that `name` owns now, and of which the leaving member owned some part. */
  arcsOnceSharedBy(name: string, leaving: string): number[] {
    if (this.#ringWithLeaving === undefined) return [];
    const shared = arcsOnceOwnedBy(leaving, this.ring, this.#ringWithLeaving);
    return this.ring.arcs.filter(({ index, owners }) => shared[index] && owners.includes(name))
      .map(({ index }) => index);
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

  /**
   * Whether there are keys that this node alone is sure to have: they have one owner, or the others
   * who owned them before anybody joined do not have everything (any more) themselves.
   */
  get isLastHolder(): boolean {
    if (this.quorums.n === 1) return true;
    const whole = this.members.filter(({ status }) => status === "normal").map(({ name }) => name);
    const holders = new Set([...whole, ...this.sources]);
    holders.delete(this.#selfName);
    return this.ringBefore([]).arcs.some(({ owners }) =>
      owners.includes(this.#selfName) && !owners.some((name) => holders.has(name))
    );
  }

  /**
   * Whether no member is on its way in or out, as far as this node knows: whoever owns a key has what its
   * former owners had, and none of these is asked for it.
   */
  get isAtRest(): boolean {
    return this.#complete && this.pending.length === 0 && this.unresolvedSeeds.length === 0 &&
      this.members.every(({ status }) => status === "normal");
  }

  /** Whether `name` is among the owners of a key, or was before members were being removed. */
  holds(name: string, key: Key): boolean {
    return this.owns(name, key) ||
      this.#ringWithLeaving?.arcOf(tokenOf(key))?.owners.includes(name) === true;
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
