/** The shell around `membership/gossip.ts`: sends, receives, and keeps what was learned on disk. */
import type { Gossip, GossipMessage } from "../membership/gossip.ts";
import { parseGossipMessage } from "../membership/gossip.ts";
import type { Member } from "../membership/member.ts";
import type { Removal } from "../membership/removal.ts";
import { ConvergeError, isConvergeError } from "../errors.ts";
import type { Platform } from "../platform/platform.ts";
import { shuffled } from "../platform/random.ts";
import { Reminder } from "../platform/reminder.ts";
import { checkBody, requestChecksum } from "./body_checksum.ts";
import { COUNTER_HEADER, FROM_HEADER, parseCounterHeader } from "./internal_protocol.ts";
import type { LamportClock } from "./lamport_clock.ts";
import type { MessageAuth } from "./message_auth.ts";
import type { LocalState } from "./local_state.ts";

/** What a node remembers of the cluster. */
export interface SavedMembership {
  self: Member;
  members: Member[];
  seeds: [origin: string, name: string][];
  /** Names that were `normal` once. Not in files of earlier versions. */
  settled?: string[];
  /** Lives that are members no more. Absent where there are none. */
  removed?: Removal[];
}

/** Name of the document that holds it. */
export const MEMBERSHIP_DOCUMENT = "membership";

/** What the loop is made of. */
export interface GossipLoopOptions {
  gossip: Gossip;
  platform: Platform;
  lamport: LamportClock;
  auth: MessageAuth;
  state: LocalState;
  intervalMs: number;
  timeoutMs: number;
  /** The view changed in a way that matters for ownership. */
  onChange(): void;
  /** A member answered or sent something. */
  onHeard(name: string): void;
  /** A member was started with other options, and this node is the one that is new. */
  onOtherOptions(message: GossipMessage): void;
  /** A seed is of another cluster than what was heard of first, and this node is new in either. */
  onOtherCluster(seed: string): void;
  /** What this node was started on is an old copy of its directory. Called more than once. */
  onOldCopy(): void;
  /** Another node runs under this one's name. Called more than once. */
  onTwin(twin: Member): void;
  /** This node is no member any more. Called more than once. */
  onRemoved(removal: Removal): void;
}

/** Who is to be asked about a node that is starting. */
export interface SelfQuestion {
  name: string;
  /** Members that it remembers, itself included. */
  members: readonly Member[];
  /** Origins from the command line: members may have moved since. */
  seeds: readonly string[];
  platform: Platform;
  auth: MessageAuth;
  timeoutMs: number;
}

/** Members that are asked about a node that is starting, at most, and seeds: gossip has told many. */
const ASKED_MAX = 16;

/** Interval while this node is not settled yet: starting must not take seconds. */
const HASTY_INTERVAL_MS = 100;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What others have heard of a node. */
export interface SelfAnswer {
  statements: Member[];
  /** All removals that they know of. */
  removed: Removal[];
}

/**
 * What other members have heard of a node, as far as they answer in time. It is asked before the node
 * says or answers anything: it might have been started on an old copy of its directory.
 */
export async function heardOfSelf(question: SelfQuestion): Promise<SelfAnswer> {
  const { name, members, seeds, platform } = question;
  const remembered = members.filter((member) => member.name !== name).map(({ origin }) => origin);
  const chosen = shuffled(platform.random, remembered).slice(0, ASKED_MAX);
  const asked = [...new Set([...chosen, ...seeds.slice(0, ASKED_MAX)])];
  // Nobody is to take it for one that is there already: it says nothing of itself, and has no view.
  const body = encoder.encode(JSON.stringify({ from: name, members: [] }));
  const answers = await Promise.all(asked.map(async (origin) => {
    try {
      return [await exchange(question, { origin, body, headers: {} })];
    } catch (error) {
      if (!isConvergeError(error)) throw error;
      return [];
    }
  }));
  const messages = answers.flat();
  return {
    statements: messages.flatMap((one) => one.members).filter((member) => member.name === name),
    removed: messages.flatMap((one) => one.removed ?? []),
  };
}

