/**
 * JSON strings as bytes: where they end, and which bytes they stand for, without a parser. A JSON document
 * that is stored as a value is such a string, full of escaped quotes.
 */
import { plainBytesEnd } from "./plain_bytes.ts";

const QUOTE = 34;
const BACKSLASH = 92;
const LETTER_U = 117;
/** Of `\u00xx`, how JSON writes control characters. */
const LONG_ESCAPE_BYTES = 6;
const ASCII_MAX = 127;
/** After so many bytes without an escape, those to the next one are copied by one call. */
const LONG_RUN_BYTES = 64;

/** By the byte behind a backslash, the one that both stand for; 0 for none. */
const escapes = new Uint8Array(256);
for (const [letter, char] of ['""', "\\\\", "//", "b\b", "f\f", "n\n", "r\r", "t\t"]) {
  escapes[letter!.charCodeAt(0)] = char!.charCodeAt(0);
}

/**
 * Where the JSON string that begins at `start` ends: at its closing quote. It is checked by the whole
 * grammar; -1 when it does not hold, or some of it is beyond ASCII.
 */
export function asciiTextEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  while ((at = plainBytesEnd(bytes, at)) < bytes.byteLength && bytes[at] === BACKSLASH) {
    if (escapes[bytes[at + 1]!]! !== 0) at += 2;
    else if (longEscape(bytes, at) >= 0) at += LONG_ESCAPE_BYTES;
    else return -1;
  }
  return bytes[at] === QUOTE ? at : -1;
}

/** What a JSON string stands for, in the first `length` bytes. */
export interface Unescaped {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly length: number;
  /** Where its closing quote is. */
  readonly end: number;
}

/** Reads the JSON string that begins at `start`; undefined when it escapes what is beyond ASCII. */
export function unescapedText(line: Uint8Array, start: number): Unescaped | undefined {
  const size = line.byteLength;
  const bytes = new Uint8Array(size - start);
  let length = 0;
  let longFrom = start + LONG_RUN_BYTES;
  for (let at = start; at < size; at++) {
    let byte = line[at]!;
    if (byte === QUOTE) return { bytes, length, end: at };
    if (byte === BACKSLASH) {
      byte = escapes[line[at + 1]!]!;
      if (byte !== 0) at++;
      else if ((byte = longEscape(line, at)) >= 0) at += LONG_ESCAPE_BYTES - 1;
      else return undefined;
      longFrom = at + LONG_RUN_BYTES;
    } else if (at === longFrom) {
      const end = plainBytesEnd(line, at);
      bytes.set(line.subarray(at, end), length);
      length += end - at;
      at = end - 1;
      longFrom = end + LONG_RUN_BYTES;
      continue;
    }
    bytes[length++] = byte;
  }
  return undefined;
}

/** The ASCII character that a `\u00xx` at `at` stands for; -1 for anything else. */
function longEscape(bytes: Uint8Array, at: number): number {
  if (bytes[at + 1] !== LETTER_U) return -1;
  let code = 0;
  for (let i = at + 2; i < at + LONG_ESCAPE_BYTES; i++) {
    const digit = hexDigit(bytes[i]);
    if (digit < 0) return -1;
    code = code * 16 + digit;
  }
  return code <= ASCII_MAX ? code : -1;
}

function hexDigit(byte = 0): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
