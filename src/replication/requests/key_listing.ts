/**
 * One node's part of a listing: a sorted page of what it holds, as lines for the node that merges.
 *
 *     POST /internal/list   request: {"prefix": {k|kb}, "after"?: {k|kb}, "limit", "values"}
 *                           answer: frames, or without values lines {"k"|"kb", "c", "n", "d"?, "x"?}
 *
 * A page covers all keys up to the one in the `converge-through` header; without it, to the end.
 */
import { ConvergeError } from "../../errors.ts";
import { type Key, keyFromJson, keyToJson } from "../../record/key.ts";
import type { StoredRecord } from "../../record/record.ts";
import { joinFrames } from "../../record/frame.ts";
import { decodeFrames, sizeOf } from "../../record/record_line.ts";
import { isCounter, isNodeID, type Version } from "../../record/version.ts";
import { DATA, type Store } from "../../storage/store.ts";

/** Records of one page at most, and bytes after which a page ends: the next record is in another. */
export const LIST_LIMIT_MAX = 1_000;
const PAGE_BYTES = 1024 * 1024;

/** What to list. */
export interface ListRequest {
  readonly prefix: Key;
  /** Begin after this key. */
  readonly after: Key | undefined;
  /** Records at most, tombstones included. */
  readonly limit: number;
  readonly values: boolean;
  /** Also values whose time is over. The members that are asked need not know: they tell of all. */
  readonly expired?: boolean;
}

/** What one node knows of a key. */
export interface ListedKey extends Version {
  readonly key: Key;
  readonly tombstone: boolean;
  readonly expiresAtMs: number;
  /** The record itself, where values were asked for. */
  readonly record: StoredRecord | undefined;
}

/** A page of one node. */
export interface ListPage {
  readonly records: readonly StoredRecord[];
  /** The last key that the page covers; undefined: the prefix is exhausted. */
  readonly through: Key | undefined;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Reads a page from the store. @throws {ConvergeError} as `Store.scan`. */
export function listPage(store: Store, request: ListRequest): ListPage {
  const { prefix, after, limit } = request;
  const start = after === undefined || after < prefix ? prefix : after + "\0";
  const end = afterPrefix(prefix);
  const scan = store.scan(DATA, { start, ...(end === undefined ? {} : { end }) });
  const records: StoredRecord[] = [];
  let bytes = 0;
  try {
    while (records.length < limit && bytes < PAGE_BYTES) {
      const some = scan.next(Math.min(limit - records.length, 64));
      if (some.length === 0) return { records, through: undefined };
      for (const record of some) {
        records.push(record);
        bytes += sizeOf(record);
        if (bytes >= PAGE_BYTES) break;
      }
    }
    return { records, through: records.at(-1)!.key };
  } finally {
    scan.close();
  }
}

/** The first key behind all keys with this prefix; undefined when there is none. */
function afterPrefix(prefix: Key): Key | undefined {
  const last = prefix.search(/[^\xff]\xff*$/);
  if (last < 0) return undefined;
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}

/** A request as JSON. */
export function encodeListRequest({ prefix, after, limit, values }: ListRequest): Uint8Array {
  return encoder.encode(JSON.stringify({
    prefix: keyToJson(prefix),
    ...(after === undefined ? {} : { after: keyToJson(after) }),
    limit,
    values,
  }));
}

/** @throws {ConvergeError} `corrupt_message`. */
export function decodeListRequest(body: Uint8Array): ListRequest {
  let json:
    | { prefix?: object | null; after?: object | null; limit?: unknown; values?: unknown }
    | null;
  try {
    json = JSON.parse(decoder.decode(body));
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read a list request", { cause });
  }
  const { limit, values } = json ?? {};
  const prefix = keyFromJson(json?.prefix ?? {});
  const after = json?.after === undefined ? undefined : keyFromJson(json.after ?? {});
  if (
    prefix === undefined || !Number.isInteger(limit) || (limit as number) < 1 ||
    (limit as number) > LIST_LIMIT_MAX || typeof values !== "boolean" ||
    (json?.after !== undefined && after === undefined)
  ) {
    throw new ConvergeError("corrupt_message", "Cannot read a list request: a member is wrong");
  }
  return { prefix, after, limit: limit as number, values };
}

/** The answer's body. */
export function encodeListPage(page: ListPage, values: boolean): Uint8Array<ArrayBuffer> {
  if (values) return joinFrames(page.records);
  return encoder.encode(
    page.records.map(({ key, counter, nodeID, tombstone, expiresAtMs }) =>
      JSON.stringify({
        ...keyToJson(key),
        c: counter,
        n: nodeID,
        ...(tombstone ? { d: 1 } : {}),
        ...(expiresAtMs === 0 ? {} : { x: expiresAtMs }),
      }) + "\n"
    ).join(""),
  );
}

/**
 * Whether an answer can be the page that was asked for: in order, with nothing else in it, and going on.
 *
 * @param through The last key that it covers; undefined: the prefix is exhausted.
 */
export function isPageOf(
  { prefix, after }: ListRequest,
  keys: readonly ListedKey[],
  through: Key | undefined,
): boolean {
  let last = after;
  for (const { key } of keys) {
    if (!key.startsWith(prefix) || (last !== undefined && key <= last)) return false;
    last = key;
  }
  if (through === undefined) return true;
  const isEnd = through.startsWith(prefix) && (last === undefined || through >= last);
  return isEnd && through !== after;
}

/** @throws {ConvergeError} `corrupt_message`. */
export function decodeListPage(body: Uint8Array, values: boolean): ListedKey[] {
  if (values) return decodeFrames(body).map((record) => listedRecord(record, true));
  const lines = decoder.decode(body).split("\n");
  if (lines.pop() !== "") throw new ConvergeError("corrupt_message", "Cannot read a cut-off line");
  return lines.map(decodeListedKey);
}

/** What is known of a key from its record, which is kept only where its value was asked for. */
export function listedRecord(record: StoredRecord, values: boolean): ListedKey {
  const { key, counter, nodeID, tombstone, expiresAtMs } = record;
  return { key, counter, nodeID, tombstone, expiresAtMs, record: values ? record : undefined };
}

function decodeListedKey(line: string): ListedKey {
  const json = JSON.parse(line);
  const key = keyFromJson(json);
  const { c, n, d, x = 0 } = json;
  if (key === undefined || !isCounter(c) || !isNodeID(n) || !Number.isSafeInteger(x)) {
    throw new ConvergeError("corrupt_message", "Cannot read a listed key");
  }
  return { key, counter: c, nodeID: n, tombstone: d === 1, expiresAtMs: x, record: undefined };
}
