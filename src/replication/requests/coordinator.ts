/**
 * Takes a client's request on any node and carries it out with the owners of the key
 * (DeCandia et al., "Dynamo", SOSP 2007, section 4.5).
 */
import { ConvergeError } from "../../errors.ts";
import type { Key } from "../../record/key.ts";
import { tokenOf } from "../../ring/token.ts";
import type { CoordinatorCounts } from "../counts.ts";
import type { CoordinatorContext, CoordinatorOptions } from "./coordinator_context.ts";
import { DeadlineQueue } from "./deadline_queue.ts";
import { LatencyQuantile } from "./latency_quantile.ts";
import { ReadOperation, type ReadOptions, ReadRequest, type ReadResult } from "./read_operation.ts";
import { RetryBudget } from "./retry_budget.ts";
import type { Owner } from "../topology/owner.ts";
import {
  WriteOperation,
  type WriteOptions,
  WriteRequest,
  type WriteResult,
} from "./write_operation.ts";

/** A read asks the other owners too after this quantile of recent reads, within these bounds. */
const HEDGE_QUANTILE = 0.99;
const HEDGE_BOUNDS = { minMs: 5, maxMs: 100 };

const NO_OPTIONS: WriteOptions & ReadOptions = {};

/** Coordinates requests. Invariant: `inFlight <= inFlightMax`. */
export class Coordinator {
  readonly counts: CoordinatorCounts = {
    writes: 0,
    reads: 0,
    writesFailed: 0,
    readsFailed: 0,
    repairs: 0,
  };
  readonly #options: CoordinatorOptions;
  readonly #context: CoordinatorContext;
  readonly #readLatency: LatencyQuantile;
  #inFlight = 0;

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    // Late comes before the deadline.
    const maxMs = Math.min(HEDGE_BOUNDS.maxMs, options.requestTimeoutMs);
    const minMs = Math.min(HEDGE_BOUNDS.minMs, maxMs);
    this.#readLatency = new LatencyQuantile(HEDGE_QUANTILE, { minMs, maxMs });
    this.#context = {
      ...options,
      deadlines: new DeadlineQueue(options.clock, options.requestTimeoutMs),
      hedges: new DeadlineQueue(options.clock, maxMs),
      retries: new RetryBudget(),
      quorums: () => options.topology().quorums,
      costOf: (owner, nowMs) => this.#costOf(owner, nowMs),
      onRead: (ms) => this.#onRead(ms),
      onReadFailed: () => this.#onFailed("reads"),
      onWritten: () => this.#onEnded("writes"),
      onWriteFailed: () => this.#onFailed("writes"),
      onRepair: () => void this.counts.repairs++,
    };
  }

  /** Client requests under way. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Stores a value, or a tombstone when `value` is undefined.
   *
   * @throws {ConvergeError} `bad_request`, `not_ready`, `overloaded`, `quorum_unreachable`.
   */
  write(
    key: Key,
    value: Uint8Array | undefined,
    options: WriteOptions = NO_OPTIONS,
  ): Promise<WriteResult> {
    try {
      const topology = this.#options.topology();
      const quorum = this.checkedQuorum("w", options.w) ?? topology.quorums.w;
      const set = topology.ownerSetOf(tokenOf(key));
      this.#enter();
      const request = new WriteRequest(key, value, options, set, quorum);
      return new WriteOperation(this.#context, request).run();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Reads the newest record: at once where this node's own copy is enough, else by a promise.
   *
   * @throws {ConvergeError} `bad_request`, `not_ready`, `overloaded`; or the promise rejects with
   * `quorum_unreachable`.
   */
  read(key: Key, options: ReadOptions = NO_OPTIONS): ReadResult | Promise<ReadResult> {
    const topology = this.#options.topology();
    const quorum = this.checkedQuorum("r", options.r) ?? topology.quorums.r;
    const set = topology.ownerSetOf(tokenOf(key));
    this.#enter();
    const request = new ReadRequest(key, options, set, quorum);
    return new ReadOperation(this.#context, request).run();
  }

  #onRead(ms: number | undefined): void {
    this.#onEnded("reads");
    if (ms === undefined) return;
    this.#readLatency.add(ms);
    this.#context.hedges.timeoutMs = this.#readLatency.valueMs;
  }

  /**
   * Checks a quorum that a client asks for, whether or not its request uses it.
   *
   * @throws {ConvergeError} `bad_request` unless it is undefined or from 1 to N.
   */
  checkedQuorum(name: "r" | "w", quorum: number | undefined): number | undefined {
    if (quorum === undefined) return undefined;
    return checkedQuorum(name, quorum, this.#options.topology().quorums.n);
  }

  #enter(): void {
    if (this.#inFlight >= this.#options.inFlightMax) {
      throw new ConvergeError(
        "overloaded",
        `Cannot take the request: ${this.#inFlight} requests are under way`,
      );
    }
    this.#inFlight++;
    this.#context.retries.earn();
  }

  #onEnded(operation: "reads" | "writes"): void {
    this.#inFlight--;
    this.counts[operation]++;
  }

  #onFailed(operation: "reads" | "writes"): void {
    this.#onEnded(operation);
    this.counts[`${operation}Failed`]++;
  }

  /** What it may cost to ask an owner: answers that cannot count or will not come are dear. */
  #costOf(owner: Owner, nowMs: number): number {
    if (!owner.countsForReads) return Number.MAX_VALUE;
    const link = this.#options.linkTo(owner.name);
    if (link === undefined || !link.isWell) return Number.MAX_SAFE_INTEGER;
    return link.latencyMs(nowMs);
  }
}

function checkedQuorum(name: string, quorum: number, n: number): number {
  if (Number.isInteger(quorum) && quorum >= 1 && quorum <= n) return quorum;
  throw new ConvergeError("bad_request", `Cannot use ${name}=${quorum}: it must be from 1 to ${n}`);
}
