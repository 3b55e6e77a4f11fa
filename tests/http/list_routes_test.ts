import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Hono } from "hono";
import { ConvergeError } from "../../src/errors.ts";
import { type AppOptions, createApp } from "../../src/http/app.ts";
import { listRoutes, type ListRoutesOptions } from "../../src/http/list_routes.ts";
import { problemResponse } from "../../src/http/problem.ts";
import { RequestMeter } from "../../src/metrics/request_meter.ts";
import type { Key } from "../../src/record/key.ts";
import { joinFrames } from "../../src/record/frame.ts";
import { InProcessCluster, originOf } from "../support/in_process_cluster.ts";
import { problemOf } from "../support/problems.ts";
import { keyOf, record } from "../support/records.ts";

interface Page {
  keys: Record<string, unknown>[];
  next?: string;
  nextb?: string;
}

async function list(cluster: InProcessCluster, i: number, query: string): Promise<Page> {
  const response = await cluster.call(i, "GET", `/kv?${query}`);
  assertEquals(response.status, 200);
  return await response.json();
}

Deno.test("GET /kv lists live keys with a prefix in byte order, page by page, on any of five nodes", () =>
  InProcessCluster.run({ nodes: 5 }, async (cluster) => {
    for (let i = 0; i < 25; i++) await cluster.put(1 + i % 5, `p/${i}`, String(i));
    await cluster.put(1, "other", "x");
    await cluster.call(2, "DELETE", "/kv/p/7");
    const expected = Array.from({ length: 25 }, (_, i) => `p/${i}`).filter((k) => k !== "p/7")
      .sort();
    for (const node of [1, 3, 5]) {
      const seen: unknown[] = [];
      let query = "prefix=p/&limit=10";
      while (true) {
        const page = await list(cluster, node, query);
        seen.push(...page.keys.map(({ k }) => k));
        if (page.next === undefined) break;
        query = `prefix=p/&limit=10&after=${encodeURIComponent(page.next)}`;
      }
      assertEquals(seen, expected);
    }
  }));

Deno.test("GET /kv with values=1 gives values, and keys that are no text as base64", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "b/%FF", "binary key");
    await cluster.put(1, "b/a", "text");
    const page = await list(cluster, 2, "prefix=b/&values=1&limit=1");
    assertEquals([page.keys[0]!.k, page.keys[0]!.v, page.next], ["b/a", "text", "b/a"]);
    const last = await list(cluster, 2, `prefix=b/&values=1&after=${page.next}`);
    assertEquals([last.keys[0]!.kb, last.keys[0]!.v, last.next], ["Yi//", "binary key", undefined]);
  }));

/** All keys of a listing, page by page; and the most bytes that a page took. */
async function listAll(
  cluster: InProcessCluster,
  i: number,
  query: string,
): Promise<{ keys: unknown[]; bytesMax: number; pages: number }> {
  const keys: unknown[] = [];
  let bytesMax = 0;
  let after = "";
  for (let pages = 1;; pages++) {
    const response = await cluster.call(i, "GET", `/kv?${query}${after}`);
    assertEquals(response.status, 200);
    const text = await response.text();
    bytesMax = Math.max(bytesMax, text.length);
    const page: Page = JSON.parse(text);
    keys.push(...page.keys.map(({ k }) => k));
    if (page.next === undefined) return { keys, bytesMax, pages };
    after = `&after=${encodeURIComponent(page.next)}`;
  }
}

Deno.test("GET /kv with values=1 lists large values, in pages of some MiB whatever the limit", () =>
  InProcessCluster.run({}, async (cluster) => {
    const expected = Array.from({ length: 20 }, (_, i) => `bin/${String(i).padStart(2, "0")}`);
    const body = new Uint8Array(2 ** 20).fill(0xff); // no text: 1.4 MB of base64
    for (const key of expected) await cluster.call(1, "PUT", `/kv/${key}`, { body });
    for (const i of [1, 2, 3]) {
      const { keys, bytesMax } = await listAll(cluster, i, "prefix=bin/&values=1&limit=1000");
      assertEquals(keys, expected);
      assert(bytesMax < 8 * 2 ** 20, `${bytesMax} bytes in a page`);
    }
    const single = await list(cluster, 2, "prefix=bin/&values=1&limit=1");
    assertEquals([single.keys.map(({ k }) => k), single.next], [["bin/00"], "bin/00"]);
  }));

