/** Defects of convergence that this store must never have: each test names one. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DATA, type Store } from "../../src/storage/store.ts";
import { type ClusterOptions, InProcessCluster } from "../support/in_process_cluster.ts";
import { problemOf } from "../support/problems.ts";
import { keyOf, record } from "../support/records.ts";

const NO_HINTS: ClusterOptions["config"] = { hintBytesMax: 0 };
const UNHEALED: ClusterOptions["config"] = { antiEntropyIntervalMs: 1e9, hintBytesMax: 0 };

/** Waits until all owners of these keys hold the same line. */
async function converged(cluster: InProcessCluster, keys: readonly string[]): Promise<void> {
  await cluster.until("all owners hold the same", async () => {
    for (const key of keys) {
      const copies = await Promise.all(cluster.ownersOf(key).map((i) => cluster.copy(i, key)));
      if (copies[0] === undefined || copies.some((copy) => copy !== copies[0])) return false;
    }
    return true;
  });
}

/** Bytes that a node has been sent in this life, in answers. */
async function bytesReceived(cluster: InProcessCluster, i: number): Promise<number> {
  const metrics = await (await cluster.call(i, "GET", "/metrics")).text();
  return [...metrics.matchAll(/^converge_peer_bytes_total\{.*"received"\} (\d+)$/gm)]
    .reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}

/** Bytes that nodes have sent to another in these lives, in questions. */
async function bytesSentTo(cluster: InProcessCluster, i: number, from: number[]): Promise<number> {
  let sum = 0;
  for (const one of from) {
    const metrics = await (await cluster.call(one, "GET", "/metrics")).text();
    const line = new RegExp(
      `^converge_peer_bytes_total\\{peer="node${i}",direction="sent"\\} (\\d+)$`,
      "m",
    );
    sum += Number(line.exec(metrics)?.[1] ?? 0);
  }
  return sum;
}

const KEYS = Array.from({ length: 60 }, (_, i) => `k${i}`);

Deno.test("a node that was away gets what it missed, deletes too, without anybody reading", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (const key of KEYS) await cluster.put(1, key, "before");
    cluster.kill(3);
    for (const [i, key] of KEYS.entries()) {
      if (i % 3 === 0) await cluster.call(1 + i % 2, "DELETE", `/kv/${key}`);
      else await cluster.put(1 + i % 2, key, "missed");
    }
    await cluster.start(3);
    await converged(cluster, KEYS);
    assertStringIncludes((await cluster.copy(3, "k1"))!, "missed");
    assertStringIncludes((await cluster.copy(3, "k0"))!, '"d":1');
  }));

Deno.test("what a node missed does not come to it by hints and by comparisons both", () =>
  InProcessCluster.run({ config: { antiEntropyIntervalMs: 100 } }, async (cluster) => {
    const keys = Array.from({ length: 8_000 }, (_, i) => `k${i}`);
    cluster.kill(3);
    await Promise.all(keys.map((key, i) => cluster.put(1 + i % 2, key, "x".repeat(100))));
    const frames = await Promise.all(keys.map((key) => cluster.copy(1, key)));
    const missedBytes = frames.reduce((sum, line) => sum + line!.length, 0);
    const before = await bytesSentTo(cluster, 3, [1, 2]);
    await cluster.start(3);
    await converged(cluster, keys);
    const sentBytes = await bytesSentTo(cluster, 3, [1, 2]) - before;
    const askedBytes = await bytesReceived(cluster, 3);
    // What it asked for before the first hints came is a page of each of the others.
    const share = (sentBytes + askedBytes) / missedBytes;
    assert(share > 1 && share < 1.8, String(share));
  }));

Deno.test("a hint is not lost when the node that keeps it is killed before it could deliver it", () =>
  InProcessCluster.run({ config: { antiEntropyIntervalMs: 1e9 } }, async (cluster) => {
    const [away, other] = cluster.ownersOf("k") as [number, number, number];
    cluster.kill(away);
    await cluster.put(other, "k", "v");
    await cluster.until(
      "the hint is kept",
      async () => (await cluster.view(other)).hints.waiting[`node${away}`] === 1,
    );
    cluster.kill(other);
    await cluster.start(away);
    await cluster.start(other);
    await cluster.until(
      "the hint has arrived",
      async () => (await cluster.copy(away, "k")) !== undefined,
    );
  }));

