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
import { HashRing } from "../../ring/hash_ring.ts";
import { formatToken, type Token, tokenOf } from "../../ring/token.ts";
import { FormerRings } from "./former_rings.ts";
import { arcsOnceOwnedBy, newOwnersByArc } from "./gained_arcs.ts";
import type { Owner, OwnerSet } from "./owner.ts";
import { ownerSetsByArc } from "./owner_sets.ts";

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
  /** The rings by which records were stored before. */
  readonly former: FormerRings;
  /** Equal on nodes whose rings are equal: arcs, leaves and owners then mean the same on both. */
  readonly fingerprint: string;
  readonly #selfName: string;
  /** Why ownership is not known; undefined where it is. */
  readonly #whyUnknown: string | undefined;
  readonly #ownersByArc: readonly OwnerSet[];
  /** The ring with those that are being removed; undefined where there are none. */
  readonly #ringWithLeaving: HashRing | undefined;
  /** By arc, who owns some part of it only since members are being removed; undefined likewise. */
  readonly #newOwners: readonly ReadonlySet<string>[] | undefined;
  /** Whether read quorums are smaller once those are removed that are being removed. */
  readonly #readsShrink: boolean;
  /** What `leftovers` returned last. */
  #leftovers: ((token: Token) => boolean) | undefined;

  constructor(options: TopologyOptions) {
    const { members, unresolvedSeeds, pending = [], selfName, virtualNodes } = options;
    this.members = members;
    this.unresolvedSeeds = unresolvedSeeds;
    this.pending = pending;
    this.sources = options.sources ?? pending.filter(({ dead }) => !dead).map(({ name }) => name);
    this.settled = [...options.settled ?? namesOfNormal(members)];
    this.#selfName = selfName;
    // Two lives of one name were one owner.
    const leavingNames = new Set(pending.map(({ name }) => name));
    const total = members.length + unresolvedSeeds.length;
    const now = quorumsOf(total, options);
    const before = quorumsOf(total + leavingNames.size, options);
    this.quorums = pending.length === 0 ? now : { ...before, n: now.n };
    this.#readsShrink = now.r < before.r;
    const ringOf = (names: readonly string[], owners: number) =>
      new HashRing(names, { tokensPerNode: virtualNodes, owners });
    const names = members.map(({ name }) => name);
    const ring = this.ring = ringOf(names, now.n);
    if (pending.length > 0) {
      this.#ringWithLeaving = ringOf([...names, ...leavingNames], before.n);
      this.#newOwners = newOwnersByArc(ring, this.#ringWithLeaving);
    }
    this.former = new FormerRings({
      ring,
      ringWithLeaving: this.#ringWithLeaving,
      leavingNames,
      settled: this.settled,
      // N owners of each key, also where there are fewer members now.
      ringOf: (names) => ringOf(names, options.replication),
    });
    this.fingerprint = fingerprintOf(ring, now.n, virtualNodes);
    const everybodyOwns = total <= now.n;
    this.#whyUnknown = whyUnknown(options, everybodyOwns);
    this.#ownersByArc = ownerSetsByArc({
      ring,
      members,
      selfName,
      pending,
      newOwners: this.#newOwners,
      unplaced: everybodyOwns ? unresolvedSeeds : [],
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
    if (this.#whyUnknown !== undefined) throw new ConvergeError("not_ready", this.#whyUnknown);
    return this.#ownersByArc[this.ring.arcOf(token)!.index]!;
  }

  /** As `FormerRings.isNewTo`: whether `name` owns a token only since some members were removed. */
  isNewTo(name: string, leaving: readonly string[]): (token: Token) => boolean {
    return this.former.isNewTo(name, leaving);
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

  /** Whether ownership is known, and enough members count for quorums to be reached at all. */
  get serving(): boolean {
    const normal = namesOfNormal(this.members).length;
    return this.#whyUnknown === undefined && normal >= Math.max(this.quorums.r, this.quorums.w);
  }

  /**
   * Whether there are keys that this node alone is sure to have: they have one owner, or the others
   * who owned them before anybody joined do not have everything (any more) themselves.
   */
  get isLastHolder(): boolean {
    if (this.quorums.n === 1) return true;
    const holders = new Set([...namesOfNormal(this.members), ...this.sources]);
    holders.delete(this.#selfName);
    return this.former.before([]).arcs.some(({ owners }) =>
      owners.includes(this.#selfName) && !owners.some((name) => holders.has(name))
    );
  }

  /**
   * Whether no member is on its way in or out, as far as this node knows: whoever owns a key has what its
   * former owners had, and none of these is asked for it.
   */
  get isAtRest(): boolean {
    return this.#whyUnknown === undefined && this.pending.length === 0 &&
      this.unresolvedSeeds.length === 0 && this.members.every(({ status }) => status === "normal");
  }

  /** Whether `name` is among the owners of a key, or was before members were being removed. */
  holds(name: string, key: Key): boolean {
    return this.owns(name, key) || this.#ringWithLeaving?.owns(name, tokenOf(key)) === true;
  }

  /** Whether `name` is among the owners of a key. */
  owns(name: string, key: Key): boolean {
    return this.ring.owns(name, tokenOf(key));
  }
}

/** Why ownership is not known, for the one who asks for it; undefined where it is. */
function whyUnknown(options: TopologyOptions, everybodyOwns: boolean): string | undefined {
  const { members, unresolvedSeeds, pending = [], selfName, isRemoved, isUnknown } = options;
  if (isRemoved === true || pending.some(({ name }) => name === selfName)) {
    return "Cannot take requests: this node is being removed";
  }
  if (isUnknown === true) return "Cannot tell the owners of a key: this node is new here";
  // Beyond N members a seed that was not heard of may own any key. But a node that is normal has known
  // the whole cluster: to it, new seeds on its command line are only addresses to try.
  const isNormal = namesOfNormal(members).includes(selfName);
  const isKnown = everybodyOwns || unresolvedSeeds.length === 0 || isNormal;
  if (isKnown && members.length > 0) return undefined;
  return `Cannot tell the owners of a key: not heard yet from ${unresolvedSeeds.join(", ")}`;
}

/** A seed that this node alone waits for owns nothing that others could compare: it is left out. */
function fingerprintOf({ names }: HashRing, n: number, virtualNodes: number): string {
  const placed = Math.min(n, names.length);
  return formatToken(tokenOf(keyFromText(`${placed} ${virtualNodes} ${names.join(" ")}`)));
}

function namesOfNormal(members: readonly Member[]): string[] {
  return members.filter(({ status }) => status === "normal").map(({ name }) => name);
}
