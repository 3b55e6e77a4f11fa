/**
 * `POST /batch`: many operations in one request, as JSON lines; one answer line per line, in order,
 * each with a status of its own.
 *
 *     {"op":"put","k"|"kb":…,"v"|"b":…,"t"?:type,"ttl"?:seconds,"w"?:n}   -> {"status":204,"etag":…}
 *     {"op":"get","k"|"kb":…,"r"?:n}     -> {"status":200,"k","v"|"b","t"?,"etag"} | {"status":404}
 *     {"op":"delete","k"|"kb":…,"w"?:n}  -> {"status":204,"etag":…}
 *
 * Operations on one key are carried out in order, others side by side. A batch has a time in which the
 * turn of its last operation must come, and its answer a bound: what is over them is told 503.
 */
import { Buffer } from "node:buffer";
import type { Hono } from "hono";
import { ConvergeError } from "../errors.ts";
import { type Key, KEY_BYTES_MAX, keyFromJson, keyToJson } from "../record/key.ts";
import { isLive } from "../record/record.ts";
import type { StoredRecord } from "../record/record.ts";
import { lineOf } from "../record/frame.ts";
import { sizeOf } from "../record/record_line.ts";
import { formatVersion } from "../record/version.ts";
import type { Coordinator } from "../replication/coordinator.ts";
import { BodyReader, type BodyReaderOptions } from "./body.ts";
import { checkedContentType } from "./content_type.ts";
import { refuseCrossOrigin } from "./cross_origin.ts";
import { checkedTtl, expiryOf } from "./expiry.ts";
import { methodNotAllowed, problemOf } from "./problem.ts";
import { refuseParameters } from "./raw_url.ts";

/** What the route uses of its node. */
export interface BatchRoutesOptions extends BodyReaderOptions {
  coordinator: Coordinator;
  maxValueBytes: number;
}

const OPERATIONS_MAX = 1_000;

/** Milliseconds after which none is begun: of a thousand on one key each may wait for its deadline. */
const BATCH_MS_MAX = 30_000;

/** Bytes of values in one answer, which is made in memory; a single value is always given. */
export const BATCH_VALUE_BYTES_MAX = 16 * 1024 * 1024;

/** Bytes that values may take that are being read for one batch, and how many there may be. */
const READING_BYTES_MAX = 256 * 1024 * 1024;
const READING_MAX = 256;

const MEMBERS = ["op", "k", "kb", "r", "w"];
const PUT_MEMBERS = [...MEMBERS, "v", "b", "t", "ttl"];
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

type Line = Record<string, unknown>;

/** Adds the route. */
export function batchRoutes(app: Hono, options: BatchRoutesOptions): void {
  const bodies = new BodyReader(options, options.maxValueBytes * 6 + 1024 * 1024);
  app.post("/batch", async ({ req }) => {
    refuseCrossOrigin(req.raw);
    refuseParameters(req.raw.url);
    const body = await bodies.read(req.raw);
    const answers = await runAll(linesOf(body), options);
    const text = answers.map((answer) => JSON.stringify(answer) + "\n").join("");
    return new Response(text, { headers: { "content-type": "application/x-ndjson" } });
  });
  app.all("/batch", ({ req }) => methodNotAllowed(req.method, "POST"));
}

function linesOf(body: Uint8Array): string[] {
  let text: string;
  try {
    text = decoder.decode(body);
  } catch (cause) {
    throw new ConvergeError("bad_request", "Cannot read the batch: not UTF-8", { cause });
  }
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length <= OPERATIONS_MAX) return lines;
  throw new ConvergeError(
    "bad_request",
    `Cannot take over ${OPERATIONS_MAX} operations: current count is ${lines.length}`,
  );
}

async function runAll(lines: string[], options: BatchRoutesOptions): Promise<Line[]> {
  const batch = new BatchUnderWay(options);
  const lastOfKey = new Map<Key, Promise<Line>>();
  const answers = lines.map((line): Promise<Line> => {
    let operation: Operation;
    try {
      operation = operationOf(line, options);
    } catch (error) {
      return Promise.resolve(problemLine(error));
    }
    const before = lastOfKey.get(operation.key);
    const answer = batch.run(operation, before).catch(problemLine);
    lastOfKey.set(operation.key, answer);
    return answer;
  });
  return await Promise.all(answers);
}

/** One line, checked: whatever is refused for what it says is refused before it has a turn. */
interface Operation {
  readonly op: "put" | "get" | "delete";
  readonly key: Key;
  /** Undefined for what is no put. */
  readonly value: Uint8Array | undefined;
  readonly contentType: string | undefined;
  readonly ttlSeconds: number | undefined;
  readonly w: number | undefined;
  readonly r: number | undefined;
}