Deno.test("a hint is not dropped before a durable ack: a node that cannot store gets it again", () =>
  InProcessCluster.run({ config: { antiEntropyIntervalMs: 1e9 } }, async (cluster) => {
    cluster.kill(3);
    await cluster.put(1, "k", "v");
    await cluster.start(3);
    const { origin, life, process } = cluster.node(3);
    let refused = 0;
    cluster.world.network.listen(origin, life!, (request) => {
      if (!request.url.endsWith("/internal/kv")) return process!.app.fetch(request);
      refused++;
      return new Response(null, { status: 507 });
    });
    await cluster.until("it was tried", () => refused > 3);
    assertEquals((await cluster.view(1)).hints.waiting.node3, 1);
    cluster.world.network.listen(origin, life!, (request) => process!.app.fetch(request));
    await cluster.until(
      "the hint has arrived",
      async () => (await cluster.copy(3, "k")) !== undefined,
    );
  }));

Deno.test("a node that is being refilled takes no hints: they may be older than what others collected", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (const i of [2, 3]) cluster.kill(i);
    cluster.wipe(3);
    await cluster.start(3); // stays so: it has to hear from node2
    await cluster.until("node3 is being refilled", async () => {
      const { members } = await cluster.view(3);
      return members.find(({ name }) => name === "node3")!.status === "refilling";
    });
    const headers = { "converge-hint": "1" };
    const body = record("k", 1).frame.slice();
    const answer = await cluster.call(3, "POST", "/internal/kv", { headers, body });
    await problemOf(answer, 503, "not-ready");
    await cluster.plant(3, record("k", 2 ** 33)); // past the counters that the lost disk leaves out
  }));

Deno.test("cold keys heal: owners agree in the end though nobody reads and no hint was kept", () =>
  InProcessCluster.run({ config: NO_HINTS }, async (cluster) => {
    cluster.cutOff(3);
    for (const key of KEYS) await cluster.put(1, key, "v");
    cluster.heal();
    await converged(cluster, KEYS);
  }));

Deno.test("cold keys heal in both directions, and the same key by version", () =>
  InProcessCluster.run({ config: NO_HINTS }, async (cluster) => {
    await cluster.plant(1, record("only1", 1));
    await cluster.plant(2, record("only2", 1));
    await cluster.plant(3, record("only3", 1, { value: undefined }));
    for (const i of [1, 2, 3]) await cluster.plant(i, record("all", i));
    await converged(cluster, ["only1", "only2", "only3", "all"]);
    assertStringIncludes((await cluster.copy(1, "all"))!, '"c":3');
  }));

Deno.test("anti-entropy spreads no key to a node that does not own it, nor takes one", () =>
  InProcessCluster.run({ nodes: 5, config: NO_HINTS }, async (cluster) => {
    cluster.cutOff(2);
    const keys: string[] = [];
    for (const key of KEYS) {
      const answer = await cluster.call(1, "PUT", `/kv/${key}`, { body: "v" });
      if (answer.status === 204) keys.push(key);
      await answer.body?.cancel();
    }
    cluster.heal();
    await converged(cluster, keys);
    const rounds = (await cluster.view(4)).antiEntropy.rounds;
    await cluster.until(
      "there were more rounds",
      async () => (await cluster.view(4)).antiEntropy.rounds > rounds + 4,
    );
    for (const key of keys) {
      for (const i of [1, 2, 3, 4, 5]) {
        if (!cluster.ownersOf(key).includes(i)) assertEquals(await cluster.copy(i, key), undefined);
      }
    }
  }));

Deno.test("a copy that went unnoticed comes back: now and then hashes are made anew from the disk", () =>
  InProcessCluster.run({ config: { antiEntropyIntervalMs: 100 } }, async (cluster) => {
    await cluster.put(1, "k", "v");
    await converged(cluster, ["k"]);
    await cluster.wait(10_000); // hashes know of it
    const { memory } = cluster.node(3);
    const record = memory.get(DATA, keyOf("k"))!;
    await memory.apply([{ keyspace: DATA, record, erase: true }]);
    await converged(cluster, ["k"]);
  }));

Deno.test("equal owners send each other hashes, not records", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (const key of KEYS) await cluster.put(1, key, "v");
    await converged(cluster, KEYS);
    await cluster.wait(30_000);
    const before = (await cluster.view(1)).antiEntropy;
    await cluster.wait(60_000);
    const after = (await cluster.view(1)).antiEntropy;
    assert(after.roundsEqual > before.roundsEqual + 2);
    assertEquals([after.pulled, after.pushed, after.compared], [
      before.pulled,
      before.pushed,
      before.compared,
    ]);
  }));

