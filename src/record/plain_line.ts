/**
 * The quick way for records in ASCII, as most are: they are written, checked and read byte by byte, without
 * strings and views that would only be copied. They are in the shape
 *
 *     {"k":"...","v":"...","t":"...","x":n,"c":n,"n":"..."}
 *
 * where `t` and `x` may be missing, and `v` alone may have escapes. Whatever is not goes the way of
 * `record_line.ts`, by JSON; for what is, both give the same.
 */
import { asciiTextEnd, unescapedText } from "./ascii_text.ts";
import { type Key, KEY_BYTES_MAX } from "./key.ts";
import { FRAME_HEADER_BYTES, layFrame } from "./frame.ts";
import { latin1 } from "./latin1.ts";
import { plainBytesEnd } from "./plain_bytes.ts";
import { CONTENT_TYPE_LENGTH_MAX, EncodedRecord } from "./record.ts";
import { isCounter, isNodeID } from "./version.ts";

const LF = 10;
const QUOTE = 34;
const DIGIT_0 = 48;
const DIGIT_9 = 57;
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
 * The record of the frame that begins at `start`, if it is in the shape above. That is checked byte for
 * byte, which is the whole grammar for it; the checksum is not. Undefined for any other.
 */
export function plainRecordAt(bytes: Uint8Array, start: number): EncodedRecord | undefined {
  const keyStart = start + FRAME_HEADER_BYTES + 6;
  if (!isAt(bytes, keyStart - 6, `{"k":"`)) return undefined;
  const keyEnd = plainEnd(bytes, keyStart);
  if (keyEnd <= keyStart || keyEnd - keyStart > KEY_BYTES_MAX) return undefined;
  if (!isAt(bytes, keyEnd, `","v":"`)) return undefined;
  const valueEnd = asciiTextEnd(bytes, keyEnd + 7);
  if (valueEnd < 0) return undefined;
  let at = valueEnd + 1;
  if (isAt(bytes, at, `,"t":"`)) {
    const typeStart = at + 6;
    const typeEnd = plainEnd(bytes, typeStart);
    if (typeEnd < 0 || typeEnd - typeStart > CONTENT_TYPE_LENGTH_MAX) return undefined;
    at = typeEnd + 1;
  }
  let expiresAtMs = 0;
  if (isAt(bytes, at, `,"x":`)) {
    const digits = digitsEnd(bytes, at + 5);
    expiresAtMs = numberAt(bytes, at + 5, digits);
    if (!Number.isSafeInteger(expiresAtMs)) return undefined;
    at = digits;
  }
  if (!isAt(bytes, at, `,"c":`)) return undefined;
  const counterEnd = digitsEnd(bytes, at + 5);
  const counter = numberAt(bytes, at + 5, counterEnd);
  if (!isCounter(counter)) return undefined;
  if (!isAt(bytes, counterEnd, `,"n":"`)) return undefined;
  const nodeIDStart = counterEnd + 6;
  const nodeIDEnd = plainEnd(bytes, nodeIDStart);
  const end = nodeIDEnd + 3;
  if (nodeIDEnd < 0 || bytes[end - 2] !== BRACE || bytes[end - 1] !== LF) return undefined;
  const nodeID = nodeIDAt(bytes, nodeIDStart, nodeIDEnd);
  if (nodeID === undefined) return undefined;
  const key = latin1(bytes, keyStart, keyEnd);
  const frame = bytes.subarray(start, end);
  return new EncodedRecord(key, counter, nodeID, false, expiresAtMs, frame);
}

function digitsEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at]! >= DIGIT_0 && bytes[at]! <= DIGIT_9) at++;
  return at;
}

/** The number whose digits are these bytes; NaN where JSON has no such number. */
export function numberAt(bytes: Uint8Array, start: number, end: number): number {
  if (start === end || (bytes[start] === DIGIT_0 && end - start > 1)) return NaN;
  let number = 0;
  // The digit's value first: together with its code the sum could be past 2^53, where not all are exact.
  for (let at = start; at < end; at++) number = number * 10 + (bytes[at]! - DIGIT_0);
  return number;
}

function isAt(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (bytes[at + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/** Where the quote is that ends plain text; -1 when something before it does not stand for itself. */
function plainEnd(bytes: Uint8Array, start: number): number {
  const at = plainBytesEnd(bytes, start);
  return bytes[at] === QUOTE ? at : -1;
}

let lastNodeID: string | undefined;

/** The node ID in these bytes. In a batch it is mostly that of the record before. */
function nodeIDAt(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start === lastNodeID?.length && isAt(bytes, start, lastNodeID)) return lastNodeID;
  const nodeID = latin1(bytes, start, end);
  if (!isNodeID(nodeID)) return undefined;
  return lastNodeID = nodeID;
}

/** A value as the bytes [start, end) of a buffer, and its type. */
export interface PlainValue {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly contentType: string | undefined;
}

/**
 * The value of a line whose key is text without escapes, and whose value and content type are text: a view
 * on the line if they have no escapes either. Undefined for any other line.
 */
export function plainValueOf(line: Uint8Array): PlainValue | undefined {
  // {"k":"
  if (line[2] !== LETTER_K || line[3] !== QUOTE) return undefined;
  const keyEnd = plainStringEnd(line, 6);
  // ","v":"
  if (keyEnd < 0 || line[keyEnd + 3] !== LETTER_V || line[keyEnd + 6] !== QUOTE) return undefined;
  const value = textAt(line, keyEnd + 7);
  if (value === undefined) return undefined;
  const { bytes, start, end, textEnd } = value;
  // ","t":"
  if (line[textEnd + 3] !== LETTER_T) return { bytes, start, end, contentType: undefined };
  const type = textAt(line, textEnd + 7);
  if (type === undefined || !isShortAscii(type.bytes, type.start, type.end)) return undefined;
  return { bytes, start, end, contentType: latin1(type.bytes, type.start, type.end) };
}

/** What the JSON string that begins at `textStart` stands for, and where that ends in the line. */
function textAt(line: Uint8Array, textStart: number) {
  const textEnd = plainStringEnd(line, textStart);
  if (textEnd >= 0) return { bytes: line, start: textStart, end: textEnd, textEnd };
  const text = unescapedText(line, textStart);
  return text && { bytes: text.bytes, start: 0, end: text.length, textEnd: text.end };
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
