/** One read under way: the shell around `ReadCore`. */
import { ConvergeError } from "../../errors.ts";
import type { Key } from "../../record/key.ts";
import { newest, type StoredRecord } from "../../record/record.ts";
import type { CoordinatorContext } from "./coordinator_context.ts";
import type { Deadlined } from "./deadline_queue.ts";
import { isBelowHorizon } from "../state/horizon.ts";
import type { PeerLink } from "../peers/peer_link.ts";
import { type PeerReply, PendingRead, type ReadWaiter } from "../peers/pending.ts";
import { type ReadAnswer, ReadCore } from "../quorum/read_core.ts";
import { readReceipt } from "./read_receipt.ts";
import type { Receipt } from "./receipt.ts";
import type { Owner, OwnerSet } from "../topology/owner.ts";
import type { WriteAnswer, WriteWaiter } from "../quorum/write_core.ts";

/** Times that a read begins anew because an owner would not take a repair. */
const ROUNDS_MAX = 4;

/** What a client may choose for one read. */
export interface ReadOptions {
  /** R for this request; default: the cluster's. */
  r?: number | undefined;
  /** Ask all owners at once and wait for every answer, for the receipt's sake. */
  askAll?: boolean;
}

/** What is to be read, where, and how. A class and no literal, see `pending.ts`. */
export class ReadRequest {
  readonly key: Key;
  readonly askAll: boolean;
  readonly set: OwnerSet;
  readonly quorum: number;

  constructor(key: Key, { askAll = false }: ReadOptions, set: OwnerSet, quorum: number) {
    this.key = key;
    this.askAll = askAll;
    this.set = set;
    this.quorum = quorum;
  }
}

/** A read that was answered. */
export interface ReadResult {
  /** The newest record, tombstones and expired ones too; undefined when no owner has one. */
  readonly record: StoredRecord | undefined;
  receipt(): Receipt;
}

/**
 * Asks this node's own copy and as few peers as the quorum needs, the quickest first; asks the others
 * when one refuses, or does not take a repair, or is late. Once done it is its own result.
 *
 * There is one for every read, so what only some reads need is made when it is needed; and it waits in
 * one queue at a time: for the moment at which it counts as late, and only then for its deadline.
 */
export class ReadOperation implements ReadResult, ReadWaiter, Deadlined {
  deadlineMs = 0;
  previous: Deadlined | undefined;
  next: Deadlined | undefined;
  readonly #context: CoordinatorContext;
  readonly #request: ReadRequest;
  #core: ReadCore;
  readonly #startMs: number;
  #answeredMs: number[] | undefined;
  /** A bit for each owner, by position, that was asked in this round. */
  #asked = 0;
  #repaired: boolean[] | undefined;
  /** By position, where an owner found its copy, if somebody wants to know. */
  #from: (string | undefined)[] | undefined;
  /** Horizons of owners that refused a repair, by position: see `horizon.ts`. */
  #fences: Map<number, number> | undefined;
  #round = 0;
  /** Peers that have not been asked in this round. */
  #unasked = 0;
  #own: StoredRecord | undefined;
  #newest: StoredRecord | undefined;
  /** Whether it waits for its deadline. */
  #isLate = false;
  #state: "under way" | "answered" | "failed" = "under way";
  #tookMs = 0;
  #resolve: ((result: ReadResult) => void) | undefined;
  #reject: ((error: ConvergeError) => void) | undefined;

  constructor(context: CoordinatorContext, request: ReadRequest) {
    this.#context = context;
    this.#request = request;
    this.#core = this.#newCore();
    this.#startMs = context.clock.monotonicMs();
  }

  get record(): StoredRecord | undefined {
    return this.#newest;
  }

