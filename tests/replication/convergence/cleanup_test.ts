/** Keys that a node no longer owns: when it erases them, and when it must not. */
import { assert, assertEquals } from "@std/assert";
import type { Member } from "../../../src/membership/member.ts";
import type { StoredRecord } from "../../../src/record/record.ts";
import { Cleanup } from "../../../src/replication/convergence/cleanup.ts";
import type { Topology } from "../../../src/replication/topology/topology.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { DATA } from "../../../src/storage/store.ts";
import { InProcessCluster } from "../../support/in_process_cluster.ts";
import { type InWorld, inWorld } from "../../support/in_world.ts";
import { member, removal } from "../../support/members.ts";
import { record } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";

const INTERVAL_MS = 1_000;
const KEYS = Array.from({ length: 2_000 }, (_, i) => `key${i}`);

/** `node1` of four, which holds all keys. */
class Played {
  readonly store = new MemoryStore();
  readonly cleanup: Cleanup;
  topology: Topology = topologyOf(4);
  onErase: () => Promise<void> | void = () => {};
  onScan = () => {};
  scans = 0;
  flushes = 0;

  constructor({ clock }: InWorld) {
    const erase = async (due: readonly StoredRecord[]) => {
      await this.onErase();
      await this.store.apply(due.map((one) => ({ keyspace: DATA, record: one, erase: true })));
    };
    const scan = this.store.scan.bind(this.store);
    this.store.scan = (...args) => {
      this.scans++;
      this.onScan();
      return scan(...args);
    };
    this.store.flush = async () => void this.flushes++;
    this.cleanup = new Cleanup({
      selfName: "node1",
      store: this.store,
      replica: { erase },
      clock,
      log: { info() {}, warn() {}, error() {} },
      topology: () => this.topology,
      intervalMs: INTERVAL_MS,
    });
  }

  async fill(): Promise<void> {
    await this.store.apply(KEYS.map((key) => ({ keyspace: DATA, record: record(key, 1) })));
  }

  get kept(): number {
    return KEYS.filter((key) => this.store.get(DATA, key) !== undefined).length;
  }

  get owned(): number {
    return KEYS.filter((key) => this.topology.owns("node1", key)).length;
  }
}

async function played(scenario: (node: Played, world: InWorld) => Promise<void>): Promise<void> {
  await inWorld(async (world) => {
    const node = new Played(world);
    await node.fill();
    await scenario(node, world);
    node.cleanup.stop();
    await world.wait(INTERVAL_MS);
  });
}

Deno.test("Cleanup: erases what others own, at the second look at members at rest, and nothing else", () =>
  played(async (node, world) => {
    const { owned, cleanup } = node;
    assert(owned > 0 && owned < KEYS.length - 257, "more than are erased at once");
    cleanup.start();
    await world.wait(2 * INTERVAL_MS - 1);
    assertEquals(node.kept, KEYS.length, "requests by the ring of before may be under way");
    await world.wait(INTERVAL_MS);
    assertEquals([node.kept, cleanup.erased], [owned, KEYS.length - owned]);
    assertEquals(node.flushes, 1, "its space is to come back, though nothing else is written");
    await world.wait(5 * INTERVAL_MS);
    assertEquals(node.flushes, 1);
  }));

Deno.test("Cleanup: what comes back late is erased too, and then it looks no more until the ring is another", () =>
  played(async (node, world) => {
    node.cleanup.start();
    await world.wait(2.5 * INTERVAL_MS);
    await node.fill();
    await world.wait(2 * INTERVAL_MS);
    assertEquals(node.kept, node.owned);
    const { scans } = node;
    await world.wait(10 * INTERVAL_MS);
    assertEquals(node.scans, scans);
    node.topology = topologyOf(5);
    await world.wait(3 * INTERVAL_MS);
    assertEquals(node.kept, node.owned);
  }));

Deno.test("Cleanup: a change of members ends it before the next batch", async () => {
  for (const changed of [topologyOf(4, { pending: [removal("node4")] }), topologyOf(5)]) {
    await played(async (node, world) => {
      let batches = 0;
      node.onErase = () => {
        batches++;
        node.topology = changed;
      };
      node.cleanup.start();
      await world.wait(3.5 * INTERVAL_MS);
      assertEquals(batches, 1);
      assert(node.kept > node.owned);
      await world.wait(17 * INTERVAL_MS);
      assertEquals(batches > 1, changed.isAtRest);
    });
  }
});

