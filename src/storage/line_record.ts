/**
 * A record that is still a line in a buffer: what memtables hold and what tables answer.
 *
 * Key and version are read from fixed places of the canonical encoding (`record_line.ts`), from
 * both ends of the line, without parsing its JSON; whatever is not in that shape is parsed.
 *
 * An *erase marker* is a line with `"e":1`: the key and all older lines of it are forgotten. It
 * lives in log, memtables and tables until a compaction reaches the oldest run; no read shows it.
 */
import { ConvergeError } from "../errors.ts";
import { type Key, keyFromJson, keyToJson } from "../record/key.ts";
import { latin1 } from "../record/latin1.ts";
import { numberAt } from "../record/plain_line.ts";
import type { StoredRecord } from "../record/record.ts";
import { FRAME_HEADER_BYTES, frameAround } from "../record/frame.ts";
import { isCounter, isNodeID, type Version } from "../record/version.ts";
import { LineFeeds } from "./line_feeds.ts";

const LF = 10;
const QUOTE = 34;
const COMMA = 44;
const DIGIT_0 = 48;
const DIGIT_9 = 57;
const COLON = 58;
const LETTER_D = 100;
const LETTER_E = 101;
const LETTER_X = 120;
const BACKSLASH = 92;
/** Bytes of `{"k":"`, before a key that is text. */
export const KEY_OFFSET = 6;

/** So far a line feed is looked for byte by byte; beyond it the runtime's search in text is faster. */
const LOOKED_AT_BYTES_MAX = 256;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A record, or an erase marker, as the bytes [start, end) of a buffer; no line feed. */
export class LineRecord implements StoredRecord {
  readonly key: Key;
  readonly counter: number;
  readonly nodeID: string;
  readonly tombstone: boolean;
  readonly expiresAtMs: number;
  readonly erase: boolean;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly #isFramed: boolean;
  #frame: Uint8Array | undefined;

  /** @param isFramed Whether its frame lies around it in the buffer. */
  constructor(
    key: Key,
    facts: LineFacts,
    bytes: Uint8Array,
    start: number,
    end: number,
    isFramed: boolean,
  ) {
    this.key = key;
    this.counter = facts.counter;
    this.nodeID = facts.nodeID;
    this.tombstone = facts.tombstone;
    this.expiresAtMs = facts.expiresAtMs;
    this.erase = facts.erase === true;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.#isFramed = isFramed;
    this.#frame = undefined;
  }

