/**
 * Keys: 1 to 2048 arbitrary bytes.
 *
 * Inside the program a key is a string with one character (U+0000..U+00FF) per byte, so that
 * JavaScript's own `<` on strings is byte order and a `Map` can index by it.
 */
import { Buffer } from "node:buffer";
import { ConvergeError } from "../errors.ts";

/** A key as a byte string: one character per byte. */
export type Key = string;

/** Longest key, in bytes. */
export const KEY_BYTES_MAX = 2048;

/** Characters of the longest key in a path, where each byte may be an escape. */
export const KEY_PATH_MAX = 3 * KEY_BYTES_MAX;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
// deno-lint-ignore no-control-regex -- the range of ASCII begins with the control characters
const ASCII_ONLY = /^[\x00-\x7f]*$/;

/** The key with these bytes. */
export function keyFromBytes(bytes: Uint8Array): Key {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** The bytes of a key, in a fresh array. */
export function keyToBytes(key: Key): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(key.length);
  for (let i = 0; i < key.length; i++) bytes[i] = key.charCodeAt(i);
  return bytes;
}

/** The key whose bytes are the UTF-8 encoding of `text` (which must have no lone surrogates). */
export function keyFromText(text: string): Key {
  return ASCII_ONLY.test(text) ? text : keyFromBytes(encoder.encode(text));
}

/** The text of a key whose bytes are UTF-8, else undefined. */
export function keyToText(key: Key): string | undefined {
  if (ASCII_ONLY.test(key)) return key;
  try {
    return utf8.decode(keyToBytes(key));
  } catch {
    return undefined;
  }
}

/** A key in JSON: text under `k` where its bytes are UTF-8, else base64 under `kb`. */
export function keyToJson(key: Key): { k: string } | { kb: string } {
  const text = keyToText(key);
  return text === undefined ? { kb: Buffer.from(key, "latin1").toString("base64") } : { k: text };
}

/** The key of a JSON form made by {@linkcode keyToJson}, or undefined when it is not one. */
export function keyFromJson(json: { k?: unknown; kb?: unknown }): Key | undefined {
  if (typeof json.k === "string") {
    return json.kb === undefined && json.k.isWellFormed() ? keyFromText(json.k) : undefined;
  }
  if (typeof json.kb !== "string") return undefined;
  const bytes = Buffer.from(json.kb, "base64");
  if (bytes.toString("base64") !== json.kb) return undefined;
  const key = bytes.toString("latin1");
  return keyToText(key) === undefined ? key : undefined;
}

/**
 * Decodes a percent-encoded key from a raw request path.
 *
 * @throws {ConvergeError} `bad_request` for a malformed escape, an empty key or one that is too long.
 */
export function keyFromPath(raw: string): Key {
  let key = raw;
  if (!ASCII_ONLY.test(raw)) key = keyFromBytes(encoder.encode(raw));
  if (key.includes("%")) key = percentDecode(key);
  if (key.length === 0) throw new ConvergeError("bad_request", "Cannot use an empty key");
  if (key.length > KEY_BYTES_MAX) {
    throw new ConvergeError(
      "bad_request",
      `Cannot use a key over ${KEY_BYTES_MAX} bytes: current length is ${key.length}`,
    );
  }
  return key;
}

/** Percent-encodes every byte that is not unreserved (RFC 3986), slashes kept, dots escaped. */
export function keyToPath(key: Key): string {
  return key.replace(
    /[^A-Za-z0-9_~/-]/g,
    (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0"),
  );
}

function percentDecode(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})?/g, (_, hex: string | undefined) => {
    if (hex === undefined) {
      throw new ConvergeError("bad_request", "Cannot decode the key: malformed percent escape");
    }
    return String.fromCharCode(parseInt(hex, 16));
  });
}
