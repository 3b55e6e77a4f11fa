/**
 * The one encoding of a record: a JSON line, in a frame (`frame.ts`).
 *
 *     json  = {key, value?, "t"?, "x"?, "d"?, "c", "n"}      in this order, no white space
 *
 * `k`/`kb` key as text or base64, `v`/`b` value as text or base64, `t` content type, `x` expiry (ms
 * since the epoch), `d` 1 for a tombstone, `c` counter, `n` node ID. Text is used exactly where the
 * bytes are UTF-8, so that equal records have equal bytes. `docs/formats.md` holds the grammar.
 */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { ConvergeError, invariant } from "../errors.ts";
import { type Key, KEY_BYTES_MAX, keyFromJson, keyToBytes, keyToText } from "./key.ts";
import { checkedJson, frameAround, frameOf, lineOf, readHex } from "./frame.ts";
import { latin1 } from "./latin1.ts";
import {
  isPlain,
  isShortAscii,
  plainFrame,
  plainRecordAt,
  type PlainValue,
  plainValueOf,
} from "./plain_line.ts";
import { CONTENT_TYPE_LENGTH_MAX, EncodedRecord, type StoredRecord, type Value } from "./record.ts";
import { isCounter, isNodeID, type Version } from "./version.ts";

const LF = 10;

const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** What a header can hold (RFC 9110, section 5.5). */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What {@linkcode encodeRecord} makes a record of. */
export interface RecordFields extends Version {
  key: Key;
  /** The value's bytes; undefined for a tombstone. */
  value: Uint8Array | undefined;
  contentType?: string | undefined;
  /** Wall-clock milliseconds; 0 or absent = never. */
  expiresAtMs?: number;
}

/** The tombstone of that very version: all that counts where a record is erased. */
export function withoutValue({ key, counter, nodeID }: StoredRecord): StoredRecord {
  return encodeRecord({ key, value: undefined, counter, nodeID });
}

/** Encodes a record, once in its life. */
export function encodeRecord(fields: RecordFields): StoredRecord {
  const { key, value, contentType, expiresAtMs = 0, counter, nodeID } = fields;
  invariant(isCounter(counter), `counter ${counter} is out of range`);
  // Where nobody could read it, it would be refused with all that stands in one batch with it.
  invariant(
    contentType === undefined || isContentType(contentType),
    "the content type is unusable",
  );
  let tail = "";
  if (contentType !== undefined) tail += `,"t":${JSON.stringify(contentType)}`;
  if (expiresAtMs !== 0) tail += `,"x":${expiresAtMs}`;
  if (value === undefined) tail += `,"d":1`;
  tail += `,"c":${counter},"n":"${nodeID}"}`;
  const frame = plainFrame(key, value, tail) ??
    frameOf(jsonKey(key) + (value === undefined ? "" : jsonValue(value)) + tail);
  return new EncodedRecord(key, counter, nodeID, value === undefined, expiresAtMs, frame);
}

/** The CRC-32 of a record's JSON, without making its frame where there is none yet. */
export function checksumOf(record: StoredRecord): number {
  return record.line === undefined ? readHex(record.frame, 0) : crc32(record.line);
}

/** About how many bytes a record takes, wherever it is. */
export function sizeOf(record: StoredRecord): number {
  return record.line?.byteLength ?? record.frame.byteLength;
}

/**
 * Reads the frame that begins at `start` and ends with the line feed at `end - 1`, checksum
 * included. The record's `frame` is a view on `bytes`, not a copy.
 *
 * @throws {ConvergeError} `corrupt_message` when checksum or grammar do not hold.
 */
export function decodeFrame(bytes: Uint8Array, start: number, end: number): StoredRecord {
  const plain = plainRecordAt(bytes, start);
  if (plain?.frame.byteLength !== end - start) return parsedFrame(bytes, start, end);
  checkedJson(bytes, start, end);
  return plain;
}

/**
 * Splits a sequence of frames and decodes each.
 *
 * @throws {ConvergeError} `corrupt_message` when any frame is damaged or the last is cut short.
 */
export function decodeFrames(bytes: Uint8Array): StoredRecord[] {
  const records: StoredRecord[] = [];
  let start = 0;
  while (start < bytes.byteLength) {
    const plain = plainRecordAt(bytes, start);
    const end = plain === undefined ? frameEnd(bytes, start) : start + plain.frame.byteLength;
    if (plain !== undefined) checkedJson(bytes, start, end);
    records.push(plain ?? parsedFrame(bytes, start, end));
    start = end;
  }
  return records;
}