Deno.test("a wiped node is refilled, and then holds all that it owns", () =>
  InProcessCluster.run({ nodes: 4, config: NO_HINTS }, async (cluster) => {
    for (const key of KEYS) await cluster.put(1, key, "v");
    cluster.kill(2);
    cluster.wipe(2);
    await cluster.start(2);
    await cluster.ready();
    for (const key of KEYS) {
      const owned = cluster.ownersOf(key).includes(2);
      assertEquals((await cluster.copy(2, key)) !== undefined, owned, key);
    }
  }));

Deno.test("a wiped node is sent each record about once, and what one peer alone has too", () =>
  InProcessCluster.run({ config: UNHEALED }, async (cluster) => {
    const value = "x".repeat(2_000);
    for (let i = 0; i < 300; i++) await cluster.put(1, `k${i}`, value);
    cluster.kill(2);
    cluster.wipe(2);
    cluster.cutOff(1, [3]);
    for (const i of [1, 3]) {
      await cluster.plant(i, record(`only on ${i}`, 10_000, { nodeID: "x.1", value }));
    }
    await cluster.start(2);
    await cluster.ready();
    for (const i of [1, 3]) {
      assert((await cluster.copy(2, `only%20on%20${i}`)) !== undefined, `${i}`);
    }
    const { refill } = await cluster.view(2);
    assertEquals([refill.pulled, refill.done.toSorted()], [302, ["node1", "node3"]]);
    const received = await bytesReceived(cluster, 2);
    assert(received < 1.2 * 302 * 2_050, `${received} bytes for 302 records of 2,000`);
    assert(received > 302 * 2_000, `${received} bytes`);
  }));

Deno.test("nodes agree, forget and are filled where answers take longer than clients may wait", () => {
  const config = { requestTimeoutMs: 100, tombstoneIntervalMs: 500, antiEntropyIntervalMs: 1_000 };
  return InProcessCluster.run({ config }, async (cluster) => {
    for (const key of KEYS) await cluster.put(1, key, "v");
    cluster.kill(3);
    cluster.wipe(3);
    cluster.slow(3, 60);
    await cluster.start(3);
    await converged(cluster, KEYS);
    await cluster.call(1, "DELETE", "/kv/k0");
    await cluster.until("the tombstone is collected", () => cluster.isForgotten("k0"));
    cluster.cutOff(3);
    await cluster.put(1, "k1", "missed");
    cluster.heal();
    cluster.slow(3, 60);
    await converged(cluster, KEYS.slice(1));
    await cluster.until("no hint waits", async () => {
      const { hints } = await cluster.view(1);
      return Object.keys(hints.waiting).length === 0;
    });
  });
});

Deno.test("a refill that cannot go on says so in the log, after a while", () =>
  InProcessCluster.run({ config: NO_HINTS }, async (cluster) => {
    for (const key of KEYS) await cluster.put(1, key, "v");
    cluster.kill(2);
    cluster.kill(3);
    cluster.wipe(3);
    await cluster.start(3);
    const { warnings } = cluster.node(3);
    await cluster.until("it is said", () => Promise.resolve(warnings.includes("refill.failed")));
    assertEquals((await cluster.view(3)).refill.done, ["node1"]);
  }));

Deno.test("a refill that is interrupted goes on where it was, and shows its progress", () =>
  InProcessCluster.run({ config: UNHEALED }, async (cluster) => {
    const count = 600;
    const value = "x".repeat(50_000); // some ten records fill a page
    for (let i = 0; i < count; i++) await cluster.put(1, `k${1_000 + i}`, value);
    cluster.kill(2);
    cluster.wipe(2);
    await cluster.start(2);
    const progress = async () => (await cluster.view(2)).refill;
    await cluster.until("half is there", async () => (await progress()).pulled >= count / 2);
    const before = await progress();
    assert(before.pulled < count && before.done.length === 0, JSON.stringify(before));
    cluster.kill(2);
    await cluster.start(2);
    await cluster.ready();
    const after = await progress();
    assertEquals(after.done.toSorted(), ["node1", "node3"]);
    const received = await bytesReceived(cluster, 2);
    assert(received < (count - 150) * value.length, `${received} bytes were taken again`);
    for (let i = 0; i < count; i++) assert((await cluster.copy(2, `k${1_000 + i}`)) !== undefined);
  }));

