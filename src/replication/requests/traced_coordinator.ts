/** A coordinator that records what each owner did, from the receipts: nothing is added on the way. */
import { ConvergeError } from "../../errors.ts";
import type { Key } from "../../record/key.ts";
import type { TracedOperation, Tracer } from "../../platform/tracer.ts";
import { Coordinator } from "./coordinator.ts";
import type { CoordinatorOptions } from "./coordinator_context.ts";
import type { ReadOptions, ReadResult } from "./read_operation.ts";
import type { OwnerReceipt, Receipt } from "./receipt.ts";
import type { WriteOptions, WriteResult } from "./write_operation.ts";

/** Outcomes of an owner that did not do its part. */
const FAILED = new Set(["refused", "timeout", "overloaded"]);

/** Used instead of a plain one where the platform has a tracer. */
export class TracedCoordinator extends Coordinator {
  readonly #tracer: Tracer;
  readonly #options: CoordinatorOptions;

  constructor(tracer: Tracer, options: CoordinatorOptions) {
    super(options);
    this.#tracer = tracer;
    this.#options = options;
  }

  override write(
    key: Key,
    value: Uint8Array | undefined,
    options?: WriteOptions,
  ): Promise<WriteResult> {
    const operation = value === undefined ? "DELETE /kv/{key}" : "PUT /kv/{key}";
    return this.#traced(operation, () => super.write(key, value, options));
  }

  override read(key: Key, options?: ReadOptions): Promise<ReadResult> {
    return this.#traced("GET /kv/{key}", () => super.read(key, options));
  }

  async #traced<R extends { receipt(): Receipt }>(
    name: string,
    run: () => R | Promise<R>,
  ): Promise<R> {
    const traced = this.#tracer.begin(name);
    if (traced === undefined) return await run();
    try {
      const result = await run();
      this.#record(traced, result);
      return result;
    } catch (error) {
      const owners = error instanceof ConvergeError ? error.details["owners"] : undefined;
      if (Array.isArray(owners)) recordLegs(traced, owners);
      throw error;
    }
  }

  /** Owners that had not answered yet are recorded when they must have, or never will. */
  #record(traced: TracedOperation, result: { receipt(): Receipt }): void {
    const { owners, version, attempts, ms } = result.receipt();
    traced.set({
      ...(version === undefined ? {} : { "converge.version": version }),
      ...(attempts === undefined ? {} : { "converge.attempts": attempts }),
      "converge.quorum_ms": ms,
    });
    const pending = owners.filter(isPending).map(({ name }) => name);
    recordLegs(traced, owners.filter((owner) => !isPending(owner)));
    if (pending.length === 0) return;
    this.#options.clock.setTimer(this.#options.requestTimeoutMs + 1, () => {
      recordLegs(traced, result.receipt().owners.filter(({ name }) => pending.includes(name)));
    });
  }
}

function isPending({ outcome }: OwnerReceipt): boolean {
  return outcome === "pending";
}

function recordLegs(traced: TracedOperation, owners: readonly OwnerReceipt[]): void {
  for (const { name, outcome, ms } of owners) {
    if (outcome === "not asked") continue;
    traced.leg({ owner: name, outcome, ms, failed: FAILED.has(outcome) });
  }
}
