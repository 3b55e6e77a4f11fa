/** What is merged and when, how merges rest, and what they give way to. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import type { TimerID } from "../../src/platform/clock.ts";
import type { LsmStore, LsmStoreOptions } from "../../src/storage/lsm_store.ts";
import { DAMAGED_NAME } from "../../src/storage/file_names.ts";
import { readManifest } from "../../src/storage/manifest.ts";
import { DATA } from "../../src/storage/store.ts";
import { flushRun } from "./flush_run.ts";
import { HeldClock, InstantClock } from "./instant_clock.ts";
import { soon, turns } from "./soon.ts";
import { put, scanAll } from "./store_conformance.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";
import { withoutRoomFor } from "./full_disk.ts";

const MEMTABLE_BYTES = 2_000;

/** A store with runs of so many keys, the oldest first, each just flushed. */
async function openWithRuns(
  clock: InstantClock,
  runs: readonly number[],
  subject = new VirtualStore(),
): Promise<LsmStore> {
  const store = await subject.open({ clock, durability: { mode: "os" } });
  for (const [run, keys] of runs.entries()) await flushRun(store, `run${run}`, keys);
  return store;
}

/** Virtual ms until the one merge is made that is to be made; closes the store. */
async function compactionMs(
  store: LsmStore,
  clock: InstantClock,
  meanwhile: () => Promise<unknown> = () => Promise.resolve(),
): Promise<number> {
  const startMs = clock.monotonicMs();
  assertEquals(store.statistics().compactionsTotal, 0);
  await meanwhile();
  for (let i = 0; i < 100 && store.statistics().compactionsTotal === 0; i++) await turns();
  const tookMs = clock.monotonicMs() - startMs;
  assertEquals(store.statistics().compactionsTotal, 1);
  await store.close();
  return tookMs;
}

Deno.test("LsmStore: a compaction rests between slices until a memtable was flushed meanwhile", async () => {
  const clock = new HeldClock();
  // The newer one is the larger, which is merged under load too.
  const runs = [30_000, 32_000];
  const resting = await compactionMs(await openWithRuns(clock, runs), clock);
  const store = await openWithRuns(clock, runs);
  const behind = await compactionMs(store, clock, () => flushRun(store, "more", 1));
  assert(resting >= 50 && behind < resting / 2, `${behind} ms, ${resting} where there is time`);
});

Deno.test("LsmStore: an erase outlives each merge that leaves something older behind, and no longer", async () => {
  const clock = new InstantClock();
  const subject = new VirtualStore();
  const store = await openWithRuns(clock, [300, 20], subject); // the erased keys in both
  await store.apply(["run0.1", "run1.1", "none"].map((key) => ({ ...put(key, 9), erase: true })));
  await store.flush();
  await flushRun(store, "run3", 20);
  await flushRun(store, "run4", 20);
  await store.settled();
  const gone = () => ["run0.1", "run1.1", "none"].map((key) => store.get(DATA, key));
  assertEquals(store.statistics().tableCount, 2, "all but the oldest were merged");
  assertEquals(gone(), [undefined, undefined, undefined]);
  const erases = () => {
    const tables = readManifest(subject.device.mount(), DIRECTORY)!.tables;
    return tables.reduce((sum, { properties }) => sum + properties.erases, 0);
  };
  assertEquals(erases(), 1, "the one that hides something");
  await flushRun(store, "large", 200);
  await store.settled();
  assertEquals([store.statistics().tableCount, erases()], [1, 0]);
  assertEquals(gone(), [undefined, undefined, undefined]);
  await store.close();
});

const LONG = { value: "v".repeat(1_000) };
const LARGE_MEMTABLE_BYTES = 64 * 1024;

/** A store with one run of so many long values, larger than a memtable. */
async function openWithLongValues(
  count: number,
  subject: VirtualStore,
  options: Partial<LsmStoreOptions> = {},
): Promise<LsmStore> {
  const clock = new InstantClock();
  const store = await subject.open({ clock, memtableBytes: LARGE_MEMTABLE_BYTES, ...options });
  const keys = Array.from({ length: count }, (_, i) => `key${i}`);
  await store.apply(keys.map((key) => put(key, 1, LONG)));
  await store.flush();
  await store.settled();
  return store;
}

