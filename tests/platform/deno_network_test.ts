import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { DenoNetwork } from "../../src/platform/deno/deno_network.ts";
import type { NetworkRequest } from "../../src/platform/network.ts";

/** What a raw peer does with each connection. */
type Peer = (connection: Deno.TcpConn) => Promise<void>;

async function withPeer(peer: Peer, use: (origin: string) => Promise<void>): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) {
      connections.push(
        peer(connection).catch(() => {}).finally(() => {
          try {
            connection.close();
          } catch {
            // the peer closed it itself
          }
        }),
      );
    }
  })();
  try {
    await use(`http://127.0.0.1:${listener.addr.port}`);
  } finally {
    listener.close();
    await accepting;
    await Promise.all(connections);
  }
}

async function withNetwork(use: (network: DenoNetwork) => Promise<void>): Promise<void> {
  const network = new DenoNetwork();
  try {
    await use(network);
  } finally {
    network.close();
  }
}

function get(origin: string, more: Partial<NetworkRequest> = {}): NetworkRequest {
  return { method: "GET", origin, path: "/x", timeoutMs: 30_000, ...more };
}

async function readHead(connection: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(4096);
  const length = await connection.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, length ?? 0));
}

function answer(text: string): Peer {
  return async (connection) => {
    await readHead(connection);
    await connection.write(new TextEncoder().encode(text));
  };
}

async function assertCode(code: string, promise: Promise<unknown>): Promise<void> {
  const error = await assertRejects(() => promise, ConvergeError);
  assertEquals(error.code, code, error.message);
}

Deno.test("DenoNetwork.request() brings bytes there and back over a kept connection", async () => {
  let connections = new Set<number>();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (req, info) => {
      connections = connections.add((info.remoteAddr as Deno.NetAddr).port);
      return new Response(await req.bytes(), { headers: { "x-method": req.method } });
    },
  );
  await withNetwork(async (network) => {
    const body = crypto.getRandomValues(new Uint8Array(2_000));
    for (let i = 0; i < 5; i++) {
      const origin = `http://127.0.0.1:${server.addr.port}`;
      const response = await network.request(get(origin, { method: "POST", body }));
      assertEquals(response.status, 200);
      assertEquals(response.headers.get("x-method"), "POST");
      assertEquals(response.body, body);
    }
  });
  await server.shutdown();
  assertEquals(connections.size, 1);
});

/** A server on the loopback of IPv6; undefined, with a word about it, where the machine has none. */
function serveIPv6(): Deno.HttpServer<Deno.NetAddr> | undefined {
  try {
    return Deno.serve({ hostname: "::1", port: 0, onListen() {} }, () => new Response("six"));
  } catch (error) {
    console.log(`There is no IPv6 here, so that it was not tried: ${error}`);
    return undefined;
  }
}

Deno.test("DenoNetwork.request() reaches IPv6 addresses, and hosts by their names", async () => {
  await using server = serveIPv6();
  await withNetwork(async (network) => {
    if (server !== undefined) {
      const { body } = await network.request(get(`http://[::1]:${server.addr.port}`));
      assertEquals(new TextDecoder().decode(body), "six");
    }
    await withPeer(answer("HTTP/1.1 204 No Content\r\n\r\n"), async (origin) => {
      const { status, body } = await network.request(get(origin.replace("127.0.0.1", "localhost")));
      assertEquals([status, body.byteLength], [204, 0]);
    });
  });
});

Deno.test("DenoNetwork.request() answers unreachable where nobody listens", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const origin = `http://127.0.0.1:${listener.addr.port}`;
  listener.close();
  await withNetwork(async (network) => {
    await assertCode("unreachable", network.request(get(origin)));
    await assertCode("unreachable", network.request(get("http://no-such-host.invalid:8081")));
    await assertCode("unreachable", network.request(get("http://127.0.0.1:6000"))); // a barred port
  });
});

Deno.test("DenoNetwork.request() answers timeout for a silent peer, at its deadline", async () => {
  const silent: Peer = async (connection) => {
    while (await connection.read(new Uint8Array(4096)) !== null);
  };
  await withPeer(silent, (origin) =>
    withNetwork(async (network) => {
      const began = performance.now();
      await assertCode("timeout", network.request(get(origin, { timeoutMs: 100 })));
      const took = performance.now() - began;
      assert(took >= 95 && took < 20_000, `${took}`); // where one waits for the peer: for ever
    }));
});

Deno.test("DenoNetwork.request() answers timeout when a connection breaks midway", async () => {
  const cut = answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  await withPeer(
    cut,
    (origin) => withNetwork((network) => assertCode("timeout", network.request(get(origin)))),
  );
  await withPeer(
    answer(""),
    (origin) => withNetwork((network) => assertCode("timeout", network.request(get(origin)))),
  );
});

Deno.test("DenoNetwork.request() bounds an answer, announced or not", async () => {
  const announced = answer("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + "x".repeat(50));
  const unannounced = answer("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + "x".repeat(50));
  for (const peer of [announced, unannounced]) {
    await withPeer(peer, (origin) =>
      withNetwork(async (network) => {
        await assertCode("timeout", network.request(get(origin, { maxResponseBytes: 49 })));
        const { body } = await network.request(get(origin, { maxResponseBytes: 50 }));
        assertEquals(body.byteLength, 50);
      }));
  }
});

Deno.test("DenoNetwork.request() unpacks nothing, so that no answer outgrows its bound", async () => {
  const zeros = new Blob([new Uint8Array(5_000_000)]).stream();
  const packed = await new Response(zeros.pipeThrough(new CompressionStream("gzip"))).bytes();
  const bomb: Peer = async (connection) => {
    await readHead(connection);
    const head =
      `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${packed.length}\r\n\r\n`;
    await connection.write(new TextEncoder().encode(head));
    await connection.write(packed);
  };
  await withPeer(bomb, (origin) =>
    withNetwork(async (network) => {
      const { body } = await network.request(get(origin, { maxResponseBytes: 1_000_000 }));
      assertEquals(body, packed);
    }));
});

Deno.test("DenoNetwork.request() follows no redirect", async () => {
  const redirect = answer(
    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:6000/\r\nContent-Length: 0\r\n\r\n",
  );
  await withPeer(redirect, (origin) =>
    withNetwork(async (network) => {
      assertEquals((await network.request(get(origin))).status, 302);
    }));
});

Deno.test("DenoNetwork.request() passes by a proxy named in the environment", async () => {
  const code = `
    import { DenoNetwork } from ${
    JSON.stringify(import.meta.resolve("../../src/platform/deno/deno_network.ts"))
  };
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("straight"));
    const origin = "http://127.0.0.1:" + server.addr.port;
    const response = await new DenoNetwork().request({ method: "GET", origin, path: "/", timeoutMs: 30000 });
    console.log(new TextDecoder().decode(response.body));
    Deno.exit();`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    env: { HTTP_PROXY: "http://127.0.0.1:9", http_proxy: "http://127.0.0.1:9", NO_PROXY: "" },
  }).output();
  const text = new TextDecoder();
  assertEquals(text.decode(stdout).trim(), "straight", text.decode(stderr));
});

Deno.test("DenoNetwork.request() after close() answers closed", async () => {
  const network = new DenoNetwork();
  network.close();
  for (const mayShare of [false, true]) {
    await assertCode("closed", network.request(get("http://127.0.0.1:8081", { mayShare })));
  }
});
