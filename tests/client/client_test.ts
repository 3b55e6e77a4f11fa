/** The typed client against servers that answer as nodes do, and as they do not. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { clusterControl } from "../../src/cli/local/cluster_control.ts";
import { clusterEvents } from "../../src/cli/live/cluster_events.ts";
import { LocalCluster } from "../../src/cli/local/local_cluster.ts";
import { nextStep } from "../../src/cli/output/next_step.ts";
import { type BatchOperation, ConvergeClient } from "../../src/client/client.ts";
import { ClientError } from "../../src/client/client_error.ts";
import { notFound } from "../../src/http/problem.ts";
import { deadlinesOf } from "../support/deadlines.ts";

/** A client of a server that answers so. */
async function withServer(
  handler: (request: Request) => Response | Promise<Response>,
  use: (client: ConvergeClient) => Promise<void>,
): Promise<void> {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  await use(new ConvergeClient(`http://127.0.0.1:${server.addr.port}`));
}

/** Servers that answer so, what each was asked, and their addresses. */
function servers(...handlers: ((request: Request) => Response | Promise<Response>)[]) {
  const stack = new AsyncDisposableStack();
  const asked = handlers.map(() => 0);
  const urls = handlers.map((handler, i) => {
    const counting = (request: Request) => {
      asked[i]! += 1;
      return handler(request);
    };
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, counting);
    stack.use(server);
    return `http://127.0.0.1:${server.addr.port}`;
  });
  return { urls, asked, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("ConvergeClient: what is no key is refused before anything is sent", async () => {
  await using nodes = servers(() => notFound("a value under this key"));
  const client = new ConvergeClient(nodes.urls);
  for (const none of [undefined, null, 1, ["users", "1"], new ArrayBuffer(1)]) {
    const key = none as unknown as string;
    const calls = [
      () => client.get(key),
      () => client.put(key, new Uint8Array()),
      () => client.delete(key),
      () => client.explain("GET", key),
      () => client.batch([{ op: "delete", key }]),
      () => client.deletePrefix(key),
      ...(none === undefined ? [] : [() => client.list({ prefix: key })]),
    ];
    for (const call of calls) {
      const error = await assertRejects(call, ClientError, "neither text nor a Uint8Array");
      assertEquals(error.passing, false);
    }
  }
  assertEquals(nodes.asked, [0]);
});

Deno.test("ConvergeClient.get(): absent is what a node does not find", async () => {
  await withServer(() => notFound("a value under this key"), async (client) => {
    assertEquals(await client.get("k"), undefined);
  });
});

Deno.test("ConvergeClient.get(): a value comes with its type, its version and its time", async () => {
  const expires = { "converge-expires": "1795953600500" };
  for (const [more, expiresAtMs] of [[expires, 1_795_953_600_500], [{}, undefined]] as const) {
    const headers = { "content-type": "text/css", etag: '"7-node1.a"', ...more };
    await withServer(() => new Response("v", { headers }), async (client) => {
      const bytes = new TextEncoder().encode("v");
      const value = { bytes, contentType: "text/css", version: "7-node1.a", expiresAtMs };
      for (const key of ["k", "."]) assertEquals(await client.get(key), value);
    });
  }
});

Deno.test("ConvergeClient: another server's 404 is no absent key", async () => {
  await withServer(() => new Response("nothing here", { status: 404 }), async (client) => {
    const calls = [
      () => client.get("k"),
      () => client.get("."),
      () => client.put("k", new Uint8Array()),
      () => client.delete("k"),
      () => client.list(),
      () => client.cluster(),
      () => client.probe("/healthz"),
      () => client.explain("GET", "k"),
    ];
    for (const call of calls) {
      const error = await assertRejects(call, ClientError, "no node of Converge", String(call));
      assert(error.message.includes(client.url), error.message);
      assert(nextStep(error).includes("--url"), nextStep(error));
    }
  });
});

Deno.test("ConvergeClient: a success that no node tells of is none", async () => {
  const foreign: [string, () => Response][] = [
    ["a page", () => new Response("<html>", { headers: { etag: '"5f3a-61"' } })],
    ["nothing", () => new Response(null, { status: 204 })],
    ...[{}, null, [], "x", { keys: "x", members: 1 }, { keys: [{ kb: 5 }] }].map((
      json,
    ): [string, () => Response] => [JSON.stringify(json), () => Response.json(json)]),
  ];
  for (const [what, answer] of foreign) {
    await withServer(answer, async (client) => {
      const calls = [
        () => client.get("k"),
        () => client.put("k", new Uint8Array()),
        () => client.delete("k"),
        () => client.explain("GET", "k"),
        () => client.list(),
        () => client.cluster(),
        () => client.remove("node1"),
        () => client.probe("/readyz"),
      ];
      for (const call of calls) {
        const error = await assertRejects(call, ClientError, "no node of Converge", what);
        assert(nextStep(error).includes("--url"), nextStep(error));
      }
    });
  }
});

Deno.test("ConvergeClient: what a server says about a failure becomes one line that no terminal obeys", async () => {
  const said = "all\r\nis\x1b[31mlost\u202e!\n";
  const answers = [
    () => new Response(said, { status: 500 }),
    () => Response.json({ title: "t", detail: said }, { status: 503 }),
    () => Response.json({ title: said }, { status: 404 }),
  ];
  for (const answer of answers) {
    await withServer(answer, async (client) => {
      const { message } = await assertRejects(() => client.get("k"), ClientError);
      assert(message.endsWith("all is [31mlost !"), JSON.stringify(message));
    });
  }
  await withServer(() => Response.json({ title: 5 }, { status: 503 }), async (client) => {
    const error = await assertRejects(() => client.get("k"), ClientError, '{"title":5}');
    assertEquals([error.problem, error.passing], [undefined, true]);
  });
});

Deno.test("ConvergeClient: what cannot be sent as it is is refused, and nobody is asked", async () => {
  let requests = 0;
  const counting = () => {
    requests += 1;
    return new Response(null, { status: 204, headers: { etag: '"7-node1.a"' } });
  };
  await withServer(counting, async (client) => {
    const value = new Uint8Array();
    const calls: [() => Promise<unknown>, string][] = [
      [() => client.put("k", value, { contentType: "ü€" }), '"ü€"'],
      [() => client.put(".", value, { contentType: "a\nb" }), '"a\\nb"'],
      [() => client.explain("PUT", "k", { bytes: value, contentType: "ü€" }), '"ü€"'],
      [() => client.put("\ud800", value), '"\\ud800"'],
      [() => client.get("a\udc00"), '"a\\udc00"'],
      [() => client.delete("\ud800"), '"\\ud800"'],
      [() => client.list({ prefix: "\ud800" }), '"\\ud800"'],
      [() => client.list({ after: "\ud800" }), '"\\ud800"'],
    ];
    for (const [call, named] of calls) {
      const error = await assertRejects(call, ClientError, named, String(call));
      assert(!error.message.includes("Cannot reach"), error.message);
      assertEquals([error.passing, nextStep(error)], [false, ""], error.message);
    }
    assertEquals(requests, 0);
    await client.put("k", value, { contentType: "text/plain; x=ü" });
    assertEquals(requests, 1);
  });
});

Deno.test("ConvergeClient: what is no origin of a node is told at once, and that it never will be", () => {
  const none = ["nonsense", "127.0.0.1:8081", "file:///kv", ""];
  // There a node finds nothing, which would look like keys that are absent.
  const more = ["/path", "?a=1", "/#a"].map((rest) => `http://127.0.0.1:8081${rest}`);
  for (const url of [...none, ...more, "http://me@127.0.0.1:8081"]) {
    const error = assertThrows(() => new ConvergeClient(url), ClientError, JSON.stringify(url));
    assertEquals([error.passing, nextStep(error)], [false, ""]);
  }
  assertEquals(new ConvergeClient("HTTP://LocalHost:80/").url, "http://localhost");
});

Deno.test("ConvergeClient: what is no time and what are no bytes are refused before anything is sent", async () => {
  for (const timeoutMs of [0, -1, NaN, Infinity, 2 ** 31]) {
    const error = assertThrows(() => new ConvergeClient("http://n", { timeoutMs }), ClientError);
    assert(!error.passing && error.message.includes(`${timeoutMs} ms`), error.message);
  }
  await using nodes = servers(stored);
  const client = new ConvergeClient(nodes.urls);
  for (const bytes of [undefined, null, "text", { bytes: "x" }]) {
    const none = bytes as unknown as Uint8Array;
    for (
      const put of [
        () => client.put("k", none),
        () => client.batch([{ op: "put", key: "k", bytes: none }]),
        () => client.explain("PUT", "k", { bytes: none }),
      ]
    ) {
      const error = await assertRejects(put, ClientError, "no Uint8Array");
      assert(!error.passing);
    }
  }
  assertEquals(nodes.asked, [0]);
});

/** An answer that does not come while a test runs, passed or failed; its server waits for it then. */
function silence(): Disposable & { promise: Promise<Response> } {
  const { promise, resolve } = Promise.withResolvers<Response>();
  return { promise, [Symbol.dispose]: () => resolve(new Response()) };
}

const stored = () => new Response("v", { headers: { etag: '"7-node1.a"' } });
const refusing = (status: number, detail: string) => () =>
  Response.json({ type: "t", title: "t", status, detail }, { status });

Deno.test("ConvergeClient: of several nodes the next is asked where one is away, and stays the one that is asked", async () => {
  const timeoutMs = 54_321;
  using deadlines = deadlinesOf(timeoutMs);
  const fallSilent = () => {
    deadlines.pass();
    return silent.promise;
  };
  await using nodes = servers(fallSilent, stored, stored);
  using silent = silence();
  using away = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = away.addr as Deno.NetAddr;
  away.close();
  const urls = [`http://127.0.0.1:${port}`, ...nodes.urls];
  const client = new ConvergeClient(urls, { timeoutMs });
  assertEquals(client.url, urls[0]);
  assertEquals(await client.put("k", new Uint8Array()), "7-node1.a");
  assertEquals([client.url, nodes.asked], [urls[2]!, [1, 1, 0]]);
  for (const key of ["k", ".."]) await client.get(key);
  assertEquals(nodes.asked, [1, 3, 0]);
});

Deno.test("ConvergeClient: another node is asked for what this one cannot do now, and for nothing else", async () => {
  const elsewhere: number[] = [];
  const statuses = [304, 400, 404, 408, 409, 413, 429, 500, 502, 503, 504, 507];
  for (const status of statuses) {
    const answer = () => new Response(status === 304 ? null : "no", { status });
    await using nodes = servers(answer, stored);
    const client = new ConvergeClient(nodes.urls);
    await client.put("k", new Uint8Array()).catch(() => {});
    if (nodes.asked[1] === 1) elsewhere.push(status);
  }
  assertEquals(elsewhere, [502, 503, 504]);
});

Deno.test("ConvergeClient: of several nodes that all refuse or are silent it tells what helps most", async () => {
  await using nodes = servers(refusing(503, "one of two"), refusing(503, "other words"));
  const none = ["http://127.0.0.1:1", "http://127.0.0.1:2"];
  const cases: [string[], string][] = [
    [nodes.urls, "one of two"],
    [[none[0]!, ...nodes.urls.toReversed()], "other words"],
    [none, "Cannot reach http://127.0.0.1:1: "],
    [none, "Cannot reach http://127.0.0.1:2: "],
  ];
  for (const [urls, words] of cases) {
    const client = new ConvergeClient(urls);
    const error = await assertRejects(() => client.get("k"), ClientError, words);
    assertEquals([error.passing, client.url], [true, urls[0]]);
  }
  const error = assertThrows(() => new ConvergeClient([]), ClientError);
  assertEquals(error.passing, false);
});

Deno.test("ConvergeClient.probe(): of several nodes one is meant", async () => {
  await using nodes = servers(refusing(503, "not yet"), () => Response.json({ status: "ready" }));
  assertEquals(await new ConvergeClient(nodes.urls).probe("/readyz"), false);
  assertEquals(nodes.asked, [1, 0]);
});

Deno.test("ConvergeClient: what is given up is asked of nobody else", async () => {
  const abort = new AbortController();
  const holding = () => {
    abort.abort();
    return held.promise;
  };
  await using nodes = servers(holding, stored);
  using held = silence();
  const client = new ConvergeClient(nodes.urls, { signal: abort.signal });
  await assertRejects(() => client.get("k"), ClientError, "given up");
  assertEquals(nodes.asked, [1, 0]);
});

Deno.test("ConvergeClient: keys of bytes need nothing that Node lacks", async () => {
  const keys = [Uint8Array.of(0xff, 0), Uint8Array.of(0xfe)];
  const queries: string[] = [];
  const page = { keys: [{ kb: "/wA=" }, { k: "a" }], nextb: "/g==" };
  const answer = (request: Request) => {
    queries.push(new URL(request.url).search);
    return Response.json(page);
  };
  using _lacking = withoutBase64();
  await withServer(answer, async (client) => {
    assertEquals(await client.list({ prefix: keys[0]!, after: keys[1]! }), {
      keys: [keys[0]!, "a"],
      next: keys[1],
    });
  });
  assertEquals(queries, ["?prefixb=%2FwA%3D&afterb=%2Fg%3D%3D"]);
});

/** A runtime such as Node 24: without base64 on arrays of bytes. */
function withoutBase64(): Disposable {
  const { fromBase64 } = Uint8Array;
  const { toBase64 } = Uint8Array.prototype;
  Object.assign(Uint8Array, { fromBase64: undefined });
  Object.assign(Uint8Array.prototype, { toBase64: undefined });
  return {
    [Symbol.dispose]() {
      Object.assign(Uint8Array, { fromBase64 });
      Object.assign(Uint8Array.prototype, { toBase64 });
    },
  };
}

Deno.test("ConvergeClient: a signal gives up what is under way, for good, and what would come", async () => {
  const asked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<Response>();
  const hold = () => {
    asked.resolve();
    return released.promise;
  };
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, hold);
  const abort = new AbortController();
  const { signal } = abort;
  const client = new ConvergeClient(`http://127.0.0.1:${server.addr.port}`, {
    signal,
    timeoutMs: 60_000,
  });
  try {
    const underWay = assertRejects(() => client.get("a"), ClientError, "given up");
    await asked.promise;
    abort.abort(new Error("the user went away"));
    for (const error of [await underWay, await assertRejects(() => client.get("."), ClientError)]) {
      assertEquals([error.passing, (error.cause as Error).message], [false, "the user went away"]);
    }
  } finally {
    released.resolve(new Response());
  }
});

