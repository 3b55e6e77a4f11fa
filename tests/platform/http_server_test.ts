import http2 from "node:http2";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { DenoLog } from "../../src/platform/deno/deno_log.ts";
import { HttpServer } from "../../src/platform/deno/http_server.ts";
import { until } from "../cluster/harness.ts";
import { RawConnection } from "../cluster/raw_http.ts";
import { problemOf } from "../support/problems.ts";

const lines: string[] = [];
const log = new DenoLog({ readable: false, write: (line) => lines.push(line) });
const listen = (port = 0) => HttpServer.listen({ hostname: "127.0.0.1", port, log });

Deno.test("HttpServer answers 503 until it has a handler", async () => {
  const server = listen();
  const url = `http://127.0.0.1:${server.port}/`;
  const early = await fetch(url);
  assertEquals(early.headers.get("retry-after"), "1");
  assertEquals((await problemOf(early, 503, "not-ready")).title, "not ready");
  server.handle(() => new Response("open"));
  assertEquals(await (await fetch(url)).text(), "open");
  await server.close(1_000);
});

Deno.test("HttpServer answers a crashed handler with 500 and no stack trace", async () => {
  const server = listen();
  server.handle(() => {
    throw new Error("secret detail");
  });
  const response = await fetch(`http://127.0.0.1:${server.port}/`);
  const { title, detail } = await problemOf(response, 500, "internal");
  assertEquals(title, "internal");
  assert(!`${detail}`.includes("secret"));
  assert(lines.some((line) => line.includes("request.crashed") && line.includes("secret detail")));
  await server.close(1_000);
});

Deno.test("HttpServer asks for no path that stands in the Host header", async () => {
  const server = listen();
  const asked: string[] = [];
  server.handle(({ url }) => {
    asked.push(url);
    return new Response();
  });
  for (
    const host of ["a/internal", "a/internal/kv?", "a?", "a#", "a\\b", "b@a", "a:1", "[::1]:2"]
  ) {
    using connection = await RawConnection.open(server.port);
    await connection.send(`GET /kv/k HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    const { status, headers } = await connection.read();
    const isHost = host.includes(":");
    assertEquals(status, isHost ? 200 : 400, host);
    if (!isHost) assertEquals(headers.get("content-type"), "application/problem+json");
  }
  assertEquals(asked, ["http://a:1/kv/k", "http://[::1]:2/kv/k"]);
  await server.close(1_000);
});

Deno.test("HttpServer: HTTP/2 says how long a body is, since one that is given up ends like any other", async () => {
  const server = listen();
  const came: number[] = [];
  server.handle(async (request) => {
    came.push((await request.bytes()).byteLength);
    return new Response();
  });
  const client = http2.connect(`http://127.0.0.1:${server.port}`);
  const put = (headers: Record<string, string>) => {
    const stream = client.request({ ":method": "PUT", ":path": "/kv/k", ...headers });
    stream.write("abc");
    return stream;
  };
  const statusOf = (stream: http2.ClientHttp2Stream) =>
    new Promise<unknown>((resolve, reject) => {
      stream.on("response", (headers) => resolve(headers[":status"]));
      stream.on("error", reject);
    });
  try {
    const whole = put({ "content-length": "3" });
    whole.end();
    assertEquals(await statusOf(whole), 200);
    const endless = put({});
    endless.end();
    assertEquals(await statusOf(endless), 411);
    assertEquals(await statusOf(client.request({ ":path": "/kv/k" })), 200);
    const givenUp = put({ "content-length": "10" });
    await until("it is under way", () => givenUp.pending === false);
    givenUp.close(http2.constants.NGHTTP2_CANCEL);
    // Once the runtime tells them apart, and this waits in vain, a length need not be asked for.
    await until("the runtime takes it for whole", () => came.length === 3);
    assert(came[0] === 3 && came[2]! < 10, `${came}`);
  } finally {
    client.destroy();
    await server.close(1_000);
  }
});

Deno.test("HttpServer.listen() says what is wrong with a port in use", async () => {
  const server = listen();
  const error = assertThrows(() => listen(server.port), ConvergeError, "the port is in use");
  assertEquals(error.code, "bad_config");
  await server.close(1_000);
});

Deno.test("HttpServer.close() lets a request under way finish", async () => {
  const server = listen();
  const entered = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  server.handle(async () => {
    entered.resolve();
    await release.promise;
    return new Response("done");
  });
  const response = fetch(`http://127.0.0.1:${server.port}/`).then((answer) => answer.text());
  await entered.promise;
  const closed = server.close(30_000);
  release.resolve();
  assertEquals(await response, "done");
  assertEquals(await closed, true);
});

Deno.test("HttpServer.close() cuts a client that never finishes its headers", async () => {
  const server = listen();
  server.handle(() => new Response("never"));
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\nX-Slow"));
  // A whole request behind it: the server has accepted the slow connection by then.
  await (await fetch(`http://127.0.0.1:${server.port}/`)).text();
  assertEquals(await server.close(30_000), true);
  connection.close();
});

Deno.test("HttpServer.close() does not wait for ever for a request under way", async () => {
  const server = listen();
  const entered = Promise.withResolvers<void>();
  const release = Promise.withResolvers<Response>();
  server.handle(() => {
    entered.resolve();
    return release.promise;
  });
  const response = fetch(`http://127.0.0.1:${server.port}/`).then((answer) => answer.text());
  await entered.promise;
  assertEquals(await server.close(50), false);
  release.resolve(new Response("late"));
  assertEquals(await response, "late");
});

Deno.test("HttpServer tells once of what goes on: it is given up by the runtime again and again", async () => {
  const before = lines.length;
  const { serve } = Deno;
  const givenUp = () => ({
    addr: { port: 1 },
    finished: Promise.reject(new Error("Too many open files")),
    shutdown: () => Promise.resolve(),
  });
  let served = 0;
  Object.assign(Deno, {
    serve: () => ++served % 2 === 0 ? serve({ port: -1 }, () => new Response()) : givenUp(),
  });
  try {
    const server = listen();
    while (served < 6) await new Promise((resolve) => setTimeout(resolve, 20));
    await server.close(1_000);
  } finally {
    Object.assign(Deno, { serve });
  }
  const told = lines.slice(before).map((line) => JSON.parse(line).event);
  assertEquals(told, ["accept.failed", "listen.failed"]);
});
