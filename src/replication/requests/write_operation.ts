/** One write under way: the shell around `WriteCore`. */
import { ConvergeError } from "../../errors.ts";
import type { Key } from "../../record/key.ts";
import type { StoredRecord } from "../../record/record.ts";
import { encodeRecord } from "../../record/record_line.ts";
import type { CoordinatorContext } from "./coordinator_context.ts";
import type { Deadlined } from "./deadline_queue.ts";
import type { Receipt } from "./receipt.ts";
import type { Owner, OwnerSet } from "../topology/owner.ts";
import { type WriteAnswer, WriteCore, type WriteWaiter } from "../quorum/write_core.ts";
import { writeReceipt } from "./write_receipt.ts";

/** Times that a write raises its counter and tries again. */
const ATTEMPTS_MAX = 5;
/**
 * The first retry is due at once: what was missing is known now. Where that was not enough others
 * write the same key, and whoever waits for a random time, longer each time, gets out of their way.
 */
const RETRY_MS = 4;

/** What a client may choose for one write. */
export interface WriteOptions {
  /** W for this request; default: the cluster's. */
  w?: number | undefined;
  contentType?: string | undefined;
  /** Wall-clock ms; 0 or absent: never. */
  expiresAtMs?: number;
  /** Tell the caller when every owner has answered, for the receipt's sake, not when it is clear. */
  explain?: boolean;
}

/** What is to be written, where, and how. A class and no literal, see `pending.ts`. */
export class WriteRequest {
  readonly key: Key;
  readonly value: Uint8Array | undefined;
  readonly contentType: string | undefined;
  readonly expiresAtMs: number;
  readonly explain: boolean;
  readonly set: OwnerSet;
  readonly quorum: number;

  /** @param value Undefined for a delete. */
  constructor(
    key: Key,
    value: Uint8Array | undefined,
    { contentType, expiresAtMs = 0, explain = false }: WriteOptions,
    set: OwnerSet,
    quorum: number,
  ) {
    this.key = key;
    this.value = value;
    this.contentType = contentType;
    this.expiresAtMs = expiresAtMs;
    this.explain = explain;
    this.set = set;
    this.quorum = quorum;
  }
}

/** A write that was acked. */
export interface WriteResult {
  readonly record: StoredRecord;
  receipt(): Receipt;
}

/**
 * Sends the record to all owners, tells the caller as soon as the decision is clear, and goes on
 * until every owner has answered or the deadline passed; owners that did not store it get a hint. Once
 * acked it is its own result.
 */
export class WriteOperation implements WriteResult, WriteWaiter, Deadlined {
  deadlineMs = 0;
  previous: Deadlined | undefined;
  next: Deadlined | undefined;
  readonly #context: CoordinatorContext;
  readonly #request: WriteRequest;
  readonly #startMs: number;
  #answeredMs: number[] | undefined;
  #hinted: boolean[] | undefined;
  #core!: WriteCore; // from the first attempt on
  #record!: StoredRecord;
  #attempts = 0;
  #resolve: ((result: WriteResult) => void) | undefined;
  #reject: ((error: ConvergeError) => void) | undefined;
  #state: "under way" | "stored" | "failed" = "under way";
  #told = false;
  #expired = false;
  /** Whether an attempt is being sent: what is answered at once is decided on when all is sent. */
  #sending = false;
  /** Whether the next attempt waits for its turn. */
  #retryDue = false;

  constructor(context: CoordinatorContext, request: WriteRequest) {
    this.#context = context;
    this.#request = request;
    this.#startMs = context.clock.monotonicMs();
  }

  get record(): StoredRecord {
    return this.#record;
  }

