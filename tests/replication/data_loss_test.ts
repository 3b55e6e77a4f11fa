/** A node lost a part of its data, not all: what is left of it proves nothing. */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { keyFromText } from "../../src/record/key.ts";
import { recordFromLine } from "../../src/record/record_line.ts";
import type { StoredRecord } from "../../src/record/record.ts";
import { DATA, META } from "../../src/storage/store.ts";
import type { NodeParts } from "../../src/node/node_parts.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import { ForgetfulStore } from "../support/forgetful_store.ts";
import { leafOf } from "../../src/replication/convergence/merkle_tree.ts";
import { tokenOf } from "../../src/ring/token.ts";
import { record } from "../support/records.ts";
import { topologyOf } from "../support/topologies.ts";
import { InProcessCluster } from "../support/in_process_cluster.ts";

const QUICK = { config: { tombstoneIntervalMs: 500, antiEntropyIntervalMs: 1_000 } };
/** Node 4 is to join later. */
const JOINED_LATER = {
  ...QUICK,
  nodes: 4,
  start: [1, 2, 3],
  seedsOf: (node: number) => [1, 2, 3].filter((other) => other !== node),
};
const WITHOUT_HINTS = { config: { ...QUICK.config, hintBytesMax: 0 } };

/** Puts a key and deletes it, until the tombstone is collected everywhere; gives the value's record. */
async function collected(cluster: InProcessCluster, key: string): Promise<StoredRecord> {
  await cluster.put(1, key, "old");
  const line = (await cluster.copy(1, key))!;
  await cluster.call(2, "DELETE", `/kv/${key}`);
  await cluster.until("the tombstone is gone", () => cluster.isForgotten(key));
  return recordFromLine(new TextEncoder().encode(line.trim()));
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

/** Has something happen when the first request for an internal route reaches a node, before it is answered. */
function before(
  cluster: InProcessCluster,
  i: number,
  path: string,
  happens: () => Promise<void>,
): void {
  const { origin, life, process } = cluster.node(i);
  let isFirst = true;
  cluster.world.network.listen(origin, life!, async (request) => {
    if (isFirst && request.url.endsWith(path)) {
      isFirst = false;
      await happens();
    }
    return await process!.app.fetch(request);
  });
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
    assertEquals(await cluster.isForgotten("k"), true);
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), undefined);
  }));

Deno.test("data loss: what has one owner is not given up, unless a damaged table lost nothing", async () => {
  const lost = [{ start: keyFromText("a"), end: undefined }];
  const report = { loss: 1, keyspace: DATA, file: "damaged", reason: "bits flipped", lost };
  const alone = { nodes: 1, config: { dataDirectory: "data/alone" } };
  await InProcessCluster.run(alone, async (cluster) => {
    const { onDamage } = cluster.node(1);
    const { message } = await assertRejects(async () => await onDamage!(report), ConvergeError);
    assert(message.includes("converge doctor --data data/alone --salvage"), message);
    await onDamage!({ ...report, lost: [] });
    await onDamage!({ ...report, keyspace: META });
  });
  await InProcessCluster.run(QUICK, async (cluster) => await cluster.node(1).onDamage!(report));
});

Deno.test("data loss: what is only being copied to the nodes that join is not given up", () => {
  const joining = { start: [1], seedsOf: (i: number) => i === 1 ? [] : [1] };
  return InProcessCluster.run({ ...QUICK, ...joining }, async (cluster) => {
    await cluster.put(1, "k", "v");
    refuse(cluster, 1, "/internal/range");
    for (const i of [2, 3]) await cluster.start(i);
    await cluster.until("they are known", async () => await statusOf(cluster, 3) === "refilling");
    const lost = [{ start: keyFromText("a"), end: undefined }];
    const report = { loss: 1, keyspace: DATA, file: "damaged", reason: "bits flipped", lost };
    const { onDamage, origin, life, process } = cluster.node(1);
    await assertRejects(async () => await onDamage!(report), ConvergeError, "no other node has");
    cluster.world.network.listen(origin, life!, (request) => process!.app.fetch(request));
    await cluster.ready([1, 2, 3]);
    await onDamage!(report);
    await cluster.ready();
    assertEquals(await cluster.get(1, "k"), "v");
  });
});

