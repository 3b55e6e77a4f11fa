/**
 * The hash tree over the present ring, for this node and for peers that compare with it: what brings it up
 * to date, and for how long it may stay as it is.
 */
import { ConvergeError } from "../../errors.ts";
import { type Clock, delay } from "../../platform/clock.ts";
import type { Key } from "../../record/key.ts";
import { KeyTree, type KeyTreeOptions } from "./key_tree.ts";
import { LEAVES_PER_ARC, type MerkleTree } from "./merkle_tree.ts";
import type { Topology } from "../topology/topology.ts";

/** What it is made of. */
export interface CurrentTreeOptions extends KeyTreeOptions {
  selfName: string;
  topology(): Topology;
  /** Pause between two rounds of anti-entropy. */
  intervalMs: number;
}

/** Arc hashes of one node, by arc index, for arcs that both sides own. */
export type ArcHashes = Record<string, string>;

/**
 * Intervals for which rounds are put off at most, while more is stored in each interval than hashes can
 * follow. Such a round would read everything on both sides, and find little but what is still on its way.
 */
export const FLOOD_INTERVALS = 10;
/** Rounds, and updates that peers ask for, may take 1 / (1 + this) of the time. */
export const REST_SHARE = 10;
/** How long a peer that asks for hashes is kept waiting at most. */
const ANSWER_MS = 300;

/** One node's hash tree. */
export class CurrentTree {
  readonly #options: CurrentTreeOptions;
  readonly #clock: Clock;
  #keyTree: KeyTree | undefined;
  #updatedAtMs = -Infinity;
  #lastUpdateMs = 0;
  /** Records that were stored or erased since the last turn of anti-entropy. */
  #storedCount = 0;
  #isFlooded = false;
  #closed = false;

