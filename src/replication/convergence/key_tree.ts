/**
 * Keeps a hash tree equal to what the store holds, for next to nothing per write: a write leaves the
 * name of its key, and when hashes are asked for each of these keys is looked up twice, in a snapshot
 * of the state that the tree is the sum of, and in one of now. The old version leaves the sum, the new
 * one joins it. Where there are too many such keys for that, and now and then in any case, the tree
 * is made anew from all that is on the disk.
 */
import { ConvergeError } from "../../errors.ts";
import { type Clock, delay, giveWay } from "../../platform/clock.ts";
import type { Log } from "../../platform/log.ts";
import type { Key } from "../../record/key.ts";
import { tokenOf } from "../../ring/token.ts";
import { DATA, type Scan, type Snapshot, type Store } from "../../storage/store.ts";
import { leafOf, MerkleTree } from "./merkle_tree.ts";
import type { Topology } from "../topology/topology.ts";

/** What a tree is kept with. */
export interface KeyTreeOptions {
  store: Store;
  clock: Clock;
  log: Log;
  /** Keys of which something is being stored or erased right now. */
  keysUnderWay(): Iterable<Key>;
}

const SCAN_SLICE_RECORDS = 250;
const UPDATE_SLICE_KEYS = 100;
/** Touched keys to remember: with more, or more than a share of all, to scan everything is cheaper. */
const TOUCHED_MAX = 20_000;
const TOUCHED_MIN = 1_000;
const TOUCHED_SHARE = 1 / 8;

/** A tree over the ring of one topology. Invariant: `#tree` is the sum of what `#base` holds. */
export class KeyTree {
  readonly #options: KeyTreeOptions;
  readonly #topology: Topology;
  #tree: MerkleTree;
  /** Undefined while there is nothing to go on from: the tree is to be made anew. */
  #base: Snapshot | undefined;
  /** Keys that were stored or erased since the snapshot was taken. */
  #touched = new Set<Key>();
  #touchedMax = TOUCHED_MAX;
  /** Times that it was forgotten. */
  #forgotten = 0;
  /** Whether the sum is to be checked against the disk next time. */
  #doubted = false;
  #updating: Promise<void> | undefined;
  #isHurried = false;
  #givenMs = 0;
  #closed = false;

  constructor(options: KeyTreeOptions, topology: Topology) {
    this.#options = options;
    this.#topology = topology;
    this.#tree = new MerkleTree(topology.ring.arcs.length);
  }

  /** Which ring it is over. */
  get fingerprint(): string {
    return this.#topology.fingerprint;
  }

  /** The tree as it was brought up to date last. */
  get tree(): MerkleTree {
    return this.#tree;
  }

  /** Whether it is being brought up to date. */
  get isUpdating(): boolean {
    return this.#updating !== undefined;
  }

  /** Whether to bring it up to date means to read all there is. */
  get mustReadAll(): boolean {
    return this.#base === undefined || this.#doubted;
  }

  /**
   * Whether so many stored or erased between two updates are more than it can follow, and reading
   * everything instead takes long enough to matter.
   */
  isOutrunBy(count: number): boolean {
    return this.#touchedMax > TOUCHED_MIN && count > this.#touchedMax;
  }