Deno.test("ConvergeClient: a signal that lives long keeps nothing of requests that have ended", async () => {
  const { signal } = new AbortController();
  const calls: string[] = [];
  for (const name of ["addEventListener", "removeEventListener"] as const) {
    const original = signal[name];
    signal[name] = (...args: unknown[]) => {
      calls.push(name);
      Reflect.apply(original, signal, args);
    };
  }
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => notFound("a value under this key"),
  );
  const client = new ConvergeClient(`http://127.0.0.1:${server.addr.port}`, { signal });
  for (let i = 0; i < 2; i++) await client.get("k");
  const pair = ["addEventListener", "removeEventListener"];
  assertEquals(calls, [...pair, ...pair]);
});

Deno.test("ConvergeClient.put(), explain(): type, quorum and time to live go along", async () => {
  const asked: string[] = [];
  const answer = ({ url, headers }: Request) => {
    asked.push(new URL(url).search + " " + headers.get("content-type"));
    return Response.json({ token: "0", owners: [] }, { headers: { etag: '"7-node1.a"' } });
  };
  await withServer(answer, async (client) => {
    const options = { contentType: "text/css", w: 1, ttlSeconds: 60 };
    const bytes = new Uint8Array();
    assertEquals(await client.put("k", bytes, options), "7-node1.a");
    await client.explain("PUT", "k", { bytes, ...options });
  });
  assertEquals(asked, ["?w=1&ttl=60 text/css", "?explain=1&w=1&ttl=60 text/css"]);
});

