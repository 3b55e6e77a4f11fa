/**
 * Fills a new or emptied node from the others, range by range, and lets it count when it is done. The
 * shell around `membership/lifecycle.ts`. Progress is on disk, so that an interruption costs little.
 */
import { isConvergeError } from "../../errors.ts";
import { type Clock, delay } from "../../platform/clock.ts";
import type { Log } from "../../platform/log.ts";
import type { Gossip } from "../../membership/gossip.ts";
import type { Member } from "../../membership/member.ts";
import {
  isRefilling,
  joinersOf,
  type LifecycleView,
  nextStep,
} from "../../membership/lifecycle.ts";
import { type QuorumOptions, quorumsMeet } from "../../membership/quorums.ts";
import { isKnownByAll, sourcesOf } from "../../membership/removal_step.ts";
import { type Key, keyFromPath, keyToPath } from "../../record/key.ts";
import type { RefillProgress } from "../counts.ts";
import type { AntiEntropy } from "./anti_entropy.ts";
import type { KeyExchange } from "./key_exchange.ts";
import type { LamportClock } from "../state/lamport_clock.ts";
import type { LocalState } from "../state/local_state.ts";
import type { LeafSet } from "./merkle_tree.ts";
import type { PeerLink } from "../peers/peer_link.ts";
import { hasLeftovers, type Saved } from "./refill_document.ts";
import { SavedProgress } from "./saved_progress.ts";
import { RETRY_MS, takeSteps, withEach } from "./step_loop.ts";
import type { Topology } from "../topology/topology.ts";

/** What refilling is made of. */
export interface RefillOptions {
  gossip: Gossip;
  exchange: KeyExchange;
  antiEntropy: AntiEntropy;
  state: LocalState;
  clock: Clock;
  log: Log;
  quorums: QuorumOptions;
  /** Milliseconds that a client's request may take on members that do not say how long. */
  requestTimeoutMs: number;
  lamport: Pick<LamportClock, "current">;
  topology(): Topology;
  linkTo(name: string): PeerLink | undefined;
  /** Seeds where certainly nobody listens now. */
  refusedSeeds(): number;
  /**
   * Called whenever data is about to be taken from a member. The member's counter is known by then, and
   * all that was collected while this node had no data lies below it.
   */
  onBeforeRefill(): Promise<void>;
  /**
   * Called before this node, whose disk was lost, counts for writes again; perhaps more than once.
   *
   * @param loss The last one, as of `Store.lastLoss`.
   */
  onRejoined(loss: number): Promise<void>;
  /** Makes this node's new status known and durable. */
  onStatus(): Promise<void>;
}

const PAGES_PER_SAVE = 20;
const TREE_ATTEMPTS_MAX = 5;

/** One node's way to `normal`. */
export class Refill {
  readonly #options: RefillOptions;
  readonly #progress: SavedProgress;
  /** By when all who must know this node did, for certain, and since when nothing was lost. */
  #knownSinceMs = 0;
  #pulled = 0;
  #waitsFor: readonly string[] = [];
  #stopped = false;
  #running = false;

  constructor(options: RefillOptions) {
    this.#options = options;
    this.#progress = new SavedProgress(options.state);
  }

