/** `/kv/{key}`: what clients use. */
import type { Hono } from "hono";
import { ifNoneMatch } from "@std/http";
import { type Key, keyFromPath } from "../record/key.ts";
import { isLive, type StoredRecord } from "../record/record.ts";
import { answerBodyOf } from "../record/record_line.ts";
import { formatVersion, type Version } from "../record/version.ts";
import type { Coordinator } from "../replication/requests/coordinator.ts";
import type { ReadResult } from "../replication/requests/read_operation.ts";
import type { WriteResult } from "../replication/requests/write_operation.ts";
import { BodyReader, type BodyReaderOptions } from "./body.ts";
import { refuseConditions } from "./conditions.ts";
import { checkedContentType } from "./content_type.ts";
import { checkedTtl, expiryOf } from "./expiry.ts";
import { methodNotAllowed, notFound } from "./problem.ts";
import { flagParameter, integerParameter, queryOf, rawPathAfter } from "./raw_url.ts";

/** What the routes use of their node. */
export interface KvRoutesOptions extends BodyReaderOptions {
  coordinator: Coordinator;
  maxValueBytes: number;
}

/** Answers a request for `/kv/{key}`. May throw, or reject with, a `ConvergeError`. */
export type KeyHandler = (request: Request) => Promise<Response> | Response;

const DEFAULT_CONTENT_TYPE = "application/octet-stream";
/**
 * Types of values in which no browser runs anything. Values of all other types are confined, since what
 * they hold would run on the origin of this node's own page. That goes also for a type that is none, where
 * the browser guesses one from the bytes, and for a second type behind a comma, which browsers go by.
 */
const PASSIVE_CONTENT = new RegExp(
  "^(?:application/(?:json|octet-stream)|text/(?:css|csv|plain)|image/(?:avif|gif|jpeg|png|webp)" +
    "|(?:audio|font|video)/[\\w.+-]+)(?:;[^,]*)?$",
  "i",
);
const CONFINED = [
  ["content-security-policy", "sandbox"],
  ["x-content-type-options", "nosniff"],
] as const;
/** Milliseconds since 1970. Not `Expires`: caches would take the value for the same until then. */
const EXPIRES_HEADER = "converge-expires";
const READ_PARAMETERS = ["r", "w", "explain"];
const WRITE_PARAMETERS = ["r", "w", "ttl", "explain"];
const NO_QUORUMS = { r: undefined, w: undefined };
const NO_QUERY: Map<string, string> = new Map();

/** One handler for all methods: where several match, hono composes a chain of promises. */
export function keyHandler(options: KvRoutesOptions): KeyHandler {
  const bodies = new BodyReader(options, options.maxValueBytes);
  return (request) => {
    switch (request.method) {
      case "GET":
      case "HEAD":
        return get(request, options);
      case "PUT":
        return put(request, bodies, options);
      case "DELETE":
        return remove(request, options);
      default:
        return methodNotAllowed(request.method, "GET, HEAD, PUT, DELETE");
    }
  };
}

/** Adds the route. */
export function kvRoutes(app: Hono, handler: KeyHandler): void {
  app.all("/kv/*", ({ req }) => handler(req.raw));
}

async function put(
  request: Request,
  bodies: BodyReader,
  options: KvRoutesOptions,
): Promise<Response> {
  const { key, query } = target(request, WRITE_PARAMETERS);
  refuseConditions(request.headers);
  const { w } = quorumParameters(query, options);
  const ttlSeconds = checkedTtl(integerParameter(query, "ttl"));
  const contentType = checkedContentType(request.headers.get("content-type") ?? undefined);
  const explained = explainedFrom(query, options);
  const value = await bodies.read(request);
  const explain = explained !== undefined;
  const expiresAtMs = expiryOf(ttlSeconds, options.clock);
  const wanted = { w, contentType, expiresAtMs, explain };
  const result = await options.coordinator.write(key, value, wanted);
  return explain ? receiptOf(result, explained, options) : stored(result.record);
}

