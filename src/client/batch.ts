/** Many operations in one request: the lines of `POST /batch`, and those of its answer. */
import { accepted, type Answer, noNode } from "./answer.ts";
import { toBase64 } from "./base64.ts";
import { type ClientError, type Problem, problemError } from "./client_error.ts";
import {
  checkedBytes,
  type ClientKey,
  type ClientValue,
  type EntryJson,
  entryWith,
  keyJson,
  versionOfTag,
} from "./entry.ts";
import type { PutOptions, Quorum } from "./options.ts";

/** One operation of a batch. */
export type BatchOperation =
  | { op: "get"; key: ClientKey } & Pick<Quorum, "r">
  | { op: "put"; key: ClientKey; bytes: Uint8Array } & Omit<PutOptions, "r">
  | { op: "delete"; key: ClientKey } & Pick<Quorum, "w">;

/** What became of one operation; a get of an absent key has none of these. */
export interface BatchAnswer {
  /** What was got. */
  value?: ClientValue;
  /** Of what was put or deleted. */
  version?: string;
  /** Why this one failed, whatever became of the others. */
  error?: ClientError;
}

/** A line of the answer: a record, a version, or a problem. */
interface AnswerJson extends EntryJson, Partial<Omit<Problem, "status">> {
  status: number;
  etag?: string;
}

/**
 * Bytes of keys in a batch: with as much of values and the rest it is less than the 1 MiB that any node
 * takes.
 */
const BATCH_KEY_BYTES_MAX = 512 * 1024;

/** How many of some keys, from the first on, go together in one batch: at least one. */
export function keysOfBatch(keys: readonly ClientKey[]): number {
  let bytes = 0;
  const count = keys.findIndex((key) => (bytes += jsonBytesMax(key)) > BATCH_KEY_BYTES_MAX);
  return count < 0 ? keys.length : Math.max(1, count);
}

/** Of text JSON may write six bytes for one. */
function jsonBytesMax(key: ClientKey): number {
  return typeof key === "string" ? 6 * key.length : 4 * Math.ceil(key.length / 3);
}

/** The body of a batch. @throws {ClientError} For what is no key. */
export function batchBody(operations: readonly BatchOperation[]): Uint8Array {
  const lines = operations.map((operation) => JSON.stringify(lineOf(operation)) + "\n");
  return new TextEncoder().encode(lines.join(""));
}

/** One answer for each of so many operations. @throws {ClientError} Where no node gave them. */
export async function batchAnswers(answer: Answer, count: number): Promise<BatchAnswer[]> {
  await accepted(answer);
  try {
    const lines = (await answer.response.text()).split("\n").filter((line) => line !== "");
    if (lines.length !== count) throw new RangeError(`${lines.length} lines for ${count}`);
    return lines.map((line) => answerOf(JSON.parse(line)));
  } catch (cause) {
    throw noNode(answer, "its answer is none to a batch", { cause });
  }
}

function lineOf(operation: BatchOperation): object {
  if (operation.op !== "put") {
    const { key, ...more } = operation;
    return { ...keyJson(key), ...more };
  }
  const { op, key, bytes, contentType, ttlSeconds, w } = operation;
  return {
    op,
    ...keyJson(key),
    b: toBase64(checkedBytes(bytes)),
    t: contentType,
    ttl: ttlSeconds,
    w,
  };
}

/** @throws {Error} For what is no answer. */
function answerOf(line: AnswerJson): BatchAnswer {
  const { status, etag, ...entry } = line;
  if (typeof line.type === "string") return { error: problemError(line as Problem) };
  if (status === 404) return {};
  const version = versionOfTag(etag);
  if (version === undefined) throw new TypeError("it has no version");
  if (status === 204) return { version };
  const { key: _key, ...value } = entryWith(entry, version);
  return { value };
}
