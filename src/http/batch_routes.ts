/**
 * `POST /batch`: many operations in one request, as JSON lines; one answer line per line, in order,
 * each with a status of its own.
 *
 *     {"op":"put","k"|"kb":…,"v"|"b":…,"t"?:type,"ttl"?:seconds,"w"?:n}   -> {"status":204,"etag":…}
 *     {"op":"get","k"|"kb":…,"r"?:n}     -> {"status":200,"k","v"|"b","t"?,"etag"} | {"status":404}
 *     {"op":"delete","k"|"kb":…,"w"?:n}  -> {"status":204,"etag":…}
 *
 * Operations on one key are carried out in order, others side by side. The values that are got lie in
 * memory until all is answered: beyond a bound gets are answered 503, and can be sent in another batch.
 */
import { Buffer } from "node:buffer";
import type { Hono } from "hono";
import { ConvergeError } from "../errors.ts";
import { type Key, KEY_BYTES_MAX, keyFromJson, keyToJson } from "../record/key.ts";
import { isLive } from "../record/record.ts";
import { lineOf } from "../record/frame.ts";
import { sizeOf } from "../record/record_line.ts";
import { formatVersion } from "../record/version.ts";
import type { Coordinator } from "../replication/coordinator.ts";
import { BodyReader, type BodyReaderOptions } from "./body.ts";
import { ByteRoom } from "./byte_room.ts";
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
/** Blank ones included, which are passed over. */
const LINES_MAX = 100_000;
/** Bytes of values that one batch gets, and that all batches under way do together. */
const GOT_BYTES_MAX = 8 * 1024 * 1024;
const ALL_GOT_BYTES_MAX = 64 * 1024 * 1024;
const MEMBERS = ["op", "k", "kb", "r", "w"];
const PUT_MEMBERS = [...MEMBERS, "v", "b", "t", "ttl"];
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

type Line = Record<string, unknown>;

/** Adds the route. */
export function batchRoutes(app: Hono, options: BatchRoutesOptions): void {
  const bodies = new BodyReader(options, options.maxValueBytes * 6 + 1024 * 1024);
  const all = new ByteRoom(
    ALL_GOT_BYTES_MAX,
    (bytes) => `Cannot get it now: batches under way have values of ${bytes} bytes`,
  );
  app.post("/batch", async ({ req }) => {
    refuseCrossOrigin(req.raw);
    refuseParameters(req.raw.url);
    const body = await bodies.read(req.raw);
    const lines = linesOf(body);
    const got = new GotValues(all);
    try {
      const answers = await runAll(lines, got, options);
      const text = answers.map((answer) => JSON.stringify(answer) + "\n").join("");
      return new Response(text, { headers: { "content-type": "application/x-ndjson" } });
    } finally {
      got.forget();
    }
  });
  app.all("/batch", ({ req }) => methodNotAllowed(req.method, "POST"));
}

/** What a batch has got and not answered yet. Invariant: `#bytes` are taken of the room of all. */
class GotValues {
  readonly #own = new ByteRoom(
    GOT_BYTES_MAX,
    (bytes) => `Cannot get it in this batch: it has values of ${bytes} bytes; send it in another`,
  );
  readonly #all: ByteRoom;
  #bytes = 0;
  #refused: unknown;

  constructor(all: ByteRoom) {
    this.#all = all;
  }

  /** Once one was refused nothing more is read. @throws {ConvergeError} `overloaded`. */
  requireRoom(): void {
    if (this.#refused !== undefined) throw this.#refused;
  }

  /** @throws {ConvergeError} `overloaded`. */
  add(bytes: number): void {
    try {
      this.#own.take(bytes);
      this.#all.take(bytes);
    } catch (error) {
      this.#refused = error;
      throw error;
    }
    this.#bytes += bytes;
  }

  forget(): void {
    this.#all.giveBack(this.#bytes);
  }
}

/** @throws {ConvergeError} `bad_request`. */
function linesOf(body: Uint8Array): string[] {
  let text: string;
  try {
    text = decoder.decode(body);
  } catch (cause) {
    throw new ConvergeError("bad_request", "Cannot read the batch: not UTF-8", { cause });
  }
  // Bounded before they are counted: of line feeds alone there can be more than an array may hold.
  const all = text.split("\n", LINES_MAX + 1);
  if (all.length > LINES_MAX) {
    throw new ConvergeError("bad_request", `Cannot take over ${LINES_MAX} lines`);
  }
  const lines = all.filter((line) => line.trim() !== "");
  if (lines.length <= OPERATIONS_MAX) return lines;
  throw new ConvergeError(
    "bad_request",
    `Cannot take over ${OPERATIONS_MAX} operations: current count is ${lines.length}`,
  );
}

async function runAll(
  lines: string[],
  got: GotValues,
  options: BatchRoutesOptions,
): Promise<Line[]> {
  const lastOfKey = new Map<Key, Promise<Line>>();
  const answers = lines.map((line): Promise<Line> => {
    let operation: Operation;
    try {
      operation = operationOf(line, options);
    } catch (error) {
      return Promise.resolve(problemLine(error));
    }
    const before = lastOfKey.get(operation.key);
    const answer = run(operation, { before, got }, options).catch(problemLine);
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
  const key = json === null ? undefined : keyFromJson(json);
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

async function run(
  { op, key, value, contentType, ttlSeconds, w, r }: Operation,
  { before, got }: { before: Promise<Line> | undefined; got: GotValues },
  { coordinator, clock }: BatchRoutesOptions,
): Promise<Line> {
  await before;
  if (op === "get") {
    got.requireRoom();
    const { record } = await coordinator.read(key, { r });
    if (!isLive(record, clock.wallMs())) return { status: 404, ...keyToJson(key) };
    got.add(sizeOf(record));
    const { c: _c, n: _n, ...members } = JSON.parse(decoder.decode(lineOf(record.frame)));
    return { status: 200, ...members, etag: `"${formatVersion(record)}"` };
  }
  const expiresAtMs = expiryOf(ttlSeconds, clock);
  const { record } = await coordinator.write(key, value, { w, contentType, expiresAtMs });
  return { status: 204, etag: `"${formatVersion(record)}"` };
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
