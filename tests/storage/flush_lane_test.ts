/** When memtables are flushed, how flushes rest, and what they leave behind. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import type { LsmStore } from "../../src/storage/lsm_store.ts";
import { MEMTABLE_KEYS_MAX } from "../../src/storage/store_writer.ts";
import { InstantClock } from "./instant_clock.ts";
import { turns } from "./soon.ts";
import { put, scanAll } from "./store_conformance.ts";
import { VirtualStore } from "./virtual_store.ts";

Deno.test("LsmStore: many small records are flushed by their number, long before by their bytes", async () => {
  const subject = new VirtualStore();
  const store = await subject.open({ memtableBytes: 1 << 30 });
  const write = (from: number, to: number) =>
    store.apply(
      Array.from({ length: to - from }, (_, i) => put(`key${from + i}`, 1, { value: "" })),
    );
  await write(0, MEMTABLE_KEYS_MAX - 1);
  await write(0, 1); // of a key that is there
  await store.settled();
  assertEquals(store.statistics().flushesTotal, 0);
  await write(MEMTABLE_KEYS_MAX, MEMTABLE_KEYS_MAX + 1);
  await write(MEMTABLE_KEYS_MAX + 1, MEMTABLE_KEYS_MAX + 2);
  await store.settled();
  assertEquals(store.statistics().flushesTotal, 1);
  await store.close();
});

/** Virtual ms that the flush of a full memtable takes when `meanwhile` happens as it begins. */
async function flushMs(meanwhile: (store: LsmStore) => Promise<unknown>): Promise<number> {
  const subject = new VirtualStore();
  const clock = new InstantClock();
  const durability = { mode: "os" } as const;
  const store = await subject.open({ clock, durability, memtableBytes: 1_000_000 });
  const fill = (name: string, count: number) =>
    store.apply(Array.from({ length: count }, (_, i) => put(`${name}${i}`, 1, { value: "v" })));
  await fill("first", 20_000);
  const startMs = clock.monotonicMs();
  await fill("next", 1);
  await meanwhile(store);
  for (let i = 0; i < 100 && store.statistics().flushesTotal === 0; i++) await turns();
  const tookMs = clock.monotonicMs() - startMs;
  assertEquals(store.statistics().flushesTotal, 1);
  await store.close();
  return tookMs;
}

Deno.test("LsmStore: a flush rests between slices, but not where somebody waits or the next memtable fills", async () => {
  const resting = await flushMs(() => Promise.resolve());
  assert(resting >= 20, `${resting} ms`);
  const awaited = await flushMs((store) => store.settled());
  assert(awaited < resting / 2, `${awaited} ms, ${resting} where nobody waits`);
  const filled = await flushMs((store) =>
    store.apply(Array.from({ length: 15_000 }, (_, i) => put(`more${i}`, 1, { value: "v" })))
  );
  assert(filled < resting / 2, `${filled} ms, ${resting} where there is time`);
});

Deno.test("LsmStore: a flush that is under way when the store stops takes nothing from the log", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  const openAppend = disk.openAppend.bind(disk);
  let isFailing = false;
  disk.openAppend = (path, options) => {
    const file = openAppend(path, options);
    const sync = file.sync.bind(file);
    file.sync = () => {
      if (!isFailing || !path.endsWith(".log")) return sync();
      return Promise.reject(new ConvergeError("disk_failed", "Cannot sync"));
    };
    return file;
  };
  const store = await subject.open({ disk, memtableBytes: 1 << 24 });
  await store.apply(Array.from({ length: 20_000 }, (_, i) => put(`key${i}`, 1)));
  await store.apply([{ ...put("one", 1), keyspace: "other" }]);
  const flushed = store.flush().catch(() => {});
  for (let i = 0; i < 1_000 && subject.paths(".tmp").length === 0; i++) await Promise.resolve();
  assertEquals(subject.paths(".tmp").length, 1, "the flush has begun");
  isFailing = true;
  await assertRejects(() => store.apply([put("more", 1)]), ConvergeError, "Cannot write any more");
  await flushed;
  await turns();
  subject.device.crash({ power: false });
  const again = await subject.open();
  assertEquals(again.statistics().tableCount, 0);
  assert(scanAll(again).length >= 20_000);
  assertEquals(scanAll(again, "other").length, 1);
  await again.close();
});

Deno.test("LsmStore: a flush that finds the disk full leaves no table behind, of any keyspace", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  let failures = 3;
  let opened = 0;
  const openAppend = disk.openAppend.bind(disk);
  disk.openAppend = (path, options) => {
    // The second table of each attempt.
    if (path.endsWith(".sst.tmp") && ++opened % 2 === 0 && failures-- > 0) {
      throw new ConvergeError("disk_full", "Cannot open: no space");
    }
    return openAppend(path, options);
  };
  const store = await subject.open({ disk, memtableBytes: 1 << 20 });
  await store.apply([put("one", 1), { ...put("two", 1), keyspace: "other" }]);
  const flushed = store.flush().catch(() => {});
  for (let i = 0; i < 100 && store.statistics().flushesTotal === 0; i++) await turns();
  await flushed;
  assert(failures <= 0);
  assertEquals(store.statistics().tableCount, 2);
  assertEquals(subject.paths(".sst").length, 2);
  await store.close();
});