  /**
   * The result at once where this node's own copy was enough, else a promise of it.
   *
   * @throws {ConvergeError} `quorum_unreachable`, its details a receipt; the promise rejects with it.
   */
  run(): ReadResult | Promise<ReadResult> {
    this.#begin();
    if (this.#state === "answered") return this;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      if (this.#state === "failed") return reject(this.#failure());
      this.#context.hedges.add(this, this.#startMs);
    });
  }

  onReadReply(tagged: number, reply: PeerReply, nowMs: number): void {
    const slot = this.#slotOf(tagged);
    if (slot === undefined) return;
    this.#answeredMs ??= new Array(this.#request.set.owners.length);
    this.#answeredMs[slot] = nowMs - this.#startMs;
    this.#core.answer(slot, this.#answerOf(reply));
    if (reply === "refused" || reply === "timeout" || reply === "overloaded") this.#askOneMore();
    this.#step(nowMs);
  }

  /** The answer to a repair with `sent`, which by now need not be the newest any more. */
  #onRepairAnswer(tagged: number, sent: StoredRecord, answer: WriteAnswer): void {
    const slot = this.#slotOf(tagged);
    if (slot === undefined) return;
    if (isBelowHorizon(answer)) return this.#onFenced(slot, answer.horizon);
    if (answer === "stored") (this.#repaired ??= [])[slot] = true;
    const holds = answer === "stored" ? sent : typeof answer === "object" ? answer : undefined;
    this.#core.repaired(slot, sent, holds);
    if (holds === undefined) this.#askOneMore();
    this.#step(this.#context.clock.monotonicMs());
  }

  onDeadline(): void {
    const nowMs = this.#context.clock.monotonicMs();
    if (!this.#isLate) return this.#hedge(nowMs);
    for (let slot = 0; slot < this.#request.set.owners.length; slot++) {
      if (this.#owesAnswer(slot)) this.#core.answer(slot, "timeout");
    }
    if (this.#request.askAll) this.#step(nowMs);
    this.#fail();
  }

  /** An answer is later than usual: ask everybody else. */
  #hedge(nowMs: number): void {
    this.#isLate = true;
    this.#context.deadlines.add(this, this.#startMs, nowMs);
    if (this.#unasked === 0 || !this.#context.retries.take()) return;
    while (this.#unasked > 0) this.#askOneMore();
    this.#step(nowMs);
  }

  get #over(): boolean {
    return this.#state !== "under way";
  }

  #newCore(): ReadCore {
    const { set, quorum } = this.#request;
    return new ReadCore(set.countsForReads, quorum);
  }

  /** Answers to an earlier round say nothing about this one. */
  #slotOf(tagged: number): number | undefined {
    const owners = this.#request.set.owners.length;
    return !this.#over && Math.floor(tagged / owners) === this.#round ? tagged % owners : undefined;
  }

  #tagged(slot: number): number {
    return this.#round * this.#request.set.owners.length + slot;
  }

  /**
   * An owner would not take the repair: it collected tombstones that may have been for this key, and
   * the record that was read may be a leftover from before. Whoever still has it in a second round,
   * read after that horizon was learned, shows that it is none.
   */
  #onFenced(slot: number, horizon: number): void {
    (this.#fences ??= new Map()).set(slot, horizon);
    if (++this.#round >= ROUNDS_MAX) return this.#fail();
    this.#core = this.#newCore();
    this.#asked = 0;
    this.#own = undefined;
    this.#newest = undefined;
    this.#begin();
  }

  #begin(): void {
    const { set: { owners, selfAt }, quorum, askAll } = this.#request;
    this.#unasked = owners.length;
    let asked = 0;
    if (selfAt >= 0) {
      this.#unasked--;
      const { countsForReads: counts, gaining } = owners[selfAt]!;
      // A copy that does not count shows nothing about leftovers, see `#onFenced`.
      const isRead = counts || (this.#round === 0 && gaining === undefined);
      if (isRead && this.#readOwn(selfAt) && counts) asked++;
    }
    while (this.#unasked > 0 && (asked < quorum || askAll)) {
      if (this.#askOneMore()) asked++;
    }
    this.#step(this.#startMs);
  }

  /** Reads this node's own copy; damage in it is for the peers to make up for. */
  #readOwn(slot: number): boolean {
    const { key, askAll } = this.#request;
    try {
      this.#own = this.#context.replica.get(key);
      if (askAll) (this.#from ??= [])[slot] = this.#context.locate(key);
    } catch {
      this.#core.answer(slot, "refused");
      return false;
    }
    this.#newest = this.#own;
    this.#core.answer(slot, this.#own ?? "absent");
    return true;
  }

  /** Asks the peer that is quickest to ask, if there is one left. Whether it counts towards R. */
  #askOneMore(): boolean {
    if (this.#unasked === 0) return false;
    const { set: { owners }, key } = this.#request;
    const slot = this.#quickestUnasked();
    const owner = owners[slot]!;
    this.#asked |= 1 << slot;
    this.#unasked--;
    const isAsked = owner.member !== undefined && owner.gaining === undefined;
    const link = isAsked ? this.#context.linkTo(owner.name) : undefined;
    if (link === undefined) this.onReadReply(this.#tagged(slot), "refused", this.#startMs);
    else if (this.#request.askAll) void this.#askWhere(link, slot);
    else link.read(new PendingRead(key, this.#own, this, this.#tagged(slot)));
    return owner.countsForReads;
  }

  #quickestUnasked(): number {
    const { owners, selfAt } = this.#request.set;
    let quickest = -1;
    let least = Infinity;
    for (let slot = 0; slot < owners.length; slot++) {
      if (slot === selfAt || this.#wasAsked(slot)) continue;
      const cost = this.#context.costOf(owners[slot]!, this.#startMs);
      if (cost >= least && quickest >= 0) continue;
      quickest = slot;
      least = cost;
    }
    return quickest;
  }

  /** Asks an owner apart from others' questions, and where it finds its copy. */
  async #askWhere(link: PeerLink, slot: number): Promise<void> {
    const tagged = this.#tagged(slot);
    const { reply, from } = await link.readLocated({ key: this.#request.key, have: this.#own });
    (this.#from ??= [])[slot] = from;
    this.onReadReply(tagged, reply, this.#context.clock.monotonicMs());
  }

  #answerOf(reply: PeerReply): ReadAnswer {
    if (reply === "same") return this.#own!;
    if (typeof reply !== "object") return reply;
    this.#context.lamport.observe(reply.counter);
    this.#newest = newest(this.#newest, reply);
    return reply;
  }

  #step(nowMs: number): void {
    while (!this.#over) {
      const decision = this.#core.decide();
      if (decision.action === "wait") return;
      // Who counts and was not asked yet would leave hope: nobody else can help.
      if (decision.action === "failed") return this.#fail();
      if (decision.action === "done") return this.#owesAnswers() ? undefined : this.#done(nowMs);
      for (const slot of decision.owners) this.#repair(slot);
    }
  }

  /** Whether the receipt still misses an answer. */
  #owesAnswers(): boolean {
    return this.#request.askAll &&
      this.#request.set.owners.some((_, slot) => this.#owesAnswer(slot));
  }

  #owesAnswer(slot: number): boolean {
    return this.#wasAsked(slot) && this.#core.answers[slot] === undefined;
  }

  #wasAsked(slot: number): boolean {
    return (this.#asked & (1 << slot)) !== 0;
  }

  #repair(slot: number): void {
    const owner = this.#request.set.owners[slot]!;
    const fence = this.#fences?.get(slot);
    this.#context.onRepair();
    if (fence !== undefined) return void this.#repairFenced(slot, owner, fence);
    const sent = this.#newest!;
    const waiter: WriteWaiter = {
      onWriteAnswer: (tagged, answer) => this.#onRepairAnswer(tagged, sent, answer),
    };
    const tagged = this.#tagged(slot);
    if (owner.isSelf) return this.#context.replica.write(sent, waiter, tagged);
    const link = this.#context.linkTo(owner.name);
    // It may have answered as a member, and be none any more.
    if (link === undefined) this.#onRepairAnswer(tagged, sent, "refused");
    else link.write(sent, waiter, tagged);
  }

  async #repairFenced(slot: number, owner: Owner, fence: number): Promise<void> {
    const tagged = this.#tagged(slot);
    const sent = this.#newest!;
    let answer: WriteAnswer = "refused";
    try {
      const records = [sent];
      const results = owner.isSelf
        ? await this.#context.replica.apply(records, fence)
        : await this.#context.linkTo(owner.name)?.writeCopies(records, fence);
      answer = results?.[0] ?? "refused";
    } catch {
      // It stays unrepaired; the other owners may do.
    }
    this.#onRepairAnswer(tagged, sent, answer);
  }

  #done(nowMs: number): void {
    this.#end("answered", nowMs);
    this.#context.onRead(this.#resolve === undefined ? undefined : this.#tookMs);
    this.#resolve?.(this);
  }

  #fail(): void {
    if (this.#over) return;
    this.#end("failed", this.#context.clock.monotonicMs());
    this.#context.onReadFailed();
    this.#reject?.(this.#failure());
  }

  #failure(): ConvergeError {
    const { countsForReads } = this.#request.set;
    const isOverloaded = this.#core.answers.some((answer, slot) =>
      answer === "overloaded" && countsForReads[slot]
    );
    return new ConvergeError(
      isOverloaded ? "overloaded" : "quorum_unreachable",
      `Cannot read from ${this.#request.quorum} owners within the deadline`,
      { details: { ...this.receipt() } },
    );
  }

  #end(state: "answered" | "failed", nowMs: number): void {
    this.#state = state;
    this.#tookMs = nowMs - this.#startMs;
    (this.#isLate ? this.#context.deadlines : this.#context.hedges).remove(this);
  }

  receipt(): Receipt {
    return readReceipt(this.#context, {
      ...this.#request,
      state: this.#state,
      ms: this.#tookMs,
      wallMs: this.#context.clock.wallMs(),
      newest: this.#newest,
      newestOwner: this.#core.newestOwner,
      answers: this.#core.answers,
      answeredMs: this.#answeredMs,
      from: this.#from,
      repaired: this.#repaired,
      wasAsked: (slot) => this.#wasAsked(slot),
    });
  }
}