Deno.test("ConvergeClient: a node that is silent, or silent in the middle of an answer, is waited for so long", async () => {
  const half = new ReadableStream({ start: (c) => c.enqueue(new Uint8Array(5)) });
  const silent = silence();
  const answers = [() => silent.promise, () => new Response(half)];
  await withServer(() => answers.shift()!(), async ({ url }) => {
    using _untilTheEnd = silent;
    const client = new ConvergeClient(url, { timeoutMs: 50 });
    while (answers.length > 0) {
      const error = await assertRejects(() => client.get("k"), ClientError);
      assertEquals([error.message, error.passing], [
        `Cannot reach ${url}: no answer within 50 ms`,
        true,
      ]);
    }
  });
});

Deno.test("ConvergeClient: an answer leaves no timer behind, which would keep a program from its end", async () => {
  const timers = new Set<unknown>();
  const { setTimeout, clearTimeout } = globalThis;
  await withServer(() => notFound("a value under this key"), async (client) => {
    globalThis.setTimeout = ((work: () => void, ms: number) => {
      const timer = setTimeout(work, ms);
      if (ms === 10_000) timers.add(timer);
      return timer;
    }) as typeof setTimeout;
    globalThis.clearTimeout = (timer) => {
      timers.delete(timer);
      clearTimeout(timer);
    };
    try {
      await client.get("k");
      assertEquals(timers.size, 0);
    } finally {
      Object.assign(globalThis, { setTimeout, clearTimeout });
    }
  });
});

