/** Flush and compaction that fall behind: writes are slowed, wait, and are refused; never lost. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConvergeError, isConvergeError } from "../../src/errors.ts";
import type { TimerID } from "../../src/platform/clock.ts";
import type { Disk } from "../../src/platform/disk.ts";
import type { LsmStore } from "../../src/storage/lsm_store.ts";
import { MEMTABLE_KEYS_MAX } from "../../src/storage/store_writer.ts";
import { DAMAGED_NAME } from "../../src/storage/file_names.ts";
import { readManifest } from "../../src/storage/manifest.ts";
import { DATA } from "../../src/storage/store.ts";
import { HeldClock, InstantClock } from "./instant_clock.ts";
import { soon } from "./soon.ts";
import { put, scanAll } from "./store_conformance.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";

const MEMTABLE_BYTES = 2_000;

/** A disk on which tables of at least so many bytes become durable only once the gate is open. */
function gatedDisk(disk: Disk, { tableBytesMin }: { tableBytesMin: number }) {
  let open = () => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  const gated: Disk = Object.create(disk, {
    openAppend: {
      value: (path: string) => {
        const file = disk.openAppend(path);
        if (!path.endsWith(".sst.tmp")) return file;
        return Object.create(file, {
          sizeBytes: { get: () => file.sizeBytes },
          append: { value: (bytes: Uint8Array) => file.append(bytes) },
          close: { value: () => file.close() },
          sync: {
            value: async () => {
              if (file.sizeBytes >= tableBytesMin) await gate;
              await file.sync();
            },
          },
        });
      },
    },
  });
  for (const name of ["list", "fileSize", "openRead", "truncate", "rename", "link", "remove"]) {
    const method = Reflect.get(disk, name) as (...args: unknown[]) => unknown;
    Object.defineProperty(gated, name, { value: method.bind(disk) });
  }
  for (const name of ["makeDirectory", "removeDirectory", "syncDirectory", "lock", "discard"]) {
    const method = Reflect.get(disk, name) as (...args: unknown[]) => unknown;
    Object.defineProperty(gated, name, { value: method.bind(disk) });
  }
  return { disk: gated, open };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 2_000; i++) await Promise.resolve();
}

/** Writes batch after batch until one has not been answered for long. */
async function writeUntilStalled(
  store: LsmStore,
): Promise<{ written: number; last: Promise<unknown> }> {
  for (let counter = 1;; counter++) {
    let answered = false;
    const last = store.apply([put(`key${counter}`, counter, { value: "x".repeat(400) })])
      .then(() => void (answered = true));
    await turns();
    if (!answered) return { written: counter, last };
    assert(counter < 2_000, "nothing ever stalled");
  }
}

Deno.test("LsmStore: while a flush hangs writes wait, then are refused, and none is lost", async () => {
  const subject = new VirtualStore();
  const { disk, open } = gatedDisk(subject.device.mount(), { tableBytesMin: 0 });
  const store = await subject.open({ disk, memtableBytes: MEMTABLE_BYTES });
  const { written, last } = await writeUntilStalled(store);
  // One memtable is being flushed and the next is full: no more is taken into memory.
  assert(store.statistics().memtableBytes < 3 * MEMTABLE_BYTES, "memory is bounded");
  const one = put("one", 1);
  const calls = Array.from({ length: 66_000 }, () => store.apply([one]).then(() => 1, (e) => e));
  await turns();
  open();
  const results = await Promise.all(calls);
  await last;
  const refused = results.filter((result) => isConvergeError(result, "overloaded")).length;
  assert(refused > 0 && refused < 2_000, `${refused} refused`);
  assertEquals(results.filter((result) => result === 1).length, 66_000 - refused);
  assertEquals(scanAll(store).length, written + 1);
  await store.close();
});

