/**
 * One group of the log in the making: decides what becomes of each mutation and lays the accepted
 * lines into one buffer, which goes to the log in one write and stays as the memtable's memory.
 *
 * What it decided waits in the memtable's own slots, so that a key is looked up there once; nobody
 * sees it until the group is committed.
 */
import { crc32 } from "node:zlib";
import type { Key } from "../record/key.ts";
import { FRAME_HEADER_BYTES, lineOf, writeHex } from "../record/frame.ts";
import { compareVersions, type Version } from "../record/version.ts";
import { eraseLine, type LineFacts, LineRecord } from "./line_record.ts";
import type { Memtable, Slot } from "./memtable.ts";
import { type ApplyResult, DATA, type Keyspace, type Mutation } from "./store.ts";
import { COMMIT_ROOM_BYTES } from "./wal_writer.ts";

const SPACE = 32;
const LF = 10;

const encoder = new TextEncoder();

/** What the store has for a key beside the memtable; undefined when nothing, or nothing newer than `atLeast`. */
export type Lookup = (keyspace: Keyspace, key: Key, atLeast: number) => Version | undefined;

/** What a group is made for. */
export interface GroupOptions {
  memtable: Memtable;
  lookup: Lookup;
  /** At least what the mutations to come take, by {@linkcode logBytesOf}. */
  bytesMax: number;
}

/** The most bytes of the log that a mutation takes: the line of an erase is shorter than the record. */
export function logBytesOf({ keyspace, record }: Mutation): number {
  return record.frame.byteLength + keyspace.length + 1;
}

/** Mutations that were accepted, in order. Either committed or abandoned. */
export class Group {
  /** Accepted lines in the first `bytes`, with COMMIT_ROOM_BYTES of room behind. */
  readonly buffer: Uint8Array;
  /** Accepted lines. */
  lines = 0;
  /** Mutations that were answered `stored`. */
  stored = 0;
  /** Highest counter of an accepted line of the data keyspace. */
  highestCounter = 0;
  readonly #memtable: Memtable;
  readonly #lookup: Lookup;
  readonly #changed: Slot[] = [];
  #bytes = 0;
  /** For the batch being decided: the slots of its keys, and what lies beside the memtable. */
  readonly #slots: Slot[] = [];
  readonly #there: (Version | undefined)[] = [];

  constructor({ memtable, lookup, bytesMax }: GroupOptions) {
    this.buffer = new Uint8Array(bytesMax + COMMIT_ROOM_BYTES);
    this.#memtable = memtable;
    this.#lookup = lookup;
  }

  get isEmpty(): boolean {
    return this.lines === 0;
  }

  /** Bytes of the log that the accepted mutations take. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Decides a batch and takes what is to be stored.
   *
   * @throws What the lookup throws; nothing of the batch is taken then.
   */
  add(batch: readonly Mutation[]): ApplyResult[] {
    const { length } = batch;
    // All look-ups first: they may throw, and then nothing must have changed.
    for (let i = 0; i < length; i++) this.#look(batch, i);
    const results: ApplyResult[] = new Array(length);
    for (let i = 0; i < length; i++) results[i] = this.#decide(batch[i]!, i);
    this.#dropEmpty(length);
    return results;
  }

  /** Makes the accepted lines readable. */
  commit(): void {
    for (const slot of this.#changed) this.#memtable.publish(slot);
    this.#memtable.logBytes += this.buffer.byteLength;
  }

  /** Forgets the accepted lines. */
  abandon(): void {
    for (const slot of this.#changed) {
      slot.pending = undefined;
      slot.space.drop(slot);
    }
  }

  #look(batch: readonly Mutation[], i: number): void {
    const { keyspace, record } = batch[i]!;
    const slot = this.#memtable.space(keyspace).slot(record.key);
    this.#slots[i] = slot;
    if (slot.line !== undefined || slot.pending !== undefined) {
      this.#there[i] = undefined;
      return;
    }
    try {
      this.#there[i] = this.#lookup(keyspace, record.key, record.counter);
    } catch (error) {
      this.#dropEmpty(i + 1);
      throw error;
    }
  }

  #decide(mutation: Mutation, i: number): ApplyResult {
    const { record, erase = false } = mutation;
    const slot = this.#slots[i]!;
    const known = slot.pending ?? slot.line;
    const current = known === undefined ? this.#there[i] : known.erase ? undefined : known;
    const order = current === undefined ? 1 : compareVersions(record, current);
    if (order < 0) return { counter: current!.counter, nodeID: current!.nodeID };
    this.stored++;
    if (order === 0 && !erase) return "stored";
    if (slot.pending === undefined) this.#changed.push(slot);
    slot.pending = erase ? this.#layErase(mutation) : this.#lay(mutation);
    this.lines++;
    return "stored";
  }

  /** Removes those of the first slots of the batch that were made for nothing. */
  #dropEmpty(count: number): void {
    for (let i = 0; i < count; i++) {
      const slot = this.#slots[i]!;
      if (slot.pending === undefined && slot.line === undefined) slot.space.drop(slot);
    }
  }

  #lay({ keyspace, record }: Mutation): LineRecord {
    const { key, frame, counter } = record;
    if (keyspace !== DATA) return this.#layNamed(keyspace, key, record, lineOf(frame));
    if (counter > this.highestCounter) this.highestCounter = counter;
    const start = this.#bytes;
    this.buffer.set(frame, start);
    const end = this.#bytes = start + frame.byteLength;
    return new LineRecord(key, record, this.buffer, start + FRAME_HEADER_BYTES, end - 1);
  }

  #layErase({ keyspace, record: { key, counter, nodeID } }: Mutation): LineRecord {
    if (keyspace === DATA && counter > this.highestCounter) this.highestCounter = counter;
    const facts = { counter, nodeID, tombstone: false, expiresAtMs: 0, erase: true };
    return this.#layNamed(keyspace, key, facts, encoder.encode(eraseLine(key, facts)));
  }

  /** Lays `<crc> <keyspace> <json>\n`. */
  #layNamed(keyspace: Keyspace, key: Key, facts: LineFacts, json: Uint8Array): LineRecord {
    const { buffer } = this;
    const start = this.#bytes;
    const textStart = start + FRAME_HEADER_BYTES;
    for (let i = 0; i < keyspace.length; i++) buffer[textStart + i] = keyspace.charCodeAt(i);
    const jsonStart = textStart + keyspace.length + 1;
    buffer[jsonStart - 1] = SPACE;
    buffer.set(json, jsonStart);
    const end = jsonStart + json.byteLength;
    writeHex(buffer.subarray(start), crc32(buffer.subarray(textStart, end)));
    buffer[textStart - 1] = SPACE;
    buffer[end] = LF;
    this.#bytes = end + 1;
    return new LineRecord(key, facts, buffer, jsonStart, end);
  }
}
