/**
 * The horizon: no tombstone that this node has collected has a higher counter. Each collection raises it,
 * be it of older tombstones only.
 *
 * Once a tombstone is gone, a value older than it must not come back by a late hint, repair or
 * message. So a record at or below the horizon is not taken for a key that this node does not have,
 * except from another owner's own copy: all owners had confirmed the tombstone before it was
 * collected, so an owner that holds the record *after* the collection proves that it is no leftover.
 * That "after" is what a fence shows: the sender names the horizon that it learned before it read
 * its copy, and the receiver checks that it has collected nothing since.
 */
import { isCounter } from "../../record/version.ts";
import type { ApplyResult, Mutation } from "../../storage/store.ts";
import type { LocalState } from "./local_state.ts";

const DOCUMENT = "horizon";

/** Not taken: the key is unknown here, and a tombstone of this counter or later was collected. */
export interface BelowHorizon {
  readonly horizon: number;
}

/** What became of a record here: as `ApplyResult`, or not taken because it is below the horizon. */
export type ReplicaResult = ApplyResult | BelowHorizon;

/** Whether a result or answer says that the record was below the horizon. */
export function isBelowHorizon(result: unknown): result is BelowHorizon {
  return typeof result === "object" && result !== null && "horizon" in result;
}

/** One node's horizon. Invariant: never falls; on disk before anything is erased under it. */
export class Horizon {
  readonly #state: LocalState;
  #counter: number;
  /** The highest that is certainly on disk. */
  #durable: number;

  constructor(state: LocalState) {
    this.#state = state;
    this.#counter = this.#durable = state.read<{ counter: number }>(DOCUMENT)?.counter ?? 0;
  }

  /** The horizon now; 0 while nothing was ever collected. */
  get counter(): number {
    return this.#counter;
  }

  /** Raises the horizon at once, and returns the change that makes it durable. */
  raise(counter: number): Mutation {
    if (isCounter(counter)) this.#counter = Math.max(this.#counter, counter);
    return this.#state.mutation(DOCUMENT, { counter: this.#counter });
  }

  /** Raises the horizon durably. @throws {ConvergeError} as `Store.apply`. */
  async raiseTo(counter: number): Promise<void> {
    this.#counter = Math.max(this.#counter, counter);
    if (counter <= this.#durable) return;
    const raised = this.#counter;
    await this.#state.write(DOCUMENT, { counter: raised });
    this.#durable = Math.max(this.#durable, raised);
  }
}