  /** Made when first asked for where there is none: tables hold no checksum per line. */
  get frame(): Uint8Array {
    if (this.#isFramed) return this.bytes.subarray(this.start - FRAME_HEADER_BYTES, this.end + 1);
    return this.#frame ??= frameAround(this.bytes.subarray(this.start, this.end));
  }

  get line(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }
}

/** The bytes [start, end) of a buffer; no line feed. */
export interface Line {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** What a table counts of its lines. */
export interface LineMarks {
  readonly counter: number;
  readonly tombstone: boolean;
  readonly erase?: boolean;
}

/** What a line says beside key and value. */
export interface LineFacts extends LineMarks, Version {
  readonly expiresAtMs: number;
}

/** The JSON of an erase marker. */
export function eraseLine(key: Key, { counter, nodeID }: Version): string {
  return JSON.stringify({ ...keyToJson(key), e: 1, c: counter, n: nodeID });
}

/** The record of the line [start, end) whose key is known. @throws as `lineFacts`. */
export function lineRecord(
  key: Key,
  bytes: Uint8Array,
  start: number,
  end: number,
  isFramed = false,
): LineRecord {
  return new LineRecord(key, lineFacts(bytes, start, end), bytes, start, end, isFramed);
}

/**
 * The key of the line [start, end).
 *
 * @throws {ConvergeError} `corrupt_file` when the line has none.
 */
export function lineKey(bytes: Uint8Array, start: number, end: number): Key {
  const keyEnd = textKeyEnd(bytes, start, end);
  return keyEnd < 0 ? parsedKey(bytes, start, end) : latin1(bytes, start + KEY_OFFSET, keyEnd);
}

/** Where the key of the line [start, end) ends, which begins at KEY_OFFSET; -1 when it is encoded. */
export function textKeyEnd(bytes: Uint8Array, start: number, end: number): number {
  if (!isTextKey(bytes, start)) return -1;
  for (let position = start + KEY_OFFSET; position < end; position++) {
    const byte = bytes[position]!;
    if (byte === QUOTE) return position;
    if (byte === BACKSLASH) return -1;
  }
  return -1;
}

/** Negative when the key of the line at `start` is before `key`, 0 when equal, else positive. */
function compareLineKey(bytes: Uint8Array, start: number, key: Key): number {
  if (isTextKey(bytes, start)) {
    const offset = start + KEY_OFFSET;
    const { length } = key;
    for (let i = 0; i <= length; i++) {
      const byte = bytes[offset + i]!;
      if (byte === BACKSLASH) break;
      if (byte === QUOTE) return i === length ? 0 : -1;
      if (i === length) return 1;
      const difference = byte - key.charCodeAt(i);
      if (difference !== 0) return difference;
    }
  }
  const lineKey = parsedKey(bytes, start, lineEnd(bytes, start));
  return lineKey < key ? -1 : lineKey > key ? 1 : 0;
}

/**
 * Version and marks of the line [start, end), read from its end.
 *
 * `"c"` and `"n"` come last, and a quote inside a JSON string is always behind a backslash; so
 * `","c":` or `,"d":1,"c":` right before the counter cannot be part of a value.
 *
 * @throws {ConvergeError} `corrupt_file` when the line is no record.
 */
export function lineFacts(bytes: Uint8Array, start: number, end: number): LineFacts {
  let position = end - 3;
  if (bytes[end - 2] !== QUOTE) return parsedFacts(bytes, start, end);
  while (position > start && bytes[position] !== QUOTE) position--;
  const nodeIDStart = position + 1;
  // ,"n":"
  if (
    bytes[position - 1] !== COLON || bytes[position - 3] !== 0x6e || bytes[position - 5] !== COMMA
  ) return parsedFacts(bytes, start, end);
  position -= 6;
  let counter = 0;
  let scale = 1;
  for (; isDigit(bytes[position]); position--) {
    counter += (bytes[position]! - DIGIT_0) * scale;
    scale *= 10;
  }
  // ,"c":
  if (
    bytes[position] !== COLON || bytes[position - 2] !== 0x63 || bytes[position - 4] !== COMMA ||
    counter < 1
  ) return parsedFacts(bytes, start, end);
  position -= 5;
  let mark = 0;
  let expiresAtMs = 0;
  if (isDigit(bytes[position])) {
    // ,"d":1 or ,"e":1 or ,"x":n
    const digitsEnd = position + 1;
    while (isDigit(bytes[position])) position--;
    const number = numberAt(bytes, position + 1, digitsEnd);
    mark = bytes[position - 2]!;
    if (mark === LETTER_X) expiresAtMs = number;
    else if (number !== 1 || (mark !== LETTER_D && mark !== LETTER_E)) {
      return parsedFacts(bytes, start, end);
    }
    if (bytes[position - 3] !== QUOTE || !Number.isSafeInteger(expiresAtMs)) {
      return parsedFacts(bytes, start, end);
    }
    position -= 5;
  }
  if (bytes[position] !== QUOTE) return parsedFacts(bytes, start, end);
  return {
    counter,
    nodeID: internNodeID(bytes, nodeIDStart, end - 2),
    tombstone: mark === LETTER_D,
    expiresAtMs,
    erase: mark === LETTER_E,
  };
}

function isDigit(byte = 0): boolean {
  return byte >= DIGIT_0 && byte <= DIGIT_9;
}

/**
 * The start of the line in a block of sorted lines whose key is `key`, or -1: a binary search on
 * the bytes, which needs no table of the lines.
 */
export function findLine(block: Uint8Array, key: Key): number {
  const start = lowerBound(block, key);
  if (start >= block.byteLength) return -1;
  return compareLineKey(block, start, key) === 0 ? start : -1;
}

/** Where the lines of a block start, and the block's length: a faster search, for blocks used twice. */
export function lineStarts(block: Uint8Array): Uint32Array {
  const starts = [0];
  for (let end = 0; end < block.byteLength;) starts.push(end = lineEnd(block, end) + 1);
  return Uint32Array.from(starts);
}

/** As {@linkcode findLine}, but the index into `starts` of the line, or -1. */
export function findStart(block: Uint8Array, starts: Uint32Array, key: Key): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareLineKey(block, starts[middle]!, key);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return -1;
}

/** A block over this length has a line of about its length, and few others. */
const LONG_BLOCK_BYTES = 4 * 1024;

/** The start of the first line whose key is not before `key`; the block's length when none is. */
export function lowerBound(block: Uint8Array, key: Key): number {
  let low = 0;
  if (block.byteLength > LONG_BLOCK_BYTES) {
    while (low < block.byteLength && compareLineKey(block, low, key) < 0) {
      low = lineEnd(block, low) + 1;
    }
    return low;
  }
  let high = block.byteLength;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const start = lineStart(block, low, middle);
    if (compareLineKey(block, start, key) < 0) low = lineEnd(block, middle) + 1;
    else high = start;
  }
  return low;
}

