/** The typed client against servers that answer as nodes do, and as they do not. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { clusterControl } from "../../src/cli/cluster_control.ts";
import { clusterEvents } from "../../src/cli/cluster_events.ts";
import { LocalCluster } from "../../src/cli/local_cluster.ts";
import { nextStep } from "../../src/cli/next_step.ts";
import { ConvergeClient } from "../../src/client/client.ts";
import { ClientError } from "../../src/client/client_error.ts";
import { notFound } from "../../src/http/problem.ts";

/** A client of a server that answers so. */
async function withServer(
  handler: (request: Request) => Response | Promise<Response>,
  use: (client: ConvergeClient) => Promise<void>,
): Promise<void> {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  await use(new ConvergeClient(`http://127.0.0.1:${server.addr.port}`));
}

Deno.test("ConvergeClient.get(): absent is what a node does not find", async () => {
  await withServer(() => notFound("a value under this key"), async (client) => {
    assertEquals(await client.get("k"), undefined);
  });
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

Deno.test("ConvergeClient: what is no JSON is no answer of a node", async () => {
  await withServer(() => new Response("<html>"), async (client) => {
    for (const call of [() => client.cluster(), () => client.list()]) {
      await assertRejects(call, ClientError, "no node of Converge", String(call));
    }
  });
});

Deno.test("ConvergeClient: what cannot be sent as it is is refused, and nobody is asked", async () => {
  let requests = 0;
  const counting = () => {
    requests += 1;
    return new Response(null, { status: 204 });
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
    () => new Response(),
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
