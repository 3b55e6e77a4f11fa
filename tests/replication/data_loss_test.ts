/** A node lost a part of its data, not all: what is left of it proves nothing. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { recordFromLine } from "../../src/record/record_line.ts";
import type { StoredRecord } from "../../src/record/record.ts";
import { InProcessCluster } from "../support/in_process_cluster.ts";

const QUICK = { config: { tombstoneIntervalMs: 500, antiEntropyIntervalMs: 1_000 } };
const WITHOUT_HINTS = { config: { ...QUICK.config, hintBytesMax: 0 } };

/** Puts a key and deletes it, until the tombstone is collected everywhere; gives the value's record. */
async function collected(cluster: InProcessCluster, key: string): Promise<StoredRecord> {
  await cluster.put(1, key, "old");
  const line = (await cluster.copy(1, key))!;
  await cluster.call(2, "DELETE", `/kv/${key}`);
  await cluster.until("the tombstone is gone", () => isForgotten(cluster, key));
  return recordFromLine(new TextEncoder().encode(line.trim()));
}

async function isForgotten(cluster: InProcessCluster, key: string): Promise<boolean> {
  const copies = await Promise.all([1, 2, 3].map((i) => cluster.copy(i, key)));
  return copies.every((copy) => copy === undefined);
}

async function statusOf(cluster: InProcessCluster, i: number): Promise<string | undefined> {
  const { members } = await cluster.view(i);
  return members.find(({ name }) => name === `node${i}`)?.status;
}

/** Puts `k`, which node 2 misses and, with later tombstones collected, would not take as a leftover. */
async function putWithoutNode2(cluster: InProcessCluster): Promise<void> {
  cluster.kill(2);
  await cluster.put(1, "k", "v");
  await cluster.start(2);
  // No anti-entropy: it stays without.
  for (const i of [1, 2, 3]) refuse(cluster, i, "/internal/tree");
  await cluster.ready();
  await collected(cluster, "later");
  assertEquals(await cluster.copy(2, "k"), undefined);
}

/** Has a node that runs answer 503 to one internal route. */
function refuse(cluster: InProcessCluster, i: number, path: string): void {
  const { origin, life, process } = cluster.node(i);
  cluster.world.network.listen(origin, life!, (request) => {
    if (request.url.endsWith(path)) return new Response(null, { status: 503 });
    return process!.app.fetch(request);
  });
}

Deno.test("data loss: a value whose tombstone was lost here and collected elsewhere stays dead", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    const leftover = await collected(cluster, "k");
    cluster.kill(3);
    await cluster.lose(3, "k", leftover);
    await cluster.start(3);
    await cluster.ready();
    await cluster.wait(10_000);
    assertEquals(await isForgotten(cluster, "k"), true);
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), undefined);
  }));

Deno.test("data loss: what another owner has too is no leftover", () =>
  InProcessCluster.run(WITHOUT_HINTS, async (cluster) => {
    await putWithoutNode2(cluster);
    cluster.kill(3);
    await cluster.lose(3, "another", undefined);
    await cluster.start(3);
    refuse(cluster, 3, "/internal/tree");
    await cluster.ready();
    assertNotEquals(await cluster.copy(3, "k"), undefined);
    assertEquals(await cluster.get(2, "k"), "v");
  }));

Deno.test("data loss: two owners that lose other data at once keep what both have", () =>
  InProcessCluster.run(WITHOUT_HINTS, async (cluster) => {
    await putWithoutNode2(cluster);
    for (const i of [1, 3]) {
      cluster.kill(i);
      await cluster.lose(i, "another", undefined);
    }
    for (const i of [1, 3]) await cluster.start(i);
    await cluster.ready();
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), "v");
  }));

Deno.test("data loss: until it is refilled a node answers no owner's question, and vouches for nothing", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    const leftover = await collected(cluster, "k");
    for (const i of [1, 2]) refuse(cluster, i, "/internal/range");
    cluster.kill(3);
    await cluster.lose(3, "k", leftover);
    await cluster.start(3);
    await cluster.until("it is known", async () => await statusOf(cluster, 3) === "refilling");
    const question = await cluster.call(3, "POST", "/internal/read", { body: "" });
    assertEquals(question.status, 503);
    for (const i of [3, 1, 2]) assertEquals(await cluster.get(i, "k"), undefined);
    await cluster.wait(5_000);
    assertEquals([await cluster.copy(1, "k"), await cluster.copy(2, "k")], [undefined, undefined]);
    assertEquals(await statusOf(cluster, 3), "refilling");
  }));

Deno.test("data loss: a loss that the node did not note makes it another life, a noted one does not", () =>
  InProcessCluster.run({}, async (cluster) => {
    const lifeOf = async () => (await cluster.put(3, "k", "v")).replace(/^"\d+-/, "");
    const before = await lifeOf();
    cluster.kill(3);
    await cluster.lose(3, "k", undefined);
    await cluster.start(3);
    await cluster.ready();
    const after = await lifeOf();
    assertNotEquals(after, before, "it may have given out counters that it does not know of");
    cluster.kill(3);
    await cluster.start(3);
    await cluster.ready();
    assertEquals(await lifeOf(), after);
  }));
