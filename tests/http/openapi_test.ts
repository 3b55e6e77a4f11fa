import { type RouteConfig, z } from "@hono/zod-openapi";
import { assert, assertEquals } from "@std/assert";
import { Hono } from "hono";
import { openApiDocument, ROUTES } from "../../src/http/openapi_document.ts";
import { openapiRoutes } from "../../src/http/openapi_routes.ts";
import { BatchLineSchema } from "../../src/http/openapi_schemas.ts";
import { InProcessCluster } from "../support/in_process_cluster.ts";
import type { RequestOptions } from "../support/requests.ts";

interface Call extends RequestOptions {
  method: string;
  /** As it is sent. */
  path: string;
  /** The documented path. */
  route: string;
  status: number;
}

const call = (
  method: string,
  path: string,
  route: string,
  status: number,
  options: RequestOptions = {},
): Call => ({ method, path, route, status, ...options });

/** In this order; every documented route and nearly every status. */
const CALLS: Call[] = [
  call("PUT", "/kv/a%2Fb?w=2&ttl=100", "/kv/{key}", 204, { body: "v" }),
  call("PUT", "/kv/c?explain=1", "/kv/{key}", 200, { body: "v" }),
  call("PUT", "/kv/c?w=9", "/kv/{key}", 400, { body: "v" }),
  call("PUT", "/kv/c", "/kv/{key}", 413, { body: "v".repeat(2_000) }),
  call("GET", "/kv/a%2Fb", "/kv/{key}", 200),
  call("GET", "/kv/a%2Fb", "/kv/{key}", 304, { headers: { "if-none-match": "*" } }),
  call("GET", "/kv/c?explain=1", "/kv/{key}", 200),
  call("PUT", "/kv/d", "/kv/{key}", 204, {
    body: '{"name":"Ada"}',
    headers: { "content-type": "application/json" },
  }),
  call("GET", "/kv/d", "/kv/{key}", 200),
  call("GET", "/kv/none", "/kv/{key}", 404),
  call("GET", "/kv/none?r=x", "/kv/{key}", 400),
  call("GET", "/kv?prefix=&limit=1", "/kv", 200),
  call("GET", "/kv?values=1", "/kv", 200),
  call("GET", "/kv?limit=0", "/kv", 400),
  call("GET", "/internal/kv/c", "/internal/kv/{key}", 200),
  call("GET", "/internal/kv/none", "/internal/kv/{key}", 404),
  call("GET", `/internal/kv/${"k".repeat(3_000)}`, "/internal/kv/{key}", 400),
  call("GET", "/copies/c", "/copies/{key}", 200),
  call("DELETE", "/kv/c?explain=1", "/kv/{key}", 200),
  call("DELETE", "/kv/c", "/kv/{key}", 204),
  call("GET", "/tombstones/c", "/tombstones/{key}", 200),
  call("GET", "/tombstones/none", "/tombstones/{key}", 404),
  call("POST", "/batch", "/batch", 200, {
    body: '{"op":"put","k":"x","v":"1"}\n{"op":"get","k":"x"}\n{"op":"get","k":"none"}\n{}\n',
  }),
  call("DELETE", "/kv?prefix=x&dry-run=1", "/kv", 200),
  call("DELETE", "/kv?prefix=x", "/kv", 200),
  call("DELETE", "/kv", "/kv", 400),
  call("GET", "/cluster", "/cluster", 200),
  call("POST", "/cluster/removals", "/cluster/removals", 400, { body: "{}" }),
  call("POST", "/cluster/removals", "/cluster/removals", 409, { body: '{"name":"none"}' }),
  call("POST", "/cluster/removals", "/cluster/removals", 202, { body: '{"name":"node3"}' }),
  call("GET", "/cluster", "/cluster", 200),
  call("GET", "/cluster/ring", "/cluster/ring", 200),
  call("GET", "/events", "/events", 200),
  call("GET", "/internal/sample", "/internal/sample", 200),
  call("GET", "/healthz", "/healthz", 200),
  call("GET", "/readyz", "/readyz", 200),
  call("GET", "/metrics", "/metrics", 200),
];

interface Bounds {
  minimum?: number;
  maximum?: number;
}

const document = openApiDocument();

const queryShapeOf = (request: RouteConfig["request"]): Record<string, z.ZodType> =>
  (request?.query as z.ZodObject | undefined)?.shape ?? {};

const nameOf = ({ method, path }: { method: string; path: string }) =>
  `${method.toUpperCase()} ${path}`;

/** What clients are told, which the document's library makes of the schema as it understands it. */
function asPublished({ method, path }: RouteConfig, status: number, type: string): z.ZodType {
  const { paths, components } = document;
  const operation = paths![path]![method as "get"]!;
  const { content } = operation.responses![status] as {
    content: Record<string, { schema: object }>;
  };
  const schema = { ...content[type]!.schema, $defs: components!.schemas };
  const text = JSON.stringify(schema).replaceAll("#/components/schemas/", "#/$defs/");
  return z.fromJSONSchema(JSON.parse(text));
}

/** Headers that say how a body is to be treated, and mean what they mean everywhere. */
const USUAL_HEADERS = [
  "cache-control",
  "content-security-policy",
  "content-type",
  "x-content-type-options",
];

