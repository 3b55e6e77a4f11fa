/** A cluster with a secret: its nodes open sockets to each other, and strangers none. */
import { assertEquals } from "@std/assert";
import { SOCKET_PATH } from "../../src/platform/deno/socket_message.ts";
import { MessageAuth } from "../../src/replication/peers/message_auth.ts";
import { BlockableProxy } from "./blockable_proxy.ts";
import { TestCluster } from "./harness.ts";
import { RawConnection } from "./raw_http.ts";

const SECRET = "s3cret";

/** The status of the answer to who asks for a socket with the proof that a secret gives. */
async function statusFor(port: number, secret: string): Promise<number> {
  const proof = new MessageAuth(secret).signed("GET", SOCKET_PATH, {}, undefined);
  const headers = {
    "Host": `127.0.0.1:${port}`,
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    ...proof,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  using connection = await RawConnection.open(port);
  await connection.send(`GET ${SOCKET_PATH} HTTP/1.1\r\n${lines.join("")}\r\n`);
  return (await connection.read()).status;
}

Deno.test("cluster with a secret: nodes share sockets, a stranger gets none", async () => {
  await using stack = new AsyncDisposableStack();
  const proxies: BlockableProxy[] = [];
  const cluster = stack.use(
    await TestCluster.create(2, {
      args: ["--cluster-secret", SECRET],
      addressesOf(ports) {
        for (const port of ports) proxies.push(stack.use(new BlockableProxy(port)));
        return proxies.map(({ port }) => port);
      },
    }),
  );
  await Promise.all(cluster.nodes.map((node) => node.start()));
  await cluster.ready();
  const [first, second] = cluster.nodes;
  const isShared = ({ begun }: BlockableProxy) =>
    begun.some(({ asked, answered }) =>
      asked.startsWith(`GET ${SOCKET_PATH} `) && answered.startsWith("HTTP/1.1 101 ")
    );
  await cluster.until("both have a socket to the other", async () => {
    await first!.put("k", "1");
    await second!.put("k", "2");
    return proxies.every(isShared);
  });
  assertEquals(await first!.get("k"), "2");
  assertEquals(await statusFor(first!.port, SECRET), 101);
  assertEquals(await statusFor(first!.port, "another"), 401);
  assertEquals(await statusFor(first!.port, ""), 401);
});