Deno.test("GET /kv asks peers for about as many keys as are wanted, and for more where most are deleted", () =>
  InProcessCluster.run({}, async (cluster) => {
    const keys = Array.from({ length: 400 }, (_, i) => `k${String(i).padStart(3, "0")}`);
    await Promise.all(keys.map((key) => cluster.put(1, key, "v")));
    await Promise.all(keys.slice(100, 390).map((key) => cluster.call(1, "DELETE", `/kv/${key}`)));
    const asked: number[] = [];
    const { life, process } = cluster.node(2);
    cluster.world.network.listen(originOf(2), life!, async (request) => {
      if (new URL(request.url).pathname === "/internal/list") {
        asked.push((await request.clone().json()).limit);
      }
      return process!.app.fetch(request);
    });
    assertEquals((await list(cluster, 1, "limit=1")).keys, [{ k: "k000" }]);
    assert(asked.length === 1 && asked[0]! < 50, `asked for ${asked}`);
    asked.length = 0;
    assertEquals((await list(cluster, 1, "limit=2&after=k098")).keys, [{ k: "k099" }, {
      k: "k390",
    }]);
    assert(asked.length > 1 && asked.length < 8, `asked for ${asked}`);
    asked.length = 0;
    assertEquals((await list(cluster, 1, "limit=1000")).keys.length, 110);
    assertEquals(asked, [1_000]);
  }));

Deno.test("GET /kv: the cursor survives changes between pages", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (const key of ["a", "c", "e"]) await cluster.put(1, key, key);
    const first = await list(cluster, 1, "limit=2");
    await cluster.call(1, "DELETE", "/kv/c");
    await cluster.put(1, "d", "d");
    const second = await list(cluster, 2, `limit=2&after=${first.next}`);
    assertEquals(second.keys.map(({ k }) => k), ["d", "e"]);
  }));

Deno.test("GET /kv answers 503 when some range has no quorum", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "a", "a");
    cluster.kill(2);
    assertEquals((await list(cluster, 1, "")).keys, [{ k: "a" }]);
    cluster.kill(3);
    // Nothing is known under this prefix here, but what do the others have?
    const response = await cluster.call(1, "GET", "/kv?prefix=z");
    assertEquals(response.status, 503);
    assertEquals((await response.json()).type, "urn:converge:problem:quorum-unreachable");
  }));

Deno.test("GET /kv waits for no member without whom there are enough", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (const key of ["a", "b"]) await cluster.put(1, key, key);
    cluster.cutOff(3);
    const startMs = cluster.world.time.nowMs;
    assertEquals((await list(cluster, 1, "")).keys.length, 2);
    const tookMs = cluster.world.time.nowMs - startMs;
    assert(tookMs < 200, `${tookMs} ms`);
  }));

Deno.test("GET /kv lists an acked key that one owner missed, and never goes back in time", () =>
  InProcessCluster.run({}, async (cluster) => {
    cluster.cutOff(3);
    await cluster.put(1, "k", "v");
    cluster.heal();
    for (const i of [3, 1, 2, 3]) assertEquals((await list(cluster, i, "")).keys, [{ k: "k" }]);
  }));

/** Nothing mends what a test has put out of order. */
const UNHEALED = { antiEntropyIntervalMs: 1e9, hintBytesMax: 0 };

Deno.test("GET /kv: what one owner alone has is on R owners before it is listed", () =>
  InProcessCluster.run({ config: UNHEALED }, async (cluster) => {
    for (const i of [1, 2]) await cluster.plant(i, record("k", 1, { value: "old" }));
    await cluster.plant(3, record("k", 500, { value: "new" }));
    assertEquals((await list(cluster, 3, "values=1")).keys[0]!.v, "new");
    cluster.cutOff(3);
    assertEquals((await list(cluster, 1, "values=1")).keys[0]!.v, "new");
  }));

Deno.test("GET /kv lists a key once, though one owner's page goes further than those of the others", () =>
  InProcessCluster.run({ config: UNHEALED }, async (cluster) => {
    for (let i = 0; i < 40; i++) {
      const deleted = record(`deleted${100 + i}`, 1, { value: undefined });
      for (const owner of [1, 3]) await cluster.plant(owner, deleted);
    }
    const keys = ["k1", "k2", "k3"];
    for (const key of keys) await cluster.put(1, key, "v");
    assertEquals((await list(cluster, 1, "limit=10")).keys.map(({ k }) => k), keys);
  }));

Deno.test("GET /kv lists no value whose time is over", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.call(1, "PUT", "/kv/k?ttl=5&w=3", { body: "v" });
    assertEquals((await list(cluster, 2, "")).keys.length, 1);
    await cluster.wait(6_000);
    assertEquals((await list(cluster, 2, "")).keys, []);
  }));