/** Checks an answer against what is documented for its status. */
async function check(route: RouteConfig, response: Response, what: string): Promise<void> {
  const documented = route.responses[response.status] as
    | { content?: Record<string, { schema: z.ZodType }>; headers?: Record<string, unknown> }
    | undefined;
  assert(documented !== undefined, `${what}: an unknown status`);
  for (const name of response.headers.keys()) {
    if (USUAL_HEADERS.includes(name)) continue;
    assert(documented.headers?.[name] !== undefined, `${what}: ${name} is not documented`);
  }
  const type = response.headers.get("content-type")?.split(";")[0];
  if (documented.content === undefined) {
    assertEquals(await response.text(), "", `${what}: no body`);
    return;
  }
  const content = documented.content[type ?? ""] ?? documented.content["*/*"];
  assert(content !== undefined, `${what}: ${type} is not documented`);
  if (type === "text/event-stream") return await response.body!.cancel();
  const body = await response.text();
  const lines = type === "application/x-ndjson" ? body.trimEnd().split("\n") : [body];
  if (!type?.includes("json")) return;
  const published = asPublished(route, response.status, type);
  for (const line of lines) {
    content.schema.parse(JSON.parse(line));
    const { error } = published.safeParse(JSON.parse(line));
    assert(error === undefined, `${what}: /openapi.json does not allow ${line}: ${error}`);
  }
}

Deno.test("openapi: every documented route is called, and answers as documented", async () => {
  await InProcessCluster.run({ config: { maxValueBytes: 1_000 } }, async (cluster) => {
    const called = new Set<string>();
    for (const { method, path, route: documented, status, ...options } of CALLS) {
      const route = ROUTES.find((candidate) =>
        nameOf(candidate) === nameOf({ method, path: documented })
      );
      assert(route !== undefined, `${method} ${documented} is not documented`);
      called.add(nameOf(route));
      const sent = options.headers?.["content-type"];
      const takes = Object.keys(route.request?.body?.content ?? {});
      assert(!sent || takes.some((type) => type === sent || type === "*/*"), `${sent}: ${takes}`);
      const response = await cluster.call(1, method, path, options);
      assertEquals(response.status, status, `${method} ${path}`);
      await check(route, response, `${method} ${path}`);
    }
    assertEquals(ROUTES.map(nameOf).filter((name) => !called.has(name)), []);
  });
});

Deno.test("openapi: a failed quorum answers as documented", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    cluster.cutOff(1);
    for (const method of ["put", "get", "delete"]) {
      const route = ROUTES.find((candidate) =>
        nameOf(candidate) === nameOf({ method, path: "/kv/{key}" })
      )!;
      const response = await cluster.call(1, method.toUpperCase(), "/kv/k");
      assertEquals(response.status, 503);
      await check(route, response, method);
    }
  });
});

Deno.test("openapi: the checks of answers object to a member too many, too few or of another type", () => {
  const { responses } = ROUTES.find(({ path }) => path === "/readyz")!;
  const documented = responses[200]! as { content: Record<string, { schema: z.ZodType }> };
  const schema = documented.content["application/json"]!.schema;
  schema.parse({ ready: true, status: "normal" });
  for (
    const wrong of [{ ready: true }, { ready: 1, status: "normal" }, {
      ready: true,
      status: "normal",
      more: 1,
    }]
  ) {
    assertEquals(schema.safeParse(wrong).success, false, JSON.stringify(wrong));
  }
  assertEquals(BatchLineSchema.safeParse({}).success, false);
});

Deno.test("openapi: a parameter that is documented for a request is taken, at its bounds too", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    for (const { method, path, request } of ROUTES) {
      for (const [name, schema] of Object.entries(queryShapeOf(request))) {
        const { minimum, maximum } = z.toJSONSchema(schema, { unrepresentable: "any" }) as Bounds;
        for (const bound of [minimum, maximum]) {
          if (bound === undefined || bound >= Number.MAX_SAFE_INTEGER) continue;
          const asked = `${path.replace("{key}", "bounds")}?${name}=${bound}`;
          const { status } = await cluster.call(1, method.toUpperCase(), asked);
          assert([200, 204, 404].includes(status), `${method} ${asked}: ${status}`);
        }
      }
    }
  });
});

Deno.test("GET /openapi.json: OpenAPI 3.1 with all routes and schemas, each reference resolvable", async () => {
  const app = new Hono();
  openapiRoutes(app);
  const document = await (await app.request("/openapi.json")).json();
  assertEquals(document.openapi, "3.1.0");
  const documented = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item as object).map((method) => nameOf({ method, path }))
  );
  assertEquals(documented.sort(), ROUTES.map(nameOf).sort());
  const ids = Object.values(document.paths).flatMap((item) =>
    Object.values(item as Record<string, { operationId?: string }>).map((one) => one.operationId)
  );
  assertEquals(new Set(ids).size, ROUTES.length, "each operation has a name of its own");
  assert(!ids.includes(undefined));
  const names = Object.keys(document.components.schemas);
  for (const [, name] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    assert(names.includes(name!), name);
  }
});

Deno.test("GET /docs: every route stands on the page", async () => {
  const app = new Hono();
  openapiRoutes(app);
  const html = await (await app.request("/docs")).text();
  for (const path of Object.keys(openApiDocument().paths ?? {})) assert(html.includes(path), path);
  assert(html.includes("Body: <code>application/x-ndjson</code>"));
  assert(html.includes("seconds to live <code>ttl</code>"), "what a line of a batch may have");
  assert(html.includes(`{&quot;op&quot;:&quot;get&quot;`), "an example of a batch");
  assertEquals(html.match(/<script|\sstyle=/g), null);
});
