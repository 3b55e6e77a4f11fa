/**
 * What counts is on the device before anything relies on it.
 *
 * Strategy: stores that write, flush, compact, repair, are killed and opened again, copied and
 * salvaged, on a disk that watches the order and whose syncs end late.
 *
 * Invariants: a file that gets its final name is whole on the device; what a manifest names has a
 * durable name by then; nothing goes away that a manifest names which the next start may go by.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { runDoctor } from "../../src/cli/doctor.ts";
import { ConvergeError } from "../../src/errors.ts";
import type { TimerID } from "../../src/platform/clock.ts";
import { ProcessLife } from "../../src/simulation/virtual/process_life.ts";
import { SeededRandom } from "../../src/simulation/virtual/random_streams.ts";
import { DAMAGED_NAME } from "../../src/storage/file_names.ts";
import type { LsmStore } from "../../src/storage/lsm_store.ts";
import { InstantClock } from "./instant_clock.ts";
import { put, scanAll } from "./store_conformance.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";
import { WatchedOrder } from "./watched_order.ts";

const SEEDS = 5;

function watched(seed: number) {
  const subject = new VirtualStore(seed);
  const order = new WatchedOrder(new SeededRandom(seed, "syncs"));
  const mount = () => order.watch(subject.device.mount(new ProcessLife()));
  return { subject, order, mount, open: () => subject.open({ disk: mount() }) };
}

/** Writes so much that it is flushed and merged. */
async function work(store: LsmStore, counter: number): Promise<void> {
  for (let i = 0; i < 60; i++) {
    await store.apply([put(`key${i}`, counter, { value: "x".repeat(500) })]);
  }
  await store.apply([{ ...put("other", counter), keyspace: "other" }]);
}

Deno.test("LsmStore: what counts is on the device before anything relies on it", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { subject, order, open } = watched(seed);
    for (let counter = 1; counter <= 4; counter++) {
      const store = await open();
      await work(store, counter);
      if (counter % 2 === 1) subject.device.crash({ power: false });
      else {
        await store.settled();
        await store.close();
      }
    }
    const store = await open();
    await store.settled();
    assert(store.statistics().compactionsTotal > 0);
    assert(order.manifests > 20, `${order.manifests} manifests`);
    await store.checkpoint("copy");
    assertEquals(order.unsyncedNames("copy"), []);
    subject.device.flipBit(subject.paths(".sst").find((path) => path.startsWith(DIRECTORY))!, 10);
    assertThrows(() => scanAll(store), ConvergeError, "checksum");
    await store.settled();
    assertEquals(subject.damage.length, 1);
    await store.close();
    assertEquals(order.unsyncedNames(DIRECTORY), []);
    assertEquals(order.violations, [], `seed ${seed}`);
  }
});

Deno.test("LsmStore.open(): killed at any operation before, it relies on what it finds once that is on the device", async () => {
  let points = 0;
  for (let isOver = false; !isOver; points++) {
    const { subject, order, open } = watched(points);
    subject.device.crashAtOperation(points + 1);
    isOver = await open().then((store) => work(store, 1)).then(() => true, () => false);
    subject.device.crash({ power: false });
    const again = await open();
    assertEquals(order.unsyncedNames(DIRECTORY), [], `operation ${points}`);
    assertEquals(order.violations, [], `operation ${points}`);
    await again.close();
  }
  assert(points > 300, `${points} operations`);
});

/** A clock on which slices rest, and nothing comes that waits for longer: no notes in the log. */
class SlicesClock extends InstantClock {
  override setTimer(delayMs: number, callback: () => void): TimerID {
    return delayMs < 5 ? super.setTimer(delayMs, callback) : 0;
  }
}

Deno.test("LsmStore: what is answered is on the device, by then or by sync() or close()", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { subject, order, mount } = watched(seed);
    const unsynced = () => order.unsyncedBytes(DIRECTORY, ".log");
    const openWith = (mode: "fsync" | "os") =>
      subject.open({ disk: mount(), clock: new SlicesClock(), durability: { mode } });
    const store = await openWith("fsync");
    for (let i = 0; i < 20; i++) {
      await Promise.all([1, 2].map((n) => store.apply([put(`key${n}`, 2 * i + n)])));
      assertEquals(unsynced(), 0);
    }
    await store.close();
    const late = await openWith("os");
    for (let i = 0; i < 5; i++) {
      await late.apply([put("late", 100 + i)]);
      assert(unsynced() > 0);
      await late.sync();
      assertEquals(unsynced(), 0);
    }
    await late.apply([put("late", 200)]);
    const copied = await late.checkpoint("copy").then(() => order.unsyncedBytes("copy", ".log"));
    assertEquals(copied, 0);
    await late.apply([put("late", 201)]);
    // Where the disk is too full to flush, the log has it.
    subject.device.faults.capacityBytes = 0;
    await late.close();
    assertEquals(unsynced(), 0);
  }
});

Deno.test("runDoctor: a salvage is on the device before anything is moved aside, and at its end", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { subject, order, mount, open } = watched(seed);
    const store = await open();
    await work(store, 1);
    await store.settled();
    await work(store, 2);
    subject.device.crash({ power: false });
    subject.device.flipBit(subject.paths(".sst")[0]!, 10);
    const options = { disk: mount(), directory: DIRECTORY, salvage: true };
    assertEquals(await runDoctor({ ...options, print: () => {} }), 0);
    assertEquals(order.unsyncedNames(DIRECTORY), []);
    assertEquals(order.unsyncedNames(`${DIRECTORY}/${DAMAGED_NAME}`), []);
    assertEquals(order.violations, [], `seed ${seed}`);
  }
});
