/**
 * `POST /batch`: many operations in one request, as JSON lines; one answer line per line, in order,
 * each with a status of its own.
 *
 *     {"op":"put","k"|"kb":…,"v"|"b":…,"t"?:type,"ttl"?:seconds,"w"?:n}   -> {"status":204,"etag":…}
 *     {"op":"get","k"|"kb":…,"r"?:n}     -> {"status":200,"k","v"|"b","t"?,"etag"} | {"status":404}
 *     {"op":"delete","k"|"kb":…,"w"?:n}  -> {"status":204,"etag":…}
 *
 * Operations on one key are carried out in order, others side by side. The values that are got lie in
 * memory until all is answered, so they have a bound; and a batch has a time, in which the turn of its
 * last operation must come. What is beyond is answered 503, and can be sent in another batch.
 */
import { Buffer } from "node:buffer";
import type { Hono } from "hono";
import { ConvergeError } from "../errors.ts";
import { type Key, KEY_BYTES_MAX, keyFromJson } from "../record/key.ts";
import type { Coordinator } from "../replication/requests/coordinator.ts";
import { BatchUnderWay, type Line, type Operation, roomOfBatches } from "./batch_under_way.ts";
import { BodyReader, type BodyReaderOptions } from "./body.ts";
import { checkedContentType } from "./content_type.ts";
import { refuseCrossOrigin } from "./cross_origin.ts";
import { checkedTtl } from "./expiry.ts";
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

const MEMBERS = ["op", "k", "kb", "r", "w"];
const PUT_MEMBERS = [...MEMBERS, "v", "b", "t", "ttl"];
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Adds the route. */
export function batchRoutes(app: Hono, options: BatchRoutesOptions): void {
  const bodies = new BodyReader(options, options.maxValueBytes * 6 + 1024 * 1024);
  const roomOfAll = roomOfBatches();
  app.post("/batch", async ({ req }) => {
    refuseCrossOrigin(req.raw);
    refuseParameters(req.raw.url);
    const body = await bodies.read(req.raw);
    const lines = linesOf(body);
    const batch = new BatchUnderWay(options, roomOfAll);
    try {
      const answers = await runAll(lines, batch, options);
      const text = answers.map((answer) => JSON.stringify(answer) + "\n").join("");
      return new Response(text, { headers: { "content-type": "application/x-ndjson" } });
    } finally {
      batch.end();
    }
  });
  app.all("/batch", ({ req }) => methodNotAllowed(req.method, "POST"));
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
  batch: BatchUnderWay,
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
    const answer = batch.run(operation, before).catch(problemLine);
    lastOfKey.set(operation.key, answer);
    return answer;
  });
  return await Promise.all(answers);
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
