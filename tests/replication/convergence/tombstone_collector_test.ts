import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import v8 from "node:v8";
import vm from "node:vm";
import { ConvergeError } from "../../../src/errors.ts";
import { recordFromLine } from "../../../src/record/record_line.ts";
import type { PeerLink } from "../../../src/replication/peers/peer_link.ts";
import type { Replica } from "../../../src/replication/replica.ts";
import { TombstoneCollector } from "../../../src/replication/convergence/tombstone_collector.ts";
import { DATA, type Store } from "../../../src/storage/store.ts";
import { inWorld } from "../../support/in_world.ts";
import { keyOf, record } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";
import { InProcessCluster, originOf } from "../../support/in_process_cluster.ts";

const NOTHING = { value: undefined };
const QUICK = { config: { tombstoneIntervalMs: 500, antiEntropyIntervalMs: 1_000 } };

/** Whether no node holds anything of the clients' any more. */
function isAllForgotten(cluster: InProcessCluster): boolean {
  return [1, 2, 3].every((i) => cluster.store(i).scan(DATA).next(1).length === 0);
}

/** The frame of a record line, as a peer would send it. */
function frameOfLine(line: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(recordFromLine(new TextEncoder().encode(line.trim())).frame);
}

Deno.test("TombstoneCollector: a tombstone that all owners have is collected everywhere", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    await cluster.put(1, "k", "v");
    await cluster.call(2, "DELETE", "/kv/k");
    await cluster.until("the tombstone is gone", () => cluster.isForgotten("k"));
    assertEquals(await cluster.get(3, "k"), undefined);
  }));

Deno.test("TombstoneCollector: a tombstone stays while an owner has not confirmed it", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    await cluster.put(1, "k", "v");
    cluster.kill(3);
    await cluster.call(1, "DELETE", "/kv/k");
    await cluster.wait(20_000);
    assertStringIncludes(await cluster.copy(1, "k") ?? "nothing", `"d":1`);
    const report = await (await cluster.call(1, "GET", "/tombstones/k")).json();
    assertEquals(
      report.owners.filter((o: { confirmed: boolean }) => !o.confirmed)
        .map((o: { name: string }) => o.name),
      ["node3"],
    );
  }));

Deno.test("TombstoneCollector: a node that knows of one more owner confirms nothing to one that does not", () =>
  InProcessCluster.run({
    nodes: 4,
    start: [1, 2, 3],
    seedsOf: (i) => i === 4 ? [1, 2] : [1, 2, 3].filter((other) => other !== i),
    config: {
      ...QUICK.config,
      ...{ replication: 5, readQuorum: 3, writeQuorum: 3, gossipIntervalMs: 20_000 },
    },
  }, async (cluster) => {
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    await cluster.ready([1, 2, 3]);
    await cluster.wait(1_000); // until they are in no hurry to tell
    cluster.cutOff(4, [3]);
    await cluster.start(4);
    const statusAt = async (i: number) =>
      (await cluster.view(i)).members.find(({ name }) => name === "node4")?.status;
    await cluster.until("node4 counts at node1", async () => await statusAt(1) === "refilling");
    for (const key of keys) await cluster.put(1, key, "v");
    assertEquals(await statusAt(3), undefined);
    for (const key of keys) await cluster.call(3, "DELETE", `/kv/${key}`);
    await cluster.wait(2_000);
    cluster.heal();
    await cluster.ready([1, 2, 3, 4]);
    await cluster.until("all tombstones are gone", () => isAllForgotten(cluster));
    for (const key of keys) assertEquals(await cluster.get(1, key), undefined, key);
  }));

Deno.test("TombstoneCollector: an owner confirms what is on its device, the first one too", async () => {
  for (const slow of [1, 2, 3]) {
    await InProcessCluster.run(QUICK, async (cluster) => {
      await cluster.put(1, "k", "v");
      await cluster.until("all have it", async () => await cluster.copy(3, "k") !== undefined);
      cluster.node(slow).memory.sync = () => new Promise(() => {});
      await cluster.call(1, "DELETE", "/kv/k");
      await cluster.wait(10_000);
      for (const i of [1, 2, 3]) {
        assertStringIncludes(await cluster.copy(i, "k") ?? "nothing", `"d":1`, `node ${slow}`);
      }
    });
  }
});

