/**
 * Tells another node that runs under this one's name from a former life of this one. A former life is
 * dead: a node outranks what it had said once, and some more often where others remember it
 * differently. One that runs outranks in its turn, for ever.
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
   * Earlier versions tell of no starts, without which one life that started often looks like many
   * words. What is at the bound nobody can outrank, so that it looks like an answer each time.
   */
  outrankedBy(rival: Member, self: Member): void {
    if (rival.nodeID === self.nodeID || rival.starts === 0) return;
    if (rival.incarnation === STATEMENT_MAX) return;
    const isSame = this.#rival?.nodeID === rival.nodeID && this.#rival.starts === rival.starts;
    this.#rival = rival;
    this.#answers = isSame ? this.#answers + 1 : 1;
  }
}
