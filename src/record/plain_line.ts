/**
 * The quick way for records of which all is plain text, as most are: they are written, checked and read
 * byte by byte, without strings and views that would only be copied. Whatever is not in the shape
 *
 *     {"k":"...","v":"...","c":n,"n":"..."}
 *
 * goes the way of `record_line.ts`, by JSON; for what is, both give the same.
 */
import { type Key, KEY_BYTES_MAX } from "./key.ts";
import { FRAME_HEADER_BYTES, layFrame } from "./frame.ts";
import { latin1 } from "./latin1.ts";
import { plainBytesEnd } from "./plain_bytes.ts";
import type { StoredRecord } from "./record.ts";
import { isCounter, isNodeID } from "./version.ts";

const LF = 10;
const QUOTE = 34;
const BACKSLASH = 92;
const LETTER_K = 107;
const LETTER_T = 116;
const LETTER_V = 118;
const BRACE = 125;

/** Text that JSON writes as it is. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
/** What comes behind the value, as long as it is ASCII. */
const PLAIN_TAIL = /^[\x20-\x7e]*$/;

/** Whether JSON writes the text as it is. */
export function isPlain(text: string): boolean {
  return PLAIN.test(text);
}

/** So much of a string is looked at byte by byte; beyond it the runtime's search in text is faster. */
const LOOKED_AT_BYTES_MAX = 256;
/** Longest value that is given back as text; beyond it bytes are cheaper. */
const SHORT_BYTES_MAX = 1024;

/**
 * The frame of a record of which all is plain text, written byte by byte. Undefined for any other record.
 */
export function plainFrame(
  key: Key,
  value: Uint8Array | undefined,
  tail: string,
): Uint8Array | undefined {
  if (value === undefined || !PLAIN.test(key) || !PLAIN_TAIL.test(tail)) return undefined;
  if (plainBytesEnd(value, 0) < value.byteLength) return undefined;
  const lengthMax = FRAME_HEADER_BYTES + key.length + value.byteLength + tail.length + 16;
  return layFrame(lengthMax, (target, start) => {
    let at = writeAscii(target, `{"k":"`, start);
    at = writeAscii(target, key, at);
    at = writeAscii(target, `","v":"`, at);
    target.set(value, at);
    at = writeAscii(target, `"`, at + value.byteLength);
    return writeAscii(target, tail, at);
  });
}

function writeAscii(target: Uint8Array, text: string, at: number): number {
  for (let i = 0; i < text.length; i++) target[at++] = text.charCodeAt(i);
  return at;
}

/**
 * The record of the frame that begins at `start`, of which all is plain text, as most are:
 * `{"k":"...","v":"...","c":n,"n":"..."}` and a line feed. That shape is checked byte for byte, which is
 * the whole grammar for it; the checksum is not. Undefined for any other.
 */
export function plainRecordAt(bytes: Uint8Array, start: number): StoredRecord | undefined {
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
  const end = nodeIDEnd + 3;
  if (bytes[end - 2] !== BRACE || bytes[end - 1] !== LF) return undefined;
  const nodeID = nodeIDAt(bytes, nodeIDStart, nodeIDEnd);
  if (nodeID === undefined) return undefined;
  const key = latin1(bytes, keyStart, keyEnd);
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
  const at = plainBytesEnd(bytes, start);
  return bytes[at] === QUOTE ? at : start;
}

let lastNodeID: string | undefined;

/** The node ID in these bytes. In a batch it is mostly that of the record before. */
function nodeIDAt(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start === lastNodeID?.length && isAt(bytes, start, lastNodeID)) return lastNodeID;
  const nodeID = latin1(bytes, start, end);
  if (!isNodeID(nodeID)) return undefined;
  return lastNodeID = nodeID;
}

/** Where in a line its value stands as it is, and the value's type. */
export interface PlainValue {
  readonly start: number;
  readonly end: number;
  readonly contentType: string | undefined;
}

/**
 * The value of a line whose key, value and content type are text without escapes: then the bytes of
 * the JSON string are those of the value. Undefined for any other line.
 */
export function plainValueOf(line: Uint8Array): PlainValue | undefined {
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
  return { start, end, contentType: latin1(line, typeStart, typeEnd) };
}

/** Where the JSON string that begins at `start` ends, or -1 when it has escapes. */
function plainStringEnd(line: Uint8Array, start: number): number {
  const near = Math.min(line.byteLength, start + LOOKED_AT_BYTES_MAX);
  for (let at = start; at < near; at++) {
    if (line[at] === QUOTE) return at;
    if (line[at] === BACKSLASH) return -1;
  }
  const rest = latin1(line, near, line.byteLength);
  const end = rest.indexOf('"');
  const escape = rest.indexOf("\\");
  return end < 0 || (escape >= 0 && escape < end) ? -1 : near + end;
}

/** Whether a value is ASCII, and short enough that looking pays. */
export function isShortAscii(line: Uint8Array, start: number, end: number): boolean {
  if (end - start > SHORT_BYTES_MAX) return false;
  let all = 0;
  for (let i = start; i < end; i++) all |= line[i]!;
  return all < 128;
}