Deno.test("Cleanup: one that a change of members cut off before it found anything is done anew", () =>
  played(async (node, world) => {
    node.onScan = () => {
      node.onScan = () => {};
      node.topology = topologyOf(5);
    };
    node.cleanup.start();
    await world.wait(2.5 * INTERVAL_MS);
    assertEquals([node.scans, node.kept], [1, KEYS.length]);
    node.topology = topologyOf(4);
    await world.wait(3 * INTERVAL_MS);
    assertEquals(node.kept, node.owned);
  }));

Deno.test("Cleanup: rests four times as long as it works", () =>
  played(async (node, world) => {
    const begunMs: number[] = [];
    node.onErase = () => {
      begunMs.push(world.clock.monotonicMs());
      return world.wait(10);
    };
    node.cleanup.start();
    await world.wait(3 * INTERVAL_MS);
    const gaps = begunMs.slice(1).map((ms, i) => ms - begunMs[i]!);
    assert(gaps.length > 0 && gaps.every((ms) => ms >= 5 * 10), `${gaps}`);
  }));

Deno.test("Cleanup: erases nothing while a member is on its way in or out, or everybody owns everything", () =>
  played(async (node, world) => {
    const members = (status: Member["status"]) => [
      ...topologyOf(3).members,
      member("node4", { status }),
    ];
    node.cleanup.start();
    for (
      const topology of [
        topologyOf(0, { members: members("joining") }),
        topologyOf(0, { members: members("refilling") }),
        topologyOf(4, { pending: [removal("node5")] }),
        topologyOf(4, { unresolvedSeeds: ["http://node5:8080"] }),
        topologyOf(4, { isUnknown: true }),
        topologyOf(4, { isRemoved: true }),
        topologyOf(4, { replication: 4, readQuorum: 3, writeQuorum: 3 }),
      ]
    ) {
      node.topology = topology;
      await world.wait(4 * INTERVAL_MS);
      assertEquals([node.kept, node.scans], [KEYS.length, 0]);
    }
    node.topology = topologyOf(4);
    await world.wait(4 * INTERVAL_MS);
    assertEquals(node.kept, node.owned);
  }));

const FEW = KEYS.slice(0, 40);
const config = { tombstoneIntervalMs: INTERVAL_MS };

async function isHeldByOwnersAlone(cluster: InProcessCluster, numbers: number[]): Promise<boolean> {
  for (const key of FEW) {
    const owners = cluster.ownersOf(key, numbers);
    for (const i of numbers) {
      if ((await cluster.copy(i, key) !== undefined) !== owners.includes(i)) return false;
    }
  }
  return true;
}

async function erasedAt(cluster: InProcessCluster, i: number): Promise<number> {
  const text = await (await cluster.call(i, "GET", "/metrics")).text();
  return Number(/^converge_cleanup_records_total(?:\{.*\})? (\d+)$/m.exec(text)?.[1]);
}

Deno.test("a node joins: former owners erase its keys, and take them over again when it is removed", () =>
  InProcessCluster.run(
    { nodes: 4, start: [1, 2, 3], seedsOf: () => [1, 2, 3], config },
    async (cluster) => {
      await cluster.ready([1, 2, 3]);
      for (const key of FEW) await cluster.put(1, key, key);
      await cluster.start(4);
      await cluster.ready();
      await cluster.until(
        "only owners hold keys",
        () => isHeldByOwnersAlone(cluster, [1, 2, 3, 4]),
      );
      for (const key of FEW) assertEquals(await cluster.get(2, key), key);
      const moved = FEW.filter((key) => cluster.ownersOf(key).includes(4)).length;
      await cluster.until("metrics tell of it", async () => {
        const told = await Promise.all([1, 2, 3].map((i) => erasedAt(cluster, i)));
        return told.reduce((sum, count) => sum + count) === moved;
      });
      await cluster.call(1, "POST", "/cluster/removals", {
        body: JSON.stringify({ name: "node4" }),
      });
      await cluster.node(4).process!.failed;
      cluster.kill(4);
      await cluster.until("only owners hold keys", () => isHeldByOwnersAlone(cluster, [1, 2, 3]));
      for (const key of FEW) assertEquals(await cluster.get(2, key), key);
    },
  ));