  constructor(options: CurrentTreeOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  /** Milliseconds that the last update took which was any work, without those given to others. */
  get lastUpdateMs(): number {
    return this.#lastUpdateMs;
  }

  /** Milliseconds that updates over this ring gave to others so far. */
  get givenMs(): number {
    return this.#keyTree?.givenMs ?? 0;
  }

  /** Whether more was stored in the last interval than hashes can follow, so that all must be read. */
  get isOutrun(): boolean {
    return this.#isFlooded && this.#keyTree?.mustReadAll === true;
  }

  /** A record of this key was stored or erased. */
  touch(key: Key): void {
    this.#storedCount++;
    this.#keyTree?.touch(key);
  }

  /** An interval has passed. */
  onTurn(): void {
    this.#isFlooded = this.#keyTree?.isOutrunBy(this.#storedCount) ?? false;
    this.#storedCount = 0;
  }

  /** As `KeyTree.doubt`. */
  doubt(): void {
    this.#keyTree?.doubt();
  }

  /** As `KeyTree.forget`. */
  forget(): void {
    this.#keyTree?.forget();
  }

  close(): void {
    this.#closed = true;
    this.#keyTree?.close();
  }

  /**
   * The hashes of the arcs that this node and a peer own, as they were brought up to date last.
   *
   * @throws {ConvergeError} `not_ready` when the ring has changed.
   */
  arcHashes(peerName: string, fingerprint: string): ArcHashes {
    const tree = this.#treeOf(fingerprint);
    const hashes: ArcHashes = {};
    for (const arc of this.#sharedArcs(peerName)) hashes[arc] = tree.arcHash(arc);
    return hashes;
  }

  /**
   * The hashes of the leaves of some arcs, in order.
   *
   * @throws {ConvergeError} `corrupt_message` for arcs that the ring does not have, or more of them;
   * as `arcHashes`.
   */
  leafHashes(arcs: readonly number[], fingerprint: string): string[] {
    const tree = this.#treeOf(fingerprint);
    const { arcCount } = tree;
    if (arcs.length > arcCount || arcs.some((arc) => arc < 0 || arc >= arcCount)) {
      throw new ConvergeError("corrupt_message", "Cannot hash arcs that the ring does not have");
    }
    return arcs.flatMap((arc) =>
      Array.from({ length: LEAVES_PER_ARC }, (_, i) => tree.leafHash(arc * LEAVES_PER_ARC + i))
    );
  }

  /**
   * Brings the tree up to date for a peer that asks, with two differences to `update`:
   * - Where everything must be read to make new hashes, hashes that are a little old will do. So under
   *   load both sides together spend a bounded share of their time on that, and a node whose hashes take
   *   long has some to show.
   * - Hashes that take long are not waited for, since the peer would take this node for dead.
   *
   * @param mustBeFresh Whether everything that was stored before must be in them.
   * @throws {ConvergeError} `overloaded` while hashes are being made; as `update`.
   */
  async updateForPeer(fingerprint: string, mustBeFresh: boolean): Promise<void> {
    const { intervalMs } = this.#options;
    const tree = this.#keyTree;
    if (!mustBeFresh && tree?.fingerprint === fingerprint && !tree.isUpdating) {
      const ageMs = this.#clock.monotonicMs() - this.#updatedAtMs;
      // Rounds that would have made new ones are put off under a flood.
      const intervals = this.#isFlooded ? FLOOD_INTERVALS : 1;
      const ageMsMax = Math.max(intervals * intervalMs, REST_SHARE * this.#lastUpdateMs);
      if (tree.mustReadAll && ageMs < ageMsMax) return;
    }
    const fresh = this.update(fingerprint, mustBeFresh);
    const late = delay(this.#clock, ANSWER_MS).then(() => "late" as const);
    // What fails later shows again to the next who asks.
    if (await Promise.race([fresh, late]) !== "late") return;
    throw new ConvergeError("overloaded", "Cannot compare now: hashes are being made");
  }

  /**
   * Brings the tree up to date with the store, over the ring as it is now.
   *
   * @param isAwaited Somebody waits for it: it does not rest.
   * @throws {ConvergeError} `not_ready` when the rings differ; `closed`; as `Store.scan`.
   */
  async update(fingerprint: string, isAwaited: boolean): Promise<void> {
    const now = this.#options.topology();
    if (now.fingerprint !== fingerprint) {
      throw new ConvergeError("not_ready", "Cannot compare: the other node has another ring");
    }
    if (this.#closed) throw new ConvergeError("closed", "Cannot compare: this node is stopping");
    if (this.#keyTree?.fingerprint !== fingerprint) {
      this.#keyTree?.close();
      this.#keyTree = new KeyTree(this.#options, now);
      this.#updatedAtMs = -Infinity;
    }
    const keyTree = this.#keyTree;
    const workedMs = await keyTree.update(isAwaited);
    if (keyTree !== this.#keyTree) return;
    this.#updatedAtMs = this.#clock.monotonicMs();
    this.#lastUpdateMs = workedMs ?? this.#lastUpdateMs;
  }

  /** The tree over a ring, which may have grown since somebody waited for hashes or answers. */
  #treeOf(fingerprint: string): MerkleTree {
    const isStill = this.#options.topology().fingerprint === fingerprint;
    if (isStill && this.#keyTree?.fingerprint === fingerprint) return this.#keyTree.tree;
    throw new ConvergeError("not_ready", "Cannot compare: the ring has changed meanwhile");
  }

  /** Arcs that both own. Without those that one of them gains and has not taken over: it may have leftovers. */
  #sharedArcs(peerName: string): number[] {
    const { selfName } = this.#options;
    const topology = this.#options.topology();
    const shared = topology.ring.arcs
      .filter(({ owners }) => owners.includes(selfName) && owners.includes(peerName))
      .map(({ index }) => index);
    if (topology.pending.length === 0) return shared;
    return shared.filter((arc) =>
      topology.isCompleteAt(selfName, arc) && topology.isCompleteAt(peerName, arc)
    );
  }
}