Deno.test("data loss: what is being taken over from one that lost data itself is not given up", () =>
  InProcessCluster.run({ nodes: 3, config: { replication: 2, readQuorum: 1 } }, async (cluster) => {
    const lost = [{ start: keyFromText("a"), end: undefined }];
    const report = { loss: 1, keyspace: DATA, file: "damaged", reason: "bits flipped", lost };
    cluster.pause(3); // the removal waits for it
    const body = JSON.stringify({ name: "node2" });
    assertEquals((await cluster.call(1, "POST", "/cluster/removals", { body })).status, 202);
    await cluster.lose(2, "k", undefined);
    await cluster.until(
      "node 1 knows that",
      async () =>
        (await cluster.view(1)).members.some(({ name, status }) =>
          name === "node2" && status === "refilling"
        ),
    );
    await assertRejects(
      async () => await cluster.node(1).onDamage!(report),
      ConvergeError,
      "no other node has",
    );
    cluster.resume(3);
  }));

Deno.test("data loss: what has one owner is not given up while the node is being opened, either", async () => {
  const lost = [{ start: keyFromText("a"), end: undefined }];
  const report = { loss: 1, keyspace: DATA, file: "damaged", reason: "bits flipped", lost };
  const told: (void | Promise<void>)[] = [];
  const openStore: NodeParts["openStore"] = ({ onDamage }) => {
    told.push(onDamage!(report));
    return Promise.resolve(new MemoryStore());
  };
  await InProcessCluster.run({ nodes: 1, parts: { openStore } }, async () => {
    const error = await assertRejects(async () => await told[0], ConvergeError);
    assertEquals(error.code, "corrupt_file");
  });
});

Deno.test("data loss: who found damage hears that the node could not be opened", async () => {
  const report = { loss: 1, keyspace: DATA, file: "damaged", reason: "bits flipped", lost: [] };
  const told: (void | Promise<void>)[] = [];
  const openStore: NodeParts["openStore"] = ({ onDamage }) => {
    told.push(onDamage!(report));
    const store = new ForgetfulStore();
    store.isFull = true;
    return Promise.resolve(store);
  };
  await InProcessCluster.run({ nodes: 1, start: [], parts: { openStore } }, async (cluster) => {
    for (const fails of [() => cluster.start(1), async () => await told[0]]) {
      const error = await assertRejects(fails, ConvergeError);
      assertEquals(error.code, "disk_full");
    }
  });
});

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

Deno.test("data loss: what a node uncovers while another is refilled from it does not come back there", () =>
  InProcessCluster.run(JOINED_LATER, async (cluster) => {
    await cluster.ready();
    const key = keyOf((key) => cluster.ownersOf(key).includes(4));
    const leftover = await collected(cluster, key);
    before(cluster, 1, "/internal/range", () => cluster.lose(1, key, leftover));
    await cluster.start(4);
    await cluster.ready();
    await cluster.wait(10_000);
    for (const i of [1, 2, 3, 4]) {
      assertEquals([i, await cluster.get(i, key)], [i, undefined]);
      assertEquals([i, await cluster.copy(i, key)], [i, undefined]);
    }
  }));

Deno.test("data loss: what a node uncovers while it compares is not vouched for", () =>
  InProcessCluster.run({ config: { ...QUICK.config, virtualNodes: 1 } }, async (cluster) => {
    const leftover = await collected(cluster, "k");
    // Node 3 alone begins a round, and with node 1.
    for (const i of [2, 3]) refuse(cluster, i, "/internal/tree");
    before(cluster, 1, "/internal/range", () => cluster.lose(3, "k", leftover));
    const { ring } = topologyOf(3, { virtualNodes: 1 });
    const leaf = (key: string) => leafOf(ring.arcOf(tokenOf(key))!.index, tokenOf(key));
    // Compared with it, since it has the same leaf.
    const neighbour = keyOf((key) => leaf(key) === leaf("k"));
    await cluster.plant(3, record(neighbour, 1_000));
    await cluster.until("it was compared", () => cluster.node(3).lastLoss === 1);
    await cluster.wait(10_000);
    await cluster.ready();
    assertEquals(await cluster.isForgotten("k"), true);
  }));

Deno.test("data loss: a listing does not count a node that lost the key", () =>
  InProcessCluster.run(WITHOUT_HINTS, async (cluster) => {
    await putWithoutNode2(cluster);
    before(cluster, 3, "/internal/list", () => cluster.lose(3, "k", undefined));
    cluster.kill(1);
    const answer = await cluster.call(2, "GET", "/kv?prefix=k");
    assertEquals([answer.status, answer.status === 200 ? await answer.json() : 0], [503, 0]);
  }));

/** The first of some keys for which something holds. */
function keyOf(holds: (key: string) => boolean): string {
  for (let i = 0;; i++) if (holds(`key${i}`)) return `key${i}`;
}

