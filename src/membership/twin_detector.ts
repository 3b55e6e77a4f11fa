/**
 * Tells another node that runs under this one's name from a former life of this one. A former life is
 * dead: once this node has outranked what it said, that is the end of it, or a few times later where
 * others remember it differently. A twin runs, and outranks this node in its turn, for ever.
 */
import { type Member, STATEMENT_MAX } from "./member.ts";

/** Times that one start of another life may outrank what this node says. */
const ANSWERS_MAX = 3;

/** Counts how often one start of another life outranked what this node says. */
export class TwinDetector {
  /** The other life that did so last. */
  #rival: Member | undefined;
  #answers = 0;

  /** The other node, once there certainly is one. */
  get twin(): Member | undefined {
    return this.#answers < ANSWERS_MAX ? undefined : this.#rival;
  }

  /**
   * What somebody says under this node's name outranks what `self` says.
   *
   * Two kinds of statements are not counted. Earlier versions do not say how often they were started, so
   * one life that was started often looks like one that answers often. And nobody can outrank a statement
   * at the bound of incarnations, so it would look like a new answer each time.
   */
  outrankedBy(rival: Member, self: Member): void {
    if (rival.nodeID === self.nodeID || rival.starts === 0) return;
    if (rival.incarnation === STATEMENT_MAX) return;
    const isSame = this.#rival?.nodeID === rival.nodeID && this.#rival.starts === rival.starts;
    this.#rival = rival;
    this.#answers = isSame ? this.#answers + 1 : 1;
  }
}
