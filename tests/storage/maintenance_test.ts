/** Pauses, retries and the end of what goes on behind the writes. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import type { TimerID } from "../../src/platform/clock.ts";
import type { Disk } from "../../src/platform/disk.ts";
import type { Log } from "../../src/platform/log.ts";
import { frameOf } from "../../src/record/frame.ts";
import type { LsmStore } from "../../src/storage/lsm_store.ts";
import { DATA } from "../../src/storage/store.ts";
import { flushRun } from "./flush_run.ts";
import { fullForTables } from "./full_disk.ts";
import { HeldClock, InstantClock } from "./instant_clock.ts";
import { soon, turns } from "./soon.ts";
import { put } from "./store_conformance.ts";
import { VirtualStore } from "./virtual_store.ts";

/** A disk that is full for some of what is appended to tables, in turn: where `isFull` says so. */
function fillable(disk: Disk): { disk: Disk; isFull: () => boolean } {
  const fillable = { disk, isFull: () => false };
  fullForTables(disk, () => fillable.isFull());
  return fillable;
}

/** One answer after the other, then `false`. A small table is appended to twice. */
function oneByOne(answers: readonly boolean[]): () => boolean {
  const left = [...answers];
  return () => left.shift() ?? false;
}

const TABLE = [false, false];

function refusals(times: number): boolean[] {
  return Array(times).fill(true);
}

/** A clock on which nothing ever rests, and that remembers the pauses before something is tried again. */
class RetryClock extends InstantClock {
  seconds: number[] = [];

  override setTimer(delayMs: number, callback: () => void): TimerID {
    const isRetry = [1, 2, 4, 8, 16].includes(delayMs / 1_000);
    if (delayMs >= 1_000 && !isRetry) return 0;
    if (isRetry) this.seconds.push(delayMs / 1_000);
    return super.setTimer(delayMs, callback);
  }
}

/** A clock on which each look takes some milliseconds, so that everybody gives way, for many turns. */
class TurnsClock extends InstantClock {
  readonly pending = new Set<TimerID>();
  #looks = 0;

  override monotonicMs(): number {
    return 3 * ++this.#looks;
  }

  override setTimer(_delayMs: number, callback: () => void): TimerID {
    const timer = ++this.#looks;
    this.pending.add(timer);
    void turns().then(() => this.pending.delete(timer) && callback());
    return timer;
  }

  override clearTimer(timer: TimerID): void {
    this.pending.delete(timer);
  }
}

/** A log that counts warnings by event. */
function countingLog(): { log: Log; counts: Record<string, number> } {
  const counts: Record<string, number> = {};
  const count = (event: string) => void (counts[event] = (counts[event] ?? 0) + 1);
  return { log: { info() {}, warn: count, error: count }, counts };
}

Deno.test("LsmStore: on a full disk each lane tries again after pauses, and tells of it once a minute", async () => {
  const subject = new VirtualStore();
  const device = fillable(subject.device.mount());
  const clock = new RetryClock();
  const { log, counts } = countingLog();
  const options = { disk: device.disk, clock, log, durability: { mode: "os" } as const };
  const store = await subject.open(options);
  const pausesOf = async (answers: readonly boolean[], work: () => Promise<unknown>) => {
    clock.seconds = [];
    device.isFull = oneByOne(answers);
    await work().catch(() => {});
    await store.settled();
    return clock.seconds;
  };
  let runs = 0;
  const flush = (keys: number, keyspace = DATA) => flushRun(store, `run${runs++}`, keys, keyspace);
  assertEquals(await pausesOf(refusals(3), () => flush(1_000)), [1, 1, 1]);
  assertEquals(await pausesOf(refusals(1), () => flush(20)), [1]);
  assertEquals(counts, { "storage.flush_waits": 2 });
  // Left lying under load: a merge of each is made only once somebody waits for it.
  await flush(500);
  const merge = () => store.settled();
  assertEquals(await pausesOf(refusals(8), merge), [1, 2, 4, 8, 16, 16, 16, 16]);
  assertEquals(counts["storage.compaction_waits"], 2);
  await flush(800);
  for (let i = 0; i < 2; i++) await flush(100, "other");
  const each = [...refusals(2), ...TABLE];
  assertEquals(await pausesOf([...each, ...each], merge), [1, 2, 1, 2]);
  assertEquals(counts["storage.compaction_waits"], 4);
  // All of it in one again, and not bit by bit as where there is no room.
  const { compactionsTotal } = store.statistics();
  for (let i = 0; i < 6; i++) await flush(100);
  await store.settled();
  assertEquals(store.statistics().compactionsTotal, compactionsTotal + 1);
  await store.close();
});

