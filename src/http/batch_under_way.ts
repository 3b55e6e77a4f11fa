/**
 * One request for `/batch` while its operations are carried out: those on one key in order, others side
 * by side. What it may take is bounded in time and in memory.
 */
import { ConvergeError } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { lineOf } from "../record/frame.ts";
import { type Key, keyToJson } from "../record/key.ts";
import { isLive, type StoredRecord } from "../record/record.ts";
import { sizeOf } from "../record/record_line.ts";
import { formatVersion } from "../record/version.ts";
import type { Coordinator } from "../replication/requests/coordinator.ts";
import { ByteRoom } from "./byte_room.ts";
import { expiryOf } from "./expiry.ts";

/** What a batch uses of its node. */
export interface BatchOptions {
  coordinator: Coordinator;
  clock: Clock;
  maxValueBytes: number;
}

/** A line of a batch, or of its answer. */
export type Line = Record<string, unknown>;

/** One line, checked: whatever is refused for what it says is refused before it has a turn. */
export interface Operation {
  readonly op: "put" | "get" | "delete";
  readonly key: Key;
  /** Undefined for what is no put. */
  readonly value: Uint8Array | undefined;
  readonly contentType: string | undefined;
  readonly ttlSeconds: number | undefined;
  readonly w: number | undefined;
  readonly r: number | undefined;
}

/** Milliseconds after which none is begun: of a thousand on one key each may wait for its deadline. */
const BATCH_MS_MAX = 30_000;

/** Bytes of values that one batch gets, and that all batches under way do. A single one is given. */
const GOT_BYTES_MAX = 16 * 1024 * 1024;
const ALL_GOT_BYTES_MAX = 64 * 1024 * 1024;

/** Bytes that values may take that are being read for one batch, and how many there may be. */
const READING_BYTES_MAX = 256 * 1024 * 1024;
const READING_MAX = 256;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The room of what all batches of a node have got and not answered yet. */
export function roomOfBatches(): ByteRoom {
  return new ByteRoom(
    ALL_GOT_BYTES_MAX,
    (bytes) => `Cannot get it now: batches under way have values of ${bytes} bytes`,
  );
}

/** One batch. Invariant: no more than `#readingMax` are being read at once. */
export class BatchUnderWay {
  readonly #options: BatchOptions;
  readonly #endMs: number;
  readonly #readingMax: number;
  #reading = 0;
  readonly #waitingToRead: (() => void)[] = [];
  readonly #room = new ByteRoom(
    GOT_BYTES_MAX,
    (bytes) => `Cannot get it in this batch: it has values of ${bytes} bytes; send it in another`,
  );
  readonly #roomOfAll: ByteRoom;
  /** Taken of the room of all. */
  #gotBytes = 0;
  /** Why a value was not taken: no further one is read. */
  #refused: unknown;

  constructor(options: BatchOptions, roomOfAll: ByteRoom) {
    this.#options = options;
    this.#roomOfAll = roomOfAll;
    this.#endMs = options.clock.monotonicMs() + BATCH_MS_MAX;
    const fitting = Math.floor(READING_BYTES_MAX / options.maxValueBytes);
    this.#readingMax = Math.max(1, Math.min(READING_MAX, fitting));
  }

  /**
   * @param before The operation on the same key before it.
   * @throws {ConvergeError} as the coordinator; `overloaded`: nothing was begun.
   */
  async run(operation: Operation, before: Promise<Line> | undefined): Promise<Line> {
    const { coordinator, clock } = this.#options;
    const { op, key, value, contentType, ttlSeconds, w } = operation;
    await before;
    this.#requireTime();
    if (op === "get") {
      const record = await this.#read(operation);
      if (!isLive(record, clock.wallMs())) return { status: 404, ...keyToJson(key) };
      const { c: _c, n: _n, ...members } = JSON.parse(decoder.decode(lineOf(record.frame)));
      return { status: 200, ...members, etag: `"${formatVersion(record)}"` };
    }
    const expiresAtMs = expiryOf(ttlSeconds, clock);
    const { record } = await coordinator.write(key, value, { w, contentType, expiresAtMs });
    return { status: 204, etag: `"${formatVersion(record)}"` };
  }

  /** All is answered. */
  end(): void {
    this.#roomOfAll.giveBack(this.#gotBytes);
  }

  async #read({ key, r }: Operation): Promise<StoredRecord | undefined> {
    while (this.#reading >= this.#readingMax) {
      await new Promise<void>((resolve) => this.#waitingToRead.push(resolve));
    }
    this.#reading++;
    try {
      this.#requireTime();
      if (this.#refused !== undefined) throw this.#refused;
      const { record } = await this.#options.coordinator.read(key, { r });
      if (record !== undefined) this.#takeRoom(sizeOf(record));
      return record;
    } finally {
      this.#reading--;
      this.#waitingToRead.shift()?.();
    }
  }

  /** @throws {ConvergeError} `overloaded` where it is too late to begin anything. */
  #requireTime(): void {
    if (this.#options.clock.monotonicMs() <= this.#endMs) return;
    throw new ConvergeError("overloaded", `Cannot begin ${BATCH_MS_MAX} ms after the batch`);
  }

  /** @throws {ConvergeError} `overloaded`. */
  #takeRoom(bytes: number): void {
    try {
      if (this.#refused !== undefined) throw this.#refused;
      this.#room.take(bytes);
      this.#roomOfAll.take(bytes);
    } catch (error) {
      this.#refused = error;
      throw error;
    }
    this.#gotBytes += bytes;
  }
}