  get #over(): boolean {
    return this.#state !== "under way";
  }

  /** @throws {ConvergeError} `quorum_unreachable`, its details a receipt. */
  run(): Promise<WriteResult> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#context.deadlines.add(this, this.#startMs);
      this.#attempt();
    });
  }

  /** Answers to an earlier attempt have another slot number and say nothing about this one. */
  onWriteAnswer(slot: number, answer: WriteAnswer, nowMs: number): void {
    const owners = this.#request.set.owners.length;
    if (Math.floor(slot / owners) !== this.#attempts) return;
    const owner = slot % owners;
    this.#answeredMs ??= new Array(owners);
    this.#answeredMs[owner] = nowMs - this.#startMs;
    this.#core.answer(owner, answer);
    if (!this.#sending) this.#decide();
  }

  onDeadline(): void {
    this.#expired = true;
    // Without a counter there was not even a first attempt.
    if (this.#attempts === 0) return this.#fail();
    for (let i = 0; i < this.#request.set.owners.length; i++) {
      this.#core.answer(i, "timeout"); // what it has said stands
    }
    this.#decide();
  }

  #attempt(): void {
    const counter = this.#context.lamport.next();
    if (counter === undefined) {
      this.#context.lamport.reserve().then(
        () => this.#over || this.#attempt(),
        () => this.#fail(),
      );
      return;
    }
    const { key, value, contentType, expiresAtMs, set } = this.#request;
    const { owners } = set;
    this.#attempts++;
    this.#record = encodeRecord({
      key,
      value,
      contentType,
      expiresAtMs,
      counter,
      nodeID: this.#context.nodeID,
    });
    this.#core = new WriteCore(set.countsForWrites, this.#request.quorum);
    const base = this.#attempts * owners.length;
    this.#sending = true;
    for (let i = 0; i < owners.length; i++) {
      const owner = owners[i]!;
      if (!owner.isSelf) this.#sendTo(owner, base + i);
    }
    if (set.selfAt >= 0) this.#writeOwn(base + set.selfAt);
    this.#sending = false;
    this.#decide();
  }

  /** Not where the queues to too many others are full: that would be work for nothing, under overload. */
  #writeOwn(slot: number): void {
    const { set } = this.#request;
    if (set.owners[set.selfAt]!.gaining === "joining") {
      return this.onWriteAnswer(slot, "refused", this.#context.clock.monotonicMs());
    }
    if (this.#core.decision === "failed" && this.#isOverloaded()) {
      this.onWriteAnswer(slot, "overloaded", this.#context.clock.monotonicMs());
    } else this.#context.replica.write(this.#record, this, slot);
  }

  #sendTo(owner: Owner, slot: number): void {
    const isTold = owner.member !== undefined && owner.gaining !== "joining";
    const link = isTold ? this.#context.linkTo(owner.name) : undefined;
    if (link === undefined) this.onWriteAnswer(slot, "refused", this.#context.clock.monotonicMs());
    else link.write(this.#record, this, slot);
  }

  #decide(): void {
    const decision = this.#core.decision;
    if (decision === "acked") this.#ack();
    else if (this.#retryDue && !this.#expired) return;
    else if (decision === "retry" && this.#canRetry()) return this.#retry();
    else if (decision !== "wait") this.#fail();
    if (this.#core.complete) this.#finish();
  }

  #canRetry(): boolean {
    return !this.#over && !this.#expired && this.#attempts < ATTEMPTS_MAX &&
      this.#context.retries.take();
  }

  #retry(): void {
    const { lamport, clock, random } = this.#context;
    lamport.observe(this.#core.counterSeen);
    if (this.#attempts === 1) return this.#attempt();
    this.#retryDue = true;
    clock.setTimer(random.next() * RETRY_MS * 2 ** (this.#attempts - 1), () => {
      this.#retryDue = false;
      if (!this.#over) this.#attempt();
    });
  }

  #ack(): void {
    if (this.#over) return;
    this.#state = "stored";
    if (!this.#request.explain) this.#tell();
  }

  #fail(): void {
    if (this.#over) return;
    this.#state = "failed";
    // Without a counter no owner was asked.
    if (!this.#request.explain || this.#attempts === 0) this.#tell();
  }

  /** Tells the caller, once: late answers finish an operation anew. */
  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    if (this.#state === "stored") {
      this.#context.onWritten();
      return this.#resolve!(this);
    }
    this.#context.onWriteFailed();
    this.#reject!(
      new ConvergeError(
        this.#isOverloaded() ? "overloaded" : "quorum_unreachable",
        `Cannot store on ${this.#request.quorum} owners: current count is ${
          this.#core?.stored ?? 0
        }`,
        { details: { ...this.receipt() } },
      ),
    );
  }

  /** A node that joins refuses as one that is overloaded does, and is not what the quorum is short of. */
  #isOverloaded(): boolean {
    const { countsForWrites } = this.#request.set;
    return this.#core?.answers.some((answer, i) => answer === "overloaded" && countsForWrites[i]) ??
      false;
  }

  /** Every owner has answered: an acked write leaves hints for those that do not have it. */
  #finish(): void {
    this.#context.deadlines.remove(this);
    if (this.#core.decision === "acked") this.#leaveHints();
    if (this.#request.explain) this.#tell();
  }

  #leaveHints(): void {
    const { answers } = this.#core;
    for (let i = 0; i < answers.length; i++) {
      const answer = answers[i];
      if (answer === "stored" || typeof answer === "object") continue;
      const owner = this.#request.set.owners[i]!;
      if (owner.isSelf || owner.member === undefined || this.#hinted?.[i]) continue;
      if (owner.gaining === "joining") continue;
      (this.#hinted ??= [])[i] = true;
      this.#context.hints.add(owner.name, this.#record);
    }
  }

  receipt(): Receipt {
    const { key, value, quorum, set } = this.#request;
    return writeReceipt(this.#context, {
      key,
      isDelete: value === undefined,
      quorum,
      set,
      state: this.#state,
      ms: this.#context.clock.monotonicMs() - this.#startMs,
      attempts: this.#attempts,
      record: this.#record,
      stored: this.#core?.stored ?? 0,
      answers: this.#core?.answers ?? [],
      answeredMs: this.#answeredMs,
      hinted: this.#hinted,
    });
  }
}
