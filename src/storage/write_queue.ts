/** Calls that wait for the writer: bounded, in order. */
import { ConvergeError } from "../errors.ts";
import type { Group } from "./group.ts";
import type { ApplyResult, Mutation } from "./store.ts";

/** Bounds of what may wait; more is refused. */
export const QUEUED_CALLS_MAX = 65_536;
export const QUEUED_BYTES_MAX = 64 * 1024 * 1024;

/** A call of which the group in the making has decided. */
export interface TakenCall {
  results: ApplyResult[];
  resolve: (results: ApplyResult[]) => void;
  reject: (error: unknown) => void;
}

interface WaitingCall {
  mutations: readonly Mutation[];
  bytes: number;
  resolve: (results: ApplyResult[]) => void;
  reject: (error: unknown) => void;
}

/** Invariant: at most QUEUED_CALLS_MAX calls, and QUEUED_BYTES_MAX unless it is a single call. */
export class WriteQueue {
  #calls: WaitingCall[] = [];
  /** Index of the first call that waits. */
  #head = 0;
  #bytes = 0;
  #freezers: { resolve: () => void; reject: (error: unknown) => void }[] = [];

  /** Whether there is nothing to do for the writer. */
  get isEmpty(): boolean {
    return this.#head === this.#calls.length && this.#freezers.length === 0;
  }

  get freezeRequested(): boolean {
    return this.#freezers.length > 0;
  }

  /** Waits for a batch to be carried out. Rejects with `overloaded` at the bound. */
  push(mutations: readonly Mutation[]): Promise<ApplyResult[]> {
    let bytes = 0;
    for (const { record } of mutations) bytes += record.frame.byteLength;
    const waiting = this.#calls.length - this.#head;
    if (waiting > 0 && (waiting >= QUEUED_CALLS_MAX || this.#bytes + bytes > QUEUED_BYTES_MAX)) {
      return Promise.reject(
        new ConvergeError("overloaded", `Cannot take a write: ${waiting} are waiting already`),
      );
    }
    this.#bytes += bytes;
    return new Promise((resolve, reject) => {
      this.#calls.push({ mutations, bytes, resolve, reject });
    });
  }

  /** Moves calls into a group until it has `bytesMax` bytes. Calls that cannot be decided fail. */
  take(group: Group, bytesMax: number): TakenCall[] {
    const taken: TakenCall[] = [];
    while (this.#head < this.#calls.length && group.bytes < bytesMax) {
      const { mutations, bytes, resolve, reject } = this.#calls[this.#head++]!;
      this.#bytes -= bytes;
      try {
        taken.push({ results: group.add(mutations), resolve, reject });
      } catch (error) {
        reject(error);
      }
    }
    if (this.#head === this.#calls.length) {
      this.#calls = [];
      this.#head = 0;
    }
    return taken;
  }

  /** Resolves when the memtable of now is frozen. */
  requestFreeze(): Promise<void> {
    return new Promise((resolve, reject) => void this.#freezers.push({ resolve, reject }));
  }

  /** Carries the freeze out for all who asked. */
  async answerFreeze(freeze: () => Promise<void>): Promise<void> {
    const freezers = this.#freezers;
    this.#freezers = [];
    try {
      await freeze();
      for (const { resolve } of freezers) resolve();
    } catch (error) {
      for (const { reject } of freezers) reject(error);
    }
  }

  rejectAll(error: unknown): void {
    const calls = this.#calls.slice(this.#head);
    const freezers = this.#freezers;
    this.#calls = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#freezers = [];
    for (const { reject } of [...calls, ...freezers]) reject(error);
  }
}
