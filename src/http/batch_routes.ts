/**
 * `POST /batch`: many operations in one request, as JSON lines; one answer line per line, in order,
 * each with a status of its own.
 *
 *     {"op":"put","k"|"kb":…,"v"|"b":…,"t"?:type,"ttl"?:seconds,"w"?:n}   -> {"status":204,"etag":…}
 *     {"op":"get","k"|"kb":…,"r"?:n}     -> {"status":200,"k","v"|"b","t"?,"etag"} | {"status":404}
 *     {"op":"delete","k"|"kb":…,"w"?:n}  -> {"status":204,"etag":…}
 *
 * Operations on one key are carried out in order, others side by side.
 */
import { Buffer } from "node:buffer";
import type { Hono } from "hono";
import { ConvergeError } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { type Key, KEY_BYTES_MAX, keyFromJson, keyToJson } from "../record/key.ts";
import { isLive } from "../record/record.ts";
import { lineOf } from "../record/frame.ts";
import { formatVersion } from "../record/version.ts";
import type { Coordinator } from "../replication/coordinator.ts";
import { readBody } from "./body.ts";
import { expiryOf } from "./expiry.ts";
import { methodNotAllowed, problemOf } from "./problem.ts";

/** What the route uses of its node. */
export interface BatchRoutesOptions {
  coordinator: Coordinator;
  clock: Clock;
  maxValueBytes: number;
}

const OPERATIONS_MAX = 1_000;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

type Line = Record<string, unknown>;

/** Adds the route. */
export function batchRoutes(app: Hono, options: BatchRoutesOptions): void {
  app.post("/batch", async ({ req }) => {
    const body = await readBody(req.raw, options.maxValueBytes * 6 + 1024 * 1024);
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
  const lastOfKey = new Map<Key, Promise<Line>>();
  const answers = lines.map((line): Promise<Line> => {
    let parsed: { json: Line; key: Key };
    try {
      parsed = parseLine(line);
    } catch (error) {
      return Promise.resolve(problemLine(error));
    }
    const before = lastOfKey.get(parsed.key);
    const answer = run(parsed.json, parsed.key, before, options).catch(problemLine);
    lastOfKey.set(parsed.key, answer);
    return answer;
  });
  return await Promise.all(answers);
}

function parseLine(line: string): { json: Line; key: Key } {
  let json: Line | null;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    throw new ConvergeError("bad_request", "Cannot read the line: not JSON", { cause });
  }
  const key = json === null || typeof json !== "object" ? undefined : keyFromJson(json);
  if (key === undefined || key.length === 0 || key.length > KEY_BYTES_MAX) {
    throw new ConvergeError("bad_request", "Cannot read the line: its key is missing or unusable");
  }
  return { json: json!, key };
}

async function run(
  json: Line,
  key: Key,
  before: Promise<Line> | undefined,
  { coordinator, clock, maxValueBytes }: BatchRoutesOptions,
): Promise<Line> {
  const w = integerMember(json, "w");
  const r = integerMember(json, "r");
  const ttl = integerMember(json, "ttl");
  const contentType = typeof json.t === "string" ? json.t : undefined;
  const value = json.op === "put" ? valueMember(json, maxValueBytes) : undefined;
  if (json.op !== "put" && json.op !== "get" && json.op !== "delete") {
    throw new ConvergeError("bad_request", "Cannot read the line: op is put, get or delete");
  }
  await before;
  if (json.op === "get") {
    const { record } = await coordinator.read(key, { r });
    if (!isLive(record, clock.wallMs())) return { status: 404, ...keyToJson(key) };
    const { c: _c, n: _n, ...members } = JSON.parse(decoder.decode(lineOf(record.frame)));
    return { status: 200, ...members, etag: `"${formatVersion(record)}"` };
  }
  const expiresAtMs = expiryOf(ttl, clock);
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
  const value = typeof v === "string" && b === undefined
    ? encoder.encode(v)
    : typeof b === "string" && v === undefined
    ? new Uint8Array(Buffer.from(b, "base64"))
    : undefined;
  if (value === undefined) throw new ConvergeError("bad_request", "Cannot put: v or b is missing");
  if (value.byteLength > bytesMax) {
    throw new ConvergeError("value_too_large", `Cannot take a value over ${bytesMax} bytes`);
  }
  return value;
}

function problemLine(error: unknown): Line {
  return { ...problemOf(error) };
}
