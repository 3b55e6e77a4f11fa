/** What a cluster of real processes must do on a quiet day, and what earlier stores of this kind got wrong. */
import { assert, assertEquals } from "@std/assert";
import { TestCluster } from "./harness.ts";

Deno.test("cluster: on a quiet day", async (t) => {
  await using cluster = await TestCluster.start(3);
  const [node1, node2, node3] = cluster.three;

  await t.step("remote reads answer, values come back raw with their type", async () => {
    const bytes = new Uint8Array(70_000).map((_, i) => (i * 31) % 256);
    const put = await node1.fetch("/kv/picture", {
      method: "PUT",
      body: bytes,
      headers: { "content-type": "image/x-odd" },
    });
    assertEquals(put.status, 204, put.text);
    for (const node of cluster.nodes) {
      const answer = await node.fetch("/kv/picture");
      assertEquals(answer.status, 200, answer.text);
      assertEquals(answer.bytes, bytes);
      assertEquals(answer.headers.get("content-type"), "image/x-odd");
      assertEquals(answer.headers.get("etag"), put.headers.get("etag"));
    }
  });

  await t.step("a missing key is 404 and DELETE works, everywhere", async () => {
    for (const node of cluster.nodes) {
      const answer = await node.fetch("/kv/nothing");
      assertEquals(answer.status, 404);
      assertEquals(answer.headers.get("content-type"), "application/problem+json");
    }
    await node1.put("gone", "value");
    assertEquals((await node2.fetch("/kv/gone", { method: "DELETE" })).status, 204);
    assertEquals((await node2.fetch("/kv/never-there", { method: "DELETE" })).status, 204);
    for (const node of cluster.nodes) assertEquals(await node.get("gone"), undefined);
    await node3.put("gone", "again");
    for (const node of cluster.nodes) assertEquals(await node.get("gone"), "again");
  });

  await t.step("keys with spaces, &, % and slashes are the same key on every node", async () => {
    const keys = [
      "a b",
      "a&b=c?d#e",
      "100%",
      "%41",
      "path/to//a/",
      "/",
      "a/../b",
      "x/./y",
      '"quoted"\n\t',
      "日本/🇯🇵 𝒳",
      "+",
    ];
    for (const key of keys) await node1.put(pathOf(key), `value of ${key}`);
    for (const node of cluster.nodes) {
      for (const key of keys) assertEquals(await node.get(pathOf(key)), `value of ${key}`);
    }
    // The same key written in another way: fewer escapes, lower case.
    for (const node of cluster.nodes) {
      assertEquals(await node.get("path/to//a/"), "value of path/to//a/");
      assertEquals(await node.get("%61%20b"), "value of a b");
      assertEquals(await node.get("100%25"), "value of 100%");
      assertEquals(
        await node.get("%e6%97%a5%E6%9C%AC/%F0%9F%87%AF%F0%9F%87%B5%20%f0%9d%92%b3"),
        "value of 日本/🇯🇵 𝒳",
      );
    }
  });

  await t.step("after 50 writes through node1 a write through node2 wins everywhere", async () => {
    for (let i = 0; i < 50; i++) await node1.put("contested", `node1 ${i}`);
    await node2.put("contested", "node2");
    for (const node of cluster.nodes) {
      assertEquals(await node.get("contested"), "node2");
      await cluster.until(
        `${node.name} holds it itself`,
        async () => (await node.ownCopy("contested"))?.v === "node2",
      );
    }
  });
});