Deno.test("a wiped node counts in no read quorum: no acked write hides behind its empty disk", () =>
  InProcessCluster.run({ config: UNHEALED }, async (cluster) => {
    cluster.cutOff(3);
    await cluster.put(1, "k", "acked"); // on node1 and node2
    cluster.kill(2);
    cluster.wipe(2);
    cluster.heal();
    cluster.cutOff(1);
    await cluster.start(2);
    for (let i = 0; i < 10; i++) {
      for (const node of [2, 3]) {
        assertEquals((await cluster.call(node, "GET", "/kv/k")).status, 503);
      }
    }
    cluster.heal();
    await cluster.ready();
    for (const node of [1, 2, 3]) assertEquals(await cluster.get(node, "k"), "acked");
  }));

Deno.test("a joiner is not filled from a stale copy only", () =>
  InProcessCluster.run({ nodes: 4, start: [], config: UNHEALED }, async (cluster) => {
    for (const i of [1, 2, 3]) cluster.node(i).config.peers = ["http://node1:8080"];
    for (const i of [1, 2, 3]) await cluster.start(i);
    await cluster.ready();
    for (const key of KEYS) await cluster.put(1, key, "old");
    await cluster.wait(1_000);
    cluster.cutOff(3);
    for (const key of KEYS) await cluster.put(1, key, "new");
    cluster.heal();
    await cluster.start(4);
    await cluster.ready();
    for (const key of KEYS) {
      if (!cluster.ownersOf(key).includes(4)) continue;
      assertStringIncludes((await cluster.copy(4, key))!, '"v":"new"');
    }
    for (const key of KEYS) assertEquals(await cluster.get(3, key), "new");
  }));

Deno.test("large values are refilled and compared: no page or batch outgrows what a node accepts", () =>
  InProcessCluster.run({ config: { hintBytesMax: 0, maxValueBytes: 50_000 } }, async (cluster) => {
    const value = "\n".repeat(50_000); // twice as long in JSON
    for (const key of KEYS) await cluster.put(1, key, value);
    cluster.kill(3);
    cluster.wipe(3);
    await cluster.start(3);
    await cluster.ready();
    cluster.cutOff(2);
    for (const key of KEYS) await cluster.put(1, key, value);
    cluster.heal();
    await converged(cluster, KEYS);
  }));

/** Has a store tell how many of its scans and snapshots nobody has closed. */
function watchOpen(store: Store): () => number {
  const open = new Set<object>();
  const watched = <T extends { close(): void }>(one: T): T => {
    open.add(one);
    const close = one.close.bind(one);
    one.close = () => {
      open.delete(one);
      close();
    };
    return one;
  };
  const scan = store.scan.bind(store);
  const snapshot = store.snapshot.bind(store);
  store.scan = (...args) => watched(scan(...args));
  store.snapshot = () => watched(snapshot());
  return () => open.size;
}

Deno.test("no scan and no snapshot, which hold files, is left open by whoever reads in the background", () => {
  const config = { antiEntropyIntervalMs: 200, tombstoneIntervalMs: 500, virtualNodes: 16 };
  const seedsOf = (node: number) => [1, 2, 3].filter((other) => other !== node);
  return InProcessCluster.run({ nodes: 4, config, start: [], seedsOf }, async (cluster) => {
    const left = cluster.nodes.map((_, i) => watchOpen(cluster.store(i + 1)));
    for (const i of [1, 2, 3]) await cluster.start(i);
    await cluster.ready();
    cluster.cutOff(3);
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
    for (const key of keys) await cluster.put(1, key, "v");
    await cluster.call(2, "GET", "/kv?limit=3");
    await cluster.wait(3_000);
    await cluster.node(1).process!.stop(); // hints are left for its next life
    cluster.kill(1);
    await cluster.start(1);
    await cluster.ready([1, 2]);
    cluster.heal();
    for (const key of keys.slice(20)) await cluster.call(2, "DELETE", `/kv/${key}`);
    await cluster.until("deletions have ended", () => cluster.isForgotten(keys[20]!));
    await cluster.start(4);
    await cluster.ready();
    await cluster.until("what others own now is erased", async () => {
      for (const key of keys.slice(0, 20)) {
        for (const i of [1, 2, 3, 4]) {
          if (!cluster.ownersOf(key).includes(i) && await cluster.copy(i, key) !== undefined) {
            return false;
          }
        }
      }
      return true;
    });
    await cluster.wait(2_000);
    for (const { process } of cluster.nodes) await process!.stop();
    await cluster.wait(1_000);
    assertEquals(left.map((count) => count()), [0, 0, 0, 0]);
  });
});