async function eraseAll(store: LsmStore, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await store.apply([{ ...put(`key${i}`, 2), erase: true }]);
}

Deno.test("LsmStore: what was erased of a large run is off the disk but for a memtable's worth, though nothing is written after that", async () => {
  const subject = new VirtualStore();
  const store = await openWithLongValues(100, subject);
  const leftBytes = () => store.statistics().tableBytes;
  assert(leftBytes() > 100_000);
  await eraseAll(store, 100);
  for (let i = 0; i < 10 && leftBytes() > LARGE_MEMTABLE_BYTES; i++) await turns();
  assert(leftBytes() <= LARGE_MEMTABLE_BYTES, `${leftBytes()} bytes are left`);
  await store.close();
  const again = await subject.open();
  assertEquals(scanAll(again), []);
  await again.close();
});

Deno.test("LsmStore: an erase that would have space given back is done on a disk without any", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  const warnings: string[] = [];
  const log = { info() {}, error() {}, warn: (event: string) => void warnings.push(event) };
  const store = await openWithLongValues(100, subject, { disk, log });
  const { flushesTotal } = store.statistics();
  const openAppend = disk.openAppend.bind(disk);
  disk.openAppend = (path, options) => {
    if (path.endsWith(".log")) throw new ConvergeError("disk_full", "no space");
    return openAppend(path, options);
  };
  await eraseAll(store, 100);
  assertEquals(scanAll(store), []);
  assertEquals(warnings, [], "nothing was refused");
  disk.openAppend = openAppend;
  assertEquals(store.statistics().flushesTotal, flushesTotal);
  await store.apply([put("more", 3)]);
  for (let i = 0; i < 10 && store.statistics().flushesTotal === flushesTotal; i++) await turns();
  assertEquals(store.statistics().flushesTotal, flushesTotal + 1, "once there is room");
  await store.close();
});

Deno.test("LsmStore: small values that come and go among a few long ones cost no early flushes, and have the long ones not written again", async () => {
  const subject = new VirtualStore();
  const store = await openWithLongValues(100, subject);
  const { tableBytes } = store.statistics();
  for (let i = 0; i < 3_000; i++) {
    await store.apply([put(`key5/${i}`, 2)]);
    if (i >= 150) await store.apply([{ ...put(`key5/${i - 150}`, 3), erase: true }]);
  }
  await store.settled();
  const { flushesTotal, compactedBytesTotal } = store.statistics();
  assert(compactedBytesTotal < 3 * tableBytes, `${compactedBytesTotal} bytes were written again`);
  assert(flushesTotal < 25, `${flushesTotal} flushes of what fills 20 memtables`);
  await store.close();
});

Deno.test("LsmStore: few long values that are replaced beside many short new ones do not have all long ones written again", async () => {
  const store = await new VirtualStore().open({
    clock: new InstantClock(),
    memtableBytes: 2 ** 20,
  });
  const long = { value: "v".repeat(16_000) };
  await store.apply(Array.from({ length: 50 }, (_, i) => put(`key${i}`, 1, long)));
  await store.flush();
  await store.apply(Array.from({ length: 5 }, (_, i) => put(`key${i}`, 2, long)));
  await store.apply(Array.from({ length: 1_000 }, (_, i) => put(`more${i}`, 2)));
  await store.flush();
  await store.settled();
  assertEquals(store.statistics().compactionsTotal, 0, "a tenth of the oldest run is hidden");
  await store.close();
});

