import { assert, assertEquals } from "@std/assert";
import type { Clock } from "../../../src/platform/clock.ts";
import { CurrentTree } from "../../../src/replication/convergence/current_tree.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { DATA } from "../../../src/storage/store.ts";
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