Deno.test("cluster: a value as large as --max-value allows is read through every node", async () => {
  const quorums = ["--replication", "1", "--read-quorum", "1", "--write-quorum", "1"];
  const args = [...quorums, "--max-value", "32MiB", "--request-timeout", "50s"];
  await using cluster = await TestCluster.start(3, { args });
  // In base64, as it is on its way, it is more than nodes take of other answers: 16 MiB.
  const bytes = new Uint8Array(13_000_000).map((_, i) => (i * 31) % 256);
  const inTime = () => ({ signal: AbortSignal.timeout(60_000) });
  const put = await cluster.three[0].fetch("/kv/large", {
    method: "PUT",
    body: bytes,
    ...inTime(),
  });
  assertEquals(put.status, 204, put.text);
  for (const node of cluster.nodes) {
    const answer = await node.fetch("/kv/large", inTime());
    assertEquals(answer.status, 200, `${node.name}: ${answer.text.slice(0, 300)}`);
    assert(
      answer.bytes.every((byte, i) => byte === bytes[i]) &&
        answer.bytes.length === bytes.length,
    );
  }
});

Deno.test("cluster: membership converges whatever the start order and gaps", async () => {
  // node2 and node3 know node1 only, and both are there long before it; node4 comes last.
  await using cluster = await TestCluster.create(4, { peersOf: (i) => i === 0 ? [] : [0] });
  const [node1, node2, node3, node4] = cluster.nodes;
  assert(node1 && node2 && node3 && node4);
  await node3.start();
  await node2.start();
  await cluster.until(
    "node2 is up without its seed",
    async () => (await node2.fetch("/healthz")).status === 200,
  );
  await node1.start();
  const allKnow = async (count: number) => {
    for (const node of cluster.nodes.slice(0, count)) {
      await cluster.until(`${node.name} sees ${count} members up`, async () => {
        const members = await node.members();
        return members.size === count && [...members.values()].every((state) => state === "up");
      });
    }
  };
  await allKnow(3);
  await node4.start();
  await allKnow(4);
  await cluster.ready();
  await node4.put("learned", "by all");
  for (const node of cluster.nodes) assertEquals(await node.get("learned"), "by all");
});

Deno.test("cluster: a silent node becomes suspect or down, and up again when heard", async () => {
  await using cluster = await TestCluster.start(3);
  const [node1, node2] = cluster.three;
  await node2.kill();
  await cluster.until(
    "node1 misses node2",
    async () => (await node1.members()).get("node2") === "down",
  );
  await node2.start();
  await cluster.until(
    "node1 hears node2",
    async () => (await node1.members()).get("node2") === "up",
  );
});

Deno.test("cluster: a restarted node is not deaf", async () => {
  await using cluster = await TestCluster.start(3);
  const [node1, node2, node3] = cluster.three;
  await node1.put("k", "before");
  assertEquals(await node2.stop(), 0, node2.process?.evidence());
  await node1.put("k", "meanwhile");
  await node2.start();
  await cluster.until("node2 is ready", () => node2.isReady());
  assertEquals(await node2.get("k"), "meanwhile");
  await node2.put("k", "after");
  assertEquals(await node3.get("k"), "after");
  await node3.put("k", "later");
  await cluster.until(
    "node2 holds the last write itself",
    async () => (await node2.ownCopy("k"))?.v === "later",
  );
});

Deno.test("cluster: fewer than three nodes neither hang nor spin", async () => {
  await using alone = await TestCluster.start(1);
  const [single] = alone.nodes;
  assert(single);
  await single.put("k", "alone");
  assertEquals(await single.get("k"), "alone");

  await using pair = await TestCluster.start(2);
  const [node1, node2] = pair.nodes;
  assert(node1 && node2);
  await node1.put("k", "both");
  assertEquals(await node2.get("k"), "both");
  await node2.kill();
  const answer = await node1.fetch("/kv/k", { method: "PUT", body: "one of two" });
  assertEquals(answer.status, 503, answer.text);
  assertEquals(answer.headers.get("content-type"), "application/problem+json");
  assert(JSON.parse(answer.text).required === 2, answer.text);
  await node2.start();
  await pair.until("writes work again", async () => {
    await node1.put("k", "both again");
    return true;
  });
});

/** A key as a client would write it: every character that is special in a URL is escaped. */
function pathOf(key: string): string {
  return encodeURIComponent(key);
}