Deno.test("LsmStore: of very many keys that are erased, a sample tells that it is worth an early flush", async () => {
  const clock = new InstantClock();
  const store = await new VirtualStore().open({ clock, memtableBytes: 2 ** 20 });
  const keys = Array.from({ length: 7_000 }, (_, i) => `key${i}`);
  await store.apply(keys.map((key) => put(key, 1, { value: "v".repeat(200) })));
  await store.flush();
  const erase = (from: number, to: number) =>
    store.apply(keys.slice(from, to).map((key) => ({ ...put(key, 2), erase: true })));
  await erase(0, 2_800); // two fifths
  await erase(2_800, 2_801);
  assertEquals(store.statistics().flushesTotal, 1);
  await erase(2_801, 2_802);
  await erase(2_802, 3_000);
  for (let i = 0; i < 10 && store.statistics().flushesTotal === 1; i++) await turns();
  assertEquals(store.statistics().flushesTotal, 2);
  await store.close();
});

/** Writes each of so many keys anew, shorter or as a tombstone. */
async function shorten(
  store: LsmStore,
  count: number,
  { counter = 2, tombstone = false } = {},
): Promise<void> {
  for (let i = 0; i < count; i++) await store.apply([put(`key${i}`, counter, { tombstone })]);
}

for (const [what, options] of [["shorter", {}], ["deleted", { tombstone: true }]] as const) {
  Deno.test(`LsmStore: the space of long values that are ${what} now comes back, though nothing is written after that`, async () => {
    const clock = new InstantClock();
    const store = await openWithLongValues(100, new VirtualStore(), { clock });
    const { tableBytes } = store.statistics();
    await shorten(store, 100, options);
    for (let i = 0; i < 10 && store.statistics().tableBytes > tableBytes / 3; i++) await turns();
    const leftBytes = store.statistics().tableBytes;
    assert(leftBytes < tableBytes / 3, `${leftBytes} bytes of ${tableBytes}`);
    assertEquals(scanAll(store).map(({ counter }) => counter), Array(100).fill(2));
    await store.close();
  });
}

Deno.test("LsmStore: space comes back, too, where a flush was in the way when values were made short", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  const openAppend = disk.openAppend.bind(disk);
  let gate = Promise.resolve();
  disk.openAppend = (path, options) => {
    const file = openAppend(path, options);
    const sync = file.sync.bind(file);
    if (path.endsWith(".sst.tmp")) file.sync = () => gate.then(sync);
    return file;
  };
  const store = await openWithLongValues(100, subject, { disk });
  const { tableBytes } = store.statistics();
  const { promise, resolve } = Promise.withResolvers<void>();
  gate = promise;
  await store.apply([put("more", 1)]);
  const flushed = store.flush();
  await shorten(store, 100);
  resolve();
  await flushed;
  for (let i = 0; i < 10 && store.statistics().tableBytes > tableBytes / 10; i++) await turns();
  const leftBytes = store.statistics().tableBytes;
  assert(leftBytes < tableBytes / 10, `${leftBytes} bytes of ${tableBytes}`);
  await store.close();
});

Deno.test("LsmStore: short values that are written again and again cost no early flush each time", async () => {
  const store = await openWithLongValues(100, new VirtualStore(), { clock: new HeldClock() });
  const { flushesTotal } = store.statistics();
  for (let counter = 2; counter < 7; counter++) await shorten(store, 60, { counter });
  await turns();
  assertEquals(store.statistics().flushesTotal, flushesTotal + 1);
  await store.close();
});

Deno.test("LsmStore: a look at what is hidden that cannot read stops nothing", async () => {
  const subject = new VirtualStore();
  const clock = new HeldClock();
  const store = await openWithLongValues(100, subject, { clock, cacheBytes: 0 });
  await shorten(store, 30);
  await store.flush();
  subject.device.faults.errorRate.read = 1;
  const reads = () => subject.device.counts().read ?? 0;
  const before = reads();
  clock.pass(10_000);
  await turns();
  assert(reads() > before, "it has looked");
  assertEquals(subject.fatal, []);
  await store.close();
});

Deno.test("LsmStore: for what may be hidden nothing is read after a start", async () => {
  const subject = new VirtualStore();
  const store = await openWithLongValues(100, subject, { clock: new HeldClock() });
  await shorten(store, 30);
  await store.flush();
  await store.close();
  const reads = () => subject.device.counts().read ?? 0;
  const clock = new HeldClock();
  const again = await subject.open({ clock });
  const before = reads();
  for (let i = 0; i < 3; i++) {
    await turns();
    clock.pass(10_000);
  }
  assertEquals([reads() - before, clock.held], [0, 0]);
  await again.close();
});