function get(request: Request, options: KvRoutesOptions): Response | Promise<Response> {
  const { key, query } = target(request, READ_PARAMETERS);
  const { r } = quorumParameters(query, options);
  const explained = explainedFrom(query, options);
  const askAll = explained !== undefined;
  const answer = (result: ReadResult): Response => {
    if (askAll) return receiptOf(result, explained, options);
    const { record } = result;
    if (!isLive(record, options.clock.wallMs())) return notFound("a value under this key");
    return found(request, record);
  };
  const result = options.coordinator.read(key, { r, askAll });
  return result instanceof Promise ? result.then(answer) : answer(result);
}

async function remove(request: Request, options: KvRoutesOptions): Promise<Response> {
  const { key, query } = target(request, READ_PARAMETERS);
  refuseConditions(request.headers);
  const { w } = quorumParameters(query, options);
  const explained = explainedFrom(query, options);
  const explain = explained !== undefined;
  const result = await options.coordinator.write(key, undefined, { w, explain });
  return explain ? receiptOf(result, explained, options) : stored(result.record);
}

function found(request: Request, record: StoredRecord): Response {
  const etag = etagOf(record);
  const condition = request.headers.get("if-none-match");
  if (condition !== null && !ifNoneMatch(condition, etag)) {
    return new Response(null, { status: 304, headers: { etag, ...expiryHeader(record) } });
  }
  const { body, lengthBytes, contentType } = answerBodyOf(record);
  const isHead = request.method === "HEAD";
  const response = new Response(isHead ? null : body);
  // Not in the constructor: Deno then prepares an answer that the collector has to look after.
  const { headers } = response;
  headers.set("etag", etag);
  headers.set("content-type", contentType ?? DEFAULT_CONTENT_TYPE);
  if (contentType !== undefined && !PASSIVE_CONTENT.test(contentType)) {
    for (const [name, value] of CONFINED) headers.set(name, value);
  }
  if (record.expiresAtMs !== 0) headers.set(EXPIRES_HEADER, String(record.expiresAtMs));
  // Where there is a body, the server says its length.
  if (isHead) headers.set("content-length", String(lengthBytes));
  return response;
}

function expiryHeader(record: StoredRecord): Record<string, string> {
  return record.expiresAtMs === 0 ? {} : { [EXPIRES_HEADER]: String(record.expiresAtMs) };
}

function stored(version: Version): Response {
  return new Response(null, { status: 204, headers: { etag: etagOf(version) } });
}

/** When the request came, where a receipt is asked for. */
function explainedFrom(query: Map<string, string>, { clock }: KvRoutesOptions): number | undefined {
  return flagParameter(query, "explain") ? clock.monotonicMs() : undefined;
}

/**
 * The receipt, with the time that the request took here. Plain answers go without `Server-Timing`: one
 * header more costs a tenth of what a request costs in all.
 */
function receiptOf(
  result: WriteResult | ReadResult,
  startMs: number,
  { clock }: KvRoutesOptions,
): Response {
  const ms = (clock.monotonicMs() - startMs).toFixed(2);
  return Response.json(result.receipt(), { headers: { "server-timing": `total;dur=${ms}` } });
}

/** `r` and `w` may be given with any request, and both are checked; one that does not concern it has no effect. */
function quorumParameters(
  query: Map<string, string>,
  { coordinator }: KvRoutesOptions,
): { r: number | undefined; w: number | undefined } {
  if (query.size === 0) return NO_QUORUMS;
  return {
    r: coordinator.checkedQuorum("r", integerParameter(query, "r")),
    w: coordinator.checkedQuorum("w", integerParameter(query, "w")),
  };
}

function target(
  { url }: Request,
  parameters: readonly string[],
): { key: Key; query: Map<string, string> } {
  const query = url.includes("?") ? queryOf(url, parameters) : NO_QUERY;
  return { key: keyFromPath(rawPathAfter(url, "/kv/")), query };
}

function etagOf(version: Version): string {
  return `"${formatVersion(version)}"`;
}
