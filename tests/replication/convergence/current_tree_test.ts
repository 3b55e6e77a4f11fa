import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import { CurrentTree } from "../../../src/replication/convergence/current_tree.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { DATA } from "../../../src/storage/store.ts";
import { type InWorld, inWorld } from "../../support/in_world.ts";
import { record } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";

/** A clock that stands until `pass` is called, which fires all timers. */
class SteppedClock implements Clock {
  #nowMs = 0;
  #timers: (() => void)[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  setTimer(_delayMs: number, callback: () => void): number {
    return this.#timers.push(callback);
  }

  clearTimer(): void {}

  pass(ms: number): void {
    this.#nowMs += ms;
    for (const fire of this.#timers.splice(0)) fire();
  }

  /** Time that passes without a turn of the event loop. */
  passUnseen(ms: number): void {
    this.#nowMs += ms;
  }
}

Deno.test("CurrentTree.lastUpdateMs is the time of one update, also of one that began while another gave way", async () => {
  const clock = new SteppedClock();
  const store = new MemoryStore();
  const topology = topologyOf(2, { virtualNodes: 4 });
  const put = async (key: string) => {
    await store.apply([{ keyspace: DATA, record: record(key, 1) }]);
    tree.touch(key);
  };
  const tree = new CurrentTree({
    store,
    clock,
    log: { info() {}, warn() {}, error() {} },
    keysUnderWay: () => [],
    selfName: "node1",
    topology: () => topology,
    intervalMs: 10_000,
  });
  for (let i = 0; i < 300; i++) await put(`k${i}`);

  const first = tree.update(topology.fingerprint, false);
  clock.passUnseen(60); // it gives way all that time
  await put("later");
  let isOver = false;
  const both = Promise.all([first, tree.update(topology.fingerprint, false)]);
  void both.then(() => isOver = true);
  for (let turn = 0; !isOver; turn++) {
    assert(turn < 100, "the updates do not end");
    clock.pass(1);
    await new Promise((resolve) => setTimeout(resolve));
  }
  assertEquals(tree.lastUpdateMs, 0); // nothing here works while time passes
  tree.close();
});

/** A tree over some records, by a clock that goes on while all is read, and whose turns take so long. */
async function treeOf(world: InWorld, { records = 500, readMs = 0, turnMs = 0 } = {}) {
  const store = new MemoryStore();
  await store.apply(
    Array.from({ length: records }, (_, i) => ({ keyspace: DATA, record: record(`k${i}`, 1) })),
  );
  const reads = { count: 0, fails: false };
  let aheadMs = 0;
  const scan = store.scan.bind(store);
  store.scan = (...range) => {
    reads.count++;
    aheadMs += readMs;
    const opened = scan(...range);
    const next = opened.next.bind(opened);
    opened.next = (...page) => {
      if (reads.fails) throw new ConvergeError("corrupt_file", "Cannot read");
      return next(...page);
    };
    return opened;
  };
  const { clock } = world;
  const ring = { now: topologyOf(2, { virtualNodes: 4 }) };
  const tree = new CurrentTree({
    store,
    clock: {
      monotonicMs: () => clock.monotonicMs() + aheadMs,
      wallMs: () => clock.wallMs(),
      clearTimer: (timer) => clock.clearTimer(timer),
      setTimer: (delayMs, callback) => clock.setTimer(Math.max(turnMs, delayMs), callback),
    },
    log: { info() {}, warn() {}, error() {} },
    keysUnderWay: () => [],
    selfName: "node1",
    topology: () => ring.now,
    intervalMs: 1_000,
  });
  const ask = async (fresh = false) => {
    const { fingerprint } = ring.now;
    await tree.updateForPeer(fingerprint, fresh);
    return tree.arcHashes("node2", fingerprint);
  };
  return { tree, reads, ring, ask };
}

Deno.test("CurrentTree: hashes of a ring that is no more are given to nobody", () =>
  inWorld(async (world) => {
    const { tree, ring, ask } = await treeOf(world);
    await ask();
    const before = ring.now.fingerprint;
    ring.now = topologyOf(3, { virtualNodes: 4 });
    for (const fingerprint of [before, ring.now.fingerprint]) {
      for (
        const hashes of [
          () => tree.arcHashes("node2", fingerprint),
          () => tree.leafHashes([0], fingerprint),
        ]
      ) assertThrows(hashes, ConvergeError, "the ring has changed meanwhile");
    }
  }));

Deno.test("CurrentTree: hashes that could not be made are not taken for recent ones", () =>
  inWorld(async (world) => {
    const { reads, ring, ask } = await treeOf(world);
    await ask();
    ring.now = topologyOf(3, { virtualNodes: 4 });
    reads.fails = true;
    await assertRejects(ask, ConvergeError, "Cannot read");
    reads.fails = false;
    const hashes = await ask();
    assertEquals(reads.count, 3);
    assert(new Set(Object.values(hashes)).size > 1);
  }));

Deno.test("CurrentTree: hashes that are being checked are waited for, however recent they are", () =>
  inWorld(async (world) => {
    const { tree, ring, ask } = await treeOf(world, { turnMs: 5 });
    await ask();
    tree.doubt();
    let isUpdated = false;
    void tree.update(ring.now.fingerprint, false).then(() => isUpdated = true);
    await ask();
    assert(isUpdated);
  }));

Deno.test("CurrentTree: a failure that comes when nobody waits any more ends no node, and shows to the next who asks", () =>
  inWorld(async (world) => {
    const { reads, ask } = await treeOf(world, { records: 1_000, turnMs: 200 });
    const asked = ask(true);
    asked.catch(() => {});
    await world.wait(350);
    const { code } = await assertRejects(() => asked, ConvergeError);
    assertEquals(code, "overloaded");
    reads.fails = true;
    await world.wait(2_000); // an unhandled rejection fails the test
    await assertRejects(() => ask(true), ConvergeError, "Cannot read");
  }));

Deno.test("CurrentTree: hashes that took long to make will do for longer, and what had nothing to do took no time", () =>
  inWorld(async (world) => {
    const { tree, reads, ring, ask } = await treeOf(world, { readMs: 200 });
    await ask();
    assertEquals(tree.lastUpdateMs, 200);
    await tree.update(ring.now.fingerprint, false);
    assertEquals([tree.lastUpdateMs, reads.count], [200, 1]);
    tree.forget();
    await world.wait(1_900);
    await ask();
    assertEquals(reads.count, 1);
    await world.wait(200);
    await ask();
    assertEquals(reads.count, 2);
  }));

Deno.test("CurrentTree: hashes that a peer waits for do not rest, others do", () =>
  inWorld(async (world) => {
    for (const fresh of [false, true]) {
      const { tree, ask } = await treeOf(world, { turnMs: 5 });
      await ask(fresh);
      assertEquals(tree.givenMs > 0, !fresh);
    }
  }));