/** One node's gossip. */
export class GossipLoop {
  readonly #options: GossipLoopOptions;
  /** Seeds that refused the last connection. */
  readonly #refused = new Set<string>();
  /** Seeds that have been told of as being of another cluster. */
  readonly #otherClusters = new Set<string>();
  /** Of those of another cluster that ask this node. */
  readonly #reminder: Reminder;
  readonly #isNew: boolean;
  /** Node IDs of the members that this node will know of after a restart, too. */
  #onDisk: ReadonlySet<string>;
  #version = -1;
  #saving: Promise<void> | undefined;
  #saveAgain = false;
  #stopped = false;

  constructor(options: GossipLoopOptions) {
    this.#options = options;
    this.#reminder = new Reminder(options.platform.clock);
    this.#isNew = options.gossip.self.status === "joining";
    this.#onDisk = idsOf(everybody(options.gossip));
  }

  /** Seeds that nobody has been heard under and where certainly nobody listens now. */
  get refusedSeeds(): number {
    return this.#options.gossip.unresolvedSeeds.filter((seed) => this.#refused.has(seed)).length;
  }

  start(): void {
    this.#tick();
  }

  stop(): void {
    this.#stopped = true;
  }

  /**
   * A peer's message came in; returns this node's own view as the answer.
   *
   * @throws {ConvergeError} `corrupt_message`.
   */
  receive(body: Uint8Array): Uint8Array<ArrayBuffer> {
    const message = parse(body);
    if (message.members.length > 0) this.#merge(message); // else it is a question, see `heardOfSelf`
    return this.#message();
  }

  /** Writes what is known to disk. @throws {ConvergeError} as `Store.apply`. */
  async save(): Promise<void> {
    if (this.#saving !== undefined) {
      this.#saveAgain = true;
      return await this.#saving;
    }
    this.#saving = this.#saveUntilCurrent().finally(() => this.#saving = undefined);
    await this.#saving;
  }

