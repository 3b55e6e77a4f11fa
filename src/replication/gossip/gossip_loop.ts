/** The shell around `membership/gossip.ts`: sends, receives, and keeps what was learned on disk. */
import type { Gossip } from "../../membership/gossip.ts";
import type { GossipMessage } from "../../membership/gossip_message.ts";
import type { Member } from "../../membership/member.ts";
import type { Removal } from "../../membership/removal.ts";
import { isConvergeError } from "../../errors.ts";
import type { Platform } from "../../platform/platform.ts";
import { Reminder } from "../../platform/reminder.ts";
import { exchangeViews, parseView } from "./gossip_exchange.ts";
import {
  isGone,
  isUpToDate,
  type KnownAfterRestart,
  knownAfterRestart,
  MEMBERSHIP_DOCUMENT,
  membershipOf,
  messageOf,
} from "./membership_document.ts";
import { COUNTER_HEADER, FROM_HEADER } from "../peers/internal_protocol.ts";
import type { LamportClock } from "../state/lamport_clock.ts";
import type { MessageAuth } from "../peers/message_auth.ts";
import type { LocalState } from "../state/local_state.ts";

/** What the loop is made of. */
export interface GossipLoopOptions {
  gossip: Gossip;
  platform: Platform;
  lamport: LamportClock;
  auth: MessageAuth;
  state: LocalState;
  /** Members that are in `state` at the start. */
  remembered: readonly Member[];
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

/** Interval while this node is not `normal`: a start must not take seconds. */
const HASTY_INTERVAL_MS = 100;

const encoder = new TextEncoder();

/** One node's gossip. */
export class GossipLoop {
  readonly #options: GossipLoopOptions;
  /** Seeds that refused the last connection. */
  readonly #refused = new Set<string>();
  /** Seeds that have been told of as being of another cluster. */
  readonly #otherClusters = new Set<string>();
  /** Of those of another cluster that ask this node. */
  readonly #reminder: Reminder;
  readonly #secretReminder: Reminder;
  readonly #isNew: boolean;
  #onDisk: KnownAfterRestart;
  #version = -1;
  #saving: Promise<void> | undefined;
  #saveAgain = false;
  #stopped = false;

  constructor(options: GossipLoopOptions) {
    this.#options = options;
    this.#reminder = new Reminder(options.platform.clock);
    this.#secretReminder = new Reminder(options.platform.clock);
    this.#isNew = options.gossip.self.status === "joining";
    this.#onDisk = knownAfterRestart(options.gossip, options.remembered);
  }

  /** How many seeds there are under which nobody was heard, and where certainly nobody listens now. */
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
    const message = parseView(body);
    if (message.members.length > 0) this.#merge(message); // else it is a question, see `first_contact.ts`
    return this.#message();
  }

  /** Writes what is known to disk. @throws {ConvergeError} as `Store.apply`. */
  async save(): Promise<void> {
    if (this.#saving !== undefined) {
      this.#saveAgain = true;
      return await this.#saving;
    }
    this.#saving = this.#saveUntilCurrent();
    await this.#saving;
  }

  /** Sends this node's view now: something about it changed that others wait for. */
  announce(): void {
    const { gossip, platform } = this.#options;
    const { origins } = gossip.tick(platform.clock.monotonicMs());
    for (const origin of origins) void this.#exchange(origin);
  }

  #tick(): void {
    if (this.#stopped) return;
    const { gossip, platform, intervalMs } = this.#options;
    this.announce();
    if (!isUpToDate(this.#onDisk, gossip)) this.#saveSoon();
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
      const answer = await exchangeViews(this.#options, { origin, body: this.#message(), headers });
      this.#refused.delete(origin);
      if (this.#stopped || answer.members.length === 0) return;
      lamport.observe(answer.counter);
      this.#merge(answer, origin);
    } catch (error) {
      // Silence is what the failure detector is for.
      if (isConvergeError(error, "unreachable")) this.#refused.add(origin);
      else this.#refused.delete(origin);
      if (isConvergeError(error, "forged_message")) this.#onOtherSecret(origin);
      if (!isConvergeError(error)) throw error;
    }
  }

  #onOtherSecret(by: string): void {
    if (!this.#secretReminder.isDue()) return;
    const why = "its --cluster-secret is another";
    this.#options.platform.log.warn("gossip.refused", { by, why });
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
      // Perhaps it was a member of this cluster, and was started with an empty disk and without seeds.
      if (this.#reminder.isDue()) platform.log.warn("gossip.other_cluster", { from });
      return;
    }
    // This node is new, and has spoken to both clusters: once it was normal, they would know each other by it.
    if (this.#isNew && gossip.self.status !== "normal") return onOtherCluster(seed);
    if (this.#otherClusters.has(seed)) return;
    this.#otherClusters.add(seed);
    platform.log.warn("gossip.other_cluster", { seed });
  }

  /** The view to send. */
  #message(): Uint8Array<ArrayBuffer> {
    const view = messageOf(this.#options.gossip, this.#onDisk);
    return encoder.encode(JSON.stringify(view));
  }

  /** Ends in the very turn in which nothing is left to be written: a later call of `save` begins anew. */
  async #saveUntilCurrent(): Promise<void> {
    try {
      do {
        this.#saveAgain = false;
        await this.#saveOnce();
      } while (this.#saveAgain);
    } finally {
      this.#saving = undefined;
    }
  }

  async #saveOnce(): Promise<void> {
    const { gossip, state } = this.#options;
    const saved = membershipOf(gossip);
    const known = knownAfterRestart(gossip, saved.members);
    await state.write(MEMBERSHIP_DOCUMENT, saved);
    this.#onDisk = known;
  }
}