Deno.test("TombstoneCollector: a node that comes back with the old value does not resurrect it", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    await cluster.put(1, "k", "old");
    await cluster.until("all have it", async () => await cluster.copy(3, "k") !== undefined);
    cluster.kill(3);
    await cluster.call(1, "DELETE", "/kv/k");
    await cluster.wait(10_000);
    await cluster.start(3);
    await cluster.until("the tombstone is gone", () => cluster.isForgotten("k"));
    await cluster.wait(10_000);
    assertEquals(await cluster.get(1, "k"), undefined);
    assertEquals(await cluster.isForgotten("k"), true);
  }));

Deno.test("horizon: an old message replayed after the tombstone was collected brings nothing back", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    await cluster.put(1, "k", "old");
    const line = (await cluster.copy(1, "k"))!;
    await cluster.call(1, "DELETE", "/kv/k");
    await cluster.until("the tombstone is gone", () => cluster.isForgotten("k"));
    for (const i of [1, 2, 3]) {
      const answer = await cluster.call(i, "POST", "/internal/kv", { body: frameOfLine(line) });
      assertStringIncludes(await answer.text(), "below-horizon");
    }
    assertEquals(await cluster.get(2, "k"), undefined);
  }));

Deno.test("horizon: a late hint for a collected tombstone does not eat a new put", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    await cluster.put(1, "k", "old");
    await cluster.call(1, "DELETE", "/kv/k");
    const tombstone = (await cluster.copy(1, "k"))!;
    await cluster.until("the tombstone is gone", () => cluster.isForgotten("k"));
    await cluster.put(2, "k", "new");
    for (const i of [1, 2, 3]) {
      await cluster.call(i, "POST", "/internal/kv", {
        body: frameOfLine(tombstone),
        headers: { "converge-hint": "1" },
      });
    }
    await cluster.wait(5_000);
    assertEquals(await cluster.get(3, "k"), "new");
  }));

Deno.test("horizon: a write whose counter is below it is raised and acked", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    await cluster.put(1, "gone", "v");
    await cluster.call(1, "DELETE", "/kv/gone");
    await cluster.until("the tombstone is gone", () => cluster.isForgotten("gone"));
    await cluster.put(2, "fresh", "v");
    assertEquals(await cluster.get(1, "fresh"), "v");
  }));

Deno.test("horizon: a read repairs an owner that missed the write, although it has collected since", () =>
  InProcessCluster.run(
    { config: { tombstoneIntervalMs: 500, antiEntropyIntervalMs: 600_000, hintBytesMax: 1 } },
    async (cluster) => {
      await cluster.wait(10_000); // until the rounds of anti-entropy that a start brings are over
      cluster.cutOff(3);
      await cluster.put(1, "missed", "v");
      cluster.heal();
      // Raises the horizon of all three past the counter of the write that node3 missed.
      await cluster.put(1, "gone", "v");
      await cluster.call(1, "DELETE", "/kv/gone");
      await cluster.until("the tombstone is gone", () => cluster.isForgotten("gone"));
      assertEquals(await cluster.copy(3, "missed"), undefined);
      cluster.kill(2);
      assertEquals(await cluster.get(1, "missed"), "v");
      assertStringIncludes(await cluster.copy(3, "missed") ?? "nothing", `"v":"v"`);
    },
  ));

Deno.test("TombstoneCollector: an expired value reads as absent, and is collected", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    await cluster.call(1, "PUT", "/kv/k?ttl=5", { body: "v" });
    assertEquals(await cluster.get(2, "k"), "v");
    await cluster.wait(5_000);
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), undefined);
    await cluster.wait(60_000);
    await cluster.until("the record is gone", () => cluster.isForgotten("k"));
  }));