  /** Sends this node's view now: something about it changed that others wait for. */
  announce(): void {
    for (const origin of this.#options.gossip.tick().origins) void this.#exchange(origin);
  }

  #tick(): void {
    if (this.#stopped) return;
    const { gossip, platform, intervalMs } = this.#options;
    this.announce();
    if (everybody(gossip).some(({ nodeID }) => !this.#onDisk.has(nodeID))) this.#saveSoon();
    const waitMs = gossip.self.status === "normal"
      ? intervalMs
      : Math.min(intervalMs, HASTY_INTERVAL_MS);
    platform.clock.setTimer(waitMs, () => this.#tick());
  }

  async #exchange(origin: string): Promise<void> {
    const { lamport, gossip } = this.#options;
    const headers = {
      [FROM_HEADER]: gossip.self.name,
      [COUNTER_HEADER]: String(lamport.current),
    };
    try {
      const answer = await exchange(this.#options, { origin, body: this.#message(), headers });
      this.#refused.delete(origin);
      if (this.#stopped || answer.members.length === 0) return;
      lamport.observe(answer.counter);
      this.#merge(answer, origin);
    } catch (error) {
      // Silence is what the failure detector is for.
      if (isConvergeError(error, "unreachable")) this.#refused.add(origin);
      else this.#refused.delete(origin);
      if (!isConvergeError(error)) throw error;
    }
  }

  #merge(message: GossipMessage, viaSeed?: string): void {
    const { gossip, platform, onChange, onHeard, onRemoved } = this.#options;
    const reaction = gossip.reactionTo(message);
    if (reaction === "stop") this.#options.onOtherOptions(message);
    if (reaction === "other_cluster") this.#onOtherCluster(message.from, viaSeed);
    if (reaction !== "merge") return;
    gossip.receive(message, platform.clock.monotonicMs(), viaSeed);
    if (gossip.isOldCopy) this.#options.onOldCopy();
    if (gossip.twin !== undefined) this.#options.onTwin(gossip.twin);
    if (message.from !== gossip.self.name) onHeard(message.from);
    const removal = gossip.ownRemoval;
    if (removal !== undefined && isGone(removal, gossip.self)) onRemoved(removal);
    if (gossip.version === this.#version) return;
    this.#version = gossip.version;
    onChange();
    this.#saveSoon();
  }

  /** Where it cannot be written, it is tried again with the next change, or tick. */
  #saveSoon(): void {
    this.save().catch(() => {});
  }

  #onOtherCluster(from: string, seed: string | undefined): void {
    const { gossip, platform, onOtherCluster } = this.#options;
    if (seed === undefined) {
      // Perhaps it was of that one, and was started empty without seeds.
      if (this.#reminder.isDue()) platform.log.warn("gossip.other_cluster", { from });
      return;
    }
    // A new node has spoken to both: once it is normal, they would know each other by it.
    if (this.#isNew && gossip.self.status !== "normal") return onOtherCluster(seed);
    if (this.#otherClusters.has(seed)) return;
    this.#otherClusters.add(seed);
    platform.log.warn("gossip.other_cluster", { seed });
  }

  /**
   * The view to send. Who is named in it is known to this node for good: one that joins counts once all
   * know it, and who forgot it again would go by the owners of before.
   */
  #message(): Uint8Array<ArrayBuffer> {
    const view = this.#options.gossip.message();
    const members = view.members.filter(({ nodeID }) => this.#onDisk.has(nodeID));
    return encoder.encode(JSON.stringify({ ...view, members }));
  }

  async #saveUntilCurrent(): Promise<void> {
    do {
      this.#saveAgain = false;
      const { gossip, state } = this.#options;
      const saved: SavedMembership = {
        self: gossip.self,
        members: everybody(gossip),
        seeds: [...gossip.resolvedSeeds],
        settled: [...gossip.settled],
        ...(gossip.removed.length === 0 ? {} : { removed: gossip.removed }),
      };
      await state.write(MEMBERSHIP_DOCUMENT, saved);
      this.#onDisk = idsOf(saved.members);
    } while (this.#saveAgain);
  }
}

/** All that a node remembers: those that are being removed, too. */
function everybody(gossip: Gossip): Member[] {
  return [...gossip.members, ...gossip.leaving];
}

function idsOf(members: readonly Member[]): ReadonlySet<string> {
  return new Set(members.map(({ nodeID }) => nodeID));
}

/** Whether a node has nothing to do any more: one that is being removed gives what it has until then. */
function isGone({ nodeID, dead, ended }: Removal, self: Member): boolean {
  return dead || ended || nodeID !== self.nodeID;
}

/** Sends a view, and gives back the answer: of nobody where it was refused. */
async function exchange(
  { platform, auth, timeoutMs }: Pick<GossipLoopOptions, "platform" | "auth" | "timeoutMs">,
  { origin, body, headers }: {
    origin: string;
    body: Uint8Array<ArrayBuffer>;
    headers: Record<string, string>;
  },
): Promise<GossipMessage & { counter: number }> {
  const path = "/internal/gossip";
  const response = await platform.network.request({
    method: "POST",
    origin,
    path,
    headers: auth.signed("POST", path, { ...headers, ...requestChecksum(path, body) }, body),
    body,
    timeoutMs,
  });
  if (response.status !== 200) return { from: "", members: [], counter: 0 };
  checkBody(response.headers, response.body);
  const counter = parseCounterHeader(response.headers.get(COUNTER_HEADER));
  return { ...parse(response.body), counter };
}

function parse(body: Uint8Array): GossipMessage {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(body));
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read gossip: not JSON", { cause });
  }
  return parseGossipMessage(json);
}