Deno.test("LsmStore: a full disk that refuses writes is told of once a minute", async () => {
  for (const memtableBytes of [1 << 20, 600]) { // where the log cannot grow, and where no other begins
    const subject = new VirtualStore();
    const { log, counts } = countingLog();
    const store = await subject.open({ log, memtableBytes });
    const sizes = subject.device.files().map(({ sizeBytes }) => sizeBytes);
    subject.device.faults.capacityBytes = sizes.reduce((sum, bytes) => sum + bytes, 700);
    let refused = 0;
    for (let counter = 1; counter < 20; counter++) {
      await store.apply([put("a", counter)]).catch(() => void refused++);
    }
    assert(refused > 2, String(refused));
    assertEquals(counts["storage.writes_refused"], 1);
    await store.close().catch(() => {});
  }
});

Deno.test("LsmStore: no timers are left once it is closed, or has failed", async () => {
  const clock = new HeldClock();
  const closed = await new VirtualStore().open({ clock });
  for (const keys of [100, 60, 30]) await flushRun(closed, `run${keys}`, keys);
  await turns();
  assertEquals(clock.held, 1, "it looks again once it is at rest");
  await closed.close();
  assertEquals(clock.held, 0);
  const interval = { mode: "interval", ms: 1_000 } as const;
  const unsynced = await new VirtualStore().open({ clock, durability: interval });
  await unsynced.apply([put("a", 1)]);
  assertEquals(clock.held, 1, "an fsync is due");
  await unsynced.close();
  assertEquals(clock.held, 0);
  const turning = new TurnsClock();
  const unwatched = await new VirtualStore().open({ clock: turning, durability: { mode: "os" } });
  await unwatched.apply([put("a", 1)]);
  await unwatched.flush();
  await unwatched.settled();
  await unwatched.close();
  assertEquals(turning.pending.size, 0, "the writer has ended");
  const subject = new VirtualStore();
  const device = fillable(subject.device.mount());
  const failed = await subject.open({ disk: device.disk, clock });
  for (const name of ["one", "two"]) await flushRun(failed, name, 20);
  device.isFull = () => true;
  const settled = failed.settled();
  await turns();
  assert(clock.held > 0, "a merge waits for room");
  subject.device.faults.errorRate.sync = 1;
  await assertRejects(() => failed.apply([put("more", 1)]), ConvergeError, "Cannot write");
  await soon(settled);
  assertEquals(clock.held, 0);
  await soon(failed.close());
});

Deno.test("LsmStore.close(): waits for no other try of a merge that finds the disk full meanwhile", async () => {
  const subject = new VirtualStore();
  const device = fillable(subject.device.mount());
  const store = await subject.open({ disk: device.disk, clock: new HeldClock() });
  for (const name of ["one", "two"]) await flushRun(store, name, 20);
  let closed: Promise<void> | undefined;
  device.isFull = () => {
    const isSecond = closed !== undefined;
    closed ??= store.close();
    return isSecond;
  };
  await soon(store.settled());
  assertEquals(store.statistics().tableCount, 2);
  await soon(closed!);
});

Deno.test("LsmStore.settled(): what comes after it is left lying under load as before", async () => {
  const store = await new VirtualStore().open({ clock: new HeldClock() });
  await store.settled();
  for (const name of ["one", "two"]) await flushRun(store, name, 20);
  await turns();
  assertEquals(store.statistics().tableCount, 2);
  await store.close();
});