Deno.test("LsmStore: of several memtables that wait for their flush the newest has the say", async () => {
  const subject = new VirtualStore();
  const { disk, open } = gatedDisk(subject.device.mount(), { tableBytesMin: 0 });
  const store = await subject.open({ disk });
  const flushing: Promise<void>[] = [];
  await store.apply([put("erased", 5)]);
  for (const counter of [1, 5]) {
    await store.apply([put("a", counter), { ...put("erased", 5), erase: true }]);
    flushing.push(store.flush());
    await turns();
  }
  const newest = () => {
    const snapshot = store.snapshot();
    const then = snapshot.get(DATA, "a")?.counter;
    snapshot.close();
    return [store.get(DATA, "a")?.counter, then, ...scanAll(store).map((r) => r.counter)];
  };
  assertEquals(newest(), [5, 5, 5]);
  assertEquals(await store.apply([put("a", 3)]), [{ counter: 5, nodeID: "n1.aa" }]);
  assertEquals(await store.apply([put("erased", 3)]), ["stored"]);
  await store.apply([{ ...put("erased", 3), erase: true }]);
  open();
  await Promise.all(flushing);
  assertEquals(newest(), [5, 5, 5]);
  await store.close();
});

/** A clock that counts the pauses of a ms. */
class CountingClock extends HeldClock {
  pauses = 0;

  override setTimer(delayMs: number, callback: () => void): TimerID {
    if (delayMs === 1) this.pauses++;
    return super.setTimer(delayMs, callback);
  }
}

Deno.test("LsmStore: while compaction hangs writes are slowed, then wait, and go on after it", async () => {
  const subject = new VirtualStore();
  // A flush writes less than this, a compaction of four runs more.
  const { disk, open } = gatedDisk(subject.device.mount(), { tableBytesMin: 4 * MEMTABLE_BYTES });
  const clock = new CountingClock();
  const durability = { mode: "os" } as const;
  const store = await subject.open({ disk, clock, durability, memtableBytes: MEMTABLE_BYTES });
  // That somebody was told of damage before is over.
  await store.apply([{ ...put("damaged", 1), keyspace: "other" }]);
  await store.flush();
  subject.device.flipBit(subject.paths(".sst")[0]!, 10);
  assertThrows(() => store.get("other", "damaged"), ConvergeError, "checksum");
  await store.settled();
  assertEquals(clock.pauses, 0);
  const { written, last } = await writeUntilStalled(store);
  const { tableCount } = store.statistics();
  assert(tableCount >= 12 && tableCount <= 24, `${tableCount} tables`);
  assert(clock.pauses >= 8, "writes were slowed before they had to wait");
  open();
  await last;
  await store.flush();
  await store.settled();
  assert(store.statistics().tableCount < 12);
  assertEquals(scanAll(store).length, written);
  await store.close();
});

Deno.test("LsmStore: where the disk is too full to compact writes are refused in the end, and it closes", async () => {
  const subject = new VirtualStore();
  const { disk, makeRoom } = withoutRoomFor(subject.device.mount(), 4 * MEMTABLE_BYTES);
  const store = await subject.open({ disk, memtableBytes: MEMTABLE_BYTES });
  let written = 0;
  try {
    let refusal: unknown;
    for (; refusal === undefined; written++) {
      const answer = store.apply([put(`key${written}`, 1, { value: "x".repeat(400) })]);
      refusal = await soon(answer.then(() => undefined, (error) => error));
    }
    assert(isConvergeError(refusal, "disk_full"), String(refusal));
    await soon(store.close());
  } finally {
    makeRoom();
  }
  const again = await subject.open();
  assertEquals(scanAll(again).length, written - 1);
  await again.close();
});

