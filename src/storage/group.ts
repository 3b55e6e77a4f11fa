/**
 * One group of the log in the making: decides what becomes of each mutation, then lays all accepted
 * lines into one buffer, which goes to the log in one write and stays as the memtable's memory.
 */
import { crc32 } from "node:zlib";
import type { Key } from "../record/key.ts";
import { FRAME_HEADER_BYTES, lineOf, writeHex } from "../record/record_line.ts";
import { compareVersions, type Version } from "../record/version.ts";
import { eraseLine, type LineFacts, LineRecord } from "./line_record.ts";
import { type ApplyResult, DATA, type Keyspace, type Mutation } from "./store.ts";
import { COMMIT_ROOM_BYTES } from "./wal_writer.ts";

const SPACE = 32;
const LF = 10;

const encoder = new TextEncoder();

/** What the store has for a key now; undefined when nothing, or nothing newer than `atLeast`. */
export type Lookup = (keyspace: Keyspace, key: Key, atLeast: number) => Version | undefined;

/** A group's buffer and the lines in it. */
export interface LaidGroup {
  /** With COMMIT_ROOM_BYTES of room behind `bytes`. */
  buffer: Uint8Array;
  bytes: number;
  lines: { keyspace: Keyspace; line: LineRecord }[];
}

/** Mutations that were accepted, in order. */
export class Group {
  readonly #lookup: Lookup;
  readonly #accepted: Accepted[] = [];
  /** What earlier mutations of this group leave: a version, or null for an erased key. */
  readonly #pending = new Map<Keyspace, Map<Key, Version | null>>();
  #bytes = 0;

  constructor(lookup: Lookup) {
    this.#lookup = lookup;
  }

  get isEmpty(): boolean {
    return this.#accepted.length === 0;
  }

  /** Bytes of the log that the accepted mutations take, at most. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Decides a batch and takes what is to be stored.
   *
   * @throws What the lookup throws; nothing of the batch is taken then.
   */
  add(batch: readonly Mutation[]): ApplyResult[] {
    // All look-ups first: they may throw, and then nothing must have changed.
    const there = batch.map(({ keyspace, record }) =>
      this.#lookup(keyspace, record.key, record.counter)
    );
    return batch.map((mutation, i) => this.#decide(mutation, there[i]));
  }

  #decide(mutation: Mutation, there: Version | undefined): ApplyResult {
    const { keyspace, record, erase = false } = mutation;
    const { key } = record;
    let versions = this.#pending.get(keyspace);
    if (versions === undefined) this.#pending.set(keyspace, versions = new Map());
    const pending = versions.get(key);
    const current = pending === undefined ? there : pending ?? undefined;
    const order = current === undefined ? 1 : compareVersions(record, current);
    if (order < 0) return { counter: current!.counter, nodeID: current!.nodeID };
    if (order === 0 && !erase) return "stored";
    versions.set(key, erase ? null : record);
    this.#bytes += this.#accept(mutation);
    return "stored";
  }

  /** Lays the lines out. */
  lay(): LaidGroup {
    const buffer = new Uint8Array(this.#bytes + COMMIT_ROOM_BYTES);
    const lines: LaidGroup["lines"] = [];
    let offset = 0;
    for (const { keyspace, facts, key, frame, json } of this.#accepted) {
      let jsonStart: number;
      if (frame !== undefined) {
        buffer.set(frame, offset);
        jsonStart = offset + FRAME_HEADER_BYTES;
        offset += frame.byteLength;
      } else {
        jsonStart = offset + FRAME_HEADER_BYTES + keyspace.length + 1;
        offset = layNamed(buffer, offset, keyspace, json!);
      }
      lines.push({ keyspace, line: new LineRecord(key, facts, buffer, jsonStart, offset - 1) });
    }
    return { buffer, bytes: offset, lines };
  }

  /** Takes a mutation; returns the bytes that it takes in the log. */
  #accept({ keyspace, record, erase = false }: Mutation): number {
    const { key, frame } = record;
    if (keyspace === DATA && !erase) {
      this.#accepted.push({ keyspace, key, facts: record, frame, json: undefined });
      return frame.byteLength;
    }
    const facts = erase
      ? { ...versionOf(record), tombstone: false, expiresAtMs: 0, erase }
      : record;
    const json = erase ? encoder.encode(eraseLine(key, record)) : lineOf(frame);
    this.#accepted.push({ keyspace, key, facts, frame: undefined, json });
    return FRAME_HEADER_BYTES + keyspace.length + 1 + json.byteLength + 1;
  }
}

/** A mutation to be laid out: as its own frame, or as JSON behind its keyspace's name. */
interface Accepted {
  keyspace: Keyspace;
  key: Key;
  facts: LineFacts;
  frame: Uint8Array | undefined;
  json: Uint8Array | undefined;
}

function versionOf({ counter, nodeID }: Version): Version {
  return { counter, nodeID };
}

/** Lays `<crc> <keyspace> <json>\n` at `offset`; returns where it ends. */
function layNamed(
  buffer: Uint8Array,
  offset: number,
  keyspace: Keyspace,
  json: Uint8Array,
): number {
  const textStart = offset + FRAME_HEADER_BYTES;
  for (let i = 0; i < keyspace.length; i++) buffer[textStart + i] = keyspace.charCodeAt(i);
  const jsonStart = textStart + keyspace.length + 1;
  buffer[jsonStart - 1] = SPACE;
  buffer.set(json, jsonStart);
  const end = jsonStart + json.byteLength;
  writeHex(buffer.subarray(offset), crc32(buffer.subarray(textStart, end)));
  buffer[textStart - 1] = SPACE;
  buffer[end] = LF;
  return end + 1;
}
