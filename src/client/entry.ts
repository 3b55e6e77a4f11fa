/** Keys with their values, and how they stand in the JSON of lists and batches. */
import { fromBase64, toBase64 } from "./base64.ts";
import { ClientError } from "./client_error.ts";
import { checkedKey, isBytes } from "./key_path.ts";

/** A key: text, or any bytes. */
export type ClientKey = string | Uint8Array;

/** A value as it was stored. */
export interface ClientValue {
  bytes: Uint8Array<ArrayBuffer>;
  contentType: string;
  /** The version, `<counter>-<nodeID>`. */
  version: string;
  /** When it is gone, in milliseconds since 1970 by the nodes' clocks; undefined for never. */
  expiresAtMs: number | undefined;
}

/** A key with its value. */
export interface ClientEntry extends ClientValue {
  key: ClientKey;
}

/**
 * The bytes of a value that is to be put.
 *
 * @throws {ClientError} For anything else, as may come where types are not checked: nothing, or something
 * else, would be stored in place of what there was.
 */
export function checkedBytes(bytes: Uint8Array | undefined): Uint8Array {
  if (isBytes(bytes)) return bytes;
  throw new ClientError("Cannot put what is no Uint8Array", { passing: false });
}

/** The type of a value that was stored without one. */
export const DEFAULT_TYPE = "application/octet-stream";

/** A key: base64 where its bytes are not UTF-8. */
export interface KeyJson {
  k?: string | undefined;
  kb?: string | undefined;
}

/** A record line: with `values`, a list has one for each key. */
export interface EntryJson extends KeyJson {
  v?: string;
  b?: string;
  t?: string;
  x?: number;
  c?: number;
  n?: string;
}

/** @throws {ClientError} For what is no key. */
export function keyJson(key: ClientKey): KeyJson {
  const checked = checkedKey(key);
  return typeof checked === "string" ? { k: checked } : { kb: toBase64(checked) };
}

/** @throws {Error} For what is no key. */
export function keyOf({ k, kb }: KeyJson): ClientKey {
  return typeof k === "string" ? k : fromBase64(kb!);
}

/** @throws {Error} For what is no record of a value. */
export function entryOf(json: EntryJson): ClientEntry {
  const { c, n } = json;
  if (typeof c !== "number" || typeof n !== "string") throw new TypeError("it has no version");
  return entryWith(json, `${c}-${n}`);
}

/** @throws {Error} For what is no key with a value. */
export function entryWith({ v, b, t, x, ...key }: EntryJson, version: string): ClientEntry {
  return {
    key: keyOf(key),
    bytes: typeof v === "string" ? new TextEncoder().encode(v) : fromBase64(b!),
    contentType: t ?? DEFAULT_TYPE,
    version,
    expiresAtMs: x,
  };
}

/** The version in an `ETag`, which a proxy may have made a weak one; undefined for another's. */
export function versionOfTag(etag: unknown): string | undefined {
  return /^(?:W\/)?"(\d+-.+)"$/.exec(String(etag))?.[1];
}
