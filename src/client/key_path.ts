/** Keys in URLs. */

const encoder = new TextEncoder();
const DOT_SEGMENT = /(^|\/)\.\.?(\/|$)/;

/**
 * The path of a key: every byte that is not unreserved (RFC 3986) is percent-encoded.
 *
 * Slashes stay readable, except around `.` and `..`: URL parsers fold these segments, also when
 * their dots are percent-encoded, and the request would be about another key.
 */
export function keyPath(key: string | Uint8Array): string {
  const bytes = typeof key === "string" ? encoder.encode(key) : key;
  let path = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    path += /[A-Za-z0-9._~/-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return `/kv/${DOT_SEGMENT.test(path) ? path.replaceAll("/", "%2F") : path}`;
}

/** Whether `fetch` would fold this path away whatever its encoding: the keys `.` and `..` do it. */
export function isFolded(path: string): boolean {
  return path === "/kv/." || path === "/kv/..";
}