Deno.test("ConvergeClient: why a node cannot be reached is said in words", async () => {
  const { fetch } = globalThis;
  const said = [
    ["Connection reset by peer (os error 104)", "Connection reset by peer"],
    [
      "error sending request for url (http://a:1/): client error (Connect): tcp connect error: Connection refused (os error 111)",
      "Connection refused",
    ],
    ["bad port", "bad port"],
  ] as const;
  try {
    for (const [message, words] of said) {
      globalThis.fetch = () =>
        Promise.reject(new TypeError("fetch failed", { cause: new Error(message) }));
      const client = new ConvergeClient("http://a:1");
      const { message: told } = await assertRejects(() => client.get("k"), ClientError);
      assertEquals(told, `Cannot reach http://a:1: ${words}`);
    }
  } finally {
    globalThis.fetch = fetch;
  }
});

Deno.test("ConvergeClient: what passes by itself, said by a node or by a proxy before it", async () => {
  const statuses = [400, 403, 405, 408, 409, 413, 429, 500, 502, 503, 504];
  const passing: number[] = [];
  for (const status of statuses) {
    await withServer(() => new Response("<html>", { status }), async (client) => {
      const error = await assertRejects(() => client.get("k"), ClientError);
      if (error.passing) passing.push(status);
    });
  }
  assertEquals(passing, [408, 429, 502, 503, 504]);
});

