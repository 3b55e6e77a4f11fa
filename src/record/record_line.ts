/**
 * The one encoding of a record: a JSON line behind its CRC-32.
 *
 *     frame = crc-32 SP json LF           crc-32 = 8 lower-case hex digits, over the bytes of json
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
import type { StoredRecord, Value } from "./record.ts";
import { isCounter, isNodeID, type Version } from "./version.ts";

/** Bytes of a frame before its JSON: eight hex digits and a space. */
export const FRAME_HEADER_BYTES = 9;

/** Longest accepted content type, in characters. */
export const CONTENT_TYPE_LENGTH_MAX = 255;

const LF = 10;
const SPACE = 32;
const QUOTE = 34;
const BACKSLASH = 92;
const LETTER_K = 107;
const LETTER_T = 116;
const LETTER_V = 118;
const BRACE = 125;
const SLAB_BYTES = 64 * 1024;

const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const HEX_DIGITS = encoder.encode("0123456789abcdef");
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** What a header can hold (RFC 9110, section 5.5). */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Text that JSON writes as it is. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
/** What comes behind the value, as long as it is ASCII. */
const PLAIN_TAIL = /^[\x20-\x7e]*$/;

/** The method without making a `Buffer` of every array first. */
const latin1Slice = (Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
}).latin1Slice;

/** Small frames are cut from shared slabs: one allocation for some hundred records. */
let slab = new Uint8Array(SLAB_BYTES);
let slabUsed = 0;

/** What {@linkcode encodeRecord} makes a record of. */
export interface RecordFields extends Version {
  key: Key;
  /** The value's bytes; undefined for a tombstone. */
  value: Uint8Array | undefined;
  contentType?: string | undefined;
  /** Wall-clock milliseconds; 0 or absent = never. */
  expiresAtMs?: number;
}

/** Encodes a record, once in its life. */
export function encodeRecord(fields: RecordFields): StoredRecord {
  const { key, value, contentType, expiresAtMs = 0, counter, nodeID } = fields;
  invariant(isCounter(counter), `counter ${counter} is out of range`);
  let tail = "";
  if (contentType !== undefined) tail += `,"t":${JSON.stringify(contentType)}`;
  if (expiresAtMs !== 0) tail += `,"x":${expiresAtMs}`;
  if (value === undefined) tail += `,"d":1`;
  tail += `,"c":${counter},"n":"${nodeID}"}`;
  return {
    key,
    counter,
    nodeID,
    tombstone: value === undefined,
    expiresAtMs,
    frame: plainFrame(key, value, tail) ??
      frameOf(jsonKey(key) + (value === undefined ? "" : jsonValue(value)) + tail),
  };
}

/** Longest value that is looked at byte by byte; beyond it the decoder is faster. */
const PLAIN_BYTES_MAX = 1024;

/** Whether the bytes stand for themselves in a JSON string: printable ASCII without escapes. */
function isPlainText(value: Uint8Array): boolean {
  if (value.byteLength > PLAIN_BYTES_MAX) return false;
  for (let i = 0; i < value.byteLength; i++) {
    if (!isPlainByte(value[i]!)) return false;
  }
  return true;
}

function isPlainByte(byte: number): boolean {
  return byte >= 32 && byte <= 126 && byte !== QUOTE && byte !== BACKSLASH;
}

/**
 * The frame of a record of which all is plain text, written byte by byte into the slab: strings and
 * views that would only be copied are not made. Undefined for any other record.
 */
function plainFrame(key: Key, value: Uint8Array | undefined, tail: string): Uint8Array | undefined {
  if (value === undefined || !isPlainText(value) || !PLAIN.test(key) || !PLAIN_TAIL.test(tail)) {
    return undefined;
  }
  const lengthMax = FRAME_HEADER_BYTES + key.length + value.byteLength + tail.length + 16;
  if (lengthMax > SLAB_BYTES / 8) return undefined;
  makeRoom(lengthMax);
  const jsonStart = slabUsed + FRAME_HEADER_BYTES;
  let at = writeAscii(`{"k":"`, jsonStart);
  at = writeAscii(key, at);
  at = writeAscii(`","v":"`, at);
  slab.set(value, at);
  at = writeAscii(`"`, at + value.byteLength);
  at = writeAscii(tail, at);
  const start = slabUsed;
  slabUsed = at + 1;
  return sealed(slab, start, at);
}