const TWO_SMALL = [100, 100];

Deno.test("LsmStore: what compaction leaves lying under load is merged once nothing was flushed for some time", async () => {
  const clock = new InstantClock();
  const store = await openWithRuns(clock, TWO_SMALL);
  assertEquals(store.statistics().compactionsTotal, 0);
  assert(store.statistics().compactionDebtBytes > 0);
  for (let i = 0; i < 10 && store.statistics().compactionsTotal === 0; i++) await turns();
  assertEquals(store.statistics().tableCount, 1);
  assertEquals(store.statistics().compactionDebtBytes, 0);
  assert(clock.monotonicMs() >= 5_000);
  await store.close();
});

Deno.test("LsmStore: each keyspace is compacted, also behind one in which there is nothing to do", async () => {
  const subject = new VirtualStore();
  const store = await subject.open({ clock: new HeldClock() });
  for (const keyspace of ["one", "two"]) {
    for (let i = 0; i < 2; i++) {
      await store.apply([{ ...put(`${i}`, 1), keyspace }]);
      await store.flush();
    }
  }
  for (const keyspace of ["first", "last"]) {
    await store.apply([{ ...put("alone", 1), keyspace }]);
    await store.flush();
  }
  await store.settled();
  const { tableCount, tableBytes, compactedBytesTotal } = store.statistics();
  assertEquals(tableCount, 4);
  assert(compactedBytesTotal > 0 && compactedBytesTotal < 4 * tableBytes);
  await store.close();
});

Deno.test("LsmStore: a merge that meets damage as it begins lets go of the tables that it has opened", async () => {
  const subject = new VirtualStore();
  const store = await openWithRuns(new InstantClock(), TWO_SMALL, subject);
  subject.device.flipBit(subject.paths(".sst")[0]!, 12);
  assertThrows(() => store.scan(DATA), ConvergeError, "checksum", "nor does a scan keep any");
  await store.settled();
  assertEquals([subject.damage.length, store.statistics().tableCount], [1, 1]);
  await store.close();
  assertEquals(subject.paths(".sst").filter((path) => !path.includes(DAMAGED_NAME)).length, 1);
});

/** Runs of which the newer one is too large a share of the older, but not under load. */
const LEFT_LYING = [30_000, 22_500];

/** Has the merge of what was left lying begin, on a store that was opened with it. */
async function beginAtRest(clock: HeldClock, subject: VirtualStore): Promise<void> {
  clock.pass(5_000);
  for (let i = 0; i < 100 && subject.paths(".tmp").length === 0; i++) await Promise.resolve();
  assertEquals(subject.paths(".tmp").length, 1, "the merge has begun");
}

Deno.test("LsmStore: a merge that was begun at rest gives way to the one that load needs", async () => {
  const clock = new HeldClock();
  const subject = new VirtualStore();
  const store = await openWithRuns(clock, LEFT_LYING, subject);
  await beginAtRest(clock, subject);
  await flushRun(store, "third", 10_000);
  await turns();
  // Of all three: had that of the first two gone on, the third would be too small to be merged with.
  assertEquals(store.statistics().compactionsTotal, 1);
  assertEquals(store.statistics().tableCount, 1);
  assertEquals(scanAll(store).length, 62_500);
  await store.close();
});

Deno.test("LsmStore: a merge that was begun at rest gives way to a repair", async () => {
  const clock = new HeldClock();
  const subject = new VirtualStore();
  const first = await subject.open();
  await first.apply([{ ...put("one", 1), keyspace: "other" }]);
  await first.close();
  const [other] = subject.paths(".sst");
  const store = await openWithRuns(clock, LEFT_LYING, subject);
  await beginAtRest(clock, subject);
  subject.device.flipBit(other!, 12);
  assertThrows(() => store.get("other", "one"), ConvergeError, "checksum");
  for (let i = 0; i < 2_000 && subject.damage.length === 0; i++) await Promise.resolve();
  assertEquals(subject.damage.length, 1);
  assertEquals(store.statistics().compactionsTotal, 0, "the merge had not come to its end");
  await store.settled();
  assertEquals(scanAll(store).length, 52_500);
  await store.close();
});