Deno.test("ConvergeClient: a redirect is followed to nobody, and is no success", async () => {
  const paths: string[] = [];
  const answer = ({ url }: Request) => {
    paths.push(new URL(url).pathname);
    const headers = { location: "/elsewhere", etag: '"1-node1.a"' };
    return new Response(null, { status: paths.length === 1 ? 307 : 200, headers });
  };
  await withServer(answer, async (client) => {
    const error = await assertRejects(() => client.put("k", new Uint8Array()), ClientError);
    assertEquals([error.status, paths], [307, ["/kv/k"]]);
  });
});

Deno.test("ConvergeClient: what is asked for is what is sent", async () => {
  const asked: string[] = [];
  const view = { self: "a", members: [], quorums: {}, storage: {} };
  const json = { ...view, token: "0", owners: [], name: "b", stages: {}, keys: [] };
  const answer = async (request: Request) => {
    const { pathname, search } = new URL(request.url);
    asked.push(`${request.method} ${pathname}${search} ${await request.text()}`.trim());
    return Response.json(json);
  };
  await withServer(answer, async (client) => {
    await client.remove("b", { dead: true });
    await client.remove("b");
    await client.explain("PUT", "k", { bytes: new TextEncoder().encode("v") });
    await client.list({ limit: 7 });
  });
  assertEquals(asked, [
    'POST /cluster/removals {"name":"b","dead":true}',
    'POST /cluster/removals {"name":"b"}',
    "PUT /kv/k?explain=1 v",
    "GET /kv?limit=7",
  ]);
});

Deno.test("ConvergeClient.keys(): all pages, each from where the one before ended", async () => {
  const answer = ({ url }: Request) => {
    const { searchParams } = new URL(url);
    assertEquals([searchParams.get("prefix"), searchParams.get("limit")], ["p", "2"]);
    return Response.json(
      searchParams.get("after") === null
        ? { keys: [{ k: "p1" }, { k: "p2" }], next: "p2" }
        : { keys: [{ k: `p3 after ${searchParams.get("after")}` }] },
    );
  };
  await withServer(answer, async (client) => {
    const keys = await Array.fromAsync(client.keys({ prefix: "p", limit: 2 }));
    assertEquals(keys, ["p1", "p2", "p3 after p2"]);
    const rest = await Array.fromAsync(client.keys({ prefix: "p", limit: 2, after: "p1" }));
    assertEquals(rest, ["p3 after p1"]);
  });
});

