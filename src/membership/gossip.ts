/**
 * Gossip: how all nodes learn of all (Demers et al., "Epidemic Algorithms", PODC 1987).
 *
 * A pure state machine: `tick` and `receive` take time and messages and return what to send; the
 * shell in `replication/gossip_loop.ts` does the sending. Push-pull: a node sends its whole view to
 * some peers, and each answers with its own.
 */
import { parseOrigin, type SharedOptions, sharedOptions } from "../config.ts";
import { ConvergeError } from "../errors.ts";
import { type Random, shuffled } from "../platform/random.ts";
import { FailureDetector, type Liveness } from "./failure_detector.ts";
import {
  isNewerStatement,
  isOfUnknownStart,
  isOtherStart,
  type Member,
  type MemberStatus,
  parseMember,
  STATEMENT_MAX,
} from "./member.ts";
import {
  isRemovedLife,
  isSameStages,
  mergedRemoval,
  parseRemovals,
  type Removal,
  REMOVALS_MAX,
  type RemovalStages,
  type RemovalView,
} from "./removal.ts";

/** Members in one view at most; a larger message is refused. */
export const MEMBERS_MAX = 4_096;

/** Seeds of another node that are taken note of. */
const SEEDS_MAX = 64;

/** Earlier lives of this node that are taken note of. */
const LIVES_MAX = 16;

/** Peers that a tick sends to. */
const FANOUT = 3;

/**
 * Times that one start of another life of this node may outrank what this node says. One that is dead
 * does not answer: it is outranked once, and some more often where views of it differ.
 */
const RIVAL_ANSWERS_MAX = 3;

/** A node's view of the cluster, as sent. */
export interface GossipMessage {
  /** Name of the sender. */
  readonly from: string;
  readonly members: readonly Member[];
  /** What it was started with. Absent where an earlier version says it. */
  readonly options?: SharedOptions;
  /** Seeds under which the sender has heard nobody yet; absent once it knows of one that serves. */
  readonly seeds?: readonly string[];
  /** Names of those that it has heard under its seeds; absent likewise. */
  readonly named?: readonly string[];
  /** Names of members that were `normal` once, and are not any more; absent where there are none. */
  readonly settled?: readonly string[];
  /** Lives that are members no more; absent where there are none. */
  readonly removed?: readonly Removal[];
}

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

/** The other life of this node that outranked it last. */
interface Rival {
  readonly member: Member;
  readonly answers: number;
}

/** One node's membership state. */
export class Gossip {
  readonly #random: Random;
  readonly #detector: FailureDetector;
  /** Those that are being removed, too. Invariant: holds this node under its own name. */
  readonly #members = new Map<string, Member>();
  /** By node ID. Invariant: only grows. */
  readonly #removed = new Map<string, Removal>();
  /** The same by name, in the order in which they were begun. */
  #removedByName = new Map<string, readonly Removal[]>();
  readonly #resolvedSeeds: Map<string, string>;
  readonly #seeds: readonly string[];
  /**
   * By name, the seeds that another new node still waits for. A cluster is formed by all that any of
   * its nodes was told of: one that lost its disk while the rest was away would form another with
   * whoever is told of it alone.
   */
  readonly #seedsOfOthers = new Map<string, readonly string[]>();
  /** Names of new nodes that have this one among their seeds. */
  readonly #namedBy = new Set<string>();
  readonly #shared: SharedOptions;
  /** Members that are known to know this life of this node. */
  readonly #knownBy = new Set<string>();
  readonly #settled: Set<string>;
  readonly #formerIDs: ReadonlySet<string>;
  /** Lives of this node's name that others knew before this one, by node ID. */
  readonly #livesBefore = new Map<string, Member>();
  #self: Member;
  #isRemoved = false;
  #isOldCopy = false;
  #rival: Rival | undefined;
  #version = 0;