function operationOf(
  line: string,
  { coordinator, maxValueBytes }: BatchRoutesOptions,
): Operation {
  let json: Line | null;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    throw new ConvergeError("bad_request", "Cannot read the line: not JSON", { cause });
  }
  const key = json === null || typeof json !== "object" ? undefined : keyFromJson(json);
  if (json === null || key === undefined || key.length === 0 || key.length > KEY_BYTES_MAX) {
    throw new ConvergeError("bad_request", "Cannot read the line: its key is missing or unusable");
  }
  const { op } = json;
  if (op !== "put" && op !== "get" && op !== "delete") {
    throw new ConvergeError("bad_request", "Cannot read the line: op is put, get or delete");
  }
  const known = op === "put" ? PUT_MEMBERS : MEMBERS;
  const unknown = Object.keys(json).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new ConvergeError(
      "bad_request",
      `Cannot use ${JSON.stringify(unknown)} in a ${op}: known there are ${known.join(", ")}`,
    );
  }
  return {
    op,
    key,
    value: op === "put" ? valueMember(json, maxValueBytes) : undefined,
    contentType: checkedContentType(json.t),
    ttlSeconds: checkedTtl(integerMember(json, "ttl")),
    w: coordinator.checkedQuorum("w", integerMember(json, "w")),
    r: coordinator.checkedQuorum("r", integerMember(json, "r")),
  };
}

/** What the operations of one batch share. Invariant: no more than `#readingMax` read at once. */
class BatchUnderWay {
  readonly #options: BatchRoutesOptions;
  readonly #endMs: number;
  readonly #readingMax: number;
  #reading = 0;
  readonly #waitingToRead: (() => void)[] = [];
  #valueBytes = 0;
  /** A value did not fit: none is read any more. */
  #isFull = false;

  constructor(options: BatchRoutesOptions) {
    this.#options = options;
    this.#endMs = options.clock.monotonicMs() + BATCH_MS_MAX;
    const fitting = Math.floor(READING_BYTES_MAX / options.maxValueBytes);
    this.#readingMax = Math.max(1, Math.min(READING_MAX, fitting));
  }

  /** @throws {ConvergeError} as the coordinator; `overloaded`: nothing was begun. */
  async run(operation: Operation, before: Promise<Line> | undefined): Promise<Line> {
    const { coordinator, clock } = this.#options;
    const { op, key, value, contentType, ttlSeconds, w } = operation;
    await before;
    if (clock.monotonicMs() > this.#endMs) {
      throw new ConvergeError("overloaded", `Cannot begin ${BATCH_MS_MAX} ms after the batch`);
    }
    if (op === "get") {
      const record = await this.#read(operation);
      if (!isLive(record, clock.wallMs())) return { status: 404, ...keyToJson(key) };
      const { c: _c, n: _n, ...members } = JSON.parse(decoder.decode(lineOf(record.frame)));
      return { status: 200, ...members, etag: `"${formatVersion(record)}"` };
    }
    const expiresAtMs = expiryOf(ttlSeconds, clock);
    const { record } = await coordinator.write(key, value, { w, contentType, expiresAtMs });
    return { status: 204, etag: `"${formatVersion(record)}"` };
  }

  async #read({ key, r }: Operation): Promise<StoredRecord | undefined> {
    while (this.#reading >= this.#readingMax) {
      await new Promise<void>((resolve) => this.#waitingToRead.push(resolve));
    }
    this.#reading++;
    try {
      if (this.#isFull) throw tooMuch();
      const { record } = await this.#options.coordinator.read(key, { r });
      if (record !== undefined) this.#takeRoom(sizeOf(record));
      return record;
    } finally {
      this.#reading--;
      this.#waitingToRead.shift()?.();
    }
  }

  /** @throws {ConvergeError} `overloaded`. */
  #takeRoom(bytes: number): void {
    this.#isFull ||= this.#valueBytes > 0 && this.#valueBytes + bytes > BATCH_VALUE_BYTES_MAX;
    if (this.#isFull) throw tooMuch();
    this.#valueBytes += bytes;
  }
}

function tooMuch(): ConvergeError {
  return new ConvergeError(
    "overloaded",
    `Cannot answer with over ${BATCH_VALUE_BYTES_MAX} bytes of values: ask for this one again`,
  );
}

function integerMember(json: Line, name: string): number | undefined {
  const value = json[name];
  if (value === undefined) return undefined;
  if (Number.isSafeInteger(value)) return value as number;
  throw new ConvergeError("bad_request", `Cannot use ${name}: it must be an integer`);
}

function valueMember({ v, b }: Line, bytesMax: number): Uint8Array {
  const value = v === undefined ? bytesOfBase64(b) : b === undefined ? bytesOfText(v) : undefined;
  if (value === undefined) {
    throw new ConvergeError("bad_request", "Cannot put: a v of text or a b of base64 is needed");
  }
  if (value.byteLength > bytesMax) {
    throw new ConvergeError("value_too_large", `Cannot take a value over ${bytesMax} bytes`);
  }
  return value;
}

function bytesOfText(text: unknown): Uint8Array | undefined {
  return typeof text === "string" && text.isWellFormed() ? encoder.encode(text) : undefined;
}

/** Only where it says what it was made of: half of it would be stored else. */
function bytesOfBase64(base64: unknown): Uint8Array | undefined {
  if (typeof base64 !== "string") return undefined;
  const bytes = Buffer.from(base64, "base64");
  return bytes.toString("base64") === base64 ? new Uint8Array(bytes) : undefined;
}

function problemLine(error: unknown): Line {
  return { ...problemOf(error) };
}
