/** Keys in URLs. */
import { ClientError } from "./client_error.ts";

const encoder = new TextEncoder();
const DOT_SEGMENT = /(^|\/)\.\.?(\/|$)/;

/**
 * The path of a key: every byte that is not unreserved (RFC 3986) is percent-encoded.
 *
 * Slashes stay readable, except around `.` and `..`: URL parsers fold these segments, also when
 * their dots are percent-encoded, and the request would be about another key.
 *
 * @throws {ClientError} For text that has no UTF-8.
 */
export function keyPath(key: string | Uint8Array): string {
  const bytes = typeof key === "string" ? encoder.encode(wellFormed(key)) : key;
  let path = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    path += /[A-Za-z0-9._~/-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return `/kv/${DOT_SEGMENT.test(path) ? path.replaceAll("/", "%2F") : path}`;
}

/**
 * The same text. A lone surrogate has no UTF-8: encoders put U+FFFD in its place, which is another key.
 *
 * @throws {ClientError} For a text with one.
 */
export function wellFormed(key: string): string {
  if (key.isWellFormed()) return key;
  const why = `Cannot use key ${JSON.stringify(key)}: half of a surrogate pair has no UTF-8`;
  throw new ClientError(why, { passing: false });
}

/** Whether `fetch` would fold this path away whatever its encoding: the keys `.` and `..` do it. */
export function isFolded(path: string): boolean {
  return path === "/kv/." || path === "/kv/..";
}
