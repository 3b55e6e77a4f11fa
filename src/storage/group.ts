/**
 * One group of the log in the making: decides what becomes of each mutation and lays the accepted
 * lines into one buffer, which goes to the log in one write and stays as the memtable's memory.
 *
 * What it decided waits in the memtable's own slots, so that a key is looked up there once; nobody
 * sees it until the group is committed.
 */
import { crc32 } from "node:zlib";
import { FRAME_HEADER_BYTES, lineOf, writeHex } from "../record/frame.ts";
import type { Key } from "../record/key.ts";
import { compareVersions, type Version } from "../record/version.ts";
import { eraseLine, type LineMarks } from "./line_record.ts";
import {
  ERASE,
  FRAMED,
  marksOf,
  type Memtable,
  type MemtableKeyspace,
  type MemtableLine,
  TOMBSTONE,
} from "./memtable.ts";
import { NO_SLOT } from "./slot_table.ts";
import { type ApplyResult, DATA, type Keyspace, type Mutation } from "./store.ts";
import { COMMIT_BYTES_MAX } from "./wal_format.ts";

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

/** An accepted line of the group that is to be put into a slot. */
interface Pending extends MemtableLine {
  readonly space: MemtableKeyspace;
  readonly slot: number;
  readonly nodeID: string;
}

/** Mutations that were accepted, in order. Either committed or abandoned. */
export class Group {
  /** Accepted lines in the first `bytes`, with COMMIT_BYTES_MAX of room behind. */
  readonly buffer: Uint8Array;
  /** Accepted lines. */
  lines = 0;
  /** Mutations that were answered `stored`. */
  stored = 0;
  /** Highest counter of an accepted line of the data keyspace. */
  highestCounter = 0;
  readonly #memtable: Memtable;
  readonly #lookup: Lookup;
  /** The last accepted line of each changed slot, which has the line's place here, from 1, as its note. */
  readonly #pending: Pending[] = [];
  #bytes = 0;
  /** For the batch being decided: the slots of its keys, and what lies beside the memtable. */
  readonly #slots: number[] = [];
  readonly #there: (Version | undefined)[] = [];

  constructor({ memtable, lookup, bytesMax }: GroupOptions) {
    this.buffer = new Uint8Array(bytesMax + COMMIT_BYTES_MAX);
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
    for (let i = 0; i < length; i++) this.#look(batch[i]!, i);
    const results: ApplyResult[] = new Array(length);
    for (let i = 0; i < length; i++) results[i] = this.#decide(batch[i]!, i, length > 1);
    return results;
  }

  /** Makes the accepted lines readable. */
  commit(): void {
    for (const line of this.#pending) {
      line.space.note(line.slot, 0);
      this.#memtable.put(line.space, line.slot, line);
    }
    this.#memtable.logBytes += this.buffer.byteLength;
  }

  /** Forgets the accepted lines. */
  abandon(): void {
    for (const { space, slot } of this.#pending) {
      space.note(slot, 0);
      if (!space.hasLine(slot)) space.drop(slot);
    }
  }

  #look({ keyspace, record }: Mutation, i: number): void {
    const slot = this.#memtable.space(keyspace).find(record.key);
    this.#slots[i] = slot;
    this.#there[i] = slot === NO_SLOT
      ? this.#lookup(keyspace, record.key, record.counter)
      : undefined;
  }

  #decide(mutation: Mutation, i: number, isOneOfMany: boolean): ApplyResult {
    const { keyspace, record, erase = false } = mutation;
    const space = this.#memtable.space(keyspace);
    let slot = this.#slots[i]!;
    // One before it in the batch may have been the first of its key.
    if (slot === NO_SLOT && isOneOfMany) slot = space.find(record.key);
    const current = slot === NO_SLOT ? this.#there[i] : this.#versionIn(space, slot);
    const order = current === undefined ? 1 : compareVersions(record, current);
    if (order < 0) return { counter: current!.counter, nodeID: current!.nodeID };
    this.stored++;
    if (order === 0 && !erase) return "stored";
    if (slot === NO_SLOT) slot = space.add(record.key);
    const pending = erase
      ? this.#layErase(space, slot, mutation)
      : this.#lay(space, slot, mutation);
    const note = space.noteOf(slot);
    if (note === 0) space.note(slot, this.#pending.push(pending));
    else this.#pending[note - 1] = pending;
    this.lines++;
    return "stored";
  }

  /** The version that a slot holds, with what this group leaves in it; undefined after an erase. */
  #versionIn(space: MemtableKeyspace, slot: number): Version | undefined {
    const note = space.noteOf(slot);
    if (note === 0) return space.versionOf(slot);
    const pending = this.#pending[note - 1]!;
    return (pending.marks & ERASE) === 0 ? pending : undefined;
  }

  #lay(space: MemtableKeyspace, slot: number, { keyspace, record }: Mutation): Pending {
    const { frame, counter, tombstone } = record;
    if (keyspace !== DATA) return this.#layNamed(space, slot, keyspace, record, lineOf(frame));
    if (counter > this.highestCounter) this.highestCounter = counter;
    const start = this.#bytes;
    this.buffer.set(frame, start);
    const end = this.#bytes = start + frame.byteLength;
    return {
      space,
      slot,
      bytes: this.buffer,
      start: start + FRAME_HEADER_BYTES,
      end: end - 1,
      counter,
      nodeID: record.nodeID,
      marks: tombstone ? FRAMED | TOMBSTONE : FRAMED,
    };
  }

  #layErase(
    space: MemtableKeyspace,
    slot: number,
    { keyspace, record: { key, counter, nodeID } }: Mutation,
  ): Pending {
    if (keyspace === DATA && counter > this.highestCounter) this.highestCounter = counter;
    const facts = { counter, nodeID, tombstone: false, erase: true };
    return this.#layNamed(space, slot, keyspace, facts, encoder.encode(eraseLine(key, facts)));
  }

  /** Lays `<crc> <keyspace> <json>\n`. */
  #layNamed(
    space: MemtableKeyspace,
    slot: number,
    keyspace: Keyspace,
    { counter, nodeID, tombstone, erase }: LineMarks & Version,
    json: Uint8Array,
  ): Pending {
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
    const marks = marksOf({ tombstone, erase, isFramed: false });
    return { space, slot, bytes: buffer, start: jsonStart, end, counter, nodeID, marks };
  }
}
