/**
 * What found the disk full is not begun again before there is more room: it would write until the disk is
 * full, again and again, and whoever writes meanwhile would meet that.
 */
import { type ConvergeError, isConvergeError } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { TableTarget } from "./table_builder.ts";

/** Pause before it is looked whether there is more room. */
export const LOOK_MS = 100;
/**
 * After so long it is begun again in any case. Others may have taken room meanwhile and given it back, the
 * other lane or another program: then there is no more than before, and enough.
 */
const AGAIN_MS = 5 * 60_000;

/** Tables that are to be written. */
export interface Work {
  /** Tells it from all else that the same lane does. */
  readonly name: string;
  /** The most room that it takes, about. */
  readonly bytes: number;
}

/** What one lane could not write last. */
export class Misfit {
  readonly #target: Pick<TableTarget, "disk" | "directory">;
  readonly #clock: Clock;
  /** With the room that there was as it began. */
  #last: { name: string; freeBytes: number; atMs: number; error: ConvergeError } | undefined;

  constructor(target: Pick<TableTarget, "disk" | "directory">, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
  }

  /**
   * Does some work, unless it would find the disk full as it did before.
   *
   * @throws The same error as then; or what the work throws.
   */
  async attempt<T>({ name, bytes }: Work, write: () => Promise<T>): Promise<T> {
    const freeBytes = this.#target.disk.freeBytes(this.#target.directory);
    const last = this.#last;
    const isRecent = last !== undefined && this.#clock.monotonicMs() - last.atMs < AGAIN_MS;
    if (isRecent && last.name === name && freeBytes <= last.freeBytes) throw last.error;
    this.#last = undefined;
    try {
      return await write();
    } catch (error) {
      // Where there is room enough something else has run out, like a quota: more of that does not show.
      if (isConvergeError(error, "disk_full") && freeBytes < bytes) {
        this.#last = { name, freeBytes, atMs: this.#clock.monotonicMs(), error };
      }
      throw error;
    }
  }
}