Deno.test("data loss: a write that is acknowledged with the word of a disk that was lost since is found", () =>
  InProcessCluster.run({ ...WITHOUT_HINTS, nodes: 4 }, async (cluster) => {
    const key = keyOf((key) => !cluster.ownersOf(key).includes(4));
    const [slow, lost, without] = cluster.ownersOf(key) as [number, number, number];
    const { network } = cluster.world;
    const origins = [4, slow, without].map((i) => cluster.node(i).origin) as [
      string,
      string,
      string,
    ];
    network.cut(origins[0], origins[2]);
    network.setLink(origins[0], origins[1], { ...network.weather, delayMs: [1_400, 1_400] });
    const written = cluster.put(4, key, "v");
    await cluster.until(
      "one owner has it",
      async () => await cluster.copy(lost, key) !== undefined,
    );
    cluster.kill(lost);
    cluster.wipe(lost);
    await cluster.start(lost);
    await written;
    await cluster.ready();
    for (const i of [slow, without]) refuse(cluster, i, "/internal/tree");
    network.cut(origins[2], origins[1]);
    assertEquals(await cluster.get(without, key), "v");
  }));

Deno.test("data loss: what a lost disk acknowledged with one that joins is not missed, though that one is not heard", () =>
  InProcessCluster.run(
    { ...JOINED_LATER, config: { hintBytesMax: 0, antiEntropyIntervalMs: 1e9 } },
    async (cluster) => {
      await cluster.ready([1, 2, 3]);
      await cluster.put(1, "first", "v");
      const key = keyOf((key) => cluster.ownersOf(key).includes(4));
      const [lost, left] = cluster.ownersOf(key).filter((i) => i !== 4) as [number, number];
      const { network } = cluster.world;
      await cluster.start(4);
      const isKnown = async (i: number) =>
        (await cluster.view(i)).members.some(({ name }) => name === "node4");
      for (const i of [1, 2, 3]) await cluster.until(`${i} knows it`, () => isKnown(i));
      // It hears that all know it, and nobody but the one hears what becomes of it.
      for (const i of [1, 2, 3]) {
        if (i !== lost) network.cut(cluster.node(4).origin, cluster.node(i).origin);
      }
      await cluster.until("it counts", async () => await statusOf(cluster, 4) === "refilling");
      await cluster.put(4, key, "v");
      cluster.kill(lost);
      cluster.wipe(lost);
      cluster.cutOff(4);
      await cluster.start(lost);
      await cluster.wait(10_000);
      const response = await cluster.call(left, "GET", `/kv/${key}`);
      assertEquals(response.status, 503, "the only one that has it is not heard");
      cluster.heal();
      await cluster.ready();
      assertEquals(await cluster.get(left, key), "v");
    },
  ));

for (const unheard of [[1], [1, 2]]) {
  Deno.test(`data loss: nor what it acknowledged while it was being filled itself; the other does not reach ${unheard}`, () =>
    InProcessCluster.run({
      nodes: 3,
      start: [1],
      seedsOf: (i) => i === 1 ? [] : [1],
      config: { hintBytesMax: 0, antiEntropyIntervalMs: 1e9 },
    }, async (cluster) => {
      await cluster.ready([1]);
      await cluster.put(1, "first", "v");
      for (const i of [2, 3]) await cluster.start(i);
      for (const i of [2, 3]) {
        await cluster.until(`${i} counts`, async () => await statusOf(cluster, i) === "refilling");
      }
      cluster.cutOff(1);
      await cluster.put(2, "k", "v");
      cluster.kill(2);
      cluster.wipe(2);
      cluster.heal();
      cluster.cutOff(3, unheard);
      await cluster.start(2);
      await cluster.wait(10_000);
      assertEquals((await cluster.call(1, "GET", "/kv/k")).status, 503, "only node 3 has it");
      cluster.heal();
      await cluster.ready();
      for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), "v");
    }));
}

/** Begins the removal of node 4, which goes no further as long as a node cannot write down that it knows. */
async function beginRemoval(cluster: InProcessCluster, without: number): Promise<void> {
  (cluster.store(without) as ForgetfulStore).isFull = true;
  const body = JSON.stringify({ name: "node4" });
  const at = without === 1 ? 2 : 1;
  assertEquals((await cluster.call(at, "POST", "/cluster/removals", { body })).status, 202);
  for (const i of [1, 2, 3]) {
    await cluster.until(`${i} hears`, async () => (await cluster.view(i)).removals.length > 0);
  }
}

