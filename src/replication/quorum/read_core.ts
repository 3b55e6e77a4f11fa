/**
 * The decision of a read, apart from its waiting (after riak_kv's `riak_kv_get_core`).
 *
 * A read waits for R owners that count, takes the newest version among their answers, and is done
 * once R of them are known to hold that version or a newer one: it repairs those that do not. Thus
 * no later quorum read can answer an older version.
 */
import { newest } from "../../record/record.ts";
import { compareVersions, type Version } from "../../record/version.ts";

/** What an owner has of the key. That it is a tombstone decides nothing here; receipts tell it. */
export interface HeldVersion extends Version {
  readonly tombstone?: boolean;
}

/** What one owner said: its version of the key, `absent`, or why it said nothing. */
export type ReadAnswer = HeldVersion | "absent" | "refused" | "timeout" | "overloaded";

/** What is to be done with the read. */
export type ReadDecision =
  | { readonly action: "wait" }
  /** Write the newest record to these owners (by position), and tell with `repaired`. */
  | { readonly action: "repair"; readonly owners: readonly number[] }
  /** Answer with the record of this owner (by position), or with absence when undefined. */
  | { readonly action: "done"; readonly from: number | undefined }
  | { readonly action: "failed" };

/** Fills a list by `map`: what `new Array` makes may begin as an old object, see `pending.ts`. */
const unanswered = (): ReadAnswer | undefined => undefined;

const WAIT: ReadDecision = { action: "wait" };
const FAILED: ReadDecision = { action: "failed" };

/** How it stands with the repair of one owner. */
interface Repair {
  /** What it was last asked to take. */
  sent: Version | undefined;
  /** What it holds at least, as it answered. */
  holds: Version | undefined;
  /** Whether it did not take the last one. */
  failed: boolean;
}

/** One read. Invariant: an owner is asked to take each version at most once. */
export class ReadCore {
  readonly answers: (ReadAnswer | undefined)[];
  readonly #counts: readonly boolean[];
  readonly #quorum: number;
  /** By owner; undefined until one is asked to take a repair. Most reads never ask. */
  #repairs: Repair[] | undefined;

  /**
   * @param counts For each owner whether it counts towards R.
   * @param quorum R.
   */
  constructor(counts: readonly boolean[], quorum: number) {
    this.#counts = counts;
    this.#quorum = quorum;
    this.answers = counts.map(unanswered);
  }

  /** Takes an owner's answer to the read; the first one that has a version, or says absent, stands. */
  answer(owner: number, answer: ReadAnswer): void {
    const before = this.answers[owner];
    if (typeof before === "object" || before === "absent") return;
    this.answers[owner] = answer;
  }

  /**
   * Takes an owner's answer to a repair with version `sent`: what it holds now, undefined when it did
   * not take it. By now there may be a newer version that it was asked to take, too.
   */
  repaired(owner: number, sent: Version, holds: Version | undefined): void {
    const repair = this.#repairOf(owner);
    if (holds !== undefined) repair.holds = newest(repair.holds, holds);
    else if (repair.sent === undefined || isAtLeast(sent, repair.sent)) repair.failed = true;
  }

  /** The position of an owner with the newest version, undefined when all that answered lack the key. */
  get newestOwner(): number | undefined {
    let newest: number | undefined;
    for (let i = 0; i < this.answers.length; i++) {
      const answer = this.answers[i];
      if (typeof answer !== "object") continue;
      if (newest === undefined || compareVersions(answer, this.answers[newest] as Version) > 0) {
        newest = i;
      }
    }
    return newest;
  }

  /** What follows from the answers so far. Calling it hands out a repair only once. */
  decide(): ReadDecision {
    let answered = 0;
    let possible = 0;
    for (let i = 0; i < this.answers.length; i++) {
      if (!this.#counts[i]) continue;
      const answer = this.answers[i];
      if (typeof answer === "object" || answer === "absent") answered++;
      if (answer === undefined || typeof answer === "object" || answer === "absent") possible++;
    }
    if (possible < this.#quorum) return FAILED;
    if (answered < this.#quorum) return WAIT;
    const from = this.newestOwner;
    if (from === undefined) return { action: "done", from };
    return this.#settle(from, this.answers[from] as Version);
  }

  /** Whether R owners hold version `wanted`; if not, who is to be repaired. */
  #settle(from: number, wanted: Version): ReadDecision {
    let holding = 0;
    let hopeful = 0;
    let stale: number[] | undefined;
    for (let i = 0; i < this.answers.length; i++) {
      const answer = this.answers[i];
      const known = typeof answer === "object" || answer === "absent";
      const repair = this.#repairs?.[i];
      const holds = isAtLeast(answer, wanted) || isAtLeast(repair?.holds, wanted);
      if (this.#counts[i] && holds) holding++;
      else if (this.#counts[i] && (answer === undefined || (known && !repair?.failed))) hopeful++;
      if (known && !holds && !isAtLeast(repair?.sent, wanted)) (stale ??= []).push(i);
    }
    if (stale !== undefined) {
      for (const owner of stale) {
        const repair = this.#repairOf(owner);
        repair.sent = wanted;
        repair.failed = false;
      }
      return { action: "repair", owners: stale };
    }
    if (holding >= this.#quorum) return { action: "done", from };
    return holding + hopeful >= this.#quorum ? WAIT : FAILED;
  }

  #repairOf(owner: number): Repair {
    this.#repairs ??= this.answers.map(() => ({
      sent: undefined,
      holds: undefined,
      failed: false,
    }));
    return this.#repairs[owner]!;
  }
}

function isAtLeast(held: ReadAnswer | undefined, version: Version): boolean {
  return typeof held === "object" && compareVersions(held, version) >= 0;
}