Deno.test("GET /kv: listings under way have a bound, beyond it 503 with Retry-After", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "k", "v");
    const lists = (count: number) =>
      Promise.all(Array.from({ length: count }, () => cluster.call(1, "GET", "/kv?prefix=")));
    const answers = await lists(100);
    const refused = answers.filter(({ status }) => status === 503);
    assertEquals(answers.length - refused.length, 32);
    for (const answer of refused) assertEquals(answer.headers.get("retry-after"), "1");
    assertEquals((await lists(32)).map(({ status }) => status), Array(32).fill(200));
  });
});

Deno.test("GET /kv refuses parameters that it does not know or cannot use", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (
      const query of [
        "limit=0",
        "limit=1001",
        "limit=x",
        "values=2",
        "nope=1",
        "afterb=%25",
        "after=a&afterb=YQ%3D%3D",
      ]
    ) {
      assertEquals((await cluster.call(1, "GET", `/kv?${query}`)).status, 400, query);
    }
  }));

Deno.test("DELETE /kv?prefix= counts first with dry-run, then deletes these keys only", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (const key of ["x/1", "x/2", "y/1"]) await cluster.put(1, key, key);
    const dry = await cluster.call(2, "DELETE", "/kv?prefix=x/&dry-run=1");
    assertEquals(await dry.json(), { dryRun: true, matched: 2 });
    assertEquals((await list(cluster, 3, "")).keys.length, 3);
    const wet = await cluster.call(2, "DELETE", "/kv?prefix=x/");
    assertEquals(await wet.json(), { dryRun: false, matched: 2, deleted: 2 });
    assertEquals((await list(cluster, 3, "")).keys, [{ k: "y/1" }]);
    assertEquals((await cluster.call(2, "DELETE", "/kv")).status, 400);
  }));

Deno.test("DELETE /kv?prefix= on a condition is 400, and not done as if it was none", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "x/1", "kept");
    for (const name of ["if-match", "if-none-match"]) {
      const headers = { [name]: "*" };
      const answer = await cluster.call(2, "DELETE", "/kv?prefix=x/", { headers });
      assertEquals(answer.status, 400, name);
    }
    assertEquals(await cluster.get(3, "x/1"), "kept");
  }));

Deno.test("DELETE /kv?prefix= deletes every key only for who says so: an empty prefix is an accident", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (const key of ["x/1", "y/1"]) await cluster.put(1, key, key);
    for (const query of ["prefix=", "prefixb=", "prefix=&all=0", "prefix=x&all=1", "all=2", ""]) {
      assertEquals((await cluster.call(2, "DELETE", `/kv?${query}`)).status, 400, query);
    }
    const dry = await cluster.call(2, "DELETE", "/kv?prefix=&dry-run=1");
    assertEquals(await dry.json(), { dryRun: true, matched: 2 });
    assertEquals((await list(cluster, 3, "")).keys.length, 2);
    const wet = await cluster.call(2, "DELETE", "/kv?all=1");
    assertEquals(await wet.json(), { dryRun: false, matched: 2, deleted: 2 });
  }));

Deno.test("DELETE /kv?prefix= deletes what has expired here, too: by the clocks of others it may not have", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.call(1, "PUT", "/kv/x/1?ttl=1", { body: "v" });
    await cluster.wait(2_000);
    const dry = await cluster.call(2, "DELETE", "/kv?prefix=x/&dry-run=1");
    assertEquals((await dry.json()).matched, 0);
    await cluster.call(2, "DELETE", "/kv?prefix=x/");
    await cluster.until("all know that it is deleted", async () => {
      const copies = await Promise.all([1, 2, 3].map((i) => cluster.copy(i, "x/1")));
      return copies.every((copy) => copy?.includes(`"d":1`) === true);
    });
  }));

Deno.test("DELETE /kv?prefix= deletes all of them, be they more than one page", () =>
  InProcessCluster.run({}, async (cluster) => {
    const count = 1_100;
    const records = Array.from({ length: count }, (_, i) => record(`x/${i}`, i + 1));
    const body = joinFrames(records);
    for (const i of [1, 2, 3]) {
      assertEquals((await cluster.call(i, "POST", "/internal/kv", { body })).status, 200);
    }
    for (const [query, deleted] of [["&dry-run=1", {}], ["", { deleted: count }]] as const) {
      const answer = await cluster.call(1, "DELETE", `/kv?prefix=x/${query}`);
      assertEquals(await answer.json(), { dryRun: query !== "", matched: count, ...deleted });
    }
    assertEquals((await list(cluster, 2, "")).keys, []);
  }));