/** Has a node answer everything but the end of a deletion, or that too. */
function refuseToCollect(cluster: InProcessCluster, i: number, refuses: boolean): void {
  const { life, process } = cluster.node(i);
  cluster.world.network.listen(originOf(i), life!, (request) => {
    const isRefused = refuses && new URL(request.url).pathname === "/internal/collect";
    return isRefused ? new Response(null, { status: 413 }) : process!.app.fetch(request);
  });
}

/** What one node has collected as the first owner, since its start. */
async function collectedBy(cluster: InProcessCluster, i: number): Promise<number> {
  const text = await (await cluster.call(i, "GET", "/metrics")).text();
  return Number(/^converge_tombstones_collected_total(?:\{.*\})? (\d+)/m.exec(text)?.[1]);
}

Deno.test("TombstoneCollector: expired values that fill no one body together are collected, once each", () =>
  InProcessCluster.run(
    { config: { ...QUICK.config, maxValueBytes: 200_000 } }, // a body between nodes: 2.1 MiB
    async (cluster) => {
      const keys = Array.from({ length: 60 }, (_, i) => `large/${i}`);
      for (const key of keys) {
        await cluster.call(1, "PUT", `/kv/${key}?ttl=1`, { body: "v".repeat(200_000) });
      }
      await cluster.wait(62_000);
      await cluster.until("all records are gone", () => isAllForgotten(cluster));
      await cluster.wait(20_000);
      const collected = await Promise.all([1, 2, 3].map((i) => collectedBy(cluster, i)));
      assertEquals(collected.reduce((sum, count) => sum + count), keys.length);
    },
  ));

Deno.test("TombstoneCollector: an expired value longer than any message of keys is collected", () =>
  InProcessCluster.run(
    { config: { ...QUICK.config, maxValueBytes: 300_000 } },
    async (cluster) => {
      // Each byte becomes an escape of six: 1.8 MB.
      await cluster.call(1, "PUT", "/kv/k?ttl=1", { body: "\x01".repeat(300_000) });
      await cluster.wait(62_000);
      await cluster.until("the record is gone", () => cluster.isForgotten("k"));
    },
  ));

Deno.test("TombstoneCollector: the longest keys are asked about and collected in several bodies", () =>
  InProcessCluster.run(
    { config: { ...QUICK.config, maxValueBytes: 1_000 } }, // a body between nodes: 1 MiB
    async (cluster) => {
      // A key of so many control characters is 12 KiB of JSON.
      const keys = Array.from({ length: 500 }, (_, i) => "%01".repeat(2_040) + i);
      await Promise.all(keys.map((key) => cluster.call(1, "DELETE", `/kv/${key}`)));
      await cluster.until("all tombstones are gone", () => isAllForgotten(cluster));
    },
  ));

Deno.test("TombstoneCollector: what a peer refuses to collect is not erased here either", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    const [first, second, third] = cluster.ownersOf("k") as [number, number, number];
    refuseToCollect(cluster, third, true);
    await cluster.put(first, "k", "v");
    await cluster.call(second, "DELETE", "/kv/k");
    await cluster.wait(20_000);
    assertStringIncludes(await cluster.copy(first, "k") ?? "nothing", `"d":1`);
    assertEquals(await collectedBy(cluster, first), 0);
    refuseToCollect(cluster, third, false);
    await cluster.until("the tombstone is gone", () => cluster.isForgotten("k"));
    assertEquals(await collectedBy(cluster, first), 1);
  }));

/** Memory in use, after a full collection. */
function heapBytes(): number {
  v8.setFlagsFromString("--expose-gc");
  vm.runInNewContext("gc")();
  return Deno.memoryUsage().heapUsed;
}