/** Puts a key and deletes it when node 2 is no owner any more; gives the value, which that one has left. */
async function leftBehind(
  cluster: InProcessCluster,
): Promise<{ key: string; leftover: StoredRecord }> {
  const key = keyOf((key) => !cluster.ownersOf(key).includes(2));
  await cluster.put(1, key, "old");
  await cluster.until("all have it", async () => await cluster.copy(2, key) !== undefined);
  await cluster.start(4);
  await cluster.ready();
  const line = (await cluster.copy(3, key))!;
  const leftover = recordFromLine(new TextEncoder().encode(line.trim()));
  await cluster.call(1, "DELETE", `/kv/${key}`);
  for (const i of [1, 3, 4]) {
    await cluster.until("it is gone", async () => await cluster.copy(i, key) === undefined);
  }
  return { key, leftover };
}

Deno.test("data loss: what a former owner has left of it is no word of an owner, while it gains the key", () =>
  InProcessCluster.run({ ...JOINED_LATER, start: [] }, async (cluster) => {
    cluster.node(1).memory = new ForgetfulStore();
    for (const i of [1, 2, 3]) await cluster.start(i);
    await cluster.ready([1, 2, 3]);
    const { key, leftover } = await leftBehind(cluster);
    await beginRemoval(cluster, 1);
    await cluster.lose(3, key, leftover);
    await cluster.ready([1, 2, 3]);
    assertEquals(await cluster.get(3, key), undefined);
    (cluster.store(1) as ForgetfulStore).isFull = false;
    await cluster.until("it has ended", async () => (await cluster.view(1)).members.length === 3);
    assertEquals(await cluster.copy(3, key), undefined);
  }));

Deno.test("data loss: nor is it where that one has not heard yet that it gains the key", () =>
  InProcessCluster.run(JOINED_LATER, async (cluster) => {
    await cluster.ready([1, 2, 3]);
    const { key, leftover } = await leftBehind(cluster);
    // Node 2 exchanges no gossip, and answers all else.
    for (const i of [1, 2, 3, 4]) {
      const { origin, life, process } = cluster.node(i);
      cluster.world.network.listen(origin, life!, (request) => {
        const isWithNode2 = i === 2 || request.headers.get("converge-from") === "node2";
        if (request.url.endsWith("/internal/gossip") && isWithNode2) {
          return new Response(null, { status: 503 });
        }
        return process!.app.fetch(request);
      });
    }
    const body = JSON.stringify({ name: "node4" });
    assertEquals((await cluster.call(1, "POST", "/cluster/removals", { body })).status, 202);
    for (const i of [1, 3, 4]) {
      await cluster.until(`${i} hears`, async () => (await cluster.view(i)).removals.length > 0);
    }
    await cluster.lose(3, key, leftover);
    await cluster.wait(5_000);
    for (const i of [1, 2, 3, 4]) {
      const { origin, life, process } = cluster.node(i);
      cluster.world.network.listen(origin, life!, (request) => process!.app.fetch(request));
    }
    await cluster.until("it has ended", async () => (await cluster.view(1)).members.length === 3);
    await cluster.ready([1, 2, 3]);
    assertEquals(await cluster.get(3, key), undefined);
    assertEquals(await cluster.copy(3, key), undefined);
  }));

Deno.test("data loss: what a member that is being removed has, too, is no leftover", () =>
  InProcessCluster.run({ ...WITHOUT_HINTS, nodes: 4, start: [] }, async (cluster) => {
    cluster.node(2).memory = new ForgetfulStore();
    for (const i of [1, 2, 3, 4]) await cluster.start(i);
    await cluster.ready();
    for (const i of [1, 2, 3, 4]) refuse(cluster, i, "/internal/tree");
    const key = keyOf((key) => !cluster.ownersOf(key).includes(2));
    cluster.cutOff(1);
    await cluster.put(3, key, "v");
    cluster.heal();
    const later = keyOf((key) => [1, 2].every((i) => cluster.ownersOf(key).includes(i)));
    await cluster.put(3, later, "v");
    assertEquals((await cluster.call(3, "DELETE", `/kv/${later}`)).status, 204);
    await cluster.until("others have a horizon", () => cluster.isForgotten(later));
    await beginRemoval(cluster, 2);
    refuse(cluster, 1, "/internal/range");
    await cluster.lose(3, "other", undefined);
    await cluster.until("it has read node 4", async () => {
      return (await cluster.view(3)).refill.done.includes("node4");
    });
    const { origin, life, process } = cluster.node(1);
    cluster.world.network.listen(origin, life!, (request) => process!.app.fetch(request));
    await cluster.until("it counts", async () => await statusOf(cluster, 3) === "normal");
    assertEquals(await cluster.get(3, key), "v");
  }));
