/** Both ends of a shared connection, over a real one. */
import { assert, assertEquals, assertRejects } from "@std/assert";
// @ts-types="@types/ws"
import { WebSocket as PausableSocket } from "ws";
import { ConvergeError } from "../../src/errors.ts";
import { DenoLog } from "../../src/platform/deno/deno_log.ts";
import { DenoNetwork } from "../../src/platform/deno/deno_network.ts";
import { type Handler, HttpServer } from "../../src/platform/deno/http_server.ts";
import { PeerSocket } from "../../src/platform/deno/peer_socket.ts";
import {
  encodeSocketMessage,
  SOCKET_ANSWER_BYTES_MAX,
  SOCKET_BODY_BYTES_MAX,
  SOCKET_MESSAGE_BYTES_MAX,
  SOCKET_PATH,
} from "../../src/platform/deno/socket_message.ts";
import type { NetworkRequest } from "../../src/platform/network.ts";
import { until } from "../cluster/harness.ts";

const lines: string[] = [];
const log = new DenoLog({ readable: false, write: (line) => lines.push(line) });
const text = new TextDecoder();
const bytes = new TextEncoder();

/** A server that opens sockets for everybody. */
const LOCAL = { hostname: "127.0.0.1", log, admits: () => true };

/** What `fetch` between nodes sends and a socket does not. */
const FETCH_ONLY = "accept-encoding";

function post(origin: string, more: Partial<NetworkRequest> = {}): NetworkRequest {
  return {
    method: "POST",
    origin,
    path: "/internal/x",
    timeoutMs: 30_000,
    mayShare: true,
    ...more,
  };
}

/** A server, an open socket to it, and the end of both. */
async function withSocket(
  handler: Handler,
  use: (socket: PeerSocket, origin: string, server: HttpServer) => Promise<void>,
): Promise<void> {
  const server = HttpServer.listen({ ...LOCAL, port: 0 });
  server.handle(handler);
  const origin = `http://127.0.0.1:${server.port}`;
  const socket = new PeerSocket(origin);
  try {
    await until("the socket is open", () => Promise.resolve(socket.takes(post(origin))));
    await use(socket, origin, server);
  } finally {
    socket.close();
    await server.close(5_000);
    await until("the socket is closed", () => Promise.resolve(socket.isOver));
  }
}

/** A handler that answers when it is told to. */
function held() {
  const arrived = Promise.withResolvers<void>();
  const release = Promise.withResolvers<Response>();
  const handler: Handler = () => {
    arrived.resolve();
    return release.promise;
  };
  return { arrived, release, handler };
}

async function assertTimeout(promise: Promise<unknown>): Promise<void> {
  const error = await assertRejects(() => promise, ConvergeError);
  assertEquals(error.code, "timeout", error.message);
}

Deno.test("PeerSocket.request() brings a request to the handler as one like any other", async () => {
  const handler: Handler = async (request) => {
    const { method, url, headers } = request;
    const body = await request.bytes();
    const facts = [
      method,
      new URL(url).pathname,
      headers.get("x-a"),
      headers.get("content-length"),
    ];
    return new Response(body.toReversed(), { status: 207, headers: { "x-facts": facts.join() } });
  };
  await withSocket(handler, async (socket, origin) => {
    for (const length of [0, 1, 1_000, 70_000, SOCKET_BODY_BYTES_MAX]) {
      const body = new Uint8Array(length).map((_, i) => i % 251);
      const request = post(origin, { body, headers: { "x-a": "b" } });
      assert(socket.takes(request));
      const response = await socket.request(request);
      assertEquals(response.status, 207);
      assertEquals(response.headers.get("x-facts"), `POST,/internal/x,b,${length}`);
      assertEquals(response.body, body.toReversed());
    }
  });
});