Deno.test("ConvergeClient.entries(): all pages with their values, as text and as bytes", async () => {
  const lines = [
    { k: "p1", v: "ü", t: "text/css", x: 1_795_953_600_500, c: 7, n: "node1.a" },
    { kb: "/wA=", b: "/wA=", c: 8, n: "node1.a" },
  ];
  const answer = ({ url }: Request) => {
    const { searchParams } = new URL(url);
    assertEquals(searchParams.get("values"), "1");
    return Response.json(
      searchParams.get("after") === null
        ? { keys: lines.slice(0, 1), next: "p1" }
        : { keys: lines.slice(1) },
    );
  };
  const type = "application/octet-stream";
  const bytes = new Uint8Array([255, 0]);
  await withServer(answer, async (client) => {
    const page = await client.listEntries({ prefix: "p" });
    assertEquals([page.entries.map(({ key }) => key), page.next], [["p1"], "p1"]);
    assertEquals(await Array.fromAsync(client.entries({ prefix: "p" })), [
      {
        key: "p1",
        bytes: new TextEncoder().encode("ü"),
        contentType: "text/css",
        version: "7-node1.a",
        expiresAtMs: 1_795_953_600_500,
      },
      { key: bytes, bytes, contentType: type, version: "8-node1.a", expiresAtMs: undefined },
    ]);
  });
  for (const line of [{ k: "p1", v: "ü" }, { k: "p1", c: 7, n: "node1.a" }]) {
    await withServer(() => Response.json({ keys: [line] }), async (client) => {
      const list = () => Array.fromAsync(client.entries());
      await assertRejects(list, ClientError, "no node of Converge");
    });
  }
});

Deno.test("ConvergeClient.batch(): lines go out, and what became of each comes back", async () => {
  const asked: string[] = [];
  const problem = { type: "urn:converge:problem:overloaded", title: "overloaded", status: 503 };
  const answers: object[] = [
    { status: 200, k: "a", v: "ü", t: "text/css", x: 5, etag: '"7-node1.a"' },
    { status: 404, k: "b" },
    { status: 204, etag: '"8-node1.a"' },
    { ...problem, detail: "Cannot begin\nit" },
  ];
  const answer = async (request: Request) => {
    asked.push(`${request.method} ${new URL(request.url).pathname}`, await request.text());
    return new Response(answers.map((line) => JSON.stringify(line) + "\n").join(""));
  };
  const operations: BatchOperation[] = [
    { op: "get", key: "a", r: 1 },
    { op: "get", key: "b" },
    { op: "put", key: new Uint8Array([255]), bytes: new Uint8Array([0]), ttlSeconds: 9, w: 1 },
    { op: "delete", key: "d", w: 3 },
  ];
  await withServer(answer, async (client) => {
    const [got, absent, put, failed] = await client.batch(operations);
    const bytes = new TextEncoder().encode("ü");
    const value = { bytes, contentType: "text/css", version: "7-node1.a", expiresAtMs: 5 };
    assertEquals([got, absent, put], [{ value }, {}, { version: "8-node1.a" }]);
    assertEquals([failed!.error!.message, failed!.error!.passing], ["Cannot begin it", true]);
    assertEquals(asked, [
      "POST /batch",
      '{"k":"a","op":"get","r":1}\n{"k":"b","op":"get"}\n' +
      '{"op":"put","kb":"/w==","b":"AA==","ttl":9,"w":1}\n{"k":"d","op":"delete","w":3}\n',
    ]);
    await assertRejects(
      () => client.batch([{ op: "get", key: "\ud800" }]),
      ClientError,
      "surrogate",
    );
    for (const lines of [[{}], [null], [{ status: 204 }], [{ status: 200, etag: '"7-a"' }], []]) {
      answers.splice(0, Infinity, ...lines as object[]);
      const one = () => client.batch(operations.slice(0, 1));
      await assertRejects(one, ClientError, "no node of Converge", JSON.stringify(lines));
    }
  });
});

