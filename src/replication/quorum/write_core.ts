/**
 * The decision of a write, apart from its waiting: answers in, decision out (after riak_kv's
 * `riak_kv_put_core`).
 *
 * - W owners stored it: `acked`.
 * - W can no longer be reached, and would be if owners with a newer version had taken it: `retry`
 *   with a counter past what was seen. A rejection for being stale is no ack.
 * - W can no longer be reached: `failed`; some owners may have stored it.
 */
import type { Version } from "../../record/version.ts";
import type { BelowHorizon } from "../state/horizon.ts";

/** What one owner said to one record. */
export type WriteAnswer =
  | "stored" // on its disk
  | "refused" // certainly not carried out: no connection, or it said so
  | "timeout" // unknown
  | "overloaded" // certainly not carried out: a queue is full
  | Version // superseded: it has this newer version
  | BelowHorizon; // not taken: as good as superseded by a version of that counter

/** Who waits for the answer to a write. `slot` is what it was sent with. */
export interface WriteWaiter {
  onWriteAnswer(slot: number, answer: WriteAnswer, nowMs: number): void;
}

/** What is to be done with the write. */
export type WriteDecision = "wait" | "acked" | "retry" | "failed";

/** Fills a list by `map`: what `new Array` makes may begin as an old object, see `pending.ts`. */
const unanswered = (): WriteAnswer | undefined => undefined;

/**
 * One attempt to store one version.
 *
 * Invariants: every owner is counted at most once (the first definite answer stands; a `timeout` may
 * still be followed by what really happened); only owners that count are counted.
 */
export class WriteCore {
  readonly answers: (WriteAnswer | undefined)[];
  readonly #counts: readonly boolean[];
  readonly #quorum: number;
  #stored = 0;
  #superseded = 0;
  /** Owners that count and have not answered. */
  #waiting = 0;
  #unanswered: number;
  #counterSeen = 0;

  /**
   * @param counts For each owner whether it counts towards W.
   * @param quorum W.
   */
  constructor(counts: readonly boolean[], quorum: number) {
    this.#counts = counts;
    this.#quorum = quorum;
    this.#unanswered = counts.length;
    this.answers = counts.map(unanswered);
    for (const countsHere of counts) if (countsHere) this.#waiting++;
  }

  /** Owners that stored it and count. */
  get stored(): number {
    return this.#stored;
  }

  /** Whether every owner has answered. */
  get complete(): boolean {
    return this.#unanswered === 0;
  }

  /** The highest counter for which an owner did not take the record; a retry must be past it. */
  get counterSeen(): number {
    return this.#counterSeen;
  }

  /** Takes an owner's answer; a second one only counts after a `timeout`. */
  answer(owner: number, answer: WriteAnswer): void {
    const before = this.answers[owner];
    if (before !== undefined && before !== "timeout") return;
    this.answers[owner] = answer;
    if (before === undefined) {
      this.#unanswered--;
      if (this.#counts[owner]) this.#waiting--;
    }
    if (typeof answer === "object") {
      const counter = "horizon" in answer ? answer.horizon : answer.counter;
      this.#counterSeen = Math.max(this.#counterSeen, counter);
      if (this.#counts[owner]) this.#superseded++;
    } else if (answer === "stored" && this.#counts[owner]) {
      this.#stored++;
    }
  }

  /** What follows from the answers so far. */
  get decision(): WriteDecision {
    if (this.#stored >= this.#quorum) return "acked";
    if (this.#stored + this.#waiting >= this.#quorum) return "wait";
    return this.#stored + this.#waiting + this.#superseded >= this.#quorum ? "retry" : "failed";
  }
}
