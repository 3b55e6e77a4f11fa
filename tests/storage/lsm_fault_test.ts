/** A disk that is full, or fails: what it refuses, what ends all writing, and what stays readable. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConvergeError, isConvergeError } from "../../src/errors.ts";
import type { Disk } from "../../src/platform/disk.ts";
import { MANIFEST_NAME, RESERVE_NAME } from "../../src/storage/file_names.ts";
import { DATA } from "../../src/storage/store.ts";
import { put, scanAll, textOf } from "./store_conformance.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";
import { applyAll, forwarding } from "./faulty_store.ts";

Deno.test("LsmStore: a failed fsync fails the batch and ends all writing", async () => {
  const subject = new VirtualStore();
  const store = await subject.open();
  await store.apply([put("a", 1)]);
  subject.device.faults.errorRate.sync = 1;
  await assertRejects(() => store.apply([put("a", 2)]), ConvergeError, "Cannot write any more");
  subject.device.faults.errorRate.sync = 0;
  const error = await store.apply([put("b", 3)]).catch((error) => error);
  assert(isConvergeError(error, "disk_failed"));
  assertEquals(subject.fatal.length, 1);
  assertEquals(textOf(store.get(DATA, "a")), "a@1", "what failed is not readable");
  const syncs = subject.device.counts().sync;
  await store.close();
  assertEquals(syncs, subject.device.counts().sync, "the file is never synced again");
});

Deno.test("LsmStore: a log that takes nothing more, for no want of room, ends all writing", async () => {
  for (const isRotating of [false, true]) {
    const subject = new VirtualStore();
    const store = await subject.open();
    await store.apply([put("a", 1)]);
    subject.device.faults.errorRate.append = 1;
    const failing = isRotating ? store.flush() : store.apply([put("a", 2)]);
    await assertRejects(() => failing, ConvergeError, "Cannot write any more");
    subject.device.faults.errorRate.append = 0;
    assertEquals(subject.fatal.length, 1);
    await assertRejects(() => store.apply([put("b", 3)]), ConvergeError, "Cannot write any more");
    assertEquals(textOf(store.get(DATA, "a")), "a@1");
    await store.close();
  }
});

Deno.test("LsmStore: where there is no room for a new segment a flush fails, and nothing else", async () => {
  const subject = new VirtualStore();
  const store = await subject.open();
  await applyAll(store, 1);
  subject.device.faults.capacityBytes = 0;
  const error = await assertRejects(() => store.flush(), ConvergeError);
  assertEquals([error.code, subject.fatal], ["disk_full", []]);
  subject.device.faults.capacityBytes = Infinity;
  await store.apply([put("a", 2)]);
  await store.flush();
  assertEquals(textOf(store.get(DATA, "a")), "a@2");
  await store.close();
});

Deno.test("LsmStore: a segment that could not be begun does not come back after a power failure", async () => {
  for (let seed = 0; seed < 40; seed++) {
    const subject = new VirtualStore(seed);
    const disk = subject.device.mount();
    let isFull = false;
    const syncDirectory = async (path: string) => {
      if (isFull) {
        isFull = false;
        throw new ConvergeError("disk_full", "no space");
      }
      await disk.syncDirectory(path);
    };
    const store = await subject.open({ disk: forwarding(disk, { syncDirectory }) });
    await applyAll(store, 1);
    isFull = true;
    await assertRejects(() => store.flush(), ConvergeError, "no space");
    await applyAll(store, 2);
    subject.device.crash();
    const again = await subject.open();
    assertEquals(textOf(again.get(DATA, "a")), "a@2", `seed ${seed}`);
    await again.close();
  }
});

Deno.test("LsmStore.open(): nothing is added to a segment while the next one, which knows its length, may come back", async () => {
  for (let seed = 0; seed < 40; seed++) {
    const subject = new VirtualStore(seed);
    const store = await subject.open();
    await applyAll(store, 1);
    subject.device.faults.errorRate.syncDirectory = 1;
    await assertRejects(() => store.flush(), ConvergeError, "durable");
    subject.device.crash({ power: false });
    await assertRejects(() => subject.open(), ConvergeError, "injected");
    subject.device.faults.errorRate.syncDirectory = 0;
    subject.device.crash();
    const again = await subject.open();
    assertEquals(textOf(again.get(DATA, "a")), "a@1", `seed ${seed}`);
    await again.close();
  }
});

Deno.test("LsmStore.open(): a directory's sync that failed is not made good by a later one", async () => {
  const subject = new VirtualStore();
  await (await subject.open()).close();
  const disk = subject.device.mount();
  disk.remove(`${DIRECTORY}/${RESERVE_NAME}`); // made again, which takes a sync of its own
  let syncs = 0;
  const syncDirectory = async (path: string) => {
    if (++syncs === 1) throw new ConvergeError("disk_failed", "input/output error");
    await disk.syncDirectory(path);
  };
  const opened = subject.open({ disk: forwarding(disk, { syncDirectory }) });
  await assertRejects(() => opened, ConvergeError, "input/output");
  assertEquals(syncs, 2);
});

Deno.test("LsmStore: a group for which there is no room takes none that smaller ones need", async () => {
  const subject = new VirtualStore();
  const store = await subject.open({ memtableBytes: 1 << 20 });
  await applyAll(store, 1);
  const [log] = subject.paths(".log");
  const before = subject.size(log!);
  const used = subject.device.files().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  subject.device.faults.capacityBytes = used + 50_000;
  const large = put("large", 2, { value: "x".repeat(60_000) });
  await assertRejects(() => store.apply([large]), ConvergeError, "no space");
  assertEquals(subject.size(log!), before);
  await store.close();
});

Deno.test("LsmStore: a failed fsync of a table or a directory ends all writing", async () => {
  for (const operation of ["sync", "syncDirectory"] as const) {
    const subject = new VirtualStore();
    const store = await subject.open();
    await store.apply([put("a", 1)]);
    subject.device.faults.errorRate[operation] = 1;
    await assertRejects(() => store.flush(), ConvergeError);
    subject.device.faults.errorRate[operation] = 0;
    assertEquals(subject.fatal.length, 1);
    await assertRejects(() => store.apply([put("a", 2)]), ConvergeError);
    assertEquals(textOf(store.get(DATA, "a")), "a@1");
    await store.close();
    subject.device.crash({ power: false });
    const again = await subject.open();
    assertEquals(textOf(again.get(DATA, "a")), "a@1");
    await again.close();
  }
});

Deno.test("LsmStore: a full disk refuses writes, serves reads, and recovers with space", async () => {
  for (let extra = 0; extra < 400; extra += 7) {
    const subject = new VirtualStore(extra);
    const store = await subject.open({ memtableBytes: extra % 3 === 0 ? 4096 : 600 });
    await applyAll(store, 1);
    const used = subject.device.files().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    subject.device.faults.capacityBytes = used + extra;
    let stored = 1;
    let refused = 0;
    for (let counter = 2; counter < 12; counter++) {
      const result = await store.apply([put("a", counter)]).catch((error) => error);
      if (Array.isArray(result)) stored = counter;
      else {
        assert(isConvergeError(result, "disk_full"), String(result));
        refused++;
      }
      assertEquals(textOf(store.get(DATA, "a")), `a@${stored}`);
      assertEquals(textOf(store.get(DATA, "b")), "b@1");
    }
    assert(refused > 0);
    subject.device.faults.capacityBytes = Infinity;
    for (let tries = 0; tries < 50; tries++) {
      if (Array.isArray(await store.apply([put("c", 20)]).catch((error) => error))) break;
    }
    assertEquals(textOf(store.get(DATA, "c")), "c@20");
    assertEquals(subject.fatal, []);
    // From the log alone in every other round: what was cut short must not be in front of it.
    if (extra % 2 === 0) {
      // The next attempt comes a while after the one that found the disk full.
      let flushed = false;
      for (let tries = 0; tries < 50 && !flushed; tries++) {
        flushed = await store.flush().then(() => true, () => false);
      }
      assert(flushed, `extra ${extra}`);
    }
    subject.device.crash();
    const again = await subject.open();
    assertEquals(textOf(again.get(DATA, "a")), `a@${stored}`, `extra ${extra}`);
    assertEquals(textOf(again.get(DATA, "c")), "c@20");
    await again.close();
  }
});

Deno.test("LsmStore: a manifest that finds the disk full leaves no table behind, however often", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  let fullFor = 0;
  const openAppend: Disk["openAppend"] = (path, options) => {
    const file = disk.openAppend(path, options);
    if (!path.includes(MANIFEST_NAME) || fullFor === 0) return file;
    fullFor--;
    const append = () => {
      throw new ConvergeError("disk_full", "no space");
    };
    return forwarding(file, { append });
  };
  const store = await subject.open({ disk: forwarding(disk, { openAppend }) });
  await applyAll(store, 1);
  fullFor = 3; // each attempt builds the table anew
  await assertRejects(() => store.flush(), ConvergeError, "no space");
  await store.settled();
  assertEquals([fullFor, subject.paths(".sst").length], [0, 1]);
  assertEquals(textOf(store.get(DATA, "a")), "a@1");
  await store.close();
  assertEquals(subject.fatal, []);
});

Deno.test("LsmStore: a manifest of which nobody knows whether it is durable ends all writing", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  let syncs = 0;
  let failing = -1;
  const syncDirectory = async (path: string) => {
    if (++syncs === failing) throw new ConvergeError("disk_full", "no space");
    await disk.syncDirectory(path);
  };
  const store = await subject.open({ disk: forwarding(disk, { syncDirectory }) });
  await store.apply([put("a", 1)]);
  failing = syncs + 3; // after the log's new segment and the table, the manifest that names it
  await assertRejects(() => store.flush(), ConvergeError, "durable");
  assertEquals(syncs, failing);
  assertEquals(subject.fatal.length, 1, "no matter what the reason is called");
  await store.close();
  const again = await subject.open();
  assertEquals(textOf(again.get(DATA, "a")), "a@1");
  await again.close();
});

Deno.test("LsmStore: nothing is readable before its fsync resolved", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  let release = () => {};
  const gate = new Promise<void>((resolve) => release = resolve);
  let gated = false;
  const gatedSync = async (sync: () => Promise<void>) => {
    if (gated) await gate;
    await sync();
  };
  const store = await subject.open({
    disk: forwarding(disk, {
      openAppend: (path, options) => {
        const file = disk.openAppend(path, options);
        return forwarding(file, { sync: () => gatedSync(() => file.sync()) });
      },
    }),
  });
  gated = true;
  const done = store.apply([put("a", 1)]);
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assertEquals(store.get(DATA, "a"), undefined);
  assertEquals(scanAll(store), []);
  assertEquals(store.highestCounter(), 0);
  release();
  await done;
  assertEquals(textOf(store.get(DATA, "a")), "a@1");
  await store.close();
});

Deno.test("LsmStore: writes are refused when too many wait", async () => {
  const subject = new VirtualStore();
  const store = await subject.open();
  const one = put("a", 1);
  const calls = Array.from({ length: 70_000 }, () => store.apply([one]).then(() => 1, (e) => e));
  const results = await Promise.all(calls);
  const refused = results.filter((result) => isConvergeError(result, "overloaded")).length;
  assert(refused > 0 && refused < 5_000, `${refused} refused`);
  await store.close();
});

Deno.test("LsmStore.get() throws closed after close()", async () => {
  const store = await new VirtualStore().open();
  await store.close();
  assertThrows(() => store.get(DATA, "a"), ConvergeError, "closed");
});