function writeAscii(text: string, at: number): number {
  for (let i = 0; i < text.length; i++) slab[at++] = text.charCodeAt(i);
  return at;
}

/** Puts a checksum before a JSON text (of any kind, without line feeds). */
export function frameOf(json: string): Uint8Array {
  const target = reserve(FRAME_HEADER_BYTES + json.length * 3 + 1);
  const { written } = encoder.encodeInto(json, target.subarray(FRAME_HEADER_BYTES));
  return closeFrame(target, FRAME_HEADER_BYTES + written);
}

/** Completes the frame whose JSON ends at `end`, and takes it from the slab. */
function closeFrame(target: Uint8Array, end: number): Uint8Array {
  // A buffer of its own was reserved for the worst case, and a record may stay in memory for long.
  if (target.buffer !== slab.buffer) return sealed(target, 0, end).slice();
  slabUsed += end + 1;
  return sealed(target, 0, end);
}

/** Puts checksum and line feed around the JSON that ends at `end`; the frame begins at `start`. */
function sealed(target: Uint8Array, start: number, end: number): Uint8Array {
  writeHex(target, crc32(target.subarray(start + FRAME_HEADER_BYTES, end)), start);
  target[start + FRAME_HEADER_BYTES - 1] = SPACE;
  target[end] = LF;
  return target.subarray(start, end + 1);
}

/** The CRC-32 of a record's JSON, without making its frame where there is none yet. */
export function checksumOf(record: StoredRecord): number {
  return record.line === undefined ? readHex(record.frame, 0) : crc32(record.line);
}

/** About how many bytes a record takes, wherever it is. */
export function sizeOf(record: StoredRecord): number {
  return record.line?.byteLength ?? record.frame.byteLength;
}

/** The JSON line of a frame, without checksum and line feed. */
export function lineOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(FRAME_HEADER_BYTES, frame.byteLength - 1);
}

/**
 * Reads the frame that begins at `start` and ends with the line feed at `end - 1`, checksum
 * included. The record's `frame` is a view on `bytes`, not a copy.
 *
 * @throws {ConvergeError} `corrupt_message` when checksum or grammar do not hold.
 */
export function decodeFrame(bytes: Uint8Array, start: number, end: number): StoredRecord {
  const json = checkedJson(bytes, start, end);
  const plain = plainRecordOf(bytes, start, end);
  if (plain !== undefined) return plain;
  let fields: LineFields;
  try {
    fields = JSON.parse(utf8.decode(json));
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read a record: not JSON in UTF-8", {
      cause,
    });
  }
  return recordOf(fields, bytes.subarray(start, end));
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
    const feed = bytes.indexOf(LF, start);
    if (feed < 0) {
      throw new ConvergeError("corrupt_message", "Cannot read a frame: it is cut short");
    }
    records.push(decodeFrame(bytes, start, feed + 1));
    start = feed + 1;
  }
  return records;
}

/**
 * The record of a frame of which all is plain text, as most are: `{"k":"...","v":"...","c":n,"n":"..."}`.
 * That shape is checked byte for byte, which is the whole grammar for it. Undefined for any other.
 */