Deno.test("LsmStore.close(): does not wait until compaction or a flush would be tried again on a full disk", async () => {
  for (const tableBytes of [4 * MEMTABLE_BYTES, 0]) {
    const subject = new VirtualStore();
    const { disk } = withoutRoomFor(subject.device.mount(), tableBytes);
    const store = await subject.open({ disk, clock: new HeldClock() });
    let written = 0;
    const writeMore = () => store.apply([put(`key${written++}`, 1, { value: "x".repeat(400) })]);
    for (let isWaiting = false; !isWaiting; await turns()) {
      await soon(writeMore());
      const flushed = await soon(store.flush().then(() => true, () => false));
      isWaiting = !flushed || (tableBytes > 0 && store.statistics().tableCount > 6);
    }
    await soon(store.close());
    const again = await subject.open();
    assertEquals(scanAll(again).length, written);
    await again.close();
  }
});

Deno.test("LsmStore.close(): gives up a merge that is under way", async () => {
  const clock = new HeldClock();
  const subject = new VirtualStore();
  const store = await openWithRuns(clock, LEFT_LYING, subject);
  await beginAtRest(clock, subject);
  await store.close();
  const { compactionsTotal, tableCount } = store.statistics();
  assertEquals([compactionsTotal, tableCount], [0, LEFT_LYING.length]);
  assertEquals(subject.paths(".tmp"), []);
});

/** A clock of a process whose thread is busy with something else. */
class BusyClock extends HeldClock {
  override setTimer(delayMs: number, callback: () => void): TimerID {
    return super.setTimer(delayMs >= 1 ? delayMs + 3 : delayMs, callback);
  }
}

Deno.test("LsmStore: a merge that was begun at rest does not hurry, and waits while the thread is busy", async () => {
  const mergeMs = async (clock: HeldClock, more: number): Promise<number> => {
    const store = await openWithRuns(clock, LEFT_LYING);
    clock.pass(5_000);
    return await compactionMs(store, clock, () => flushRun(store, "more", more));
  };
  const resting = await mergeMs(new HeldClock(), 0);
  assert(resting >= 40, `${resting} ms`);
  const flushed = await mergeMs(new HeldClock(), 1);
  assert(flushed >= resting * 0.8, `${flushed} ms after a flush, ${resting} without`);
  const busy = await mergeMs(new BusyClock(), 0);
  assert(busy > resting * 5, `${busy} ms where the thread is busy, ${resting} where it is not`);
});

/** A clock whose timers are a little early. */
class EarlyClock extends InstantClock {
  #timers = 0;

  override setTimer(delayMs: number, callback: () => void): TimerID {
    assert(++this.#timers < 1_000, "timers without end");
    return super.setTimer(Math.max(0, delayMs - 0.25), callback);
  }
}

Deno.test("LsmStore: where a timer is early, what is left lying is merged after the next", async () => {
  const clock = new EarlyClock();
  const store = await openWithRuns(clock, TWO_SMALL);
  for (let i = 0; i < 10 && store.statistics().compactionsTotal === 0; i++) await turns();
  assertEquals(store.statistics().tableCount, 1);
  const nowMs = clock.monotonicMs();
  assert(nowMs >= 5_000 && nowMs < 5_100, `${nowMs} ms`);
  await store.close();
});

/** A clock on which what waits for seconds waits for ever. */
class ImpatientClock extends InstantClock {
  override setTimer(delayMs: number, callback: () => void): TimerID {
    return delayMs < 1_000 ? super.setTimer(delayMs, callback) : 0;
  }
}

Deno.test("LsmStore: settled() does at once what is left lying", async () => {
  const store = await openWithRuns(new ImpatientClock(), TWO_SMALL);
  for (let i = 0; i < 10; i++) await turns();
  assertEquals(store.statistics().tableCount, 2);
  await store.settled();
  assertEquals(store.statistics().tableCount, 1);
  await store.close();
});
