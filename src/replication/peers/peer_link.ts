/**
 * The way to one peer: writes and reads queue here and leave as batches. Knows how the peer has been
 * doing: latency, and whether to go around it for a while.
 */
import { ConvergeError, isConvergeError } from "../../errors.ts";
import type { Member } from "../../membership/member.ts";
import type { NetworkResponse } from "../../platform/network.ts";
import type { Platform } from "../../platform/platform.ts";
import type { StoredRecord } from "../../record/record.ts";
import { joinFrames } from "../../record/frame.ts";
import { joinBytes } from "../../record/join_bytes.ts";
import { BatchLane, type LaneLimits } from "./batch_lane.ts";
import { CircuitBreaker } from "./circuit_breaker.ts";
import {
  COUNTER_HEADER,
  decodeApplyResults,
  decodeReadReplies,
  encodeReadQuestion,
  FENCE_HEADER,
  FROM_HEADER,
  LIFE_HEADER,
  LOCATE_HEADER,
  LOCATED_HEADER,
  parseCounterHeader,
  type ReadQuestion,
  type ReadReply,
  TO_HEADER,
} from "./internal_protocol.ts";
import type { LamportClock } from "../state/lamport_clock.ts";
import { checkBody, requestChecksum } from "./body_checksum.ts";
import type { MessageAuth } from "./message_auth.ts";
import type { ReplicaResult } from "../state/horizon.ts";
import { type PeerReply, type PendingRead, PendingWrite } from "./pending.ts";
import type { WriteAnswer, WriteWaiter } from "../quorum/write_core.ts";

/** What a link needs of its node. */
export interface LinkContext {
  readonly platform: Platform;
  readonly selfName: string;
  /** This node's node ID, where its name does not say who it is; else undefined. */
  selfLife?(): string | undefined;
  readonly lamport: LamportClock;
  readonly auth: MessageAuth;
  /** Milliseconds until a batch counts as unanswered. */
  readonly timeoutMs: number;
  /** Bytes of an answer to accept at most. */
  readonly answerBytesMax: number;
  /** The peer's entry as it is now. */
  member(): Member;
  /** The peer answered, and nobody else at its address. */
  onHeard(): void;
}

/** What goes with one request to a peer. */
export interface PeerRequestOptions {
  body?: Uint8Array;
  /** Besides those that every request has. */
  headers?: Record<string, string>;
  /** Milliseconds; default: as long as a batch may take. */
  timeoutMs?: number;
  /** As for `NetworkRequest`. Default: no. */
  mayShare?: boolean;
}

const WRITE_LIMITS: LaneLimits = {
  inFlightMax: 2, // one answer that never comes must not hold up all that follows
  batchBytesMax: 512 * 1024,
  batchEntriesMax: 1024,
  queueBytesMax: 16 * 1024 * 1024,
  gathers: true,
};

const READ_LIMITS: LaneLimits = {
  inFlightMax: 2,
  batchBytesMax: 64 * 1024,
  batchEntriesMax: 256,
  queueBytesMax: 4 * 1024 * 1024,
  gathers: false,
};

/**
 * Milliseconds until work is given up that no client waits for. A page of keys, hashes or a batch of hints
 * take their time, which may be more than clients are given.
 */
const WORK_TIMEOUT_MS_MIN = 1_500;

const encoder = new TextEncoder();

/** One peer, whatever life of it. */
export class PeerLink {
  readonly #context: LinkContext;
  readonly #breaker: CircuitBreaker;
  readonly #writes: BatchLane<PendingWrite>;
  readonly #reads: BatchLane<PendingRead>;
  /** Bytes of bodies that this node sent to the peer as questions, and took as answers, so far. */
  readonly traffic = { sentBytes: 0, receivedBytes: 0 };
  /** When requests under way began, the oldest first: a few, looked at by every read. */
  readonly #underWayMs: number[] = [];
  /** Of the body of a batch that was answered: the next one is put together there. */
  #bodyMemory: ArrayBuffer | undefined;
  /** Exponentially weighted mean of a batch's round trip. */
  #latencyMs = 1;

