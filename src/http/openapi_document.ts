/** The OpenAPI document of a node, made from the schemas when it is first asked for. */
import { createRoute, OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import { LIST_LIMIT_MAX } from "../replication/requests/key_listing.ts";
import { TTL_SECONDS_MAX } from "./expiry.ts";
import {
  BatchLineSchema,
  ClusterSchema,
  CopiesSchema,
  HealthSchema,
  KeyListSchema,
  PrefixDeletionSchema,
  ProblemSchema,
  ReadinessSchema,
  ReceiptSchema,
  RecordLineSchema,
  RemovalSchema,
  RingSchema,
  SampleSchema,
  TombstoneSchema,
} from "./openapi_schemas.ts";

type Responses = RouteConfig["responses"];

const json = (schema: z.ZodType, description: string, type = "application/json") => ({
  description,
  content: { [type]: { schema } },
});
const PROBLEM_TYPE = "application/problem+json";
const bytes = z.string().openapi({ format: "binary" });
const jsonValue = z.any().openapi({ description: "A value that was stored as JSON." });
const etag = {
  etag: {
    description: 'The version, `"<counter>-<node ID>"`.',
    schema: { type: "string" as const },
  },
};

const foundHeaders = {
  ...etag,
  "converge-expires": {
    description: "When the value is gone, in milliseconds since 1970; only with a time to live.",
    schema: { type: "integer" as const },
  },
};

const timing = {
  "server-timing": {
    description: "How long the request took here, in ms (`total;dur=1.25`); only with a receipt.",
    schema: { type: "string" as const },
  },
};
const receipt = {
  ...json(ReceiptSchema, "The receipt, with `explain=1`."),
  headers: timing,
};

const retryAfter = {
  "retry-after": {
    description:
      "Seconds, where the same request may well succeed soon: a full queue, a start or an end.",
    schema: { type: "integer" as const },
  },
};

/** Problems by status, with what each means. */
function problems(...statuses: (400 | 403 | 404 | 408 | 409 | 411 | 413 | 503)[]): Responses {
  const meaning = {
    400: "A key, parameter, header or body that cannot be used.",
    404: "No value under this key.",
    403: "A page of another site made a browser send it; nothing was done.",
    408: "The body did not come in time; nothing was begun.",
    409: "It cannot be done now; nothing was begun.",
    411: "The body came over HTTP/2 without a length; nothing was begun.",
    413: "The value is over the limit; the connection stays usable.",
    503:
      "Too few owners answered within the deadline (the details are a receipt; `indeterminate` tells whether the write may be stored), or a queue is full.",
  };
  return Object.fromEntries(
    statuses.map((code) => [code, {
      ...json(ProblemSchema, meaning[code], PROBLEM_TYPE),
      ...(code === 503 ? { headers: retryAfter } : {}),
    }]),
  );
}

const keyPath = z.object({
  key: z.string().openapi({
    param: { name: "key", in: "path" },
    description: "1 to 2048 bytes, percent-encoded; everything behind the prefix, slashes and all.",
    example: "greeting",
  }),
});
const quorum = (letter: "r" | "w") =>
  z.coerce.number().int().min(1).optional().openapi({
    description: `${letter.toUpperCase()} for this request, 1 to N; default: the cluster's. ` +
      "Checked on every request; `r` has no effect on a write, `w` none on a read.",
    example: 2,
  });
const quorums = { r: quorum("r"), w: quorum("w") };
const explain = z.enum(["0", "1"]).optional().openapi({
  description: "1: answer with the receipt, JSON that tells what each owner did. It waits for " +
    "every owner's answer, at most until the request's deadline.",
});
const prefix = {
  prefix: z.string().optional().openapi({ description: "Text that the keys begin with." }),
  prefixb: z.string().optional().openapi({ description: "The same as base64." }),
};

const get = (
  operationId: string,
  path: string,
  summary: string,
  responses: Responses,
  request: RouteConfig["request"] = {},
): RouteConfig => createRoute({ method: "get", operationId, path, summary, responses, request });

/** Every documented route. */
export const ROUTES: readonly RouteConfig[] = [
  createRoute({
    method: "put",
    operationId: "put",
    path: "/kv/{key}",
    summary: "Store a value: any bytes; their Content-Type is kept",
    request: {
      params: keyPath,
      query: z.object({
        ...quorums,
        ttl: z.coerce.number().int().min(1).max(TTL_SECONDS_MAX).optional().openapi({
          description: "Seconds after which the value is gone.",
        }),
        explain,
      }),
      body: { content: { "*/*": { schema: bytes } } },
    },
    responses: {
      204: { description: "It is on the disks of W owners.", headers: etag },
      200: receipt,
      ...problems(400, 408, 411, 413, 503),
    },
  }),
  get("get", "/kv/{key}", "Read a value", {
    200: {
      description:
        "The bytes, with the Content-Type they came with; or the receipt, with `explain=1`.",
      headers: { ...foundHeaders, ...timing },
      content: {
        "*/*": { schema: bytes },
        "application/json": { schema: z.union([ReceiptSchema, jsonValue]) },
      },
    },
    304: { description: "`If-None-Match` names the version that is there.", headers: foundHeaders },
    ...problems(400, 404, 503),
  }, {
    params: keyPath,
    query: z.object({ ...quorums, explain }),
    headers: z.object({
      "if-none-match": z.string().optional().openapi({
        description: "An `ETag`, several, or `*`.",
      }),
    }),
  }),
  createRoute({
    method: "delete",
    operationId: "delete",
    path: "/kv/{key}",
    summary: "Delete a value, also when there is none",
    request: { params: keyPath, query: z.object({ ...quorums, explain }) },
    responses: {
      204: { description: "A tombstone is on the disks of W owners.", headers: etag },
      200: receipt,
      ...problems(400, 503),
    },
  }),
  get("list", "/kv", "List keys in byte order, page by page", {
    200: json(KeyListSchema, "A page; `next` where there may be more."),
    ...problems(400, 503),
  }, {
    query: z.object({
      ...prefix,
      after: z.string().optional().openapi({ description: "`next` of the page before." }),
      afterb: z.string().optional().openapi({ description: "`nextb` of the page before." }),
      limit: z.coerce.number().int().min(1).max(LIST_LIMIT_MAX).optional().openapi({
        description: "Keys at most, default 100; with values=1 a page ends after some MiB too.",
      }),
      values: z.enum(["0", "1"]).optional().openapi({
        description: "1: with each key its value, type and version.",
      }),
    }),
  }),
  createRoute({
    method: "delete",
    operationId: "deletePrefix",
    path: "/kv",
    summary: "Delete all keys with a prefix; a failure midway tells how many were deleted",
    request: {
      query: z.object({
        ...prefix,
        all: z.enum(["0", "1"]).optional().openapi({
          description: "1, in place of a prefix: every key. An empty prefix is refused.",
        }),
        "dry-run": z.enum(["0", "1"]).optional().openapi({
          description: "1: count them, and leave them.",
        }),
      }),
    },
    responses: {
      200: json(
        PrefixDeletionSchema,
        "How many there were: when they are deleted, also some that have expired since.",
      ),
      ...problems(400, 503),
    },
  }),
  createRoute({
    method: "post",
    operationId: "batch",
    path: "/batch",
    summary: "Many operations as JSON lines; one answer line each, in order",
    description:
      "Up to 1000 lines: `op` is put, get or delete, `k` the key as text or `kb` as base64. " +
      "A put has its value as text in `v` or as base64 in `b`, and may have a content type `t` and " +
      "seconds to live `ttl`. Any may have `r` and `w`. Those on one key are carried out in order.",
    request: {
      body: {
        content: {
          "application/x-ndjson": {
            schema: z.string().openapi({
              example:
                '{"op":"put","k":"greeting","v":"hello","ttl":60}\n{"op":"get","k":"greeting"}\n{"op":"delete","kb":"/w=="}\n',
            }),
          },
        },
      },
    },
    responses: {
      200: json(
        BatchLineSchema,
        "One such line per operation. Its status is 503, and nothing was begun, for gets beyond 16 MiB of values and for what had no turn within 30 s.",
        "application/x-ndjson",
      ),
      ...problems(400, 403, 408, 411, 413, 503),
    },
  }),
  get("copies", "/copies/{key}", "What each owner of a key holds, without quorum", {
    200: json(CopiesSchema, "One entry per owner."),
    ...problems(400, 503),
  }, { params: keyPath }),
  get("tombstone", "/tombstones/{key}", "Who has confirmed a deletion", {
    200: json(TombstoneSchema, "One entry per owner."),
    ...problems(400, 503),
    404: json(
      ProblemSchema,
      "What owners have that answered is no tombstone of the key.",
      PROBLEM_TYPE,
    ),
  }, { params: keyPath }),
  get("ownCopy", "/internal/kv/{key}", "This node's own copy, as it lies on its disk", {
    200: json(RecordLineSchema, "The record line; a tombstone too."),
    404: json(ProblemSchema, "This node has no copy.", PROBLEM_TYPE),
    ...problems(400),
  }, { params: keyPath }),
  get("cluster", "/cluster", "Members, states, ring ownership, quorums, counts", {
    200: json(ClusterSchema, "The cluster as this node sees it."),
  }),
  createRoute({
    method: "post",
    operationId: "remove",
    path: "/cluster/removals",
    summary: "Begins to remove a member; GET /cluster tells how it goes on",
    request: {
      body: {
        required: true,
        content: {
          "application/json": {
            schema: z.object({
              name: z.string().openapi({ example: "node4" }),
              dead: z.boolean().optional().openapi({
                description: "Nobody is to wait for what the member says or has.",
              }),
            }).strict(),
          },
        },
      },
    },
    responses: {
      202: json(RemovalSchema, "It is under way, or has ended."),
      ...problems(400, 403, 408, 409, 411, 413, 503),
    },
  }),
  get("ring", "/cluster/ring", "Every arc of the ring with its first owner", {
    200: json(RingSchema, "The ring."),
  }),
  get("events", "/events", "Samples of all nodes, once a second (server-sent events)", {
    200: { description: "A stream.", content: { "text/event-stream": { schema: z.string() } } },
    ...problems(503),
  }),
  get("sample", "/internal/sample", "What this node says of itself in an event", {
    200: json(SampleSchema, "Totals since start."),
  }),
  get("health", "/healthz", "Liveness", { 200: json(HealthSchema, "The node runs.") }),
  get("readiness", "/readyz", "Readiness", {
    200: json(
      ReadinessSchema,
      "The owners of keys are known, enough of them count for quorums, and this node's data is complete. " +
        "Whether they answer now is not asked.",
    ),
    503: {
      description: "Not yet; a problem document while the node reads its disk.",
      content: {
        "application/json": { schema: ReadinessSchema },
        [PROBLEM_TYPE]: { schema: ProblemSchema },
      },
    },
  }),
  get("metrics", "/metrics", "Prometheus metrics", {
    200: { description: "Text format 0.0.4.", content: { "text/plain": { schema: z.string() } } },
  }),
];

/** OpenAPI 3.1. */
export type OpenApiDocument = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;

/** Makes the document. */
export function openApiDocument(): OpenApiDocument {
  const app = new OpenAPIHono();
  for (const route of ROUTES) app.openAPIRegistry.registerPath(route);
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Converge",
      version: "1",
      description:
        "A distributed key-value store. Any node takes any request. Errors are problem documents (RFC 9457) with a stable `type`. `HEAD` works wherever `GET` does; any other method of a path is answered 405 with `Allow`. While a node reads its disk at a start it answers 503 to everything.",
      license: { name: "MIT" },
    },
    servers: [{ url: "/", description: "The node that answers this." }],
    security: [],
  });
}