Deno.test("LsmStore.flush(): is told that the store has failed, though its own table hangs", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  const openAppend = disk.openAppend.bind(disk);
  disk.openAppend = (path, options) => {
    const file = openAppend(path, options);
    if (path.endsWith(".sst.tmp")) file.sync = () => new Promise(() => {});
    return file;
  };
  const store = await subject.open({ disk });
  await store.apply([put("a", 1)]);
  const flushed = store.flush();
  await turns();
  subject.device.faults.errorRate.sync = 1;
  await assertRejects(() => store.apply([put("b", 1)]), ConvergeError, "Cannot write any more");
  await assertRejects(() => soon(flushed), ConvergeError, "Cannot write any more");
});

Deno.test("LsmStore.close(): ends where the store failed while its memtable was being frozen", async () => {
  const subject = new VirtualStore();
  const { log, counts } = countingLog();
  const disk = subject.device.mount();
  const syncDirectory = disk.syncDirectory.bind(disk);
  let gate = Promise.resolve();
  disk.syncDirectory = async (path) => {
    await gate;
    await syncDirectory(path);
  };
  const onDamage = () => {
    throw new Error("a mistake");
  };
  const store = await subject.open({ disk, log, onDamage });
  await flushRun(store, "a", 1);
  await store.apply([put("b", 1)]);
  const { promise, resolve } = Promise.withResolvers<void>();
  gate = promise;
  const flushed = store.flush().catch((error) => error);
  await turns();
  subject.device.flipBit(subject.paths(".sst")[0]!, 10);
  for (let i = 0; i < 2; i++) assertThrows(() => store.get(DATA, "a.0"), ConvergeError, "checksum");
  assertEquals(counts["storage.table_damaged"], 1, "of one table once");
  await turns();
  assertEquals(subject.fatal.length, 1);
  resolve();
  await soon(flushed);
  await soon(store.close());
  const again = await subject.open();
  assertEquals(again.get(DATA, "b")?.counter, 1);
  await again.close();
});

/** Holds the syncs of tables of at least so many bytes back, until it is opened. */
function gated(disk: Disk, tableBytesMin: number): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  const openAppend = disk.openAppend.bind(disk);
  disk.openAppend = (path, options) => {
    const file = openAppend(path, options);
    const sync = file.sync.bind(file);
    file.sync = async () => {
      if (path.endsWith(".sst.tmp") && file.sizeBytes >= tableBytesMin) await promise;
      await sync();
    };
    return file;
  };
  return resolve;
}

Deno.test("LsmStore: who is told of damage may write, though a write waits for compaction already", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  const open = gated(disk, 40 * 200);
  const store: LsmStore = await subject.open({
    disk,
    onDamage: async () => void await store.apply([put("told", 1)]),
    memtableBytes: 1 << 20,
  });
  await flushRun(store, "damaged", 1, "aa");
  const there = new Set(subject.paths(".sst"));
  // The one of many runs is neither the first nor the last.
  await flushRun(store, "first", 1, "many");
  for (let i = 1; i <= 2; i++) await flushRun(store, `large${i}`, 100 + i, "zz");
  await turns();
  for (let i = 0; i < 23; i++) await flushRun(store, `many${i}`, 1, "many");
  let isAnswered = false;
  const waiting = store.apply([put("waiting", 1)]).then(() => isAnswered = true);
  await turns();
  assert(!isAnswered, "compaction is too far behind");
  subject.device.flipBit([...there][0]!, 10);
  assertThrows(() => store.get("aa", "damaged.0"), ConvergeError, "checksum");
  open();
  await soon(waiting);
  await store.settled();
  assertEquals(store.get(DATA, "told")?.counter, 1);
  await store.close();
});

Deno.test("LsmStore.close(): who is told of damage and can note nothing any more has the table stay as it is", async () => {
  const subject = new VirtualStore();
  const first = await subject.open();
  await flushRun(first, "a", 1);
  await first.close();
  const { promise, resolve } = Promise.withResolvers<void>();
  const store: LsmStore = await subject.open({
    onDamage: async () => {
      await promise;
      await store.apply([put("lost", 1)]);
    },
  });
  subject.device.flipBit(subject.paths(".sst")[0]!, 10);
  assertThrows(() => store.get(DATA, "a.0"), ConvergeError, "checksum");
  await turns();
  const closed = store.close();
  resolve();
  await soon(closed);
  assertEquals(subject.fatal, [], "to be closed is no failure");
  const again = await subject.open();
  assertThrows(() => again.get(DATA, "a.0"), ConvergeError, "checksum");
  await again.settled();
  assertEquals(subject.damage.length, 1, "found again, and noted");
  await again.close();
});

