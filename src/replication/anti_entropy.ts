/**
 * Anti-entropy: owners compare what they hold and mend what differs, whether anybody reads it or not
 * (Dynamo, SOSP 2007, section 4.7). One peer at a time, in turns, for ever; a peer that came back is
 * next. The time that rounds may take is a bounded share of all time.
 */
import { ConvergeError, isConvergeError } from "../errors.ts";
import { type Clock, delay } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import { Reminder } from "../platform/reminder.ts";
import type { Key } from "../record/key.ts";
import type { Store } from "../storage/store.ts";
import type { ExchangeCounts, KeyExchange } from "./key_exchange.ts";
import { KeyTree } from "./key_tree.ts";
import { LeafSet, LEAVES_PER_ARC, type MerkleTree } from "./merkle_tree.ts";
import type { PeerLink } from "./peer_link.ts";
import type { Topology } from "./topology.ts";

/** What anti-entropy is made of. */
export interface AntiEntropyOptions {
  store: Store;
  exchange: KeyExchange;
  clock: Clock;
  log: Log;
  selfName: string;
  topology(): Topology;
  linkTo(name: string): PeerLink | undefined;
  /** Keys of which something is being stored or erased right now. */
  keysUnderWay(): Iterable<Key>;
  intervalMs: number;
}

/** Totals since start. */
export interface AntiEntropyCounts extends ExchangeCounts {
  rounds: number;
  roundsFailed: number;
  roundsEqual: number;
  /** Turns that waited for a quieter time. */
  roundsPutOff: number;
  /** Milliseconds that the last round took, and the last bringing up to date of the tree. */
  lastRoundMs: number;
  lastTreeMs: number;
}

/** Arc hashes of one node, by arc index, for arcs that both sides own. */
export type ArcHashes = Record<string, string>;

/** A round may take 1 / (1 + this) of the time. */
const REST_SHARE = 10;
/** Rounds between two times that the whole tree is made anew from the disk. */
const ROUNDS_PER_FULL_REBUILD = 360;
/**
 * Intervals for which rounds are put off while more is stored in each than hashes can follow: such a
 * round reads all there is on both sides, and finds little but what was on its way in between.
 */
const FLOOD_INTERVALS = 10;
/** Pause after a round that failed: the peer may be busy. */
const BACKOFF_MS = 1_000;
/** How long a peer that asks for hashes is kept waiting. */
const ANSWER_MS = 300;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One node's side of anti-entropy. */
export class AntiEntropy {
  readonly counts: AntiEntropyCounts = {
    rounds: 0,
    roundsFailed: 0,
    roundsEqual: 0,
    roundsPutOff: 0,
    lastRoundMs: 0,
    lastTreeMs: 0,
    pulled: 0,
    pushed: 0,
    compared: 0,
  };
  readonly #options: AntiEntropyOptions;
  #keyTree: KeyTree | undefined;
  #updatedAtMs = -Infinity;
  /** Records that were stored or erased since the last turn of the loop. */
  #storedCount = 0;
  /** Whether those were more than hashes can follow. */
  #isFlooded = false;
  /** When the last round ended that did not fail. */
  #lastRoundEndMs = -Infinity;
  /** Peers to be compared with next, before the others have their turn. */
  readonly #urgent = new Set<string>();
  #lastPeer = "";
  #stopped = false;
  #running = false;
  #wake: (() => void) | undefined;
  readonly #reminder: Reminder;

  constructor(options: AntiEntropyOptions) {
    this.#options = options;
    this.#reminder = new Reminder(options.clock);
  }