Deno.test("PeerSocket.request(): each gets its own answer, in whatever order they come", async () => {
  const releases = new Map<string, () => void>();
  const handler: Handler = async (request) => {
    const name = await request.text();
    await new Promise<void>((resolve) => releases.set(name, resolve));
    return new Response(name);
  };
  await withSocket(handler, async (socket, origin) => {
    const names = ["a", "b", "c"];
    const answers = names.map((name) => socket.request(post(origin, { body: bytes.encode(name) })));
    await until("all have arrived", () => Promise.resolve(releases.size === 3));
    for (const name of ["c", "a", "b"]) releases.get(name)!();
    const bodies = (await Promise.all(answers)).map(({ body }) => text.decode(body));
    assertEquals(bodies, names);
  });
});

Deno.test("PeerSocket.takes() small requests only, and none that is no POST", async () => {
  await withSocket(() => new Response(), (socket, origin) => {
    assert(socket.takes(post(origin, { body: new Uint8Array(SOCKET_BODY_BYTES_MAX) })));
    assert(!socket.takes(post(origin, { body: new Uint8Array(SOCKET_BODY_BYTES_MAX + 1) })));
    assert(!socket.takes(post(origin, { method: "GET" })));
    return Promise.resolve();
  });
});

Deno.test("PeerSocket: after a late answer it takes no more, and what is under way is still answered", async () => {
  const releases: (() => void)[] = [];
  const handler: Handler = async () => {
    await new Promise<void>((resolve) => releases.push(resolve));
    return new Response("late");
  };
  await withSocket(handler, async (socket, origin) => {
    const late = socket.request(post(origin, { timeoutMs: 50 }));
    const other = socket.request(post(origin));
    await assertTimeout(late);
    assert(!socket.takes(post(origin)));
    assert(socket.isOver);
    await until("both have arrived", () => Promise.resolve(releases.length === 2));
    for (const release of releases) release();
    assertEquals(text.decode((await other).body), "late");
  });
});

Deno.test("PeerSocket: what was answered leaves no timer, and nothing that it would still owe", async () => {
  const { setTimeout, clearTimeout } = globalThis;
  const running = new Set<ReturnType<typeof setTimeout>>();
  const timeoutMs = 4_321;
  await withSocket(() => new Response(), async (socket, origin) => {
    Object.assign(globalThis, {
      setTimeout(callback: () => void, delayMs: number) {
        const timer = setTimeout(callback, delayMs);
        if (delayMs === timeoutMs) running.add(timer);
        return timer;
      },
      clearTimeout(timer: ReturnType<typeof setTimeout>) {
        running.delete(timer);
        clearTimeout(timer);
      },
    });
    try {
      const answer = socket.request(post(origin, { timeoutMs }));
      assertEquals(running.size, 1);
      await answer;
      assertEquals(running.size, 0);
    } finally {
      Object.assign(globalThis, { setTimeout, clearTimeout });
    }
    const later = performance.now() + 60_000;
    Object.defineProperty(performance, "now", { value: () => later, configurable: true });
    try {
      assert(socket.takes(post(origin)));
    } finally {
      Reflect.deleteProperty(performance, "now");
    }
  });
});

Deno.test("PeerSocket: a connection that owes nothing any more after a late answer is ended", async () => {
  const { release, handler } = held();
  await withSocket(handler, async (_, origin) => {
    let hasEnded = false;
    const socket = new PeerSocket(origin, { onOver: () => hasEnded = true });
    await until("the socket is open", () => socket.takes(post(origin)));
    await assertTimeout(socket.request(post(origin, { timeoutMs: 50 })));
    await until("it has ended", () => hasEnded);
    release.resolve(new Response());
  });
});

Deno.test("PeerSocket.request() answers timeout when an answer is too large", async () => {
  await withSocket(() => new Response("x".repeat(50)), async (socket, origin) => {
    await assertTimeout(socket.request(post(origin, { maxResponseBytes: 49 })));
    const { body } = await socket.request(post(origin, { maxResponseBytes: 50 }));
    assertEquals(body.byteLength, 50);
  });
});

