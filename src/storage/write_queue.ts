/** Calls that wait for the writer: bounded, in order. */
import { ConvergeError } from "../errors.ts";
import { logBytesOf } from "./group.ts";
import type { ApplyResult, Mutation } from "./store.ts";

/** Bounds of what may wait; more is refused. */
const QUEUED_CALLS_MAX = 65_536;
export const QUEUED_BYTES_MAX = 64 * 1024 * 1024;

/** A call that waits for its answer. */
export interface WaitingCall {
  readonly mutations: readonly Mutation[];
  /** The most that it takes of the log. */
  readonly bytes: number;
  readonly resolve: (results: ApplyResult[]) => void;
  readonly reject: (error: unknown) => void;
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

  /** Those that wait, the first one first. */
  get calls(): readonly WaitingCall[] {
    return this.#calls.slice(this.#head);
  }

  /** Bytes of all that waits, at most. */
  get bytes(): number {
    return this.#bytes;
  }

  get freezeRequested(): boolean {
    return this.#freezers.length > 0;
  }

  /** Waits for a batch to be carried out. Rejects with `overloaded` at the bound. */
  push(mutations: readonly Mutation[]): Promise<ApplyResult[]> {
    let bytes = 0;
    for (let i = 0; i < mutations.length; i++) bytes += logBytesOf(mutations[i]!);
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

  /** Takes the first calls, of `bytesMax` bytes together or one call that is larger. */
  take(bytesMax: number): { calls: WaitingCall[]; bytes: number } {
    let end = this.#head;
    let bytes = 0;
    while (end < this.#calls.length && (bytes === 0 || bytes < bytesMax)) {
      bytes += this.#calls[end++]!.bytes;
    }
    this.#bytes -= bytes;
    if (this.#head === 0 && end === this.#calls.length) {
      const calls = this.#calls;
      this.#calls = [];
      return { calls, bytes };
    }
    const calls = this.#calls.slice(this.#head, end);
    this.#head = end;
    if (end === this.#calls.length) {
      this.#calls = [];
      this.#head = 0;
    }
    return { calls, bytes };
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