  /** Begins rounds; all peers are due at once, since this node may have been away. */
  start(): void {
    for (const { name } of this.#options.topology().members) this.urgent(name);
    if (!this.#running) {
      this.#running = true;
      void this.#loop();
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#keyTree?.close();
    this.#wake?.();
  }

  /** A record of this key was stored or erased. */
  onStored(key: Key): void {
    this.#storedCount++;
    this.#keyTree?.touch(key);
  }

  /** Records are gone that nobody erased. */
  onDataLost(): void {
    this.#keyTree?.forget();
  }

  /** Compare with this peer soon: it came back, or may have missed something. */
  urgent(name: string): void {
    if (name === this.#options.selfName || this.#urgent.has(name)) return;
    this.#urgent.add(name);
    this.#wake?.();
  }

  /** Members or their statuses have changed: there may be somebody to compare with now. */
  onMembersChanged(): void {
    this.#wake?.();
  }

  /**
   * Answers a peer that compares: this node's hashes of the arcs that both own.
   *
   * @param fresh Whether everything that was stored before must be in them.
   * @throws {ConvergeError} `not_ready` when the rings differ; `overloaded` while hashes are being
   * made; as `Store.scan`.
   */
  async arcHashes(peerName: string, fingerprint: string, fresh = false): Promise<ArcHashes> {
    await this.#recentTree(fingerprint, fresh);
    return this.#hashesOfArcs(peerName, fingerprint);
  }

  /**
   * Answers a peer that compares: the hashes of the leaves of some arcs.
   *
   * @throws {ConvergeError} `corrupt_message` for arcs that the ring does not have, or more of them;
   * as `arcHashes`.
   */
  async leafHashes(
    arcs: readonly number[],
    fingerprint: string,
    fresh = false,
  ): Promise<string[]> {
    await this.#recentTree(fingerprint, fresh);
    const { arcCount } = this.#treeOf(fingerprint);
    if (arcs.length > arcCount || arcs.some((arc) => arc < 0 || arc >= arcCount)) {
      throw new ConvergeError("corrupt_message", "Cannot hash arcs that the ring does not have");
    }
    return this.#hashesOfLeaves(arcs, fingerprint);
  }

  /** The tree over a ring, which may have grown since somebody waited for hashes or answers. */
  #treeOf(fingerprint: string): MerkleTree {
    const isStill = this.#options.topology().fingerprint === fingerprint;
    if (isStill && this.#keyTree?.fingerprint === fingerprint) return this.#keyTree.tree;
    throw new ConvergeError("not_ready", "Cannot compare: the ring has changed meanwhile");
  }

  #hashesOfArcs(peerName: string, fingerprint: string): ArcHashes {
    const tree = this.#treeOf(fingerprint);
    const hashes: ArcHashes = {};
    for (const arc of this.#sharedArcs(peerName)) hashes[arc] = tree.arcHash(arc);
    return hashes;
  }

  #hashesOfLeaves(arcs: readonly number[], fingerprint: string): string[] {
    const tree = this.#treeOf(fingerprint);
    return arcs.flatMap((arc) =>
      Array.from({ length: LEAVES_PER_ARC }, (_, i) => tree.leafHash(arc * LEAVES_PER_ARC + i))
    );
  }

  /**
   * One round with one peer.
   *
   * @throws {ConvergeError} as `PeerLink.request`; `not_ready` when the rings differ.
   */
  async compareWith(peerName: string): Promise<ExchangeCounts> {
    const topology = this.#options.topology();
    const link = this.#options.linkTo(peerName);
    if (link === undefined || link.isOpen) {
      throw new ConvergeError("unreachable", `Cannot compare with ${peerName}: it does not answer`);
    }
    const leaves = await this.differing(peerName, link, topology, false);
    if (leaves === undefined) {
      this.counts.roundsEqual++;
      return { pulled: 0, pushed: 0, compared: 0 };
    }
    return await this.#options.exchange.run({
      peerName,
      link,
      topology,
      leaves,
      after: undefined,
      values: false,
      onPage: () => !this.#stopped && this.#options.topology().fingerprint === topology.fingerprint,
    });
  }

  /**
   * The leaves of the ring in which this node and a peer differ; undefined where in none.
   *
   * @param fresh Whether everything that the peer stored before must be taken into account.
   * @throws {ConvergeError} as `PeerLink.request`; `not_ready` when the rings differ.
   */
  async differing(
    peerName: string,
    link: PeerLink,
    topology: Topology,
    fresh: boolean,
  ): Promise<LeafSet | undefined> {
    await this.#freshTree(topology.fingerprint, fresh);
    const question = { ring: topology.fingerprint, ...(fresh ? { fresh } : {}) };
    const theirs = await ask<ArcHashes>(link, question);
    const mine = this.#hashesOfArcs(peerName, topology.fingerprint);
    const arcs = Object.keys(mine).filter((arc) => mine[arc] !== theirs[arc]).map(Number);
    if (arcs.length === 0) return undefined;
    const theirLeaves = await ask<string[]>(link, { ...question, arcs });
    return this.#differingLeaves(arcs, theirLeaves, topology);
  }