Deno.test("PeerSocket.close() fails what is under way", async () => {
  const { arrived, release, handler } = held();
  await withSocket(handler, async (socket, origin) => {
    const answer = socket.request(post(origin));
    await arrived.promise;
    socket.close();
    await assertTimeout(answer);
    release.resolve(new Response());
  });
});

Deno.test("HttpServer.close() answers what is under way on a socket, then closes it", async () => {
  const { arrived, release, handler } = held();
  await withSocket(handler, async (socket, origin, server) => {
    const answer = socket.request(post(origin));
    await arrived.promise;
    const closed = server.close(30_000);
    release.resolve(new Response("done"));
    assertEquals(text.decode((await answer).body), "done");
    assertEquals(await closed, true);
    await until("the socket is closed", () => Promise.resolve(socket.isOver));
  });
});

Deno.test("HttpServer answers a handler that crashed over a socket with 500 and no stack trace", async () => {
  const handler: Handler = () => {
    throw new Error("secret detail");
  };
  await withSocket(handler, async (socket, origin) => {
    const { status, body } = await socket.request(post(origin));
    assertEquals(status, 500);
    assert(!text.decode(body).includes("secret"));
    assert(lines.some((line) => line.includes("request.crashed") && line.includes("secret")));
  });
});

Deno.test("HttpServer opens no socket for a page, and none elsewhere", async () => {
  await withSocket(() => new Response("plain"), async (_, origin) => {
    const answerOf = async (path: string, headers: Record<string, string>) => {
      const { hostname, port } = new URL(origin);
      using connection = await Deno.connect({ hostname, port: Number(port) });
      const head = {
        host: `${hostname}:${port}`,
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
        ...headers,
      };
      const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
      await connection.write(bytes.encode(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`));
      const buffer = new Uint8Array(4096);
      const length = await connection.read(buffer) ?? 0;
      const answer = text.decode(buffer.subarray(0, length));
      const problem = /^content-type: application\/problem\+json[^]*:problem:([\w-]+)/m.exec(
        answer,
      );
      return [Number(answer.split(" ")[1]), problem?.[1]];
    };
    assertEquals(await answerOf(SOCKET_PATH, {}), [101, undefined]);
    const page = { origin: "http://evil.example" };
    assertEquals(await answerOf(SOCKET_PATH, page), [403, "cross-origin"]);
    const half = { connection: "keep-alive" };
    assertEquals(await answerOf(SOCKET_PATH, half), [400, "bad-request"]);
    assertEquals(await answerOf(`/kv${SOCKET_PATH}`, {}), [200, undefined]);
    assertEquals(await answerOf(SOCKET_PATH, { upgrade: "h2c" }), [200, undefined]);
  });
});

Deno.test("HttpServer closes a socket that brings what it cannot use, and asks no handler", async () => {
  let asked = 0;
  const handler: Handler = () => {
    asked++;
    return new Response();
  };
  await withSocket(handler, async (_, origin) => {
    const head = (path: string) => {
      const json = JSON.stringify({ path, headers: {} });
      return `\0\0\0\x01\0\0\0${String.fromCharCode(json.length)}${json}`;
    };
    const unusable: (string | Uint8Array<ArrayBuffer>)[] = [
      "text",
      bytes.encode("short"),
      bytes.encode(head("/kv/greeting")),
      bytes.encode(head("@evil.example/internal/x")),
      bytes.encode(head("/internal/../batch")),
      bytes.encode(head("/internal/x") + "x".repeat(SOCKET_BODY_BYTES_MAX + 1)),
    ];
    for (const message of unusable) {
      const socket = new WebSocket(origin.replace("http", "ws") + SOCKET_PATH);
      socket.onopen = () => socket.send(message);
      await until("it is closed", () => Promise.resolve(socket.readyState === WebSocket.CLOSED));
    }
    assertEquals(asked, 0);
  });
});

/** Sends requests that may share until one did. */
async function untilShared(network: DenoNetwork, request: NetworkRequest): Promise<void> {
  await until("a request shared", async () => {
    const { body } = await network.request(request);
    return text.decode(body) === "shared";
  });
}

const tellsTheWay: Handler = (request) =>
  new Response(request.headers.has(FETCH_ONLY) ? "alone" : "shared");

Deno.test("HttpServer ends a socket whose peer asks and reads no answers", async () => {
  const answer = new Uint8Array(1024 * 1024);
  let asked = 0;
  const handler: Handler = () => {
    asked++;
    return new Response(answer);
  };
  // A peer that reads nothing does not hear of the end: the server's end of the socket tells.
  const { upgradeWebSocket } = Deno;
  let served: WebSocket | undefined;
  const isOpen = () => served?.readyState === WebSocket.OPEN;
  Object.assign(Deno, {
    upgradeWebSocket(request: Request) {
      const upgrade = upgradeWebSocket(request);
      served = upgrade.socket;
      return upgrade;
    },
  });
  const server = HttpServer.listen({ ...LOCAL, port: 0 });
  server.handle(handler);
  const peer = new PausableSocket(`ws://127.0.0.1:${server.port}${SOCKET_PATH}`);
  try {
    await new Promise((resolve) => peer.once("open", resolve));
    await until("the server has it open", isOpen);
    const closed = new Promise((resolve) => peer.once("close", resolve));
    peer.pause();
    const question = encodeSocketMessage(1, { path: "/internal/x", headers: {} }, new Uint8Array());
    // One after the other: many at once would be too many under way.
    while (isOpen() && asked < 100) {
      const before = asked;
      peer.send(question);
      await until("it is asked, or ended", () => asked > before || !isOpen());
    }
    assert(asked > 16 && asked < 100, `${asked} were answered`);
    peer.resume();
    await closed;
  } finally {
    Object.assign(Deno, { upgradeWebSocket });
    peer.terminate();
    await server.close(5_000);
  }
});

Deno.test("HttpServer ends a socket whose peer asks more at a time than a node does", async () => {
  const { release, handler } = held();
  let asked = 0;
  const counting: Handler = (request) => {
    asked++;
    return handler(request);
  };
  await withSocket(counting, async (_, origin) => {
    const peer = new WebSocket(origin.replace("http", "ws") + SOCKET_PATH);
    const question = encodeSocketMessage(1, { path: "/internal/x", headers: {} }, new Uint8Array());
    peer.onopen = () => {
      for (let i = 0; i < 100; i++) peer.send(question);
    };
    await until("it is closing", () => peer.readyState >= WebSocket.CLOSING);
    assertEquals(asked, 16);
    release.resolve(new Response());
    await until("it is closed", () => peer.readyState === WebSocket.CLOSED);
  });
});

Deno.test("DenoNetwork: requests that may share do once the socket is open, others never", async () => {
  await withSocket(tellsTheWay, async (_, origin) => {
    const network = new DenoNetwork();
    const first = await network.request(post(origin));
    assertEquals(text.decode(first.body), "alone", "nothing waits for a socket");
    await untilShared(network, post(origin));
    const alone = await network.request(post(origin, { mayShare: false }));
    assertEquals(text.decode(alone.body), "alone");
    network.close();
  });
});

Deno.test("HttpServer opens sockets for whom it admits, and for nobody where it was not told", async () => {
  const isRight = (headers: Headers) => headers.get("x-pass") === "right";
  const strict = HttpServer.listen({ ...LOCAL, port: 0, admits: isRight });
  const closed = HttpServer.listen({ hostname: "127.0.0.1", port: 0, log });
  const originOf = ({ port }: HttpServer) => `http://127.0.0.1:${port}`;
  const isOpened = async (server: HttpServer, headers: Record<string, string>) => {
    const origin = originOf(server);
    const socket = new PeerSocket(origin, { headers });
    await until("it is decided", () => socket.takes(post(origin)) || socket.isOver);
    socket.close();
    return socket.wasOpen;
  };
  assert(await isOpened(strict, { "x-pass": "right" }));
  assert(!await isOpened(strict, { "x-pass": "wrong" }));
  assert(!await isOpened(strict, {}));
  assert(!await isOpened(closed, { "x-pass": "right" }));
  strict.handle(tellsTheWay);
  const network = new DenoNetwork({ "x-pass": "right" });
  await untilShared(network, post(originOf(strict)));
  network.close();
  await strict.close(5_000);
  await closed.close(5_000);
});

Deno.test("DenoNetwork: a peer that knows no sockets is asked by fetch", async () => {
  let handshakes = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    if (!request.url.endsWith(SOCKET_PATH)) return new Response("by fetch");
    handshakes++;
    return new Response(null, { status: 404 });
  });
  const began = performance.now();
  const network = new DenoNetwork();
  for (let i = 0; i < 20; i++) {
    const { body } = await network.request(post(`http://127.0.0.1:${server.addr.port}`));
    assertEquals(text.decode(body), "by fetch");
  }
  const seconds = (performance.now() - began) / 1_000;
  assert(handshakes <= 1 + seconds, `${handshakes} in ${seconds} s`);
  network.close();
  await server.shutdown();
});

Deno.test("DenoNetwork.close() ends its sockets", async () => {
  let isOpen = false;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    if (!request.url.endsWith(SOCKET_PATH)) return new Response();
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => isOpen = true;
    socket.onclose = () => isOpen = false;
    return response;
  });
  const network = new DenoNetwork();
  await network.request(post(`http://127.0.0.1:${server.addr.port}`));
  await until("a socket is open", () => isOpen);
  network.close();
  await until("it is closed", () => !isOpen);
  await server.shutdown();
});

Deno.test("DenoNetwork: a peer that ended is unreachable, and shares again once it is back", async () => {
  const network = new DenoNetwork();
  const first = HttpServer.listen({ ...LOCAL, port: 0 });
  first.handle(tellsTheWay);
  const { port } = first;
  const origin = `http://127.0.0.1:${port}`;
  await untilShared(network, post(origin));
  await first.close(5_000);
  await until("it is unreachable", async () => {
    try {
      await network.request(post(origin));
      return false;
    } catch (error) {
      return error instanceof ConvergeError && error.code === "unreachable";
    }
  });
  const second = HttpServer.listen({ ...LOCAL, port });
  second.handle(tellsTheWay);
  await untilShared(network, post(origin));
  network.close();
  await second.close(5_000);
});

Deno.test("DenoNetwork: an answer that is long for a socket comes by fetch", async () => {
  let asked = 0;
  const handler: Handler = (request) => {
    asked++;
    if (!request.headers.has("x-long")) return tellsTheWay(request);
    return new Response(new Uint8Array(SOCKET_ANSWER_BYTES_MAX + 1));
  };
  await withSocket(handler, async (_, origin) => {
    const network = new DenoNetwork();
    await untilShared(network, post(origin));
    const before = asked;
    const { body } = await network.request(post(origin, { headers: { "x-long": "1" } }));
    assertEquals(body.byteLength, SOCKET_ANSWER_BYTES_MAX + 1);
    assertEquals(asked - before, 2, "once over the socket, once alone");
    network.close();
  });
});

Deno.test("DenoNetwork: what comes by fetch in the end has only the time that is left", async () => {
  const { setTimeout } = globalThis;
  const tookMs = 50;
  const handler: Handler = async (request) => {
    if (!request.headers.has("x-long")) return tellsTheWay(request);
    if (request.headers.has(FETCH_ONLY)) return new Response();
    await new Promise((resolve) => setTimeout(resolve, tookMs));
    return new Response(new Uint8Array(SOCKET_ANSWER_BYTES_MAX + 1));
  };
  await withSocket(handler, async (_, origin) => {
    const network = new DenoNetwork();
    await untilShared(network, post(origin));
    const delaysMs: number[] = [];
    Object.assign(globalThis, {
      setTimeout(callback: () => void, delayMs: number) {
        delaysMs.push(delayMs);
        return setTimeout(callback, delayMs);
      },
    });
    try {
      await network.request(post(origin, { headers: { "x-long": "1" }, timeoutMs: 123_456 }));
    } finally {
      Object.assign(globalThis, { setTimeout });
    }
    const [overSocket, alone] = delaysMs.filter((ms) => ms > 60_000);
    assert(overSocket === 123_456 && alone! <= 123_456 - tookMs + 1, `${delaysMs}`);
    network.close();
  });
});

Deno.test("DenoNetwork: what comes while a socket owes an answer for long goes another way", async () => {
  const release = Promise.withResolvers<Response>();
  const handler: Handler = (request) =>
    request.headers.has("x-hang") ? release.promise : tellsTheWay(request);
  await withSocket(handler, async (_, origin) => {
    const network = new DenoNetwork();
    await untilShared(network, post(origin));
    const hanging = network.request(post(origin, { headers: { "x-hang": "1" } }));
    await until("it goes alone", async () => {
      await new Promise((resolve) => setTimeout(resolve, 300)); // nothing may come meanwhile
      return text.decode((await network.request(post(origin))).body) === "alone";
    });
    release.resolve(new Response("at last"));
    assertEquals(text.decode((await hanging).body), "at last");
    await untilShared(network, post(origin));
    network.close();
  });
});

Deno.test("PeerSocket: a peer that answers with what is no answer fails what is under way, nothing else", async () => {
  const unusable: (string | Uint8Array<ArrayBuffer>)[] = [
    "text",
    bytes.encode("short"),
    encodeSocketMessage(1, { status: 200, headers: { "a b": "x" } }, new Uint8Array()),
    encodeSocketMessage(1, { path: "/x", headers: {} }, new Uint8Array()),
    encodeSocketMessage(
      1,
      { status: 200, headers: {} },
      new Uint8Array(SOCKET_MESSAGE_BYTES_MAX),
    ),
  ];
  for (const message of unusable) {
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      // Packed, a message may grow beyond every bound when it is unpacked.
      assertEquals(request.headers.get("sec-websocket-extensions"), null);
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onmessage = () => socket.send(message);
      return response;
    });
    const origin = `http://127.0.0.1:${server.addr.port}`;
    const ended = Promise.withResolvers<void>();
    const socket = new PeerSocket(origin, { onOver: ended.resolve });
    await until("the socket is open", () => Promise.resolve(socket.takes(post(origin))));
    await assertRejects(() => socket.request(post(origin)), ConvergeError, "connection broke");
    assert(socket.isOver);
    await ended.promise;
    await server.shutdown();
  }
});

Deno.test("HttpServer.close() waits for no peer that has stopped", async () => {
  const server = HttpServer.listen({ ...LOCAL, port: 0 });
  const { arrived, release, handler } = held();
  server.handle(handler);
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const head = `GET ${SOCKET_PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n` +
    "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
    "Sec-WebSocket-Version: 13\r\n\r\n";
  await connection.write(bytes.encode(head));
  await connection.read(new Uint8Array(4096));
  const request = encodeSocketMessage(1, { path: "/internal/x", headers: {} }, new Uint8Array());
  // A masked binary frame, the mask all zeros (RFC 6455, section 5.2).
  await connection.write(new Uint8Array([0x82, 0x80 | request.byteLength, 0, 0, 0, 0, ...request]));
  await arrived.promise;
  const closed = server.close(60_000);
  release.resolve(new Response("nobody reads this"));
  const began = performance.now();
  assertEquals(await closed, true, "by its own deadline, not by the last one");
  assert(performance.now() - began < 30_000);
  connection.close();
});
