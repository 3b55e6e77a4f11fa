/** Records and keys for tests, in few words. */
import { Buffer } from "node:buffer";
import { type Key, keyFromText } from "../../src/record/key.ts";
import type { StoredRecord } from "../../src/record/record.ts";
import { encodeRecord } from "../../src/record/record_line.ts";
import type { Version } from "../../src/record/version.ts";

const encoder = new TextEncoder();

/** The bytes of a text. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** The key with these bytes, as they stand in a Latin-1 string. */
export function keyOf(text: string): Key {
  return keyFromText(text);
}

/** A version. */
export function version(counter: number, nodeID = "a.1"): Version {
  return { counter, nodeID };
}

/** A record; `value: undefined` makes a tombstone. */
export function record(
  key: string,
  counter: number,
  options: { nodeID?: string; value?: string | undefined; expiresAtMs?: number } = {},
): StoredRecord {
  const value = "value" in options ? options.value : `value ${counter}`;
  return encodeRecord({
    key: keyFromText(key),
    value: value === undefined ? undefined : encoder.encode(value),
    counter,
    nodeID: options.nodeID ?? "a.1",
    expiresAtMs: options.expiresAtMs ?? 0,
  });
}

/** A frame around any JSON text, with a checksum that holds. */
export { frameOf } from "../../src/record/frame.ts";

/** Base64 of bytes. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
