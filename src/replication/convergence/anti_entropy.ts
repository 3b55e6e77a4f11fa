/**
 * Anti-entropy: owners compare what they hold and mend what differs, whether anybody reads it or not
 * (Dynamo, SOSP 2007, section 4.7). One peer at a time, in turns, for ever; a peer that came back is
 * next. The time that rounds may take is a bounded share of all time.
 */
import { ConvergeError, isTransient } from "../../errors.ts";
import { Reminder } from "../../platform/reminder.ts";
import type { Key } from "../../record/key.ts";
import {
  type ArcHashes,
  CurrentTree,
  type CurrentTreeOptions,
  FLOOD_INTERVALS,
  REST_SHARE,
} from "./current_tree.ts";
import type { AntiEntropyCounts, ExchangeCounts } from "../counts.ts";
import type { KeyExchange } from "./key_exchange.ts";
import { LeafSet, LEAVES_PER_ARC } from "./merkle_tree.ts";
import type { PeerLink } from "../peers/peer_link.ts";
import type { Topology } from "../topology/topology.ts";

/** What anti-entropy is made of. */
export interface AntiEntropyOptions extends CurrentTreeOptions {
  exchange: KeyExchange;
  linkTo(name: string): PeerLink | undefined;
  /** Whether this node's hints are bringing a peer what it lacks. */
  isCatchingUp(name: string): boolean;
  /** A peer is there: what waits for it need not wait for its turn. */
  deliverHints(name: string): void;
}

/** Rounds between two times that the whole tree is made anew from the disk. */
const ROUNDS_PER_FULL_REBUILD = 360;
/** Pause after a round that failed: the peer may be busy. */
const BACKOFF_MS = 1_000;
/** Milliseconds for which more hints are waited for. */
const MORE_HINTS_MS = 1_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One node's side of anti-entropy. */
export class AntiEntropy {
  readonly counts: AntiEntropyCounts;
  readonly #options: AntiEntropyOptions;
  readonly #tree: CurrentTree;
  /** When the last round ended that did not fail. */
  #lastRoundEndMs = -Infinity;
  /** Peers to be compared with next, before the others have their turn. */
  readonly #urgent = new Set<string>();
  /** When peers last delivered hints to this node, with many more behind them. */
  readonly #hintedMs = new Map<string, number>();
  #lastPeer = "";
  #stopped = false;
  #running = false;
  #wake: (() => void) | undefined;
  readonly #reminder: Reminder;

  constructor(options: AntiEntropyOptions) {
    this.#options = options;
    const tree = new CurrentTree(options);
    this.#tree = tree;
    this.counts = {
      rounds: 0,
      roundsDone: 0,
      roundsFailed: 0,
      roundsEqual: 0,
      roundsPutOff: 0,
      lastRoundMs: 0,
      get lastTreeMs() {
        return tree.lastUpdateMs;
      },
      pulled: 0,
      pushed: 0,
      compared: 0,
    };
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
    this.#tree.close();
    this.#wake?.();
  }

  /** A record of this key was stored or erased. */
  onStored(key: Key): void {
    this.#tree.touch(key);
  }

  /** Records are gone that nobody erased. */
  onDataLost(): void {
    this.#tree.forget();
  }

