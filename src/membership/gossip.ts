/**
 * Gossip: how all nodes learn of all (Demers et al., "Epidemic Algorithms", PODC 1987).
 *
 * A pure state machine: `tick` and `receive` take time and messages and return what to send; the
 * shell in `replication/gossip/gossip_loop.ts` does the sending. Push-pull: a node sends its whole view to
 * some peers, and each answers with its own.
 */
import type { SharedOptions } from "../config.ts";
import { pick, type Random, shuffled } from "../platform/random.ts";
import { FailureDetector, type Liveness } from "./failure_detector.ts";
import { type GossipMessage, SEEDS_MAX } from "./gossip_message.ts";
import { isNewerStatement, type Member, type MemberStatus, STATEMENT_MAX } from "./member.ts";
import { MemberSet } from "./member_set.ts";
import { OwnLives } from "./own_lives.ts";
import { type Reaction, reactionTo } from "./reaction.ts";
import type { Removal } from "./removal.ts";
import { isSameStages, type RemovalStages } from "./removal_stage.ts";
import type { RemovalView } from "./removal_step.ts";
import { type RemovalNews, RemovalSet } from "./removal_set.ts";
import { isSameReplaced, withReplaced } from "./replaced_lives.ts";
import { Seeds } from "./seeds.ts";

/** Peers that a tick sends to. */
const FANOUT = 3;

/** What a node starts gossip with. */
export interface GossipOptions {
  /** This node, with an incarnation that is larger than at any start before. */
  self: Member;
  shared: SharedOptions;
  /** Members remembered from before a restart. */
  known: Iterable<Member>;
  /** Origins from the command line, and which of them are known to be which member. */
  seeds: Iterable<string>;
  resolvedSeeds: Iterable<readonly [origin: string, name: string]>;
  /** Names that were `normal` before a restart; those of `known` that are need not be among them. */
  settled?: Iterable<string>;
  /** Node IDs under which this node may be known from before it lost its data. */
  formerIDs?: Iterable<string>;
  /** Removals remembered from before a restart. */
  removed?: Iterable<Removal>;
  intervalMs: number;
  random: Random;
}

/** One node's membership state. */
export class Gossip {
  readonly #random: Random;
  readonly #shared: SharedOptions;
  readonly #detector: FailureDetector;
  readonly #seeds: Seeds;
  readonly #removals: RemovalSet;
  /** What is heard of this node's own name. */
  readonly #lives: OwnLives;
  /** Invariant: holds what this node says of itself, under its own name. */
  readonly #members: MemberSet;
  /** Members that are known to know this life of this node. */
  readonly #knownBy = new Set<string>();
  /** Members that are known to know all that this node does; while it is joining. */
  readonly #agreeing = new Set<string>();
  #self: Member;
  #version = 0;

  constructor(options: GossipOptions) {
    this.#random = options.random;
    this.#shared = options.shared;
    this.#detector = new FailureDetector(options.intervalMs);
    this.#seeds = new Seeds(options.self, options.seeds, options.resolvedSeeds);
    this.#removals = new RemovalSet(options.removed);
    this.#lives = new OwnLives(options.self.nodeID, options.formerIDs ?? [], this.#removals);
    this.#members = new MemberSet(this.#removals, options.settled);
    for (const member of options.known) if (this.remembers(member)) this.#members.set(member);
    this.#self = options.self;
    this.#setOwnStages(options.self.removals ?? {});
    this.#setSelf({});
  }

  /** This node's own entry. */
  get self(): Member {
    return this.#self;
  }

  /** All members that are not removed, this one too, sorted by name. */
  get members(): Member[] {
    return this.#members.staying;
  }

  /** Members that are being removed, as far as this node knows what they say, sorted by name. */
  get leaving(): Member[] {
    return this.#members.leaving;
  }

  /** Whether a node that starts with the removals that are known now takes note of a member that it had known. */
  remembers(member: Member): boolean {
    return this.#removals.admits(member);
  }

  /** All removals, those that have ended too. */
  get removed(): Removal[] {
    return this.#removals.all;
  }

  /** Removals that have not ended. */
  get pending(): Removal[] {
    return this.#removals.pending;
  }