function plainRecordOf(bytes: Uint8Array, start: number, end: number): StoredRecord | undefined {
  const keyStart = start + FRAME_HEADER_BYTES + 6;
  if (!isAt(bytes, keyStart - 6, `{"k":"`)) return undefined;
  const keyEnd = plainEnd(bytes, keyStart);
  if (keyEnd === keyStart || keyEnd - keyStart > KEY_BYTES_MAX) return undefined;
  if (!isAt(bytes, keyEnd, `","v":"`)) return undefined;
  const valueEnd = plainEnd(bytes, keyEnd + 7);
  if (!isAt(bytes, valueEnd, `","c":`)) return undefined;
  let at = valueEnd + 6;
  let counter = 0;
  const counterStart = at;
  for (let digit; (digit = bytes[at]! - 48) >= 0 && digit <= 9; at++) {
    counter = counter * 10 + digit;
  }
  if (bytes[counterStart] === 48 || !isCounter(counter)) return undefined;
  if (!isAt(bytes, at, `,"n":"`)) return undefined;
  const nodeIDStart = at + 6;
  const nodeIDEnd = plainEnd(bytes, nodeIDStart);
  // "} LF
  if (nodeIDEnd !== end - 3 || bytes[nodeIDEnd + 1] !== BRACE) return undefined;
  const nodeID = nodeIDAt(bytes, nodeIDStart, nodeIDEnd);
  if (nodeID === undefined) return undefined;
  const key = latin1Slice.call(bytes, keyStart, keyEnd);
  const frame = bytes.subarray(start, end);
  return { key, counter, nodeID, tombstone: false, expiresAtMs: 0, frame };
}

function isAt(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (bytes[at + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/** Where plain text ends: at a quote, or at what does not stand for itself in a JSON string. */
function plainEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  while (isPlainByte(bytes[at]!)) at++;
  return bytes[at] === QUOTE ? at : start;
}

let lastNodeID: string | undefined;

/** The node ID in these bytes. In a batch it is mostly that of the record before. */
function nodeIDAt(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start === lastNodeID?.length && isAt(bytes, start, lastNodeID)) return lastNodeID;
  const nodeID = latin1Slice.call(bytes, start, end);
  if (!isNodeID(nodeID)) return undefined;
  return lastNodeID = nodeID;
}

/** The record of a JSON line without a checksum of its own (in a table, blocks have one). */
export function recordFromLine(line: Uint8Array): StoredRecord {
  let fields: LineFields;
  try {
    fields = JSON.parse(utf8.decode(line));
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read a record: not JSON in UTF-8", {
      cause,
    });
  }
  return recordOf(fields, frameAround(line));
}

/** The frame of a line that is already encoded, in a fresh array. */
export function frameAround(line: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + line.byteLength + 1);
  frame.set(line, FRAME_HEADER_BYTES);
  writeHex(frame, crc32(line));
  frame[FRAME_HEADER_BYTES - 1] = SPACE;
  frame[frame.byteLength - 1] = LF;
  return frame;
}

/** The value of a record that is no tombstone. Its bytes may be a view on the record: do not change. */
export function valueOf(record: StoredRecord): Value {
  invariant(!record.tombstone, "a tombstone has no value");
  const line = record.line ?? lineOf(record.frame);
  const plain = plainValueOf(line);
  if (plain !== undefined) {
    const bytes = line.subarray(plain.start, plain.end) as Uint8Array<ArrayBuffer>;
    return { bytes, contentType: plain.contentType };
  }
  const fields: LineFields = JSON.parse(utf8.decode(line));
  const bytes = typeof fields.v === "string"
    ? encoder.encode(fields.v)
    : new Uint8Array(Buffer.from(fields.b as string, "base64"));
  return { bytes, contentType: fields.t as string | undefined };
}

/** A value as what an answer is made of: text where that is cheaper, and then its bytes are ASCII. */
export interface AnswerBody {
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly lengthBytes: number;
  readonly contentType: string | undefined;
}

/** The value of a record that is no tombstone, not shared with anybody. */
export function answerBodyOf(record: StoredRecord): AnswerBody {
  const line = record.line ?? lineOf(record.frame);
  const plain = plainValueOf(line);
  if (plain !== undefined && isShortAscii(line, plain.start, plain.end)) {
    const { start, end, contentType } = plain;
    return { body: latin1Slice.call(line, start, end), lengthBytes: end - start, contentType };
  }
  const { bytes, contentType } = valueOf(record);
  // A copy: Deno takes longer to send a view on a large buffer.
  return { body: bytes.slice(), lengthBytes: bytes.byteLength, contentType };
}

/** Where in a line its value stands as it is, and the value's type. */
interface PlainValue {
  readonly start: number;
  readonly end: number;
  readonly contentType: string | undefined;
}

