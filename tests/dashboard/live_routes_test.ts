import { assert, assertEquals } from "@std/assert";
import type { ClusterEvent } from "../../src/http/cluster_watch.ts";
import type { CopiesView } from "../../src/http/copies_routes.ts";
import type { RingView } from "../../src/http/events_routes.ts";
import { InProcessCluster } from "../support/in_process_cluster.ts";

const decoder = new TextDecoder();

async function nextEvent(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<ClusterEvent> {
  const { value } = await reader.read();
  const text = decoder.decode(value);
  assert(text.startsWith("data: ") && text.endsWith("\n\n"));
  return JSON.parse(text.slice("data: ".length));
}

Deno.test("GET /events: samples of all nodes, once a second, and null for one that is away", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    await cluster.put(2, "k", "v");
    const response = await cluster.call(1, "GET", "/events");
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    const reader = response.body!.getReader();
    const first = await nextEvent(reader);
    assertEquals(first.self, "node1");
    assertEquals(first.members.map(({ sample }) => sample!.requests.writes), [0, 1, 0]);
    cluster.kill(3);
    const second = await nextEvent(reader);
    assert(second.atMs >= first.atMs + 1_000);
    assertEquals(second.members.map(({ sample }) => sample === null), [false, false, true]);
    await reader.cancel();
  });
});

Deno.test("GET /events: the longest keys, asked for most, keep no node's sample away", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const longest = "%C3%A4".repeat(1_019);
    for (let i = 0; i < 20; i++) {
      await cluster.call(2, "GET", `/kv/${longest}%C3%A4%${10 + i}`);
      await cluster.call(2, "GET", `/kv/${longest.repeat(10)}${i}`); // no key at all
    }
    const reader = (await cluster.call(1, "GET", "/events")).body!.getReader();
    const { members } = await nextEvent(reader);
    await reader.cancel();
    const hotKeys = members.find(({ name }) => name === "node2")!.sample?.hotKeys ?? [];
    assertEquals(hotKeys.map(({ path }) => path.length), Array(12).fill(longest.length + 9));
  });
});

Deno.test("GET /events: a node that stops ends the streams of its pages", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const reader = (await cluster.call(1, "GET", "/events")).body!.getReader();
    await nextEvent(reader);
    cluster.node(1).process!.drain();
    assertEquals((await reader.read()).done, true);
    assertEquals((await cluster.call(1, "GET", "/events")).status, 503);
  });
});

Deno.test("GET /cluster/ring: every arc with its first owner", async () => {
  await InProcessCluster.run({ config: { virtualNodes: 5 } }, async (cluster) => {
    const ring: RingView = await (await cluster.call(1, "GET", "/cluster/ring")).json();
    assertEquals(ring.nodes, ["node1", "node2", "node3"]);
    assertEquals(ring.tokens.length, 15);
    assertEquals(ring.tokens, [...ring.tokens].sort());
    assertEquals([0, 1, 2].map((i) => ring.owners.filter((owner) => owner === i).length), [
      5,
      5,
      5,
    ]);
  });
});

Deno.test("GET /copies/{key}: each owner's own copy, strange keys too", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    cluster.cutOff(3);
    await cluster.put(1, "a%2F..%2F%FF", "v");
    const view: CopiesView = await (await cluster.call(1, "GET", "/copies/a%2F..%2F%FF")).json();
    assertEquals(view.key, { kb: "YS8uLi//" });
    const holds = new Map(view.owners.map(({ name, holds }) => [name, holds]));
    assertEquals(holds.get("node1"), "value");
    assertEquals(holds.get("node2"), "value");
    assertEquals(holds.get("node3"), "unreachable");
    await cluster.call(1, "DELETE", "/kv/b");
    const deleted: CopiesView = await (await cluster.call(1, "GET", "/copies/b")).json();
    assertEquals(deleted.owners.find(({ name }) => name === "node1")!.holds, "tombstone");
    const none: CopiesView = await (await cluster.call(1, "GET", "/copies/none")).json();
    assertEquals(none.owners.find(({ name }) => name === "node2")!.holds, "nothing");
  });
});

Deno.test("GET /: the page with a policy that lets nothing else in", async () => {
  await InProcessCluster.run({ nodes: 1 }, async (cluster) => {
    const page = await cluster.call(1, "GET", "/");
    const policy = page.headers.get("content-security-policy")!;
    assert(policy.startsWith("default-src 'none'; script-src 'self'; style-src 'self';"));
    assert(!policy.includes("unsafe"));
    const paths = [...(await page.text()).matchAll(/(?:src|href)="(\/(?:assets|favicon)[^"]*)"/g)];
    assertEquals(paths.length, 3);
    for (const [, path] of paths) {
      assertEquals((await cluster.call(1, "GET", path!)).status, 200, path);
    }
    assertEquals((await cluster.call(1, "GET", "/favicon.ico")).status, 200);
    assertEquals(await (await cluster.call(1, "GET", "/control")).json(), { url: null });
    assertEquals((await cluster.call(1, "POST", "/")).status, 405);
  });
});
