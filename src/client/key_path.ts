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
 * @throws {ClientError} For what is no key.
 */
export function keyPath(key: string | Uint8Array): string {
  const checked = checkedKey(key);
  const bytes = typeof checked === "string" ? encoder.encode(checked) : checked;
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
 * The same key. A lone surrogate has no UTF-8: encoders put U+FFFD in its place, which is another key. An
 * array of parts, as may come where types are not checked, would be taken for one of bytes.
 *
 * @throws {ClientError} For text with such a surrogate, and for what is neither text nor bytes.
 */
export function checkedKey(key: string | Uint8Array): string | Uint8Array {
  if (typeof key === "string" ? key.isWellFormed() : isBytes(key)) return key;
  const why = typeof key === "string"
    ? `Cannot use key ${JSON.stringify(key)}: half of a surrogate pair has no UTF-8`
    : "Cannot use a key that is neither text nor a Uint8Array";
  throw new ClientError(why, { passing: false });
}

/** Not by `instanceof`: test runners have arrays of another realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return Object.prototype.toString.call(value) === "[object Uint8Array]";
}

/** Whether `fetch` would fold this path away whatever its encoding: the keys `.` and `..` do it. */
export function isFolded(path: string): boolean {
  return path === "/kv/." || path === "/kv/..";
}
