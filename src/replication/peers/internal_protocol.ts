/**
 * What nodes say to each other: headers, and the lines of batch bodies.
 *
 *     POST /internal/kv     request: frames                  answer per line: `stored`
 *                                                            | `superseded <version>`
 *                                                            | `below-horizon <counter>`
 *     POST /internal/read   request: {"k"|"kb", "c"?, "n"?}  answer per line: `same` | `absent`
 *                           (c, n: the version that the asker has)          | a frame | `again`
 *                                                            (`again`: the answer is full, ask again)
 *
 * Every message says which life of which node it is for, so that one meant for a node that has since
 * lost its disk is refused, and carries its sender's Lamport counter.
 */
import { ConvergeError } from "../../errors.ts";
import { joinBytes } from "../../record/join_bytes.ts";
import { type Key, keyFromJson, keyToJson } from "../../record/key.ts";
import type { StoredRecord } from "../../record/record.ts";
import { isPlain } from "../../record/plain_line.ts";
import { decodeFrame } from "../../record/record_line.ts";
import {
  formatVersion,
  isCounter,
  isNodeID,
  parseVersion,
  type Version,
} from "../../record/version.ts";
import { isBelowHorizon } from "../state/horizon.ts";
import type { ReplicaResult } from "../state/horizon.ts";

/** Header: name of the sending node. */
export const FROM_HEADER = "converge-from";
/** Header: node ID of the sending node, where an earlier life of its name was removed. */
export const LIFE_HEADER = "converge-life";
/** Header: node ID (name and tag) of the node that the message is for. */
export const TO_HEADER = "converge-to";
/** Header, both ways: Lamport counter of the sender. */
export const COUNTER_HEADER = "converge-counter";

/** Header of answers: horizon of the answering node. */
export const HORIZON_HEADER = "converge-horizon";
/** Header of `POST /internal/kv` from an owner's own copies: see `horizon.ts`. */
export const FENCE_HEADER = "converge-fence";
/** Header of `POST /internal/kv` that delivers hints: {@linkcode MORE_HINTS}, or "1". */
export const HINT_HEADER = "converge-hint";
/** Its value where many more are on their way. */
export const MORE_HINTS = "more";

/**
 * Header of `POST /internal/read`: the asker knows that the answer may not count. What may be leftovers
 * of a former owner is not told of.
 */
export const UNCOUNTED_HEADER = "converge-uncounted";
/** Header of `POST /internal/read`: the asker knows that this node is being removed. */
export const LEAVING_HEADER = "converge-leaving";
/** Header of `POST /internal/read`: the answer is about what is on the device. */
export const DURABLE_HEADER = "converge-durable";
/**
 * Header of `POST /internal/read` and `POST /internal/collect` from one that collects tombstones, or gives
 * up what is left of lost data: fingerprint of the ring by which it knows all owners.
 */
export const RING_HEADER = "converge-ring";
/** Header of `POST /internal/read` with one question: say where the copy is. */
export const LOCATE_HEADER = "converge-locate";
/** Header of its answer: `memtable` or the name of a table. */
export const LOCATED_HEADER = "converge-located";

/** Header of a page's answer: clients wait there, take your time. */
export const BUSY_HEADER = "converge-busy";
/** Header of a page's answer: its last key, percent-encoded; absent when it goes to the end. */
export const THROUGH_HEADER = "converge-through";

/** What JSON and a batch add to the largest value: every byte of it may become an escape of six. */
export function batchBytesMax(maxValueBytes: number): number {
  return maxValueBytes * 6 + 1024 * 1024;
}

/** A question for a key. */
export interface ReadQuestion {
  readonly key: Key;
  /** The version that the asker has; the same one is answered `same`. */
  readonly have?: Version | undefined;
}

/** A peer's answer for a key. */
export type ReadReply = "same" | "absent" | "again" | StoredRecord;

const LF = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The answer body to a batch of records. */
export function encodeApplyResults(results: readonly ReplicaResult[]): string {
  let text = "";
  for (const result of results) {
    if (result === "stored") text += "stored\n";
    else if (isBelowHorizon(result)) text += `below-horizon ${result.horizon}\n`;
    else text += `superseded ${formatVersion(result)}\n`;
  }
  return text;
}

/**
 * Reads an answer body.
 *
 * @throws {ConvergeError} `corrupt_message` unless there are exactly `count` answers.
 */
export function decodeApplyResults(body: Uint8Array, count: number): ReplicaResult[] {
  const results: ReplicaResult[] = [];
  let start = 0;
  while (start < body.byteLength) {
    const end = lineEnd(body, start);
    // Nearly all are, and those need not become text first.
    if (isWord(body, start, end, STORED)) results.push("stored");
    else results.push(decodeApplyResult(decoder.decode(body.subarray(start, end - 1))));
    start = end;
  }
  if (results.length !== count) throw wrongCount(results.length, count);
  return results;
}

