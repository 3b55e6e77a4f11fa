/** A store is opened where nothing more can be written: what is there is read, and safe. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { RESERVE_NAME } from "../../src/storage/file_names.ts";
import type { LsmStore } from "../../src/storage/lsm_store.ts";
import { DATA, META, type Mutation } from "../../src/storage/store.ts";
import { HeldClock } from "./instant_clock.ts";
import { put, record, scanAll, textOf } from "./store_conformance.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";

/** Starts that the reserve is for. */
const STARTS = 16;
const RESERVE = `${DIRECTORY}/${RESERVE_NAME}`;

/** What a node writes before it says anything. */
function document(counter: number): Mutation {
  return { keyspace: META, record: record("identity", counter, { value: "x".repeat(1_000) }) };
}

async function refused(store: LsmStore, mutations: Mutation[]): Promise<void> {
  const error = await assertRejects(() => store.apply(mutations), ConvergeError);
  assertEquals(error.code, "disk_full");
}

Deno.test("LsmStore.open(): on a full disk it reads what is there, writes nothing new, and goes on with room", async () => {
  for (const room of [0, 100]) {
    const subject = new VirtualStore(room);
    const first = await subject.open();
    await first.apply([put("a", 1), put("b", 1)]);
    subject.device.crash({ power: false });
    const names = subject.device.files().map(({ path }) => path);
    subject.leaveRoom(room);
    const store = await subject.open();
    assertEquals(subject.device.files().map(({ path }) => path), names, "no copy is left");
    assertEquals(scanAll(store).length, 2);
    await refused(store, [put("c", 2, { value: "x".repeat(600) })]);
    subject.device.faults.capacityBytes = Infinity;
    await store.apply([put("c", 3)]);
    subject.device.crash();
    const again = await subject.open();
    assertEquals(["a", "b", "c"].map((key) => textOf(again.get(DATA, key))), ["a@1", "b@1", "c@3"]);
    await again.close();
  }
});

Deno.test("LsmStore.open(): on a full disk, too, what it reads is on the device, whatever fsync failed before", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const subject = new VirtualStore(seed);
    const first = await subject.open();
    await first.apply([put("a", 1)]);
    subject.device.faults.errorRate.sync = 1;
    await assertRejects(() => first.apply([put("b", 2)]), ConvergeError, "injected");
    subject.device.faults.errorRate.sync = 0;
    // The page cache has it, and the device never will by itself.
    subject.device.crash({ power: false });
    subject.leaveRoom(0);
    const store = await subject.open();
    assertEquals(textOf(store.get(DATA, "b")), "b@2");
    subject.device.crash({ power: true });
    const again = await subject.open();
    assertEquals(textOf(again.get(DATA, "b")), "b@2", `seed ${seed}`);
    await again.close();
  }
});

Deno.test("LsmStore.open(): power that fails at any operation of a start on a full disk takes nothing", async () => {
  let points = 0;
  for (let isOver = false; !isOver; points++) {
    for (let seed = 1; seed <= 5; seed++) {
      const subject = new VirtualStore(100 * points + seed);
      const first = await subject.open();
      await first.apply([put("a", 1)]);
      await first.apply([put("b", 1)]);
      // Also behind the torn rest of a group that was never answered.
      if (seed > 2) {
        subject.device.crashAtOperation(subject.device.operations + 1);
        await assertRejects(() => first.apply([put("c", 1)]), ConvergeError);
      }
      subject.device.crash({ power: seed % 2 === 0 });
      subject.leaveRoom(0);
      subject.device.crashAtOperation(subject.device.operations + points + 1);
      const where = `operation ${points}, seed ${seed}`;
      const isOpen = await subject.open().then(() => true, () => false);
      isOver = isOpen && !subject.device.crashed;
      subject.device.crash();
      const store = await subject.open();
      const found = ["a", "b"].map((key) => textOf(store.get(DATA, key)));
      assertEquals(found, ["a@1", "b@1"], where);
      subject.device.faults.capacityBytes = Infinity;
      await store.close();
    }
  }
  assert(points > 5, `${points} operations`);
});

Deno.test("LsmStore: what a node keeps for itself has room at its start on a full disk, time after time", async () => {
  const subject = new VirtualStore();
  const options = { memtableBytes: 1 << 20 }; // nothing is flushed, which would make room
  const first = await subject.open(options);
  await first.apply([put("a", 1)]);
  await first.close();
  const wholeBytes = subject.size(RESERVE);
  let counter = 1;
  for (let start = 1; start <= STARTS; start++) {
    subject.leaveRoom(0);
    const store = await subject.open(options);
    assertEquals(await store.apply([document(++counter)]), ["stored"], `start ${start}`);
    assertEquals(store.get(META, record("identity", 1).key)?.counter, counter);
    subject.device.crash({ power: false });
  }
  subject.leaveRoom(0);
  const last = await subject.open(options);
  await refused(last, [document(++counter)]);
  assertEquals([subject.paths(RESERVE_NAME), textOf(last.get(DATA, "a"))], [[], "a@1"]);
  subject.device.faults.capacityBytes = Infinity;
  await last.close();
  await (await subject.open(options)).close();
  assertEquals(subject.size(RESERVE), wholeBytes, "it is made whole where there is room");
});

Deno.test("LsmStore: nothing else goes into the reserve, and no start takes more than its share", async () => {
  const subject = new VirtualStore();
  const store = await subject.open({ memtableBytes: 1 << 20 });
  await store.apply([put("a", 1)]);
  const wholeBytes = subject.size(RESERVE);
  subject.leaveRoom(0);
  await refused(store, [put("b", 1)]);
  await refused(store, [document(1), put("b", 1)]);
  assertEquals(subject.size(RESERVE), wholeBytes);
  let counter = 1;
  const write = () => store.apply([document(++counter)]).then(() => true, () => false);
  while (await write());
  assertEquals(subject.size(RESERVE), wholeBytes - wholeBytes / STARTS);
  subject.device.faults.capacityBytes = Infinity;
  await store.close();
});

Deno.test("LsmStore: a node's documents have room at its start also where its memory is full", async () => {
  const subject = new VirtualStore();
  const first = await subject.open();
  await first.apply([put("a", 1)]);
  subject.device.crash({ power: false });
  const store = await subject.open({ clock: new HeldClock(), memtableBytes: 50 });
  subject.leaveRoom(0);
  await refused(store, [put("b", 1)]);
  assertEquals(await store.apply([document(1)]), ["stored"]);
  assertEquals(subject.paths(".log").length, 1, "without a new segment");
  subject.device.faults.capacityBytes = Infinity;
  await store.close();
});

Deno.test("Reserve: it is on the device before it is relied on", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const subject = new VirtualStore(seed);
    await subject.open();
    const wholeBytes = subject.size(RESERVE);
    subject.device.crash();
    assertEquals(subject.size(RESERVE), wholeBytes, `seed ${seed}`);
  }
});

Deno.test("Reserve: a new one that does not fit whole leaves the room to who writes", async () => {
  const subject = new VirtualStore();
  subject.device.faults.capacityBytes = 50_000;
  const store = await subject.open();
  assertEquals(subject.paths(RESERVE_NAME), []);
  assertEquals(await store.apply([put("a", 1, { value: "x".repeat(20_000) })]), ["stored"]);
  await store.close();
});
