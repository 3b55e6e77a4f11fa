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

/** Members in one view at most; a larger message is refused. */
export const MEMBERS_MAX = 4_096;

/** Seeds of another node that are taken note of. */
const SEEDS_MAX = 64;

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
  /** Invariant: holds this node under its own name. */
  readonly #members = new Map<string, Member>();
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
  #self: Member;
  #rejoined = false;
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
    for (const member of options.known) this.#set(member);
    this.#self = options.self;
    this.#setSelf({});
  }

  /** This node's own entry. */
  get self(): Member {
    return this.#self;
  }

  /** All members, this one too, sorted by name. */
  get members(): Member[] {
    return [...this.#members.values()].sort((a, b) => a.name < b.name ? -1 : 1);
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
    return this.#rejoined;
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
    const origins = new Set([...this.#members.values()].map(({ origin }) => origin));
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
    const settled = members
      .filter(({ name, status }) => status !== "normal" && this.#settled.has(name))
      .map(({ name }) => name);
    const message = {
      from: this.#self.name,
      members,
      options: this.#shared,
      ...(settled.length === 0 ? {} : { settled }),
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
    return this.#named().intersection(this.#namedBy).size;
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

  /**
   * Members are never removed, so two views of one cluster share one. Who is new does not tell: it may
   * have spoken to two clusters. A node that lost its data is known by a node ID of before: all others
   * that it remembers may have been replaced since.
   */
  #isOfAnotherCluster({ members }: GossipMessage): boolean {
    const isNormal = ({ status }: Member) => status === "normal";
    const isShared = (member: Member) => {
      if (this.#formerIDs.has(member.nodeID) && isNormal(member)) return true;
      const own = this.#members.get(member.name);
      return own?.nodeID === member.nodeID && (isNormal(own) || isNormal(member));
    };
    return members.some(isNormal) && !this.#isForming && !members.some(isShared);
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

  /**
   * Merges a view, entry by entry.
   *
   * @param viaSeed The seed origin that answered with it, if it is an answer.
   */
  receive(message: GossipMessage, nowMs: number, viaSeed?: string): void {
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
      current.incarnation !== member.incarnation
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
      this.#rejoined = true;
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
  const { from, members, options, seeds, named, settled } = (json ?? {}) as Record<
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