  /** A record of this key was stored or erased. */
  touch(key: Key): void {
    if (this.#base === undefined && this.#updating === undefined) return; // all will be read anyway
    if (this.#touched.size < this.#touchedMax) this.#touched.add(key);
    else this.forget();
  }

  /** Make it anew next time, and see whether it was right. */
  doubt(): void {
    this.#doubted = true;
  }

  /** Records may be gone without having been erased: nothing is known any more. */
  forget(): void {
    this.#forgotten++;
    this.#base?.close();
    this.#base = undefined;
    this.#touched = new Set();
  }

  close(): void {
    this.#closed = true;
    this.forget();
  }

  /** Milliseconds that updates gave to others so far. */
  get givenMs(): number {
    return this.#givenMs;
  }

  /**
   * Makes the tree the sum of what the store holds now, or later.
   *
   * @param isAwaited Somebody waits for it: it does not rest.
   * @returns Milliseconds of work, without those given to others and those of updates that were under
   * way; undefined where there was nothing to do.
   * @throws As `Store.scan`.
   */
  async update(isAwaited = false): Promise<number | undefined> {
    while (this.#updating !== undefined) {
      if (isAwaited) this.#isHurried = true;
      await this.#updating;
    }
    if (this.#closed) return undefined;
    const keys = this.mustReadAll ? undefined : this.#takeTouched();
    if (keys?.size === 0) {
      this.#renewBase();
      return undefined;
    }
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    const givenMs = this.#givenMs;
    this.#isHurried = isAwaited;
    this.#updating = keys === undefined ? this.#readAll() : this.#follow(keys);
    try {
      await this.#updating;
    } finally {
      this.#updating = undefined;
    }
    return clock.monotonicMs() - startMs - (this.#givenMs - givenMs);
  }

  /**
   * Nothing has changed: a snapshot of now shows the same. The one before holds memory, and the files of
   * all tables that were merged since.
   */
  #renewBase(): void {
    const now = this.#options.store.snapshot();
    this.#base?.close();
    this.#base = now;
  }

  async #follow(keys: ReadonlySet<Key>): Promise<void> {
    const base = this.#base!;
    const now = this.#options.store.snapshot();
    const forgotten = this.#forgotten;
    try {
      await this.#replace(this.#tree, keys, base, now);
    } catch (error) {
      now.close();
      if (this.#closed) return;
      // The base was closed under it: there is nothing to go on from.
      if (forgotten !== this.#forgotten) return await this.#readAll();
      this.forget();
      throw error;
    }
    if (forgotten !== this.#forgotten) return now.close();
    base.close();
    this.#base = now;
  }

  async #readAll(): Promise<void> {
    const { store } = this.#options;
    const before = this.#base;
    const forgotten = this.#forgotten;
    const touched = this.#takeTouched();
    const now = store.snapshot();
    let scan: Scan | undefined;
    const tree = new MerkleTree(this.#tree.arcCount);
    let records = 0;
    try {
      scan = store.scan(DATA); // in one turn with the snapshot: both show the same state
      for (let page = scan.next(SCAN_SLICE_RECORDS); page.length > 0 && !this.#closed;) {
        records += page.length;
        for (const record of page) tree.add(this.#leafOf(record.key), record);
        await this.#endSlice();
        page = scan.next(SCAN_SLICE_RECORDS);
      }
      if (before !== undefined && forgotten === this.#forgotten) {
        await this.#check(tree, touched, now);
      }
    } catch (error) {
      now.close();
      this.forget();
      throw error;
    } finally {
      scan?.close();
    }
    if (this.#closed) return now.close();
    this.#tree = tree;
    this.#doubted = false;
    // Forgotten meanwhile, it is right for the moment of the snapshot, and nothing can go on from it.
    if (forgotten !== this.#forgotten) return now.close();
    before?.close();
    this.#base = now;
    this.#touchedMax = Math.min(TOUCHED_MAX, Math.max(TOUCHED_MIN, records * TOUCHED_SHARE));
  }

  /** Brings the old tree to the same state: it must then be equal. */
  async #check(made: MerkleTree, touched: ReadonlySet<Key>, now: Snapshot): Promise<void> {
    const base = this.#base!;
    try {
      await this.#replace(this.#tree, touched, base, now);
    } catch (error) {
      if (this.#base === base) throw error;
    }
    if (this.#base !== base || this.#tree.equals(made)) return; // or forgotten meanwhile
    this.#options.log.error("anti_entropy.tree_was_wrong", { keys: touched.size });
  }

  async #replace(
    tree: MerkleTree,
    keys: ReadonlySet<Key>,
    from: Snapshot,
    to: Snapshot,
  ): Promise<void> {
    let looked = 0;
    for (const key of keys) {
      const before = from.get(DATA, key);
      const after = to.get(DATA, key);
      const leaf = this.#leafOf(key);
      if (before !== undefined) tree.remove(leaf, before);
      if (after !== undefined) tree.add(leaf, after);
      if (++looked % UPDATE_SLICE_KEYS === 0) await this.#endSlice();
    }
  }

  async #endSlice(): Promise<void> {
    if (this.#isHurried) await delay(this.#options.clock, 0);
    else this.#givenMs += await giveWay(this.#options.clock);
  }

  /**
   * Takes the keys whose change may lie between the base and a snapshot of this moment. Those under
   * way count: the store may show a record before it is told that it is stored.
   */
  #takeTouched(): Set<Key> {
    const touched = this.#touched;
    this.#touched = new Set();
    for (const key of this.#options.keysUnderWay()) touched.add(key);
    return touched;
  }

  #leafOf(key: Key): number {
    const token = tokenOf(key);
    const arc = this.#topology.ring.arcOf(token);
    if (arc === undefined) {
      throw new ConvergeError("not_ready", "Cannot compare: nobody is on the ring");
    }
    return leafOf(arc.index, token);
  }
}
