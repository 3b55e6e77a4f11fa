/**
 * The members that a node knows, of each the newest statement that it has heard, and which of their names
 * were `normal` once. Statements are merged one by one: a whole view never wins or loses as one.
 */
import { MEMBERS_MAX } from "./gossip_message.ts";
import { isNewerStatement, isOtherStart, type Member } from "./member.ts";
import type { Removal } from "./removal.ts";
import type { RemovalSet } from "./removal_set.ts";
import { isStartedAfter } from "./replaced_lives.ts";

/** The members that one node knows. */
export class MemberSet {
  readonly #removals: RemovalSet;
  /** Those that are being removed, too. */
  readonly #byName = new Map<string, Member>();
  /** Invariant: holds the names of all that are `normal`. */
  readonly #settled: Set<string>;

  /**
   * @param removals All that the node knows of; it goes on adding to them.
   * @param settled Names that were `normal` before a restart.
   */
  constructor(removals: RemovalSet, settled: Iterable<string> = []) {
    this.#removals = removals;
    this.#settled = new Set(settled);
  }

  /** All of them, those that are being removed too. */
  get byName(): ReadonlyMap<string, Member> {
    return this.#byName;
  }

  /** The same, in the order in which the node heard of them. */
  get all(): Member[] {
    return [...this.#byName.values()];
  }

  /** All that are not removed, sorted by name. */
  get staying(): Member[] {
    const members = this.all.sort((a, b) => a.name < b.name ? -1 : 1);
    if (this.#removals.isEmpty) return members;
    const leaving = this.#removals.pendingNames;
    return members.filter(({ name }) => !leaving.has(name));
  }

  /** Those that are being removed, as far as it is known what they say, sorted by name. */
  get leaving(): Member[] {
    return [...this.#removals.pendingNames].sort().flatMap((name) => this.get(name) ?? []);
  }

  /** Where members are reached, those that are being removed too. */
  get origins(): Set<string> {
    return new Set(this.all.map(({ origin }) => origin));
  }

  /** Names that were `normal` once. */
  get settled(): ReadonlySet<string> {
    return this.#settled;
  }

  /** Those of them that are so no more, as far as they say. */
  get settledBefore(): string[] {
    return this.all.filter(({ name, status }) => status !== "normal" && this.#settled.has(name))
      .map(({ name }) => name);
  }

  /** Whether all that are known are new: nobody waits for one that is said to be dead. */
  get isForming(): boolean {
    return this.#byName.values().every(({ status, nodeID }) =>
      status !== "normal" || this.#removals.get(nodeID)?.dead === true
    );
  }

  get(name: string): Member | undefined {
    return this.#byName.get(name);
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** Takes a statement, whatever was said before. */
  set(member: Member): void {
    this.#byName.set(member.name, member);
    if (member.status === "normal") this.settle(member.name);
  }

  /** Takes a statement that was heard, if it is news. @returns Whether it is. */
  merge(member: Member): boolean {
    if (!this.#removals.admits(member)) return false;
    const current = this.get(member.name);
    if (!isNewerStatement(member, current)) return false;
    // Of two starts of one number the first stays, so that the other hears of it; and so does who has
    // taken the place of a life that is started once more.
    if (current !== undefined && isOtherStart(member, current)) return false;
    if (current !== undefined && isStartedAfter(member, current)) return false;
    if (current === undefined && this.#byName.size >= MEMBERS_MAX) return false;
    this.set(member);
    return true;
  }

  /** The name was `normal` once. */
  settle(name: string): void {
    this.#settled.add(name);
  }

  /** It was another life of the name that was `normal` once. */
  unsettle(name: string): void {
    this.#settled.delete(name);
  }

  /**
   * Somebody says of names that they were `normal` once.
   *
   * @param removed Removals of which it knows.
   */
  hearOfSettled(names: readonly string[], removed: readonly Removal[]): void {
    const gone = new Set(removed.filter(({ ended }) => ended).map(({ nodeID }) => nodeID));
    for (const name of names) {
      const member = this.get(name);
      if (member === undefined) continue;
      // Who does not know that another life of the name is removed, and gone, says it of that one.
      const isOfAnother = this.#removals.ofName(name)?.some(({ nodeID }) =>
        nodeID !== member.nodeID && !gone.has(nodeID)
      );
      if (isOfAnother !== true) this.settle(name);
    }
  }

  /** A removal of the name has ended. @returns Whether nothing is left of it. */
  forget(name: string): boolean {
    if (this.#removals.pendingNames.has(name)) return false;
    const member = this.get(name);
    if (member !== undefined && !this.#removals.isOfRemovedLife(member)) {
      // Another life, which came before: that the name was `normal` once was said of the removed one.
      if (member.status !== "normal") this.unsettle(name);
      return false;
    }
    this.#byName.delete(name);
    this.unsettle(name);
    return true;
  }
}
