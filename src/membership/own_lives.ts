/**
 * What a node hears of its own name. Nearly always that is what it said itself, and others pass on. But
 * it may also come from
 * - a former life of the name, which is dead: its data directory was lost, or was removed from the
 *   cluster. This life has to speak louder, so that others believe it;
 * - a later start of this node's own directory, or a life that took its place: then what this node was
 *   started on is an old copy;
 * - another node that runs under the same name (its twin): one of the two has to stop.
 */
import {
  isNewerStatement,
  isOfUnknownStart,
  isOtherStart,
  type Member,
  STATEMENT_MAX,
} from "./member.ts";
import { LIVES_MAX, type Removal } from "./removal.ts";
import { type RemovalNews, type RemovalSet, removesLife } from "./removal_set.ts";
import { isStartedAfter } from "./replaced_lives.ts";
import { TwinDetector } from "./twin_detector.ts";

/** Whose words a statement under this node's name is. */
export type Speaker = "this_life" | "later_life" | "removed_life" | "other_life";

/** The lives of one node's name, as far as the node knows. */
export class OwnLives {
  readonly #nodeID: string;
  readonly #formerIDs: ReadonlySet<string>;
  readonly #removals: RemovalSet;
  readonly #twins = new TwinDetector();
  /** Node IDs of lives that others knew before this one. */
  readonly #before = new Set<string>();
  #isRemoved: boolean;
  #isOldCopy = false;

  /**
   * @param nodeID Of this life.
   * @param formerIDs Under which the node may be known from before it lost its data.
   * @param removals All that the node knows of; it goes on adding to them.
   */
  constructor(nodeID: string, formerIDs: Iterable<string>, removals: RemovalSet) {
    this.#nodeID = nodeID;
    this.#formerIDs = new Set(formerIDs);
    this.#removals = removals;
    this.#isRemoved = this.#anyRemoval !== undefined;
  }

  /** Node IDs of this node from before it lost its data. */
  get formerIDs(): ReadonlySet<string> {
    return this.#formerIDs;
  }

  /**
   * Whether others have heard of a later start of this node's directory, or of a life that took its
   * place, so that what this one was started on is an old copy.
   */
  get isOldCopy(): boolean {
    return this.#isOldCopy;
  }

  /** Another node that runs under this one's name, once there certainly is one. */
  get twin(): Member | undefined {
    return this.#twins.twin;
  }

  /**
   * Why this node is no member any more, or being removed; undefined while it is one. It may be another
   * life of its name that is removed, where this one took its place before it knew.
   */
  get removal(): Removal | undefined {
    return this.#isRemoved ? this.#anyRemoval : undefined;
  }

  get #anyRemoval(): Removal | undefined {
    const ids = [this.#nodeID, ...this.#formerIDs, ...this.#before];
    return ids.flatMap((id) => this.#removals.get(id) ?? [])[0];
  }

  /**
   * Somebody passes on a statement under this node's name.
   *
   * @param from Name of the one that passes it on.
   * @param self What this node says of itself.
   */
  hear(member: Member, from: string, self: Member): Speaker {
    if (isOfLaterLife(member, from, self)) {
      this.#isOldCopy = true;
      return "later_life";
    }
    if (member.nodeID === this.#nodeID) return "this_life";
    if (this.#removals.isOfRemovedLife(member)) return "removed_life";
    if (this.#before.size < LIVES_MAX) this.#before.add(member.nodeID);
    return "other_life";
  }

  /**
   * A removal of a life of this name is news: of this one, or of one whose place this one wanted to take.
   *
   * @returns What this node has to say of itself from now on; undefined where that stays as it is.
   */
  hearOfRemoval({ removal, isNew }: RemovalNews, self: Member): Partial<Member> | undefined {
    const isOwn = removesLife(removal, this.#nodeID) || this.#formerIDs.has(removal.nodeID) ||
      this.removal?.nodeID === removal.nodeID;
    // Taken for the same member by others that did not know either, it may have missed deletions.
    if (isOwn || (isNew && self.status !== "joining")) {
      this.#before.add(removal.nodeID);
      this.#isRemoved = true;
      return undefined;
    }
    if (self.incarnation > removal.incarnation) return undefined;
    return { incarnation: Math.min(STATEMENT_MAX, removal.incarnation + 1) };
  }

  /**
   * Others believe a statement more than what this node says: this node has to speak louder. Its
   * incarnation is the count of its starts, which a new data directory begins anew.
   *
   * @returns What it has to say of itself from now on; undefined where a twin has the last word, and
   * goes on.
   */
  outrank(statement: Member, self: Member): Partial<Member> | undefined {
    this.#twins.outrankedBy(statement, self);
    if (this.twin !== undefined) return undefined;
    // At the bound of incarnations, which no honest life reaches, the heartbeat has to do.
    const heartbeat = statement.incarnation < STATEMENT_MAX
      ? self.heartbeat
      : Math.max(self.heartbeat, statement.heartbeat + 1);
    return { incarnation: statement.incarnation + 1, heartbeat };
  }
}

/**
 * Whether a statement was made after a later start of this node's directory, or by a life that took its
 * place before. Of its own start a node hears nothing newer than what it says itself, unless two nodes
 * run on copies with that start.
 */
function isOfLaterLife(member: Member, from: string, self: Member): boolean {
  if (member.nodeID !== self.nodeID) return isStartedAfter(self, member);
  if (self.starts === 0) return false;
  // Of two that run on copies and hear each other one has to stop, and not both.
  const isSameStart = member.starts === self.starts &&
    (from === self.name || !isOtherStart(member, self));
  return isSameStart ? isNewerStatement(member, self) : isOfUnknownStart(member, self);
}
