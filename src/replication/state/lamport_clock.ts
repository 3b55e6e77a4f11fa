/**
 * The node's Lamport counter. Counters are reserved in blocks, and the reservation is on disk before
 * any of the block is used: after a crash the node starts past everything it can have given out, even
 * where it was not an owner and its own log knows nothing of it.
 */
import { ConvergeError } from "../../errors.ts";
import { COUNTER_MAX } from "../../record/version.ts";
import type { LocalState } from "./local_state.ts";

const DOCUMENT = "counter";

/** Counters reserved at a time: one fsync more per so many writes. */
const BLOCK = 1_000_000;

/**
 * Counters that are left out when a disk was lost. A write may have been acknowledged by that disk and by
 * a node that is away now, and nobody else has heard of it: its counter is below the new ones. There is
 * room for a million lost disks.
 */
const LOST_COUNTERS = 2 ** 32;

/** Hands out counters that are larger than every counter seen. */
export class LamportClock {
  readonly #state: LocalState;
  /** Highest counter seen or given out. */
  #current: number;
  /** Invariant: on disk; no counter above it was ever given out. */
  #reserved: number;
  #reserving: Promise<void> | undefined;
  /** The loss for which counters were left out last. */
  #skippedFor: number | undefined;

  private constructor(state: LocalState, current: number) {
    this.#state = state;
    this.#current = current;
    this.#reserved = current;
  }

  /** @param highestStored The highest counter in log and tables. */
  static async open(state: LocalState, highestStored: number): Promise<LamportClock> {
    const reserved = state.read<{ reserved: number }>(DOCUMENT)?.reserved ?? 0;
    const clock = new LamportClock(state, Math.max(reserved, highestStored));
    await clock.reserve();
    return clock;
  }

  /** Highest counter seen or given out; goes with every answer and every gossip. */
  get current(): number {
    return this.#current;
  }

  /**
   * A counter was seen. One that is out of range is ignored here; messages with such counters are
   * refused where they are parsed.
   */
  observe(counter: number): void {
    if (counter > this.#current && counter <= COUNTER_MAX) this.#current = counter;
  }

  /**
   * Goes past all counters that may have been given out without this node's knowing, and resolves when
   * that is on disk. Where that has failed it can be tried again: no more counters are left out then, or a
   * full disk would use up those of the whole cluster.
   *
   * @param loss Which loss of data, one number for each.
   * @throws {ConvergeError} as {@linkcode LamportClock.reserve}.
   */
  async skipLost(loss: number): Promise<void> {
    if (this.#skippedFor !== loss) this.observe(this.#current + LOST_COUNTERS);
    this.#skippedFor = loss;
    while (this.#reserved < this.#current) await this.reserve();
  }

  /** The next counter, or undefined when none is reserved: await `reserve()` and ask again. */
  next(): number | undefined {
    if (this.#current + BLOCK / 2 > this.#reserved) this.#reserveAhead();
    if (this.#current >= this.#reserved) return undefined;
    return ++this.#current;
  }

  /**
   * Reserves a block past everything seen.
   *
   * @throws {ConvergeError} `invariant` when counters are used up; as `Store.apply`.
   */
  reserve(): Promise<void> {
    return this.#reserving ??= this.#reserve().finally(() => this.#reserving = undefined);
  }

  #reserveAhead(): void {
    // A failure shows again, to somebody who waits, when the block is really needed.
    this.reserve().catch(() => {});
  }

  async #reserve(): Promise<void> {
    if (this.#current >= COUNTER_MAX) {
      throw new ConvergeError(
        "invariant",
        `Cannot count past ${COUNTER_MAX}: counters are used up`,
      );
    }
    const reserved = Math.min(COUNTER_MAX, this.#current + BLOCK);
    await this.#state.write(DOCUMENT, { reserved });
    this.#reserved = Math.max(this.#reserved, reserved);
  }
}