  #differingLeaves(
    arcs: readonly number[],
    theirs: readonly string[],
    { fingerprint, ring }: Topology,
  ): LeafSet | undefined {
    const mine = this.#hashesOfLeaves(arcs, fingerprint);
    const differing = new LeafSet(ring.arcs.length * LEAVES_PER_ARC);
    for (let i = 0; i < mine.length; i++) {
      if (mine[i] === theirs[i]) continue;
      const arc = arcs[Math.floor(i / LEAVES_PER_ARC)]!;
      differing.add(arc * LEAVES_PER_ARC + i % LEAVES_PER_ARC);
    }
    return differing.size === 0 ? undefined : differing;
  }

  async #loop(): Promise<void> {
    const { clock, intervalMs } = this.#options;
    while (!this.#stopped) {
      const startMs = clock.monotonicMs();
      const givenMs = this.#keyTree?.givenMs ?? 0;
      this.#isFlooded = this.#keyTree?.isOutrunBy(this.#storedCount) ?? false;
      this.#storedCount = 0;
      const peer = this.#nextPeer();
      if (peer !== undefined && this.#mayPutOff(peer)) {
        this.counts.roundsPutOff++;
        await this.#pause(intervalMs);
        continue;
      }
      let failed = false;
      // Its snapshot holds memory and files, and nobody may come for long.
      if (peer === undefined) this.#keyTree?.forget();
      else failed = !await this.#round(peer, startMs);
      if (this.#stopped) return;
      if (!failed) this.#lastRoundEndMs = clock.monotonicMs();
      const gaveMs = Math.max(0, (this.#keyTree?.givenMs ?? 0) - givenMs);
      await this.#pause(this.#restMs(clock.monotonicMs() - startMs - gaveMs, failed));
    }
  }

  /** One round with the peer whose turn it is; whether it did not fail. */
  async #round(peer: string, startMs: number): Promise<boolean> {
    const { clock, log } = this.#options;
    this.#lastPeer = peer;
    this.counts.rounds++;
    if (this.counts.rounds % ROUNDS_PER_FULL_REBUILD === 0) this.#keyTree?.doubt();
    try {
      const { pulled, pushed, compared } = await this.compareWith(peer);
      this.#urgent.delete(peer);
      this.counts.lastRoundMs = clock.monotonicMs() - startMs;
      this.counts.pulled += pulled;
      this.counts.pushed += pushed;
      this.counts.compared += compared;
      return true;
    } catch (error) {
      this.counts.roundsFailed++;
      const usual = isConvergeError(error, "unreachable", "timeout", "not_ready", "overloaded");
      if (!usual && !this.#stopped && this.#reminder.isDue()) {
        log.warn("anti_entropy.failed", { peer, why: String(error) });
      }
      return false;
    }
  }

  /** How long to wait after a round that took so long. */
  #restMs(workedMs: number, failed: boolean): number {
    const next = this.#nextPeer();
    const isUrgent = next !== undefined && this.#urgent.has(next);
    if (!isUrgent) return Math.max(this.#options.intervalMs, REST_SHARE * workedMs);
    // An urgent peer that cannot be reached is no reason to hurry: the wait would be no wait.
    return Math.max(failed ? BACKOFF_MS : 0, workedMs);
  }

  /** Whether a round with this peer, which would read everything, may wait for a quieter time. */
  #mayPutOff(peer: string): boolean {
    const { clock, intervalMs } = this.#options;
    const sinceMs = clock.monotonicMs() - this.#lastRoundEndMs;
    return this.#isFlooded && this.#keyTree?.mustReadAll === true && !this.#urgent.has(peer) &&
      sinceMs < FLOOD_INTERVALS * intervalMs;
  }

  /** Waits, unless it is woken. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const { clock } = this.#options;
      const timer = clock.setTimer(delayMs, done);
      function done(): void {
        clock.clearTimer(timer);
        resolve();
      }
      this.#wake = done;
    });
  }

  /**
   * An urgent peer that answers, else the next one in order of names. While this node or a peer is
   * being filled, comparing would only do the same work twice.
   */
  #nextPeer(): string | undefined {
    const { selfName, topology, linkTo } = this.#options;
    const { members } = topology();
    for (const name of this.#urgent) {
      if (!members.some((member) => member.name === name)) this.#urgent.delete(name);
    }
    const filled = members.filter(({ status }) => status === "normal").map(({ name }) => name);
    if (!filled.includes(selfName)) return undefined;
    const reachable = filled.filter((name) => linkTo(name)?.isOpen === false);
    const inTurn = [
      ...reachable.filter((name) => name > this.#lastPeer),
      ...reachable.filter((name) => name <= this.#lastPeer),
    ];
    return inTurn.find((name) => this.#urgent.has(name)) ?? inTurn[0];
  }

  #sharedArcs(peerName: string): number[] {
    const { selfName } = this.#options;
    return this.#options.topology().ring.arcs
      .filter(({ owners }) => owners.includes(selfName) && owners.includes(peerName))
      .map(({ index }) => index);
  }

  /**
   * For a peer that asks: hashes that are a little old will do where all must be read to make new ones,
   * so that under load both sides together spend a bounded share of their time on that, and so that a
   * node whose hashes take long has some to show; and hashes that take long to make are not waited
   * for, since the peer would take this node for dead.
   */
  async #recentTree(fingerprint: string, mustBeFresh: boolean): Promise<void> {
    const { clock, intervalMs } = this.#options;
    const tree = this.#keyTree;
    if (!mustBeFresh && tree?.fingerprint === fingerprint && !tree.isUpdating) {
      const ageMs = clock.monotonicMs() - this.#updatedAtMs;
      // Rounds that would have made new ones are put off under a flood.
      const intervals = this.#isFlooded ? FLOOD_INTERVALS : 1;
      const ageMsMax = Math.max(intervals * intervalMs, REST_SHARE * this.counts.lastTreeMs);
      if (tree.mustReadAll && ageMs < ageMsMax) return;
    }
    const fresh = this.#freshTree(fingerprint, mustBeFresh);
    const late = delay(clock, ANSWER_MS).then(() => "late" as const);
    if (await Promise.race([fresh, late]) !== "late") return;
    fresh.catch(() => {}); // shows again to the next who asks
    throw new ConvergeError("overloaded", "Cannot compare now: hashes are being made");
  }

  /** Brings the tree up to date with the store, over the ring as it is now. */
  async #freshTree(fingerprint: string, isAwaited: boolean): Promise<void> {
    const { clock, topology } = this.#options;
    const now = topology();
    if (now.fingerprint !== fingerprint) {
      throw new ConvergeError("not_ready", "Cannot compare: the other node has another ring");
    }
    if (this.#stopped) throw new ConvergeError("closed", "Cannot compare: this node is stopping");
    if (this.#keyTree?.fingerprint !== fingerprint) {
      this.#keyTree?.close();
      this.#keyTree = new KeyTree(this.#options, now);
      this.#updatedAtMs = -Infinity;
    }
    const keyTree = this.#keyTree;
    const { givenMs } = keyTree;
    const startMs = clock.monotonicMs();
    const worked = await keyTree.update(isAwaited);
    if (keyTree !== this.#keyTree) return;
    this.#updatedAtMs = clock.monotonicMs();
    // What it gave to others was no work.
    const workedMs = this.#updatedAtMs - startMs - (keyTree.givenMs - givenMs);
    if (worked) this.counts.lastTreeMs = workedMs;
  }
}

async function ask<Answer>(link: PeerLink, question: unknown): Promise<Answer> {
  const response = await link.request("POST", "/internal/tree", {
    body: encoder.encode(JSON.stringify(question)),
  });
  return JSON.parse(decoder.decode(response.body)) as Answer;
}
