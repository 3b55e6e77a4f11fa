/** What the store of one node promised over all of its lives. */
import type { Key } from "../../record/key.ts";
import { compareVersions, type Version } from "../../record/version.ts";

interface Given extends Version {
  readonly key: Key;
  readonly atMs: number;
}

/** The newest version per key, and what may still be in the page cache only. */
export class Promises {
  readonly #nowMs: () => number;
  readonly #settled = new Map<Key, Version>();
  /** Promises that power failure may break yet, in order. */
  #given: Given[] = [];

  /** @param nowMs When something is promised; by default always the same moment. */
  constructor(nowMs: () => number = () => 0) {
    this.#nowMs = nowMs;
  }

  /** What must be there after a crash, of the process or of all of the machine's power. */
  get settled(): ReadonlyMap<Key, Version> {
    return this.#settled;
  }

  /** The store answered for a record. */
  add(key: Key, { counter, nodeID }: Version): void {
    this.#given.push({ key, counter, nodeID, atMs: this.#nowMs() });
  }

  /** The store forgets a key, if what it has is not newer than `version`. */
  forget(key: Key, version: Version): void {
    this.#given = this.#given.filter((given) =>
      given.key !== key || compareVersions(given, version) > 0
    );
    const settled = this.#settled.get(key);
    if (settled !== undefined && compareVersions(settled, version) <= 0) this.#settled.delete(key);
  }

  /** The node ended: what was given until `sinceMs` holds, later promises are void. */
  settle(sinceMs: number): void {
    for (const { key, counter, nodeID, atMs } of this.#given) {
      if (atMs > sinceMs) break;
      const before = this.#settled.get(key);
      if (before !== undefined && compareVersions(before, { counter, nodeID }) >= 0) continue;
      this.#settled.set(key, { counter, nodeID });
    }
    this.#given = [];
  }

  /** The data is gone. */
  clear(): void {
    this.#settled.clear();
    this.#given = [];
  }
}