/**
 * The value of a line whose key, value and content type are text without escapes: then the bytes of
 * the JSON string are those of the value. Undefined for any other line.
 */
function plainValueOf(line: Uint8Array): PlainValue | undefined {
  // {"k":"
  if (line[2] !== LETTER_K || line[3] !== QUOTE) return undefined;
  const keyEnd = plainStringEnd(line, 6);
  // ","v":"
  if (keyEnd < 0 || line[keyEnd + 3] !== LETTER_V || line[keyEnd + 6] !== QUOTE) return undefined;
  const start = keyEnd + 7;
  const end = plainStringEnd(line, start);
  if (end < 0) return undefined;
  // ","t":"
  if (line[end + 3] !== LETTER_T) return { start, end, contentType: undefined };
  const typeStart = end + 7;
  const typeEnd = plainStringEnd(line, typeStart);
  if (typeEnd < 0 || !isShortAscii(line, typeStart, typeEnd)) return undefined;
  return { start, end, contentType: latin1Slice.call(line, typeStart, typeEnd) };
}

/** Where the JSON string that begins at `start` ends, or -1 when it has escapes. */
function plainStringEnd(line: Uint8Array, start: number): number {
  const end = line.indexOf(QUOTE, start);
  const escape = line.indexOf(BACKSLASH, start);
  return escape >= 0 && escape < end ? -1 : end;
}

function isShortAscii(line: Uint8Array, start: number, end: number): boolean {
  if (end - start > PLAIN_BYTES_MAX) return false;
  let all = 0;
  for (let i = start; i < end; i++) all |= line[i]!;
  return all < 128;
}

/** Joins the frames of records into one batch body. */
export function joinFrames(records: readonly StoredRecord[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const { frame } of records) length += frame.byteLength;
  const body = new Uint8Array(length);
  let offset = 0;
  for (const { frame } of records) {
    body.set(frame, offset);
    offset += frame.byteLength;
  }
  return body;
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
  return { key, counter: c, nodeID: n, tombstone, expiresAtMs: x as number, frame };
}

/** Whether a content type can be kept, and given back as a header. */
export function isContentType(value: unknown): value is string {
  return typeof value === "string" && value.length <= CONTENT_TYPE_LENGTH_MAX &&
    HEADER_VALUE.test(value);
}

function checkedJson(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const json = bytes.subarray(start + FRAME_HEADER_BYTES, end - 1);
  if (
    end - start <= FRAME_HEADER_BYTES + 1 || bytes[start + FRAME_HEADER_BYTES - 1] !== SPACE ||
    bytes[end - 1] !== LF || readHex(bytes, start) !== crc32(json)
  ) {
    throw new ConvergeError("corrupt_message", "Cannot read a frame: its checksum does not hold");
  }
  return json;
}

function jsonKey(key: Key): string {
  if (PLAIN.test(key)) return `{"k":"${key}"`;
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

function reserve(bytesMax: number): Uint8Array {
  if (bytesMax > SLAB_BYTES / 8) return new Uint8Array(bytesMax);
  makeRoom(bytesMax);
  return slab.subarray(slabUsed, slabUsed + bytesMax);
}

function makeRoom(bytes: number): void {
  if (slabUsed + bytes <= SLAB_BYTES) return;
  slab = new Uint8Array(SLAB_BYTES);
  slabUsed = 0;
}

/** Writes a checksum as eight hex digits into `target`, from `start` on. */
export function writeHex(target: Uint8Array, checksum: number, start = 0): void {
  for (let i = 0; i < 8; i++) {
    target[start + i] = HEX_DIGITS[(checksum >>> (28 - 4 * i)) & 15]!;
  }
}

/** The checksum in the eight hex digits at `start`, or NaN. */
export function readHex(bytes: Uint8Array, start: number): number {
  let checksum = 0;
  for (let i = start; i < start + 8; i++) {
    const c = bytes[i]!;
    const digit = c >= 48 && c <= 57 ? c - 48 : c >= 97 && c <= 102 ? c - 87 : NaN;
    checksum = checksum * 16 + digit;
  }
  return checksum;
}