Deno.test("LsmStore: what a repair keeps of a table stays older than what came after it", async () => {
  const subject = new VirtualStore();
  const store = await subject.open({ clock: new HeldClock(), memtableBytes: 1 << 20 });
  const keys = ["a", "b", "c"];
  const write = (counter: number, length: number) =>
    store.apply(keys.map((key) => put(key, counter, { value: "x".repeat(length) })));
  await write(1, 3_000); // two blocks
  await store.flush();
  const [older] = subject.paths(".sst");
  await write(2, 1);
  await store.flush();
  subject.device.flipBit(older!, 10);
  const scan = () => [...keys].map((key) => store.get(DATA, key)?.counter);
  assertEquals(scan(), [2, 2, 2]);
  assertThrows(() => store.scan(DATA).next(Infinity), ConvergeError, "checksum");
  await turns();
  assertEquals([subject.damage.length, store.statistics().tableCount], [1, 2]);
  assertEquals(scan(), [2, 2, 2]);
  await store.settled();
  assertEquals(scan(), [2, 2, 2]);
  await store.close();
});

Deno.test("LsmStore: damage that a scan meets in a table that was merged meanwhile loses nothing", async () => {
  const subject = new VirtualStore();
  const store = await subject.open({ clock: new HeldClock(), memtableBytes: 1 << 20 });
  for (const name of ["one", "two"]) await flushRun(store, name, 200);
  const [first] = subject.paths(".sst");
  const scan = store.scan(DATA);
  scan.next(1);
  await store.settled();
  assertEquals(store.statistics().tableCount, 1);
  subject.device.flipBit(first!, subject.size(first!) / 3 | 0);
  assertThrows(() => scan.next(Infinity), ConvergeError, "checksum");
  await store.settled();
  assertEquals([subject.damage.length, subject.fatal.length], [0, 0]);
  const again = store.scan(DATA);
  assertEquals(again.next(Infinity).length, 400);
  await store.close();
});

Deno.test("LsmStore: a merge that is under way when the store stops is given up", async () => {
  const subject = new VirtualStore();
  const store = await subject.open({ memtableBytes: 1 << 20 });
  const manifest = () => subject.device.counts().rename;
  for (const name of ["one", "two"]) await flushRun(store, name, 10_000);
  const settled = store.settled();
  for (let i = 0; i < 1_000 && subject.paths(".tmp").length === 0; i++) await Promise.resolve();
  assertEquals(subject.paths(".tmp").length, 1, "it has begun");
  const before = manifest();
  subject.device.faults.errorRate.sync = 1;
  await assertRejects(() => store.apply([put("more", 1)]), ConvergeError, "Cannot write any more");
  subject.device.faults.errorRate.sync = 0;
  await soon(settled);
  assertEquals([manifest(), subject.paths(".tmp").length], [before, 0]);
  await store.close();
});

Deno.test("LsmStore: a merge that meets a line that is no record, under a checksum that holds, ends it", async () => {
  const subject = new VirtualStore();
  const store = await subject.open();
  // `encodeRecord` makes no such record: it has no version.
  const frame = frameOf(JSON.stringify({ k: "a", v: "v" }));
  const version = { key: "a", counter: 1, nodeID: "n1.aa" };
  const record = { ...version, tombstone: false, expiresAtMs: 0, frame };
  await store.apply([{ keyspace: DATA, record }]);
  await store.flush();
  await flushRun(store, "other", 1);
  try {
    await soon(store.settled());
    assertEquals(subject.fatal.map(({ code }) => code), ["corrupt_file"]);
  } finally {
    await store.close(); // what was tried for ever ends, too
  }
});
