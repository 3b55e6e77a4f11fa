/** What is kept under a key. */
import type { Key } from "./key.ts";
import { compareVersions, type Version } from "./version.ts";

/** Longest accepted content type, in characters. */
export const CONTENT_TYPE_LENGTH_MAX = 255;

/**
 * One version of one key: a value or a tombstone.
 *
 * Made only by `record_line.ts`, which encodes it once; the fields repeat what the line says.
 */
export interface StoredRecord extends Version {
  readonly key: Key;
  /** Whether this says that the key is deleted. */
  readonly tombstone: boolean;
  /** Wall-clock moment from which the value reads as absent; 0 = never. */
  readonly expiresAtMs: number;
  /** The encoded form `<crc-32> <json>\n`, the same bytes in the log, in tables and on the wire. */
  readonly frame: Uint8Array;
  /** The JSON of the frame, where it is at hand without making a frame first. */
  readonly line?: Uint8Array;
}

/** A record with its frame. A class and no literal, see `replication/peers/pending.ts`. */
export class EncodedRecord implements StoredRecord {
  readonly key: Key;
  readonly counter: number;
  readonly nodeID: string;
  readonly tombstone: boolean;
  readonly expiresAtMs: number;
  readonly frame: Uint8Array;

  constructor(
    key: Key,
    counter: number,
    nodeID: string,
    tombstone: boolean,
    expiresAtMs: number,
    frame: Uint8Array,
  ) {
    this.key = key;
    this.counter = counter;
    this.nodeID = nodeID;
    this.tombstone = tombstone;
    this.expiresAtMs = expiresAtMs;
    this.frame = frame;
  }
}

/** What a client stored: bytes with a type. */
export interface Value {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Media type; undefined = `application/octet-stream`. */
  readonly contentType: string | undefined;
}

/**
 * The one merge function: of two records of a key the newer version wins. Every path that brings a
 * record goes through it: client, replica, hint, repair, anti-entropy, compaction, recovery.
 * Commutative, associative and idempotent, since equal versions mean equal records.
 */
export function newest<T extends Version>(a: T | undefined, b: T | undefined): T | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return compareVersions(a, b) >= 0 ? a : b;
}

/** Whether the record has a value to read at `nowMs` (wall clock). */
export function isLive(record: StoredRecord | undefined, nowMs: number): record is StoredRecord {
  return record !== undefined && !record.tombstone &&
    (record.expiresAtMs === 0 || nowMs < record.expiresAtMs);
}