Deno.test("ConvergeClient.deletePrefix(): every page by a batch, until one fails", async () => {
  const batches: string[] = [];
  const refused = { type: "t", title: "t", status: 503, detail: "too few" };
  const answer = async (request: Request) => {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/batch") {
      const lines = (await request.text()).trim().split("\n").map((line) => JSON.parse(line));
      batches.push(lines.map(({ op, k }) => `${op} ${k}`).join(", "));
      const told = lines.map(({ k }) => k === "p4" ? refused : { status: 204, etag: '"7-a"' });
      return new Response(told.map((line) => JSON.stringify(line)).join("\n"));
    }
    assertEquals([searchParams.get("prefix"), searchParams.get("limit")], ["p", "1000"]);
    return Response.json(
      searchParams.get("after") === null
        ? { keys: [{ k: "p1" }, { k: "p2" }], next: "p2" }
        : { keys: [{ k: lastKey }] },
    );
  };
  let lastKey = "p3";
  await withServer(answer, async (client) => {
    assertEquals(await client.deletePrefix("p"), 3);
    assertEquals(batches, ["delete p1, delete p2", "delete p3"]);
    lastKey = "p4";
    await assertRejects(() => client.deletePrefix("p"), ClientError, "too few");
    for (const prefix of ["", new Uint8Array()]) {
      await assertRejects(() => client.deletePrefix(prefix), ClientError, "without a prefix");
    }
  });
});

Deno.test("ConvergeClient.deletePrefix(): long keys go in batches that any node takes", async () => {
  // As long as a key may be, and six times that in JSON.
  const keys = Array.from({ length: 1_000 }, (_, i) => String(i).padEnd(2_048, "\u0001"));
  const sizes: number[] = [];
  const deleted: string[] = [];
  const answer = async (request: Request) => {
    if (request.method === "GET") return Response.json({ keys: keys.map((k) => ({ k })) });
    const text = await request.text();
    sizes.push(text.length);
    const lines = text.trim().split("\n");
    deleted.push(...lines.map((line) => JSON.parse(line).k));
    return new Response('{"status":204,"etag":"\\"7-a\\""}\n'.repeat(lines.length));
  };
  await withServer(answer, async (client) => {
    assertEquals(await client.deletePrefix("0"), 1_000);
  });
  assert(Math.max(...sizes) < 2 ** 20, `${sizes} bytes`);
  assertEquals(deleted, keys);
});

Deno.test("ConvergeClient: versions by way of a proxy that compresses; the keys . and .. without a body", async () => {
  const headers = { etag: 'W/"7-node1.a"' };
  const answer = ({ method }: Request) =>
    method === "GET"
      ? new Response("v", { headers })
      : new Response(null, { status: 204, headers });
  await withServer(answer, async (client) => {
    for (const key of ["k", "."]) {
      assertEquals((await client.get(key))?.version, "7-node1.a");
      assertEquals(await client.put(key, new Uint8Array(1)), "7-node1.a");
      await client.delete(key);
    }
  });
});

Deno.test("clusterControl(): what it does not know is answered with where the nodes are", async () => {
  const nodes = [1, 2].map((number) => ({ id: `node${number}`, host: "127.0.0.1", port: number }));
  const cluster = new LocalCluster({
    entry: "",
    nodes: nodes as unknown as ConstructorParameters<typeof LocalCluster>[0]["nodes"],
    controlUrl: "",
    onChange() {},
  });
  await withServer(clusterControl(cluster), async (client) => {
    const events = clusterEvents(client.url, new AbortController().signal);
    for (
      const call of [
        () => client.get("greeting"),
        () => client.probe("/healthz"),
        () => events.next(),
      ]
    ) {
      const { message } = await assertRejects(call, ClientError, "no node of Converge");
      for (const part of ["--url", "http://127.0.0.1:1", "http://127.0.0.1:2"]) {
        assert(message.includes(part), message);
      }
    }
  });
});

Deno.test("ConvergeClient: the keys . and .. go to the same place as all others, in the same way", async () => {
  await using server = Deno.serve(
    { hostname: "::1", port: 0, onListen() {} },
    () => new Response(null, { headers: { etag: '"7-node1.a"' } }),
  );
  const byAddress = new ConvergeClient(`http://[::1]:${server.addr.port}`);
  assertEquals((await byAddress.get(".."))!.bytes.byteLength, 0);

  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const secured = new ConvergeClient(`https://127.0.0.1:${listener.addr.port}`);
  for (const key of ["a", "."]) {
    const failed = assertRejects(() => secured.get(key), ClientError);
    const connection = await listener.accept();
    const first = new Uint8Array(1);
    await connection.read(first);
    assertEquals(first[0], 0x16, `a TLS handshake, for key ${key}`);
    connection.close();
    await failed;
  }
});