  constructor(context: LinkContext) {
    this.#context = context;
    this.#breaker = new CircuitBreaker(context.platform.random);
    this.#writes = new BatchLane(
      context.platform.clock,
      WRITE_LIMITS,
      ({ record }) => record.frame.byteLength,
      (batch) => this.#sendWrites(batch),
    );
    this.#reads = new BatchLane(
      context.platform.clock,
      READ_LIMITS,
      ({ key }) => key.length + 64,
      (batch) => this.#sendReads(batch),
    );
  }

  /** Whether requests to the peer are being refused without trying. */
  get isOpen(): boolean {
    return !this.#breaker.isClosed && this.#breaker.isOpen(this.#nowMs());
  }

  /** Whether nothing failed since the peer was last heard: then a read may rely on it. */
  get isWell(): boolean {
    return this.#breaker.isClosed;
  }

  /** What a batch takes lately; at least what the oldest under way had taken at `nowMs`. */
  latencyMs(nowMs: number): number {
    if (this.#underWayMs.length === 0) return this.#latencyMs;
    return Math.max(this.#latencyMs, nowMs - this.#underWayMs[0]!);
  }

  /** Milliseconds for a request that no client waits for. */
  get workTimeoutMs(): number {
    return Math.max(this.#context.timeoutMs, WORK_TIMEOUT_MS_MIN);
  }

  get queuedBytes(): number {
    return this.#writes.queuedBytes + this.#reads.queuedBytes;
  }

  /** The peer was heard in some other way: it is worth trying again. */
  heard(): void {
    this.#breaker.succeeded();
  }

  /** Sends a record; the waiter is told once, perhaps before this returns. */
  write(record: StoredRecord, waiter: WriteWaiter, slot: number): void {
    if (this.isOpen) waiter.onWriteAnswer(slot, "refused", this.#nowMs());
    else if (!this.#writes.push(new PendingWrite(record, waiter, slot))) {
      waiter.onWriteAnswer(slot, "overloaded", this.#nowMs());
    }
  }

  /** Asks for a key; the waiter is told once, perhaps before this returns. */
  read(pending: PendingRead): void {
    const { waiter, slot } = pending;
    if (this.isOpen) waiter.onReadReply(slot, "refused", this.#nowMs());
    else if (!this.#reads.push(pending)) waiter.onReadReply(slot, "overloaded", this.#nowMs());
  }

  /** Asks for a key in a message of its own, and where the peer finds its copy. Never rejects. */
  async readLocated(
    question: ReadQuestion,
  ): Promise<{ reply: PeerReply; from: string | undefined }> {
    try {
      const { body, headers } = await this.request("POST", "/internal/read", {
        body: encoder.encode(encodeReadQuestion(question)),
        headers: { [LOCATE_HEADER]: "1" },
      });
      const [reply] = decodeReadReplies(body, [question]);
      // A single question never fills an answer.
      const plain = reply === "again" ? "refused" : reply!;
      return { reply: plain, from: headers.get(LOCATED_HEADER) ?? undefined };
    } catch (error) {
      return { reply: failureOf(error), from: undefined };
    }
  }

  /**
   * Sends copies apart from others' writes.
   *
   * @param fence For an owner's own copies, see `horizon.ts`.
   * @throws {ConvergeError} as `request`.
   */
  async writeCopies(
    records: readonly StoredRecord[],
    fence: number | undefined,
  ): Promise<ReplicaResult[]> {
    const response = await this.request("POST", "/internal/kv", {
      body: joinFrames(records),
      timeoutMs: this.workTimeoutMs,
      ...(fence === undefined ? {} : { headers: { [FENCE_HEADER]: String(fence) } }),
    });
    return decodeApplyResults(response.body, records.length);
  }

  /**
   * One request to an internal route of the peer.
   *
   * @throws {ConvergeError} `unreachable`, `timeout`, `overloaded`, `misdirected`,
   * `corrupt_message`.
   */
  async request(
    method: "GET" | "POST",
    path: string,
    options: PeerRequestOptions = {},
  ): Promise<NetworkResponse> {
    const { platform } = this.#context;
    const { origin } = this.#context.member();
    const startMs = platform.clock.monotonicMs();
    if (!this.#breaker.allows(startMs)) {
      throw new ConvergeError("unreachable", `Cannot reach ${origin}: it did not answer lately`);
    }
    const headers = this.#headersOf(path, options);
    this.traffic.sentBytes += options.body?.byteLength ?? 0;
    this.#underWayMs.push(startMs);
    let response: NetworkResponse;
    try {
      response = await platform.network.request({
        method,
        origin,
        path,
        headers: this.#context.auth.signed(method, path, headers, options.body),
        ...(options.body === undefined ? {} : { body: options.body }),
        timeoutMs: options.timeoutMs ?? this.#context.timeoutMs,
        maxResponseBytes: this.#context.answerBytesMax,
        mayShare: options.mayShare ?? false,
      });
    } catch (error) {
      this.#breaker.failed(platform.clock.monotonicMs(), startMs);
      throw error;
    } finally {
      // Of several that began in the same moment any will do.
      this.#underWayMs.splice(this.#underWayMs.indexOf(startMs), 1);
    }
    const nowMs = platform.clock.monotonicMs();
    this.#latencyMs += 0.2 * (nowMs - startMs - this.#latencyMs);
    this.#breaker.succeeded(startMs);
    this.traffic.receivedBytes += response.body.byteLength;
    return this.#checked(response);
  }

  /** All but the signature, which is made over these. */
  #headersOf(path: string, { body, headers }: PeerRequestOptions): Record<string, string> {
    const { lamport, selfName } = this.#context;
    const life = this.#context.selfLife?.();
    return {
      [FROM_HEADER]: selfName,
      ...(life === undefined ? {} : { [LIFE_HEADER]: life }),
      [TO_HEADER]: this.#context.member().nodeID,
      [COUNTER_HEADER]: String(lamport.current),
      ...requestChecksum(path, body),
      ...headers,
    };
  }

  #nowMs(): number {
    return this.#context.platform.clock.monotonicMs();
  }

  #checked(response: NetworkResponse): NetworkResponse {
    const { status, headers, body } = response;
    if (status === 200) {
      checkBody(headers, body);
      this.#context.lamport.observe(parseCounterHeader(headers.get(COUNTER_HEADER)));
      // Whatever else answers may be somebody else: its address may be that of another one by now.
      this.#context.onHeard();
      return response;
    }
    const { name } = this.#context.member();
    if (status === 421) {
      throw new ConvergeError("misdirected", `Cannot use ${name}: it is another life of that node`);
    }
    if (status === 503 || status === 507) {
      throw new ConvergeError("overloaded", `Cannot use ${name} now: it answered ${status}`);
    }
    throw new ConvergeError("corrupt_message", `Cannot use ${name}: it answered ${status}`);
  }

  async #sendWrites(batch: PendingWrite[]): Promise<void> {
    let results: WriteAnswer[] | undefined;
    let failure: WriteAnswer = "timeout";
    const memory = this.#bodyMemory;
    this.#bodyMemory = undefined;
    try {
      const body = joinBytes(batch.map(({ record }) => record.frame), memory);
      const response = await this.request("POST", "/internal/kv", { body, mayShare: true });
      this.#keepMemory(body.buffer);
      results = decodeApplyResults(response.body, batch.length);
    } catch (error) {
      failure = failureOf(error);
    }
    const nowMs = this.#nowMs();
    for (let i = 0; i < batch.length; i++) {
      const { waiter, slot } = batch[i]!;
      waiter.onWriteAnswer(slot, results === undefined ? failure : results[i]!, nowMs);
    }
  }

  /** The larger it is the more often it will do; that of one long value is not worth having. */
  #keepMemory(memory: ArrayBuffer): void {
    if (memory.byteLength > WRITE_LIMITS.batchBytesMax) return;
    if (memory.byteLength >= (this.#bodyMemory?.byteLength ?? 0)) this.#bodyMemory = memory;
  }

  async #sendReads(batch: PendingRead[]): Promise<void> {
    let replies: ReadReply[] | undefined;
    let failure: "refused" | "timeout" | "overloaded" = "timeout";
    try {
      let questions = "";
      for (const question of batch) questions += encodeReadQuestion(question);
      const response = await this.request("POST", "/internal/read", {
        body: encoder.encode(questions),
        mayShare: true,
      });
      replies = decodeReadReplies(response.body, batch);
    } catch (error) {
      failure = failureOf(error);
    }
    const nowMs = this.#nowMs();
    for (let i = 0; i < batch.length; i++) {
      const pending = batch[i]!;
      const reply = replies === undefined ? failure : replies[i]!;
      if (reply === "again") this.read(pending);
      else pending.waiter.onReadReply(pending.slot, reply, nowMs);
    }
  }
}

/** What a failed request says about whether it was carried out. */
function failureOf(error: unknown): "refused" | "timeout" | "overloaded" {
  if (isConvergeError(error, "unreachable", "misdirected")) return "refused";
  if (isConvergeError(error, "overloaded")) return "overloaded";
  return "timeout";
}