/** One line that asks for a key. */
export function encodeReadQuestion({ key, have }: ReadQuestion): string {
  if (isPlain(key)) {
    if (have === undefined) return `{"k":"${key}"}\n`;
    return `{"k":"${key}","c":${have.counter},"n":"${have.nodeID}"}\n`;
  }
  const json = have === undefined
    ? keyToJson(key)
    : { ...keyToJson(key), c: have.counter, n: have.nodeID };
  return JSON.stringify(json) + "\n";
}

/** @throws {ConvergeError} `corrupt_message`. */
export function decodeReadQuestions(body: Uint8Array): ReadQuestion[] {
  const lines = decoder.decode(body).split("\n");
  if (lines.pop() !== "") throw new ConvergeError("corrupt_message", "Cannot read a cut-off line");
  return lines.map(decodeReadQuestion);
}

/** The answer body to a batch of questions. */
export function encodeReadReplies(replies: readonly ReadReply[]): Uint8Array<ArrayBuffer> {
  return joinBytes(
    replies.map((reply) => typeof reply === "object" ? reply.frame : WORDS[reply]),
  );
}

/**
 * Reads the answers to questions.
 *
 * @throws {ConvergeError} `corrupt_message` unless there is one for each, and it is one to that question.
 */
export function decodeReadReplies(
  body: Uint8Array,
  questions: readonly ReadQuestion[],
): ReadReply[] {
  const replies: ReadReply[] = [];
  let start = 0;
  while (start < body.byteLength) {
    const end = lineEnd(body, start);
    if (end - start > WORD_BYTES_MAX) replies.push(decodeFrame(body, start, end));
    else replies.push(decodeWord(body, start, end));
    start = end;
  }
  if (replies.length !== questions.length) throw wrongCount(replies.length, questions.length);
  for (let i = 0; i < replies.length; i++) {
    if (!isAnswer(replies[i]!, questions[i]!, i)) {
      throw new ConvergeError("corrupt_message", "Cannot use an answer to another question");
    }
  }
  return replies;
}

/** Whether `reply` can be the one to question `i` of several. The first is never asked for again. */
function isAnswer(reply: ReadReply, { key, have }: ReadQuestion, i: number): boolean {
  if (typeof reply === "object") return reply.key === key;
  return reply === "same" ? have !== undefined : reply !== "again" || i > 0;
}

/**
 * Reads a counter header; 0 when absent.
 *
 * @throws {ConvergeError} `corrupt_message` when it is out of range.
 */
export function parseCounterHeader(text: string | null): number {
  if (text === null || text === "0") return 0;
  const counter = /^[1-9]\d*$/.test(text) ? Number(text) : 0;
  if (!isCounter(counter)) {
    throw new ConvergeError("corrupt_message", `Cannot use counter ${JSON.stringify(text)}`);
  }
  return counter;
}

const STORED = encoder.encode("stored\n");
const WORDS = {
  same: encoder.encode("same\n"),
  absent: encoder.encode("absent\n"),
  again: encoder.encode("again\n"),
};
/** No frame is as short as the longest word. */
const WORD_BYTES_MAX = WORDS.absent.byteLength;

/** One past the line feed of the line that begins at `start`. */
function lineEnd(body: Uint8Array, start: number): number {
  const feed = body.indexOf(LF, start);
  if (feed < 0) throw new ConvergeError("corrupt_message", "Cannot read a cut-off line");
  return feed + 1;
}

function isWord(body: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  if (end - start !== word.byteLength) return false;
  for (let i = 0; i < word.byteLength; i++) {
    if (body[start + i] !== word[i]) return false;
  }
  return true;
}

function decodeApplyResult(line: string): ReplicaResult {
  if (line.startsWith("superseded ")) return parseVersion(line.slice("superseded ".length));
  if (line.startsWith("below-horizon ")) {
    return { horizon: parseCounterHeader(line.slice("below-horizon ".length)) };
  }
  throw new ConvergeError("corrupt_message", "Cannot read an answer to a write");
}

function decodeWord(body: Uint8Array, start: number, end: number): "same" | "absent" | "again" {
  if (isWord(body, start, end, WORDS.same)) return "same";
  if (isWord(body, start, end, WORDS.absent)) return "absent";
  if (isWord(body, start, end, WORDS.again)) return "again";
  throw new ConvergeError("corrupt_message", "Cannot read an answer to a read");
}

function decodeReadQuestion(line: string): ReadQuestion {
  let json: { k?: unknown; kb?: unknown; c?: unknown; n?: unknown } | null;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read a question: not JSON", { cause });
  }
  const key = json === null || typeof json !== "object" ? undefined : keyFromJson(json);
  if (key === undefined) throw new ConvergeError("corrupt_message", "Cannot read a question's key");
  const { c, n } = json!;
  if (c === undefined && n === undefined) return { key, have: undefined };
  if (!isCounter(c) || !isNodeID(n)) {
    throw new ConvergeError("corrupt_message", "Cannot read a question's version");
  }
  return { key, have: { counter: c, nodeID: n } };
}

function wrongCount(got: number, wanted: number): ConvergeError {
  return new ConvergeError("corrupt_message", `Cannot use ${got} answers to ${wanted} lines`);
}