  constructor(options: GossipOptions) {
    this.#random = options.random;
    this.#shared = options.shared;
    this.#detector = new FailureDetector(options.intervalMs);
    this.#seeds = [...options.seeds].filter((seed) => seed !== options.self.origin);
    this.#resolvedSeeds = new Map(options.resolvedSeeds);
    this.#settled = new Set(options.settled);
    this.#formerIDs = new Set(options.formerIDs);
    for (const removal of options.removed ?? []) this.#removed.set(removal.nodeID, removal);
    this.#removedByName = Map.groupBy(this.#removed.values(), ({ name }) => name);
    for (const member of options.known) if (this.#admits(member)) this.#set(member);
    this.#self = options.self;
    this.#say(options.self.removals ?? {});
    this.#setSelf({});
    this.#isRemoved = this.#ownRemoval !== undefined;
  }

  /** This node's own entry. */
  get self(): Member {
    return this.#self;
  }

  /** All members that are not removed, this one too, sorted by name. */
  get members(): Member[] {
    const members = [...this.#members.values()].sort((a, b) => a.name < b.name ? -1 : 1);
    if (this.#removed.size === 0) return members;
    const removed = new Set(this.pending.map(({ name }) => name));
    return members.filter(({ name }) => !removed.has(name));
  }

  /** Members that are being removed, as far as this node knows what they say, sorted by name. */
  get leaving(): Member[] {
    return this.pending.flatMap(({ name }) => this.#members.get(name) ?? [])
      .sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** All removals, those that have ended too. */
  get removed(): Removal[] {
    return [...this.#removed.values()];
  }

  /** Removals that have not ended. */
  get pending(): Removal[] {
    if (this.#removed.size === 0) return [];
    return this.removed.filter(({ ended }) => !ended);
  }

  /** What decisions about removals rest on. */
  get removalView(): RemovalView {
    const others = this.members.filter(({ name }) => name !== this.#self.name);
    const { pending, leaving } = this;
    return { self: this.#self, others, pending, leaving, settled: this.#settled };
  }

  /**
   * Why this node is no member any more, or being removed; undefined while it is one. Another life of
   * its name may be the one that is removed, if this one took its place before it knew.
   */
  get ownRemoval(): Removal | undefined {
    return this.#isRemoved ? this.#ownRemoval : undefined;
  }

  get #ownRemoval(): Removal | undefined {
    const ids = [this.#self.nodeID, ...this.#formerIDs];
    const removal = ids.flatMap((id) => this.#removed.get(id) ?? [])[0];
    return removal ?? [...this.#livesBefore.keys()].flatMap((id) => this.#removed.get(id) ?? [])[0];
  }

  /**
   * Whether a message is by a life that is removed, or being removed.
   *
   * @param nodeID Of the sender, if it says so: where its name was removed once it must.
   */
  isFromRemoved(name: string, nodeID: string | undefined): boolean {
    const removals = this.#removedByName.get(name);
    if (removals === undefined) return false;
    return nodeID === undefined || nodeID !== this.#members.get(name)?.nodeID ||
      removals.some((removal) => !removal.ended || removal.nodeID === nodeID);
  }

  /** Whether an earlier life of this node's name was removed: who it is does not go without saying. */
  get hasNameOfRemoved(): boolean {
    return this.#removedByName.has(this.#self.name);
  }

  /** Grows when a member came, or changed its node ID, origin, status or incarnation. */
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

  /** Whether the others knew a member of this name before this life of it: the ring stays the same. */
  get rejoined(): boolean {
    return [...this.#livesBefore.values()].some((life) => !this.#isRemovedLife(life));
  }

  /**
   * Whether others have heard of a later life of this node's directory, so that what this one was
   * started on is an old copy of it.
   */
  get isOldCopy(): boolean {
    return this.#isOldCopy;
  }

  /** Names that were `normal` once, as far as this node knows: whoever else is on the ring is new. */
  get settled(): ReadonlySet<string> {
    return this.#settled;
  }

  /** Which seed turned out to be which member. */
  get resolvedSeeds(): ReadonlyMap<string, string> {
    return this.#resolvedSeeds;
  }

  /** Seeds of which it is not known yet which member they are. */
  get unresolvedSeeds(): string[] {
    const ofOthers = this.#isForming ? [...this.#seedsOfOthers.values()].flat() : [];
    return this.#unresolvedOf([...new Set([...this.#seeds, ...ofOthers])]);
  }

  #unresolvedOf(seeds: readonly string[]): string[] {
    const origins = new Set([...this.#members.values(), ...this.removed].map((one) => one.origin));
    return seeds.filter((seed) => !this.#resolvedSeeds.has(seed) && !origins.has(seed));
  }

  /** Whether all that are known are new. */
  get #isForming(): boolean {
    for (const { status } of this.#members.values()) if (status === "normal") return false;
    return true;
  }

  livenessOf(name: string, nowMs: number): Liveness {
    if (name === this.#self.name) return "up";
    return this.#detector.livenessOf(name, nowMs, this.#members.size);
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
    const members = [...this.#members.values()];
    const removed = new Set(this.pending.map(({ name }) => name));
    const settled = members
      .filter(({ name, status }) => status !== "normal" && this.#settled.has(name))
      .map(({ name }) => name).filter((name) => !removed.has(name));
    const message = {
      from: this.#self.name,
      members,
      options: this.#shared,
      ...(settled.length === 0 ? {} : { settled }),
      ...(this.#removed.size === 0 ? {} : { removed: this.removed }),
    };
    if (!this.#isForming) return message;
    return {
      ...message,
      seeds: this.#unresolvedOf(this.#seeds).slice(0, SEEDS_MAX),
      named: [...this.#named()].slice(0, SEEDS_MAX),
    };
  }

  /** How many new nodes have this one among their seeds, and are among its own. */
  get namedBothWays(): number {
    // One that is removed is not among the members that these are counted of.
    const members = new Set(this.members.map(({ name }) => name));
    return this.#named().intersection(this.#namedBy).intersection(members).size;
  }

  /** Names of the members that were heard under this node's seeds. */
  #named(): Set<string> {
    const seeds = new Set(this.#seeds);
    const ofOrigin = [...this.#members.values()].filter(({ origin }) => seeds.has(origin));
    const resolved = this.#seeds.flatMap((seed) => this.#resolvedSeeds.get(seed) ?? []);
    return new Set([...ofOrigin.map(({ name }) => name), ...resolved]);
  }

  /**
   * Another node that runs under this one's name. Each would count itself as the owner that the
   * others ask at the other's address: one must end.
   */
  get twin(): Member | undefined {
    const { member, answers } = this.#rival ?? { answers: 0 };
    return answers < RIVAL_ANSWERS_MAX ? undefined : member;
  }

  /** What to do about a view. */
  reactionTo(message: GossipMessage): "merge" | "ignore" | "stop" | "other_cluster" {
    if (this.#isByRemoved(message)) return "ignore";
    const reaction = this.#reactionToOptions(message);
    return reaction === "merge" && this.#isOfAnotherCluster(message) ? "other_cluster" : reaction;
  }

  /**
   * Nodes that were started with other options would own and count otherwise: one that is new here is
   * not taken in, and where this node is the new one it must stop.
   */
  #reactionToOptions({ from, members, options }: GossipMessage): "merge" | "ignore" | "stop" {
    if (options === undefined || isSame(options, this.#shared)) return "merge";
    const isSenderNormal = members.find(({ name }) => name === from)?.status === "normal";
    if (this.#self.status === "normal") return isSenderNormal ? "merge" : "ignore";
    return isSenderNormal || this.#isForming ? "stop" : "ignore";
  }

  /** What it says is old news; it is told of its removal by the answer. */
  #isByRemoved({ from, members }: GossipMessage): boolean {
    if (this.#removed.size === 0) return false;
    const sender = members.find(({ name }) => name === from);
    return sender !== undefined && !this.#admits(sender);
  }

  /**
   * No member is removed before all others know, so two views of one cluster share one member, or one
   * that was removed. Who is new does not tell: it may have spoken to two clusters. A node that lost
   * its data is known by a node ID of before: all others that it remembers may have been replaced since.
   */
  #isOfAnotherCluster({ members, removed = [] }: GossipMessage): boolean {
    const isNormal = ({ status }: Member) => status === "normal";
    const isShared = (member: Member) => {
      if (this.#formerIDs.has(member.nodeID) && isNormal(member)) return true;
      if (this.#removed.has(member.nodeID)) return true;
      const own = this.#members.get(member.name);
      return own?.nodeID === member.nodeID && (isNormal(own) || isNormal(member));
    };
    return members.some(isNormal) && !this.#isForming && !members.some(isShared) &&
      !removed.some(({ nodeID }) => this.#removed.has(nodeID) || this.#knowsLife(nodeID));
  }

  #knowsLife(nodeID: string): boolean {
    return [...this.#members.values()].some((member) => member.nodeID === nodeID);
  }

  /**
   * A gossip interval has passed: advances the heartbeat and picks whom to send the view to: some
   * random members whatever their liveness (a silent one must be found when it is back), and all
   * seeds that are not known yet.
   */
  tick(): { origins: string[] } {
    this.#setSelf({ heartbeat: this.#self.heartbeat + 1 });
    const others = [...this.#members.values()].filter(({ name }) => name !== this.#self.name);
    const chosen = shuffled(this.#random, others).slice(0, FANOUT).map(({ origin }) => origin);
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
    const pending = this.pending.find((removal) => removal.name === name);
    if (pending !== undefined) return this.#hearOfRemovals([{ ...pending, dead }]);
    const member = this.#members.get(name);
    if (member === undefined) return;
    const { nodeID, origin, incarnation } = member;
    this.#hearOfRemovals([{ name, nodeID, origin, incarnation, dead, ended: false }]);
  }

  /** All members are done with a removal. */
  endRemoval(nodeID: string): void {
    const removal = this.#removed.get(nodeID);
    if (removal !== undefined) this.#hearOfRemovals([{ ...removal, ended: true }]);
  }

  /** Changes what this node says of itself about removals that have not ended. */
  setRemovalStages(stages: RemovalStages): void {
    this.#say({ ...this.#self.removals, ...stages });
  }

  #say(stages: RemovalStages): void {
    const isPending = (nodeID: string) => this.#removed.get(nodeID)?.ended === false;
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
      const before = this.#removed.get(heard.nodeID);
      if (before === undefined && this.#removed.size >= REMOVALS_MAX) continue;
      const merged = mergedRemoval(heard, before);
      if (
        before?.dead === merged.dead && before.ended === merged.ended &&
        before.incarnation === merged.incarnation
      ) continue;
      this.#removed.set(merged.nodeID, merged);
      this.#removedByName = Map.groupBy(this.#removed.values(), ({ name }) => name);
      this.#version++;
      if (merged.name === this.#self.name) this.#hearOfOwnName(merged, before === undefined);
      if (merged.ended && before?.ended !== true) this.#forget(merged);
    }
  }

  /** A life of this node's name is removed: this one, or one whose place this one wanted to take. */
  #hearOfOwnName(removal: Removal, isNews: boolean): void {
    const { nodeID, incarnation, status } = this.#self;
    const isOwn = removal.nodeID === nodeID || this.#formerIDs.has(removal.nodeID);
    // Taken for the same member by others that did not know either, it may have missed deletions.
    if (isOwn || (isNews && status !== "joining")) {
      this.#livesBefore.set(removal.nodeID, { ...this.#self, nodeID: removal.nodeID });
      this.#isRemoved = true;
    } else if (incarnation <= removal.incarnation) {
      this.#setSelf({ incarnation: Math.min(STATEMENT_MAX, removal.incarnation + 1) });
    }
  }

  /** A removal has ended: nothing is left of the member but the removal. */
  #forget({ name }: Removal): void {
    this.#say(this.#self.removals ?? {});
    const member = this.#members.get(name);
    if (name === this.#self.name || (member !== undefined && !this.#isRemovedLife(member))) return;
    this.#members.delete(name);
    this.#detector.forget(name);
    this.#knownBy.delete(name);
    this.#settled.delete(name);
    this.#seedsOfOthers.delete(name);
    this.#namedBy.delete(name);
  }

  #isRemovedLife(member: Member): boolean {
    return this.#removedByName.get(member.name)?.some((one) => isRemovedLife(one, member)) ?? false;
  }

  /** Whether what a member says is taken note of: of one that is being removed it is, by that life. */
  #admits(member: Member): boolean {
    const pending = this.#removedByName.get(member.name)?.find(({ ended }) => !ended);
    if (pending !== undefined) return member.nodeID === pending.nodeID;
    return !this.#isRemovedLife(member);
  }

  /**
   * Merges a view, entry by entry.
   *
   * @param viaSeed The seed origin that answered with it, if it is an answer.
   */
  receive(message: GossipMessage, nowMs: number, viaSeed?: string): void {
    this.#hearOfRemovals(message.removed ?? []);
    for (const member of message.members) {
      if (member.name === this.#self.name) this.#hearOfSelf(member, message.from);
      else this.#merge(member, nowMs);
    }
    for (const name of message.settled ?? []) {
      if (this.#members.has(name)) this.#settled.add(name);
    }
    this.#hearOfSeeds(message);
    if (this.#members.has(message.from)) {
      this.#detector.heard(message.from, nowMs);
      if (viaSeed !== undefined && this.#isSeed(viaSeed)) {
        if (this.#resolvedSeeds.get(viaSeed) !== message.from) this.#version++;
        this.#resolvedSeeds.set(viaSeed, message.from);
      }
    }
  }

  #hearOfSeeds({ from, seeds = [], named = [] }: GossipMessage): void {
    if (!this.#isForming || from === this.#self.name || !this.#members.has(from)) return;
    if (named.includes(this.#self.name)) this.#namedBy.add(from);
    const before = this.unresolvedSeeds.length;
    this.#seedsOfOthers.set(from, seeds.filter((seed) => seed !== this.#self.origin));
    if (this.unresolvedSeeds.length !== before) this.#version++;
  }

  #isSeed(origin: string): boolean {
    return this.#seeds.includes(origin) ||
      [...this.#seedsOfOthers.values()].some((seeds) => seeds.includes(origin));
  }

  #merge(member: Member, nowMs: number): void {
    if (!this.#admits(member)) return;
    const current = this.#members.get(member.name);
    if (!isNewerStatement(member, current)) return;
    // Of two starts of one number the first stays, so that the other hears of it.
    if (current !== undefined && isOtherStart(member, current)) return;
    if (current === undefined && this.#members.size >= MEMBERS_MAX) return;
    this.#set(member);
    this.#detector.heard(member.name, nowMs);
    if (
      current === undefined || current.nodeID !== member.nodeID ||
      current.origin !== member.origin || current.status !== member.status ||
      current.incarnation !== member.incarnation ||
      !isSameStages(current.removals, member.removals)
    ) this.#version++;
  }

  /**
   * Others still pass on what an earlier life of this node said. If that would win over what this
   * life says (its data directory, and with it the count of its starts, is new), speak louder.
   */
  #hearOfSelf(member: Member, from: string): void {
    if (this.#isOfLaterLife(member, from)) {
      this.#isOldCopy = true;
      return;
    }
    if (member.nodeID !== this.#self.nodeID) {
      if (this.#isRemovedLife(member)) return;
      if (this.#livesBefore.size < LIVES_MAX) this.#livesBefore.set(member.nodeID, member);
      if (member.status === "normal") this.#settled.add(member.name);
    } else if (from !== this.#self.name && !this.#knownBy.has(from)) {
      this.#knownBy.add(from);
      this.#version++;
    }
    const same = member.nodeID === this.#self.nodeID &&
      member.incarnation === this.#self.incarnation;
    if (same || !isNewerStatement(member, { ...this.#self, heartbeat: -1 })) return;
    this.#outrankedBy(member);
    if (this.twin !== undefined) return; // the other one has the last word, and goes on
    // At the bound of incarnations, which no honest life reaches, the heartbeat has to do.
    const heartbeat = member.incarnation < STATEMENT_MAX
      ? this.#self.heartbeat
      : Math.max(this.#self.heartbeat, member.heartbeat + 1);
    this.#setSelf({ incarnation: member.incarnation + 1, heartbeat });
    this.#version++;
  }

  /**
   * Earlier versions tell of no starts, without which one life that started often looks like many words.
   * What is at the bound nobody can outrank, so that it looks like an answer each time.
   */
  #outrankedBy(member: Member): void {
    if (member.nodeID === this.#self.nodeID || member.starts === 0) return;
    if (member.incarnation === STATEMENT_MAX) return;
    const before = this.#rival;
    const isSame = before?.member.nodeID === member.nodeID &&
      before.member.starts === member.starts;
    this.#rival = { member, answers: isSame ? before.answers + 1 : 1 };
  }

  /** Of its own last start a node hears nothing newer than what it says, unless two have that one. */
  #isOfLaterLife(member: Member, from: string): boolean {
    const { name, nodeID, starts } = this.#self;
    if (member.nodeID !== nodeID || starts === 0) return false;
    // Of two that run on copies and hear each other one has to stop, and not both.
    const isSameStart = member.starts === starts &&
      (from === name || !isOtherStart(member, this.#self));
    return isSameStart
      ? isNewerStatement(member, this.#self)
      : isOfUnknownStart(member, this.#self);
  }

  #setSelf(change: Partial<Member>): void {
    const self = { ...this.#self, ...change };
    this.#self = {
      ...self,
      incarnation: Math.min(STATEMENT_MAX, self.incarnation),
      heartbeat: Math.min(STATEMENT_MAX, self.heartbeat),
    };
    this.#set(this.#self);
  }

  #set(member: Member): void {
    this.#members.set(member.name, member);
    if (member.status === "normal") this.#settled.add(member.name);
  }
}

/**
 * Checks a message that came over the wire.
 *
 * @throws {ConvergeError} `corrupt_message`.
 */
export function parseGossipMessage(json: unknown): GossipMessage {
  const { from, members, options, seeds, named, settled, removed } = (json ?? {}) as Record<
    keyof GossipMessage,
    unknown
  >;
  if (typeof from !== "string" || !Array.isArray(members) || members.length > MEMBERS_MAX) {
    throw new ConvergeError("corrupt_message", "Cannot read gossip: `from` or `members` is wrong");
  }
  return {
    from,
    members: members.map(parseMember),
    ...(options === undefined ? {} : { options: parseOptions(options) }),
    ...(seeds === undefined ? {} : { seeds: parseSeeds(seeds) }),
    ...(named === undefined ? {} : { named: parseNames("named", named, SEEDS_MAX) }),
    ...(settled === undefined ? {} : { settled: parseNames("settled", settled, MEMBERS_MAX) }),
    ...(removed === undefined ? {} : { removed: parseRemovals(removed) }),
  };
}

function parseSeeds(json: unknown): string[] {
  try {
    if (!Array.isArray(json) || json.length > SEEDS_MAX) {
      throw new TypeError("no list of seeds");
    }
    return json.map((seed) => parseOrigin("seeds", String(seed)));
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read gossip: `seeds` is wrong", { cause });
  }
}

function parseNames(field: string, json: unknown, countMax: number): string[] {
  const isName = (name: unknown) => typeof name === "string";
  if (Array.isArray(json) && json.length <= countMax && json.every(isName)) return json;
  throw new ConvergeError("corrupt_message", `Cannot read gossip: \`${field}\` is wrong`);
}

function parseOptions(json: unknown): SharedOptions {
  const options = sharedOptions((json ?? {}) as SharedOptions);
  if (Object.values(options).every(Number.isSafeInteger)) return options;
  throw new ConvergeError("corrupt_message", "Cannot read gossip: `options` is wrong");
}

function isSame(a: SharedOptions, b: SharedOptions): boolean {
  return a.replication === b.replication && a.readQuorum === b.readQuorum &&
    a.writeQuorum === b.writeQuorum && a.virtualNodes === b.virtualNodes;
}