  /** What decisions about removals rest on. */
  get removalView(): RemovalView {
    const others = this.members.filter(({ name }) => name !== this.#self.name);
    const { self, pending, leaving, settled } = this;
    return { self, others, pending, leaving, settled };
  }

  /** As `OwnLives.removal`: why this node is no member any more, or being removed. */
  get ownRemoval(): Removal | undefined {
    return this.#lives.removal;
  }

  /**
   * Whether a message is by a life that is removed, or being removed.
   *
   * @param nodeID Of the sender, if it says so: where its name was removed once it must.
   */
  isFromRemoved(name: string, nodeID: string | undefined): boolean {
    const removals = this.#removals.ofName(name);
    if (removals === undefined) return false;
    return nodeID === undefined || nodeID !== this.#members.get(name)?.nodeID ||
      removals.some((removal) => !removal.ended || removal.nodeID === nodeID);
  }

  /** Whether an earlier life of this node's name was removed: who it is does not go without saying. */
  get hasNameOfRemoved(): boolean {
    return this.#removals.ofName(this.#self.name) !== undefined;
  }

  /** Grows with every change that may change who owns or counts: not with heartbeats. */
  get version(): number {
    return this.#version;
  }

  member(name: string): Member | undefined {
    return this.#members.get(name);
  }

  /** Whether `name` is known to have this node, as it is now, in its view. */
  isKnownBy(name: string): boolean {
    return this.#knownBy.has(name);
  }

  /** Whether `name` is known to have all members in its view that this joining node has. */
  knowsAll(name: string): boolean {
    return this.#agreeing.has(name);
  }

  /**
   * Whether this node is new, and no member that counts is known to know it yet. Then others may count by
   * now of which it has not heard, and which have not heard of it. From then on one of two that are new
   * hears of the other by that member.
   */
  get isUnknown(): boolean {
    if (this.#self.status !== "joining") return false;
    const normal = this.members.filter(({ status }) => status === "normal");
    return normal.length > 0 && !normal.some(({ name }) => this.#knownBy.has(name));
  }

  /** As `OwnLives.isOldCopy`: whether others have heard of a later start of this node's directory. */
  get isOldCopy(): boolean {
    return this.#lives.isOldCopy;
  }

  /**
   * Another node that runs under this one's name. Each would count itself as the owner that the
   * others ask at the other's address: one must end.
   */
  get twin(): Member | undefined {
    return this.#lives.twin;
  }

  /** Names that were `normal` once, as far as this node knows: whoever else is on the ring is new. */
  get settled(): ReadonlySet<string> {
    return this.#members.settled;
  }

  /** Which seed turned out to be which member. */
  get resolvedSeeds(): ReadonlyMap<string, string> {
    return this.#seeds.resolved;
  }

  /** Seeds of which it is not known yet which member they are: of all new nodes, while all are new. */
  get unresolvedSeeds(): string[] {
    const known = this.#knownOrigins();
    return this.#members.isForming
      ? this.#seeds.unresolvedOfAll(known)
      : this.#seeds.unresolvedOwn(known);
  }

  /** How many new nodes have this one among their seeds, and are among its own. */
  get namedBothWays(): number {
    // One that is removed is not among the members that these are counted of.
    const members = new Set(this.members.map(({ name }) => name));
    return this.#seeds.named(this.#members.all)
      .intersection(this.#seeds.namedBy).intersection(members).size;
  }

  /** Whether another new node has said itself, and not by way of somebody else, for which seeds it waits. */
  hasHeard(name: string): boolean {
    return this.#seeds.hasHeard(name);
  }

  /** Of members, and of those that were removed. */
  #knownOrigins(): Set<string> {
    return this.#members.origins.union(new Set(this.removed.map(({ origin }) => origin)));
  }

  livenessOf(name: string, nowMs: number): Liveness {
    if (name === this.#self.name) return "up";
    return this.#detector.livenessOf(name, nowMs, this.#members.byName.size);
  }

  /** Milliseconds since a member was heard of. */
  silenceMs(name: string, nowMs: number): number {
    return name === this.#self.name ? 0 : this.#detector.silenceMs(name, nowMs);
  }

  /** The member answered a request of ours, which is as good as a heartbeat. */
  heard(name: string, nowMs: number): void {
    if (this.#members.has(name)) this.#detector.heard(name, nowMs);
  }

  /** The view to send. */
  message(): GossipMessage {
    const { all: members, settledBefore: settled, isForming } = this.#members;
    const message = {
      from: this.#self.name,
      members,
      options: this.#shared,
      ...(settled.length === 0 ? {} : { settled }),
      ...(this.#removals.isEmpty ? {} : { removed: this.removed }),
    };
    if (!isForming) return message;
    return {
      ...message,
      seeds: this.#seeds.unresolvedOwn(this.#knownOrigins()).slice(0, SEEDS_MAX),
      named: [...this.#seeds.named(members)].slice(0, SEEDS_MAX),
    };
  }

  /** What to do about a view. */
  reactionTo(message: GossipMessage): Reaction {
    return reactionTo(message, {
      self: this.#self,
      shared: this.#shared,
      members: this.#members.byName,
      removals: this.#removals,
      formerIDs: this.#lives.formerIDs,
      isForming: this.#members.isForming,
    });
  }

  /**
   * A gossip interval has passed: advances the heartbeat and picks whom to send the view to: some
   * random members whatever their liveness (a silent one must be found when it is back), all seeds that
   * are not known yet, and while a member is silent one of those that are no member's address now: where
   * members have exchanged their addresses, it may be found nowhere else. Otherwise another cluster may
   * begin there in peace.
   */
  tick(nowMs: number): { origins: string[] } {
    this.#setSelf({ heartbeat: this.#self.heartbeat + 1 });
    const others = this.#members.all.filter(({ name }) => name !== this.#self.name);
    const chosen = shuffled(this.#random, others).slice(0, FANOUT).map(({ origin }) => origin);
    const isSilent = others.some(({ name }) => this.livenessOf(name, nowMs) !== "up");
    const left = isSilent
      ? this.#seeds.withoutMember(this.#members.origins, this.#knownOrigins())
      : [];
    if (left.length > 0) chosen.push(pick(this.#random, left));
    return { origins: [...new Set([...chosen, ...this.unresolvedSeeds])] };
  }

  /** Changes what this node says of itself. */
  setStatus(status: MemberStatus): void {
    if (status === this.#self.status) return;
    this.#setSelf({ status, heartbeat: this.#self.heartbeat + 1 });
    this.#version++;
  }

  /** Begins the removal of a member; or, of one that is being removed, says that it is dead. */
  remove(name: string, dead: boolean): void {
    // There may be two, of two lives, where they were begun at nodes that knew of one life only.
    const pending = this.pending.filter((removal) => removal.name === name);
    if (pending.length > 0) {
      return this.#hearOfRemovals(pending.map((removal) => ({ ...removal, dead })));
    }
    const member = this.#members.get(name);
    if (member === undefined) return;
    const { nodeID, origin, incarnation, replaces } = member;
    const replaced = replaces?.map((life) => life.nodeID).sort();
    const lives = { nodeID, ...(replaced === undefined ? {} : { replaced }) };
    this.#hearOfRemovals([{ name, ...lives, origin, incarnation, dead, ended: false }]);
  }

  /** All members are done with a removal. */
  endRemoval(nodeID: string): void {
    const removal = this.#removals.get(nodeID);
    if (removal !== undefined) this.#hearOfRemovals([{ ...removal, ended: true }]);
  }

  /** Changes what this node says of itself about removals that have not ended. */
  setRemovalStages(stages: RemovalStages): void {
    this.#setOwnStages({ ...this.#self.removals, ...stages });
  }

  /** Of stages only those are kept whose removals have not ended. */
  #setOwnStages(stages: RemovalStages): void {
    const isPending = (nodeID: string) => this.#removals.get(nodeID)?.ended === false;
    const pending = Object.entries(stages).filter(([nodeID]) => isPending(nodeID));
    const { removals: before, ...self } = this.#self;
    const removals = Object.fromEntries(pending);
    if (isSameStages(removals, before)) return;
    this.#self = pending.length === 0 ? self : { ...self, removals };
    this.#setSelf({ heartbeat: this.#self.heartbeat + 1 });
    this.#version++;
  }

  /** Merges what is known of removals, one by one. */
  #hearOfRemovals(removals: readonly Removal[]): void {
    for (const heard of removals) {
      const news = this.#removals.merge(this.#withLaterLife(heard));
      if (news === undefined) continue;
      this.#version++;
      if (heard.name === this.#self.name) this.#hearOfOwnRemoval(news);
      if (news.hasJustEnded) this.#forget(news.removal);
    }
  }

  /**
   * A removal, with what is known here of a life in the place of the removed one. If that counts by now, it
   * has to go too, see `OwnLives.hearOfRemoval`, be it that nobody has heard that it counts. If it does not,
   * it speaks louder once it knows of the removal, and joins as a new member.
   */
  #withLaterLife(heard: Removal): Removal {
    const { name, nodeID, ended } = heard;
    const member = this.#members.get(name);
    const isNews = !ended && this.#removals.get(nodeID) === undefined;
    if (!isNews || member === undefined || name === this.#self.name) return heard;
    return { ...heard, incarnation: Math.max(heard.incarnation, member.incarnation) };
  }

  /** It is a life of this node's name that is removed. */
  #hearOfOwnRemoval(news: RemovalNews): void {
    const change = this.#lives.hearOfRemoval(news, this.#self);
    if (change !== undefined) this.#setSelf(change);
    // Others may forget what they know of this life once the removal has ended: they have to say it anew.
    this.#knownBy.clear();
    // Others may have told of that life before: it was `normal` once, and this one was not.
    const { name, status } = this.#self;
    if (this.ownRemoval === undefined && status === "joining") this.#members.unsettle(name);
  }

  /** A removal has ended: nothing is left of the member but the removal. */
  #forget({ name }: Removal): void {
    this.#setOwnStages(this.#self.removals ?? {});
    if (name === this.#self.name || !this.#members.forget(name)) return;
    this.#detector.forget(name);
    this.#knownBy.delete(name);
    this.#seeds.forget(name);
  }

  /**
   * Merges a view, entry by entry.
   *
   * @param viaSeed The seed origin that answered with it, if it is an answer.
   */
  receive(message: GossipMessage, nowMs: number, viaSeed?: string): void {
    this.#hearOfRemovals(message.removed ?? []);
    const isOwn = ({ name }: Member) => name === this.#self.name;
    for (const member of message.members) if (!isOwn(member)) this.#merge(member, nowMs);
    // Last, so that it is known by then which life of its sender this is.
    for (const member of message.members.filter(isOwn)) this.#hearOfSelf(member, message);
    this.#members.hearOfSettled(message.settled ?? [], message.removed ?? []);
    this.#hearOfSeeds(message);
    if (this.#self.status === "joining") this.#compareViews(message);
    if (this.#members.has(message.from)) {
      this.#detector.heard(message.from, nowMs);
      if (viaSeed !== undefined && this.#seeds.resolve(viaSeed, message.from)) this.#version++;
    }
  }

  #compareViews({ from, members }: GossipMessage): void {
    if (!this.#isOfPresentLife(from, members)) return;
    const names = new Set(members.map(({ name }) => name));
    if (this.#members.byName.keys().every((name) => names.has(name))) this.#agreeing.add(from);
  }

  #hearOfSeeds({ from, seeds = [], named = [] }: GossipMessage): void {
    if (!this.#members.isForming || from === this.#self.name || !this.#members.has(from)) return;
    const before = this.unresolvedSeeds.length;
    this.#seeds.hear(from, seeds, named);
    if (this.unresolvedSeeds.length !== before) this.#version++;
  }

  #merge(member: Member, nowMs: number): void {
    const before = this.#members.get(member.name);
    if (!this.#members.merge(member)) return;
    if (before === undefined) this.#agreeing.clear();
    if (before?.nodeID !== member.nodeID) {
      this.#knownBy.delete(member.name);
      this.#agreeing.delete(member.name);
    }
    this.#detector.heard(member.name, nowMs);
    if (before === undefined || !isSameButForHeartbeat(before, member)) this.#version++;
  }

  /** Somebody passes on what was said under this node's name. */
  #hearOfSelf(member: Member, { from, members }: GossipMessage): void {
    const { name, incarnation } = this.#self;
    const speaker = this.#lives.hear(member, from, this.#self);
    if (speaker === "later_life" || speaker === "removed_life") return;
    if (speaker === "other_life") {
      if (member.status === "normal") this.#members.settle(name);
    } else if (
      from !== name && !this.#knownBy.has(from) && this.#isOfPresentLife(from, members) &&
      !this.#removals.isOfRemovedLife(member)
    ) {
      this.#knownBy.add(from);
      this.#version++;
    }
    this.#setReplaced(member);
    if (speaker === "this_life" && member.incarnation === incarnation) return;
    if (!isNewerStatement(member, { ...this.#self, heartbeat: -1 })) return;
    const change = this.#lives.outrank(member, this.#self);
    if (change === undefined) return;
    this.#setSelf(change);
    this.#version++;
  }

  /** Whether the sender of a view is the life of its name that this node knows, and no earlier one. */
  #isOfPresentLife(from: string, members: readonly Member[]): boolean {
    const sender = members.find(({ name }) => name === from);
    return this.#members.get(from)?.nodeID === sender?.nodeID;
  }

  /** Takes note of another life of this node, and of those that it knows of; or of what this one said. */
  #setReplaced(life: Member): void {
    const self = withReplaced(this.#self, life.replaces ?? [], life);
    if (isSameReplaced(self, this.#self)) return;
    this.#setSelf({ ...self, heartbeat: self.heartbeat + 1 });
    this.#version++;
  }

  #setSelf(change: Partial<Member>): void {
    const self = { ...this.#self, ...change };
    this.#self = {
      ...self,
      incarnation: Math.min(STATEMENT_MAX, self.incarnation),
      heartbeat: Math.min(STATEMENT_MAX, self.heartbeat),
    };
    this.#members.set(this.#self);
  }
}

/** Whether two statements differ in nothing that who owns and who counts depends on. */
function isSameButForHeartbeat(a: Member, b: Member): boolean {
  return a.nodeID === b.nodeID && a.origin === b.origin && a.status === b.status &&
    a.incarnation === b.incarnation && isSameStages(a.removals, b.removals) && isSameReplaced(a, b);
}