Deno.test("LsmStore: where there is no room for a whole merge, it merges bit by bit", async () => {
  const subject = new VirtualStore();
  const { disk, makeRoom } = withoutRoomFor(subject.device.mount(), 4 * MEMTABLE_BYTES);
  const store = await subject.open({ disk, memtableBytes: MEMTABLE_BYTES });
  let written = 0;
  try {
    while (store.statistics().compactionsTotal < 3) {
      await soon(store.apply([put(`key${written++}`, 1, { value: "x".repeat(400) })]));
    }
  } finally {
    makeRoom();
  }
  assertEquals(scanAll(store).length, written);
  await soon(store.close());
});

/** A disk that has no room for a table of so many bytes, until some is made. */
function withoutRoomFor(disk: Disk, tableBytes: number): { disk: Disk; makeRoom: () => void } {
  let bytesMax = tableBytes;
  const openAppend = disk.openAppend.bind(disk);
  disk.openAppend = (path, options) => {
    const file = openAppend(path, options);
    if (!path.endsWith(".sst.tmp")) return file;
    const append = file.append.bind(file);
    file.append = (bytes) => {
      if (file.sizeBytes + bytes.byteLength >= bytesMax) {
        throw new ConvergeError("disk_full", `Cannot append to ${path}: no space`);
      }
      append(bytes);
    };
    return file;
  };
  return { disk, makeRoom: () => void (bytesMax = Infinity) };
}

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

Deno.test("LsmStore: who is told of damage may write, however far compaction is behind", async () => {
  const subject = new VirtualStore();
  let told = 0;
  const first = await subject.open();
  for (let i = 0; i < 3; i++) await first.apply([put(`key${i}`, 1)]);
  await first.close();
  subject.device.flipBit(subject.paths(".sst")[0]!, 10);
  const store: LsmStore = await subject.open({
    onDamage: async () => {
      // No merge can be made meanwhile: this is in its turn.
      for (let i = 0; i < 30; i++) {
        await store.apply([put(`more${i}`, 2)]);
        await store.flush();
        told++;
      }
    },
  });
  assertThrows(() => store.get(DATA, "key0"), ConvergeError, "checksum");
  await store.settled();
  assertEquals(told, 30);
  assert(store.lastLoss() > 0);
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

async function flushRun(store: LsmStore, name: string, keys: number): Promise<void> {
  await store.apply(Array.from({ length: keys }, (_, i) => put(`${name}.${i}`, 1)));
  await store.flush();
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
  const clock = new InstantClock();
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

Deno.test("LsmStore.close() waits for the removal of what nothing names any more; writes do not", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  const discard = disk.discard.bind(disk);
  const gate = Promise.withResolvers<void>();
  disk.discard = (path) => gate.promise.then(() => discard(path));
  const store = await subject.open({ disk });
  for (let counter = 1; counter <= 3; counter++) {
    await store.apply([put("a", counter, { value: "x".repeat(400) })]);
    await store.flush();
  }
  await store.settled();
  const { tableCount } = store.statistics();
  assert(subject.paths(".sst").length + subject.paths(".log").length > tableCount + 1);
  let isClosed = false;
  const closed = store.close().then(() => isClosed = true);
  await turns();
  assert(!isClosed);
  const error = await assertRejects(() => subject.open({ disk }), ConvergeError);
  assertEquals(error.code, "data_locked");
  gate.resolve();
  await closed;
  assertEquals([subject.paths(".sst").length, subject.paths(".log").length], [tableCount, 1]);
});

Deno.test("LsmStore: a scan and a snapshot keep the files of what they show until they are closed, and no longer", async () => {
  for (const what of ["scan", "snapshot"] as const) {
    const subject = new VirtualStore();
    const store = await subject.open();
    await store.apply([put("a", 1), put("b", 1)]);
    await store.flush();
    const view = store[what](DATA);
    await store.apply([put("a", 2), put("b", 2)]);
    await store.flush();
    await store.settled();
    await turns();
    assertEquals([subject.paths(".sst").length, store.statistics().tableCount], [2, 1], what);
    view.close();
    await turns();
    assertEquals(subject.paths(".sst").length, 1, what);
    await store.close();
  }
});