  /** Compare with this peer soon: it came back, or may have missed something. */
  urgent(name: string): void {
    if (name === this.#options.selfName || this.#urgent.has(name)) return;
    this.#urgent.add(name);
    this.#wake?.();
  }

  /** A peer delivers hints to this node, and many more are on their way. */
  onMoreHints(name: string): void {
    this.#hintedMs.set(name, this.#options.clock.monotonicMs());
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
    if (!fresh) this.#options.deliverHints(peerName);
    await this.#tree.updateForPeer(fingerprint, fresh);
    return this.#tree.arcHashes(peerName, fingerprint);
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
    await this.#tree.updateForPeer(fingerprint, fresh);
    return this.#tree.leafHashes(arcs, fingerprint);
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
    const exchanged = await this.#options.exchange.run({
      peerName,
      link,
      topology,
      leaves,
      after: undefined,
      values: false,
      onPage: () =>
        !this.#stopped && !this.#areHintsUnderWay(peerName) &&
        this.#options.topology().fingerprint === topology.fingerprint,
    });
    this.counts.roundsDone++;
    return exchanged;
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
    await this.#tree.update(topology.fingerprint, fresh);
    const question = { ring: topology.fingerprint, ...(fresh ? { fresh } : {}) };
    const theirs = await ask<ArcHashes>(link, question);
    const mine = this.#tree.arcHashes(peerName, topology.fingerprint);
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
    const mine = this.#tree.leafHashes(arcs, fingerprint);
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
      const { givenMs } = this.#tree;
      this.#tree.onTurn();
      const peer = this.#nextPeer();
      if (peer !== undefined && this.#mayPutOff(peer)) {
        this.counts.roundsPutOff++;
        await this.#pause(intervalMs);
        continue;
      }
      let failed = false;
      // Its snapshot holds memory and files, and nobody may come for long.
      if (peer === undefined) this.#tree.forget();
      else failed = !await this.#round(peer, startMs);
      if (this.#stopped) return;
      if (!failed) this.#lastRoundEndMs = clock.monotonicMs();
      const gaveMs = Math.max(0, this.#tree.givenMs - givenMs); // less where the tree is a new one
      await this.#pause(this.#restMs(clock.monotonicMs() - startMs - gaveMs, failed));
    }
  }

  /** One round with the peer whose turn it is; whether it did not fail. */
  async #round(peer: string, startMs: number): Promise<boolean> {
    const { clock, log } = this.#options;
    this.#lastPeer = peer;
    this.counts.rounds++;
    if (this.counts.rounds % ROUNDS_PER_FULL_REBUILD === 0) this.#tree.doubt();
    try {
      const { pulled, pushed, compared } = await this.compareWith(peer);
      // Hints that came meanwhile have ended it: what they do not bring is found soon after them.
      if (!this.#areHintsUnderWay(peer)) this.#urgent.delete(peer);
      this.counts.lastRoundMs = clock.monotonicMs() - startMs;
      this.counts.pulled += pulled;
      this.counts.pushed += pushed;
      this.counts.compared += compared;
      return true;
    } catch (error) {
      this.counts.roundsFailed++;
      if (!isTransient(error) && !this.#stopped && this.#reminder.isDue()) {
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

  /** Whether a round with this peer, which would read everything or do work twice, may wait. */
  #mayPutOff(peer: string): boolean {
    if (this.#areHintsUnderWay(peer)) return true;
    const { clock, intervalMs } = this.#options;
    const sinceMs = clock.monotonicMs() - this.#lastRoundEndMs;
    return this.#tree.isOutrun && !this.#urgent.has(peer) &&
      sinceMs < FLOOD_INTERVALS * intervalMs;
  }

  /** Whether hints go to a peer, or come from it: comparing would find the same once more. */
  #areHintsUnderWay(peer: string): boolean {
    const hintedMs = this.#hintedMs.get(peer) ?? -Infinity;
    return this.#options.isCatchingUp(peer) ||
      this.#options.clock.monotonicMs() - hintedMs < MORE_HINTS_MS;
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
   * An urgent peer that answers, else the next one in order of names; one that is catching up comes last.
   * While this node or a peer is being filled, comparing would only do the same work twice.
   */
  #nextPeer(): string | undefined {
    const { selfName, topology, linkTo } = this.#options;
    const { members } = topology();
    for (const name of [...this.#urgent, ...this.#hintedMs.keys()]) {
      if (members.some((member) => member.name === name)) continue;
      this.#urgent.delete(name);
      this.#hintedMs.delete(name);
    }
    const filled = members.filter(({ status }) => status === "normal").map(({ name }) => name);
    if (!filled.includes(selfName)) return undefined;
    const reachable = filled.filter((name) => linkTo(name)?.isOpen === false);
    const inTurn = [
      ...reachable.filter((name) => name > this.#lastPeer),
      ...reachable.filter((name) => name <= this.#lastPeer),
    ];
    const free = inTurn.filter((name) => !this.#areHintsUnderWay(name));
    return free.find((name) => this.#urgent.has(name)) ?? free[0] ?? inTurn[0];
  }
}

async function ask<Answer>(link: PeerLink, question: unknown): Promise<Answer> {
  const response = await link.request("POST", "/internal/tree", {
    body: encoder.encode(JSON.stringify(question)),
    timeoutMs: link.workTimeoutMs,
  });
  return JSON.parse(decoder.decode(response.body)) as Answer;
}