Deno.test("DELETE /kv?prefix=: where one cannot be deleted it says so, how many were, and goes no further", async () => {
  const pages: string[] = [];
  const lister = {
    async list({ after = "" }) {
      pages.push(after);
      const next = after === "" ? "c" : undefined;
      return { entries: [{ key: "a" }, { key: "b" }, { key: "c" }], next };
    },
  };
  const failures = [
    new ConvergeError("quorum_unreachable", "Cannot reach them"),
    new TypeError("a mistake"),
  ];
  for (const failure of failures) {
    const coordinator = {
      write: async (key: string) => {
        if (key === "b") throw failure;
      },
    };
    const app = new Hono();
    app.onError(problemResponse);
    listRoutes(app, { lister, coordinator } as unknown as ListRoutesOptions);
    const answer = await app.request("/kv?all=1", { method: "DELETE" });
    const { matched, deleted, detail } = await (failure instanceof ConvergeError
      ? problemOf(answer, 503, "quorum-unreachable")
      : problemOf(answer, 500, "invariant"));
    assertEquals([matched, deleted], [3, 2]);
    const why = failure instanceof ConvergeError ? failure.message : "an unexpected error";
    assertStringIncludes(String(detail), `2 were deleted: ${why}`);
  }
  assertEquals(pages, ["", ""]);
});

Deno.test("DELETE /kv?prefix=: where the next page cannot be listed it says how many were deleted", async () => {
  const lister = {
    async list({ after = "" }) {
      if (after !== "") throw new ConvergeError("overloaded", "Cannot list now");
      return { entries: [{ key: "a" }, { key: "b" }], next: "b" };
    },
  };
  const app = new Hono();
  app.onError(problemResponse);
  const coordinator = { write: async () => {} };
  listRoutes(app, { lister, coordinator } as unknown as ListRoutesOptions);
  const answer = await app.request("/kv?all=1", { method: "DELETE" });
  const { matched, deleted } = await problemOf(answer, 503, "overloaded");
  assertEquals([matched, deleted], [2, 2]);
});

Deno.test("DELETE /kv?prefix=: a mistake in the middle is logged with the place where it was made", async () => {
  const logged: unknown[] = [];
  const app = createApp({
    lister: { list: async () => ({ entries: [{ key: "a" }], next: undefined }) },
    coordinator: {
      write() {
        throw new TypeError("a mistake");
      },
    },
    clock: { monotonicMs: () => 0 },
    telemetry: { requests: new RequestMeter(), hotKeys: {} },
    log: { error: (_event: string, { why }: { why: string }) => void logged.push(why) },
  } as unknown as AppOptions);
  const answer = await app.request("/kv?all=1", { method: "DELETE" });
  assertEquals([answer.status, logged.length], [500, 1]);
  assertStringIncludes(String(logged[0]), "TypeError: a mistake");
});

Deno.test("GET /kv: a page has 100 keys unless another limit is asked for", async () => {
  const limits: number[] = [];
  const lister = {
    async list({ limit }: { limit: number }) {
      limits.push(limit);
      return { entries: [], next: undefined };
    },
  };
  const app = new Hono();
  listRoutes(app, { lister } as unknown as ListRoutesOptions);
  for (const query of ["", "?limit=1", "?limit=1000"]) await app.request(`/kv${query}`);
  assertEquals(limits, [100, 1, 1_000]);
});

Deno.test("GET /kv: a cursor has the name of the parameter that it is for, text or not", async () => {
  const asked: unknown[] = [];
  const nexts = ["é/", "\xff/"].map((key, i) => i === 0 ? keyOf(key) : key as Key);
  const lister = {
    async list({ after }: { after: Key | undefined }) {
      asked.push(after);
      return { entries: [], next: nexts[asked.length - 1] };
    },
  };
  const app = new Hono();
  listRoutes(app, { lister } as unknown as ListRoutesOptions);
  const ask = async (query: string) => await (await app.request(`/kv${query}`)).json();
  assertEquals(await ask(""), { keys: [], next: "é/" });
  assertEquals(await ask("?after=%C3%A9/"), { keys: [], nextb: "/y8=" });
  assertEquals(await ask("?afterb=/y8%3D"), { keys: [] });
  assertEquals(asked, [undefined, ...nexts]);
});