function frameEnd(bytes: Uint8Array, start: number): number {
  const feed = bytes.indexOf(LF, start);
  if (feed >= 0) return feed + 1;
  throw new ConvergeError("corrupt_message", "Cannot read a frame: it is cut short");
}

function parsedFrame(bytes: Uint8Array, start: number, end: number): StoredRecord {
  const fields = fieldsOf(checkedJson(bytes, start, end));
  return recordOf(fields, bytes.subarray(start, end));
}

/**
 * The record of a JSON line without a checksum of its own (in a table, blocks have one).
 *
 * @throws {ConvergeError} `corrupt_message` when it is no record.
 */
export function recordFromLine(line: Uint8Array): StoredRecord {
  return recordOf(fieldsOf(line), frameAround(line));
}

function fieldsOf(line: Uint8Array): LineFields {
  try {
    return JSON.parse(utf8.decode(line));
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read a record: not JSON in UTF-8", {
      cause,
    });
  }
}

/** The value of a record that is no tombstone. Its bytes may be a view on the record: do not change. */
export function valueOf(record: StoredRecord): Value {
  const { bytes, start, end, contentType } = valueAt(record);
  return { bytes: bytes.subarray(start, end) as Uint8Array<ArrayBuffer>, contentType };
}

/** A value as what an answer is made of: text where that is cheaper, and then its bytes are ASCII. */
export interface AnswerBody {
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly lengthBytes: number;
  readonly contentType: string | undefined;
}

/** The value of a record that is no tombstone, not shared with anybody. */
export function answerBodyOf(record: StoredRecord): AnswerBody {
  const { bytes, start, end, contentType } = valueAt(record);
  // A copy: Deno takes longer to send a view on a large buffer.
  const body = isShortAscii(bytes, start, end)
    ? latin1(bytes, start, end)
    : bytes.slice(start, end) as Uint8Array<ArrayBuffer>;
  return { body, lengthBytes: end - start, contentType };
}

function valueAt(record: StoredRecord): PlainValue {
  invariant(!record.tombstone, "a tombstone has no value");
  const line = record.line ?? lineOf(record.frame);
  const plain = plainValueOf(line);
  if (plain !== undefined) return plain;
  const fields: LineFields = JSON.parse(utf8.decode(line));
  const bytes = typeof fields.v === "string"
    ? encoder.encode(fields.v)
    : new Uint8Array(Buffer.from(fields.b as string, "base64"));
  const contentType = fields.t as string | undefined;
  return { bytes, start: 0, end: bytes.byteLength, contentType };
}

/** The raw members of a line; everything is to be checked. */
interface LineFields {
  k?: unknown;
  kb?: unknown;
  v?: unknown;
  b?: unknown;
  t?: unknown;
  x?: unknown;
  d?: unknown;
  c?: unknown;
  n?: unknown;
}

function recordOf(fields: LineFields, frame: Uint8Array): StoredRecord {
  const key = typeof fields === "object" && fields !== null ? keyFromJson(fields) : undefined;
  const { v, b, t, x = 0, d, c, n } = fields ?? {};
  const tombstone = d === 1;
  const values = Number(v !== undefined) + Number(b !== undefined);
  if (
    key === undefined || key.length === 0 || key.length > KEY_BYTES_MAX ||
    !isCounter(c) || !isNodeID(n) ||
    (d !== undefined && !tombstone) || values !== (tombstone ? 0 : 1) ||
    (v !== undefined && (typeof v !== "string" || !v.isWellFormed())) ||
    (b !== undefined && (typeof b !== "string" || b.length % 4 !== 0 || !BASE64.test(b))) ||
    (t !== undefined && !isContentType(t)) ||
    !Number.isSafeInteger(x) || (x as number) < 0
  ) {
    throw new ConvergeError(
      "corrupt_message",
      "Cannot read a record: a member is missing or wrong",
    );
  }
  return new EncodedRecord(key, c, n, tombstone, x as number, frame);
}

/** Whether a content type can be kept, and given back as a header. */
export function isContentType(value: unknown): value is string {
  return typeof value === "string" && value.length <= CONTENT_TYPE_LENGTH_MAX &&
    HEADER_VALUE.test(value);
}

function jsonKey(key: Key): string {
  if (isPlain(key)) return `{"k":"${key}"`;
  const text = keyToText(key);
  return text === undefined
    ? `{"kb":"${Buffer.from(keyToBytes(key)).toString("base64")}"`
    : `{"k":${JSON.stringify(text)}`;
}

function jsonValue(value: Uint8Array): string {
  try {
    return `,"v":${JSON.stringify(utf8.decode(value))}`;
  } catch {
    const buffer = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return `,"b":"${buffer.toString("base64")}"`;
  }
}
