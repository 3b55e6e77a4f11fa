import { assert, assertEquals } from "@std/assert";
import type { ClusterEvent } from "../../src/http/cluster_watch.ts";
import type { CopiesView } from "../../src/http/copies_routes.ts";
import type { RingView } from "../../src/http/events_routes.ts";
import { HashRing } from "../../src/ring/hash_ring.ts";
import { formatToken } from "../../src/ring/token.ts";
import { InProcessCluster } from "../support/in_process_cluster.ts";
import { problemOf } from "../support/problems.ts";

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

Deno.test("GET /events: a member that is being removed is told to be", async () => {
  await InProcessCluster.run({ nodes: 4 }, async (cluster) => {
    const body = JSON.stringify({ name: "node4" });
    assertEquals((await cluster.call(1, "POST", "/cluster/removals", { body })).status, 202);
    const reader = (await cluster.call(1, "GET", "/events")).body!.getReader();
    const { members } = await nextEvent(reader);
    await reader.cancel();
    const leaving = members.filter((member) => member.leaving).map(({ name }) => name);
    assertEquals([members.length, leaving], [4, ["node4"]]);
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
    await cluster.wait(3_000); // nobody is told any more
  });
});

/** Tells of each time that a node is asked for its sample; `answer` may answer for it. */
function onSample(cluster: InProcessCluster, i: number, answer: () => Response | undefined): void {
  const { origin, life, process } = cluster.node(i);
  cluster.world.network.listen(origin, life!, (request) => {
    const own = request.url.endsWith("/internal/sample") ? answer() : undefined;
    return own ?? process!.app.fetch(request);
  });
}

async function readerOf(cluster: InProcessCluster, i: number) {
  return (await cluster.call(i, "GET", "/events")).body!.getReader();
}

Deno.test("GET /events: however many pages watch, each node is asked once a second, and not for nobody", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    let asked = 0;
    onSample(cluster, 2, () => void asked++);
    const readers = await Promise.all([1, 1, 1].map((i) => readerOf(cluster, i)));
    for (const reader of readers) await nextEvent(reader);
    readers.push(await readerOf(cluster, 1));
    await cluster.wait(5_000);
    assert(asked >= 5 && asked <= 7, `${asked} times in five seconds`);
    for (const reader of readers) await reader.cancel();
    await cluster.wait(2_000);
    asked = 0;
    await cluster.wait(10_000);
    assertEquals(asked, 0);
    await nextEvent(await readerOf(cluster, 1));
    assertEquals(asked, 1);
  });
});

Deno.test("GET /events: pages have a bound, and one that is closed makes room", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const readers = [];
    for (let i = 0; i < 256; i++) readers.push(await readerOf(cluster, 1));
    await problemOf(await cluster.call(1, "GET", "/events"), 503, "overloaded");
    await readers.pop()!.cancel();
    readers.push(await readerOf(cluster, 1));
    for (const reader of readers) await reader.cancel();
  });
});

Deno.test("GET /events: a page that reads slowly misses events, and none waits for it", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const reader = await readerOf(cluster, 1);
    await cluster.wait(20_000);
    const { atMs: nowMs } = await nextEvent(await readerOf(cluster, 1));
    let kept = 0;
    while ((await nextEvent(reader)).atMs < nowMs) kept++;
    assert(kept >= 2 && kept <= 6, `${kept} events were kept`);
    await reader.cancel();
  });
});

Deno.test("GET /events: a node that hangs holds no event back for long, and what is no sample is none", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const reader = await readerOf(cluster, 1);
    const first = await nextEvent(reader);
    onSample(cluster, 2, () => Response.json({ status: 404 }, { status: 404 }));
    cluster.pause(3);
    const second = await nextEvent(reader);
    assertEquals(second.members.map(({ sample }) => sample === null), [false, true, true]);
    assert(second.atMs - first.atMs < 2_500, `${second.atMs - first.atMs} ms`);
    const third = await nextEvent(reader);
    assert(third.atMs - second.atMs < 2_500, `${third.atMs - second.atMs} ms`);
    await reader.cancel();
  });
});

Deno.test("GET /cluster/ring: every arc with its first owner", async () => {
  await InProcessCluster.run({ config: { virtualNodes: 5 } }, async (cluster) => {
    const ring: RingView = await (await cluster.call(1, "GET", "/cluster/ring")).json();
    assertEquals(ring.nodes, ["node1", "node2", "node3"]);
    assertEquals(ring.tokens.length, 15);
    assertEquals(ring.tokens, [...ring.tokens].sort());
    const { arcs } = new HashRing(ring.nodes, { tokensPerNode: 5, owners: 3 });
    assertEquals(
      ring.owners.map((owner, i) => [ring.tokens[i], ring.nodes[owner]]),
      arcs.map(({ end, owners }) => [formatToken(end), owners[0]]),
    );
    const refused = await cluster.call(1, "POST", "/cluster/ring");
    assertEquals([refused.status, refused.headers.get("allow")], [405, "GET, HEAD"]);
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