  progress(): RefillProgress {
    return {
      done: [...this.#progress.done],
      pulled: this.#pulled,
      waitsFor: [...this.#waitsFor],
    };
  }

  /** Goes on until this node is `normal`. Runs once at a time. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#knownSinceMs = this.#options.clock.monotonicMs();
    this.#progress.read();
    const { gossip, clock, log } = this.#options;
    void takeSteps({
      clock,
      log,
      event: "refill.failed",
      goesOn: () => gossip.self.status !== "normal",
      isStopped: () => this.#stopped,
      step: () => this.#step(),
      onEnd: () => this.#running = false,
    });
  }

  stop(): void {
    this.#stopped = true;
  }

  get #saved(): Saved {
    return this.#progress.saved;
  }

  /**
   * Data was lost: counts in no read quorum until all is refilled. Resolves once that is on disk, or
   * when it cannot be yet; then it is tried again until it is.
   *
   * @param loss What `Store.lastLoss` says after it.
   */
  async restart(loss: number): Promise<void> {
    const { gossip } = this.#options;
    this.#progress.beginAnew("", loss);
    this.#knownSinceMs = this.#options.clock.monotonicMs();
    // A joining node stays so: there may still be somebody who does not know it.
    if (gossip.self.status === "normal") gossip.setStatus("refilling");
    if (await this.#saveRestart()) this.start();
    else void this.#restartLater();
  }

  /** Never rejects: a store that fails for good stops the node, and nobody waits here. */
  async #restartLater(): Promise<void> {
    try {
      do {
        await delay(this.#options.clock, RETRY_MS);
        if (this.#stopped) return;
      } while (!await this.#saveRestart());
      this.start();
    } catch (error) {
      this.#options.log.error("refill.failed", { why: String(error) });
    }
  }

  /** False when the node's own documents cannot be written now: they may lie in the damaged table. */
  async #saveRestart(): Promise<boolean> {
    try {
      // Others are told at once, whether or not it can be written.
      await this.#options.onStatus();
      await this.#progress.noteLoss();
      return true;
    } catch (error) {
      if (this.#stopped) return true;
      if (isConvergeError(error, "corrupt_file", "disk_full", "overloaded")) return false;
      throw error;
    }
  }

  async #step(): Promise<void> {
    const { gossip, topology } = this.#options;
    if (this.#saved.ring !== topology().fingerprint) {
      this.#progress.beginAnew(topology().fingerprint, this.#saved.loss);
    }
    const { done, earlier } = this.#saved;
    const step = nextStep({
      self: gossip.self,
      others: this.#others,
      unresolvedSeeds: gossip.unresolvedSeeds.length,
      refusedSeeds: this.#options.refusedSeeds(),
      namedBothWays: gossip.namedBothWays,
      settled: gossip.settled,
      ...this.#options.quorums,
      hasHeard: (name) => gossip.hasHeard(name),
      isKnownBy: (name) => gossip.isKnownBy(name),
      knowsAll: (name) => gossip.knowsAll(name),
      refilledFrom: new Set(done),
      earlier: new Set(earlier?.lives),
      hasLeftovers: hasLeftovers(this.#saved),
      removals: this.#removals(),
    });
    this.#waitsFor = step.action === "wait" ? step.for : step.action === "refill" ? step.from : [];
    if (step.action === "become") await this.#become(step.status);
    else if (step.action === "refill") await this.#refillFrom(step.from);
  }

  get #others(): Member[] {
    const { self, members } = this.#options.gossip;
    return members.filter(({ name }) => name !== self.name);
  }

  #removals(): LifecycleView["removals"] {
    const view = this.#options.gossip.removalView;
    if (view.pending.length === 0) return undefined;
    return { sources: sourcesOf(view), areKnownByAll: isKnownByAll(view) };
  }

  async #become(status: "refilling" | "normal"): Promise<void> {
    const saved = this.#saved;
    // First, so that the horizon is past the counters that are left out when this node begins to count.
    if (status === "refilling" && this.#hasLostData) await this.#options.onRejoined(saved.loss);
    await this.#options.onBeforeRefill();
    // Nothing counts as done where data was lost meanwhile, or the loss is not on disk yet; nor where
    // this node may own other keys by now.
    const { gossip, clock, log, onStatus, topology } = this.#options;
    const isDone = saved === this.#saved && this.#progress.isNoted &&
      saved.ring === topology().fingerprint;
    if (status === "normal" && !isDone) return;
    if (status === "refilling") await this.#noteEarlier();
    gossip.setStatus(status);
    this.#knownSinceMs = clock.monotonicMs();
    log.info("member.status", { name: gossip.self.name, status });
    await onStatus();
  }

  /**
   * On disk before this node counts, once in its life: else each of two that are started again could wait
   * for the other.
   */
  async #noteEarlier(): Promise<void> {
    const { gossip, lamport } = this.#options;
    // As below: they have nothing that was written by a ring without this node.
    if (lamport.current === 0) return;
    const by = gossip.self.nodeID;
    const joiners = joinersOf(this.#others, gossip.settled);
    if (joiners.length === 0 && this.#saved.earlier === undefined) return;
    // Where it ended before its status was on disk, all have known it since, and some may wait for it.
    if (this.#saved.earlier?.by !== by) {
      this.#saved.earlier = { lives: joiners.filter(isRefilling).map(({ nodeID }) => nodeID), by };
    }
    await this.#progress.save(this.#saved);
  }

  async #refillFrom(names: readonly string[]): Promise<void> {
    await this.#writesOfBefore();
    await withEach(names, (name) => this.#refillFromOne(name));
  }

  /** Whether this node had a part in quorums before, with data that it does not have any more. */
  get #hasLostData(): boolean {
    const { self, settled } = this.#options.gossip;
    return self.replaces !== undefined || settled.has(self.name);
  }

  /** Resolves once no write is under way that began before others knew of this node. */
  async #writesOfBefore(): Promise<void> {
    const { clock, lamport, quorums, topology } = this.#options;
    // Such a write may reach owners of before only, unless these are the owners of now. And where data was
    // lost, it may count on an answer of before that, and be on one other owner only once that was read.
    if (!this.#hasLostData && quorumsMeet(topology().members.length, quorums)) return;
    // Who knows this node said so together with its counter: nobody has written anything before.
    if (lamport.current === 0) return;
    const restMs = this.#knownSinceMs + this.#requestMsMax - clock.monotonicMs();
    if (restMs > 0) await delay(clock, restMs);
  }

  /** No request that a member has begun takes longer. */
  get #requestMsMax(): number {
    const { gossip, requestTimeoutMs } = this.#options;
    const members = [...gossip.members, ...gossip.leaving];
    return Math.max(...members.map(({ requestMs = requestTimeoutMs }) => requestMs));
  }

  async #refillFromOne(name: string): Promise<void> {
    const link = this.#options.linkTo(name);
    if (link === undefined) return;
    const topology = this.#options.topology();
    const saved = this.#saved;
    const begun = saved.after[name];
    const after: Key | undefined = begun === undefined ? undefined : keyFromPath(begun);
    const isFirst = saved.done.length === 0;
    // While others join, what former owners have is in no tree that both sides could compare.
    const isWide = topology.former.before(topology.settled) !== topology.ring;
    const leaves = isFirst || isWide ? undefined : await this.#differing(name, link, topology);
    if (leaves === "none") return await this.#done(name, saved);
    let pages = 0;
    let pulled = 0;
    const { complete } = await this.#options.exchange.run({
      peerName: name,
      link,
      topology,
      leaves,
      after,
      values: isFirst,
      settled: topology.settled,
      leftovers: hasLeftovers(saved),
      onPage: async (through, counts) => {
        await this.#options.onBeforeRefill();
        this.#pulled += counts.pulled - pulled;
        pulled = counts.pulled;
        if (through !== undefined) saved.after[name] = keyToPath(through);
        // Where data was lost meanwhile, what was done before does not hold any more.
        if (saved !== this.#saved) return false;
        if (++pages % PAGES_PER_SAVE === 0) await this.#progress.save(saved);
        return !this.#stopped && this.#options.topology().fingerprint === topology.fingerprint;
      },
    });
    if (complete) await this.#done(name, saved);
  }

  /**
   * Where this node and a peer still differ. After the first peer was read, that is mostly nowhere.
   * Undefined, which means perhaps anywhere, when the peer has no time to tell.
   */
  async #differing(
    name: string,
    link: PeerLink,
    topology: Topology,
  ): Promise<LeafSet | "none" | undefined> {
    for (let tried = 1;; tried++) {
      try {
        return await this.#options.antiEntropy.differing(name, link, topology, true) ?? "none";
      } catch (error) {
        if (!isConvergeError(error, "overloaded")) throw error;
        if (tried === TREE_ATTEMPTS_MAX || this.#stopped) return undefined;
        await delay(this.#options.clock, RETRY_MS);
      }
    }
  }

  async #done(name: string, saved: Saved): Promise<void> {
    if (saved !== this.#saved) return; // data was lost meanwhile: what was done does not hold
    saved.done.push(name);
    await this.#progress.save(saved);
  }
}