Deno.test("TombstoneCollector: however many tombstones wait for an owner, it remembers none of them", () =>
  inWorld(async ({ clock }) => {
    const waiting = 100_000;
    let read = 0;
    const next = (recordsMax: number) => {
      const count = Math.min(recordsMax, waiting - read);
      return Array.from({ length: count }, () => record(`deleted/${++read}`, read, NOTHING));
    };
    const collector = new TombstoneCollector({
      store: { scan: () => ({ next, close() {} }) } as unknown as Store,
      topology: () => topologyOf(3),
      lamport: { current: waiting },
      linkTo: () => undefined,
      replica: {} as Replica,
      log: { info() {}, warn() {}, error() {} },
      intervalMs: 1_000,
      clock,
    });
    const before = heapBytes();
    await collector.round();
    const growth = heapBytes() - before;
    assertEquals(collector.counts.tombstones, waiting);
    assert(growth < 2_000_000, `${growth} bytes`);
  }));

Deno.test("TombstoneCollector: owners that are slow put the next round off by no more than they took", () =>
  inWorld(async ({ clock, wait }) => {
    let rounds = 0;
    const topology = topologyOf(3);
    const key = Array.from({ length: 100 }, (_, i) => keyOf(`k${i}`))
      .find((key) => topology.ownersOf(key)[0]!.isSelf)!;
    const scan = () => {
      rounds++;
      const pages = [[record(key, 1, NOTHING)]];
      return { next: () => pages.shift() ?? [], close() {} };
    };
    const slow = {
      isOpen: false,
      async request() {
        await wait(10_000);
        throw new ConvergeError("timeout", "no answer");
      },
    };
    const collector = new TombstoneCollector({
      store: { scan, sync: () => Promise.resolve() } as unknown as Store,
      topology: () => topology,
      lamport: { current: 1 },
      linkTo: () => slow as unknown as PeerLink,
      replica: { answer: () => ["same"] } as unknown as Replica,
      log: { info() {}, warn() {}, error() {} },
      intervalMs: 1_000,
      clock,
    });
    collector.onStored({ tombstone: true });
    collector.start();
    await wait(120_000);
    collector.stop();
    assert(rounds > 5, `${rounds} rounds, each of which waits 10 s`);
    assert(rounds < 9, `${rounds} rounds: they should rest as long as they waited`);
  }));

Deno.test("TombstoneCollector: looks again where what is stored could not be read", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    const scans = [1, 2, 3].map((i) => {
      const { memory } = cluster.node(i);
      const { scan } = memory;
      memory.scan = (keyspace, options) => {
        if (keyspace === DATA) throw new ConvergeError("corrupt_file", "Cannot read a table");
        return scan.call(memory, keyspace, options);
      };
      return () => memory.scan = scan;
    });
    await cluster.put(1, "k", "v");
    await cluster.call(1, "DELETE", "/kv/k");
    await cluster.wait(5_000);
    for (const mend of scans) mend();
    await cluster.until("the tombstone is gone", () => cluster.isForgotten("k"));
  }));

Deno.test("GET /tombstones/{key}: any node tells who has not confirmed, owner or not", () =>
  InProcessCluster.run({ nodes: 5, config: { hintBytesMax: 0 } }, async (cluster) => {
    const [first, second, away] = cluster.ownersOf("k") as [number, number, number];
    const stranger = [1, 2, 3, 4, 5].find((i) => !cluster.ownersOf("k").includes(i))!;
    await cluster.put(first, "k", "v");
    await cluster.wait(1_000);
    cluster.cutOff(away);
    await cluster.call(first, "DELETE", "/kv/k");
    for (const asked of [first, stranger]) {
      const answer = await cluster.call(asked, "GET", "/tombstones/k");
      assertEquals(answer.status, 200, `node${asked}`);
      const { owners }: { owners: { name: string; confirmed: boolean; has: string }[] } =
        await answer.json();
      const confirmed = new Map(owners.map((owner) => [owner.name, owner.confirmed]));
      assertEquals([first, second, away].map((i) => confirmed.get(`node${i}`)), [
        true,
        true,
        false,
      ]);
    }
    assertEquals((await cluster.call(stranger, "GET", "/tombstones/none")).status, 404);
    await cluster.put(second, "k", "again");
    assertEquals((await cluster.call(stranger, "GET", "/tombstones/k")).status, 404);
  }));