/** Where the line that holds `position` starts; `low` is a start before it. */
function lineStart(bytes: Uint8Array, low: number, position: number): number {
  // Lines are mostly short, and then a loop is faster than the call of `lastIndexOf`.
  const near = Math.max(low, position - 128);
  for (let start = position; start > near; start--) {
    if (bytes[start - 1] === LF) return start;
  }
  return near === low ? low : bytes.lastIndexOf(LF, near - 1) + 1;
}

/** Where the line that holds `position` ends: the offset of its line feed. */
export function lineEnd(bytes: Uint8Array, position: number): number {
  if (bytes.byteLength <= LONG_BLOCK_BYTES) {
    const feed = bytes.indexOf(LF, position);
    return feed < 0 ? bytes.byteLength : feed;
  }
  const near = Math.min(bytes.byteLength, position + LOOKED_AT_BYTES_MAX);
  for (let end = position; end < near; end++) {
    if (bytes[end] === LF) return end;
  }
  const feed = new LineFeeds(bytes).next(near);
  return feed < 0 ? bytes.byteLength : feed;
}

/** Node IDs are few: the same string for the same bytes saves making it anew for every record. */
const nodeIDs: string[] = new Array(256).fill("");

function internNodeID(bytes: Uint8Array, start: number, end: number): string {
  const slot = (end - start + bytes[end - 1]! * 7 + bytes[end - 2]! * 31) & 255;
  const known = nodeIDs[slot]!;
  if (known.length === end - start) {
    let i = 0;
    while (i < known.length && known.charCodeAt(i) === bytes[start + i]) i++;
    if (i === known.length) return known;
  }
  return nodeIDs[slot] = latin1(bytes, start, end);
}

function isTextKey(bytes: Uint8Array, start: number): boolean {
  // {"k":"  -- against  {"kb":"
  return bytes[start + 2] === 0x6b && bytes[start + 3] === QUOTE && bytes[start + 5] === QUOTE;
}

function parsedKey(bytes: Uint8Array, start: number, end: number): Key {
  const key = keyFromJson(parseLine(bytes, start, end));
  if (key === undefined) throw notARecord();
  return key;
}

function parsedFacts(bytes: Uint8Array, start: number, end: number): LineFacts {
  const { c, n, d, e, x = 0 } = parseLine(bytes, start, end);
  if (!isCounter(c) || !isNodeID(n) || !Number.isSafeInteger(x)) throw notARecord();
  return {
    counter: c,
    nodeID: n,
    tombstone: d === 1,
    expiresAtMs: x as number,
    erase: e === 1,
  };
}

function parseLine(bytes: Uint8Array, start: number, end: number): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(utf8.decode(bytes.subarray(start, end)));
  } catch (cause) {
    throw new ConvergeError("corrupt_file", "Cannot read a line: it is not JSON", { cause });
  }
  if (typeof json !== "object" || json === null) throw notARecord();
  return json as Record<string, unknown>;
}

function notARecord(): ConvergeError {
  return new ConvergeError("corrupt_file", "Cannot read a line: it is no record");
}
