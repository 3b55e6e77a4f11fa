/** The modes that answer before the device has the bytes: what each waits for, and what it can lose. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Clock, TimerID } from "../../src/platform/clock.ts";
import { diskAround } from "../../src/platform/disk_around.ts";
import { ConvergeError, isConvergeError } from "../../src/errors.ts";
import { ProcessLife } from "../../src/simulation/virtual/process_life.ts";
import { SeededRandom } from "../../src/simulation/virtual/random_streams.ts";
import { VirtualDisk } from "../../src/simulation/virtual/virtual_disk.ts";
import { VirtualTime } from "../../src/simulation/virtual/virtual_time.ts";
import { DATA } from "../../src/storage/store.ts";
import { headerLine, LOG_FORMAT } from "../../src/storage/wal_format.ts";
import { withoutRoom } from "../../src/storage/wal_reader.ts";
import { logName } from "../../src/storage/file_names.ts";
import { turns } from "./soon.ts";
import { put, scanAll } from "./store_conformance.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";

/** Timers fire when the test says so; those without a delay at once. */
class HandClock implements Clock {
  #nowMs = 0;
  #last = 0;
  readonly #timers = new Map<TimerID, { atMs: number; callback: () => void }>();

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): TimerID {
    const timer = ++this.#last;
    this.#timers.set(timer, { atMs: this.#nowMs + delayMs, callback });
    if (delayMs === 0) queueMicrotask(() => this.#fire(timer));
    return timer;
  }

  clearTimer(timer: TimerID): void {
    this.#timers.delete(timer);
  }

  #fire(timer: TimerID): void {
    const due = this.#timers.get(timer);
    this.#timers.delete(timer);
    due?.callback();
  }

  /** Lets time pass, and lets what came of it run. */
  async advance(ms: number): Promise<void> {
    this.#nowMs += ms;
    for (const [timer, { atMs }] of [...this.#timers]) if (atMs <= this.#nowMs) this.#fire(timer);
    for (let i = 0; i < 50; i++) await Promise.resolve();
  }
}

const INTERVAL_MS = 100;

Deno.test("LsmStore, interval: answers without an fsync, and makes one for all of an interval", async () => {
  const subject = new VirtualStore();
  const clock = new HandClock();
  const store = await subject.open({ clock, durability: { mode: "interval", ms: INTERVAL_MS } });
  const before = store.statistics().syncsTotal;
  for (let i = 1; i <= 3; i++) assertEquals(await store.apply([put(`k${i}`, i)]), ["stored"]);
  await clock.advance(INTERVAL_MS - 1);
  assertEquals(store.statistics().syncsTotal, before);
  await clock.advance(1);
  assertEquals(store.statistics().syncsTotal, before + 1);
  await clock.advance(10 * INTERVAL_MS);
  assertEquals(store.statistics().syncsTotal, before + 1, "none where nothing was written");
});

Deno.test("LsmStore, fsync: all that is written in one turn shares one fsync", async () => {
  const store = await new VirtualStore().open();
  const before = store.statistics().syncsTotal;
  await Promise.all([1, 2, 3].map((i) => store.apply([put(`k${i}`, i)])));
  assertEquals(store.statistics().syncsTotal, before + 1);
  await store.close();
});

Deno.test("LsmStore, interval: what is written during an fsync waits for the next one", async () => {
  const subject = new VirtualStore();
  const clock = new HandClock();
  const disk = subject.device.mount(new ProcessLife());
  const openAppend = disk.openAppend.bind(disk);
  let device = Promise.resolve();
  disk.openAppend = (...args) => {
    const file = openAppend(...args);
    const sync = file.sync.bind(file);
    file.sync = () => Promise.all([sync(), device]).then(() => {});
    return file;
  };
  const durability = { mode: "interval", ms: INTERVAL_MS } as const;
  const store = await subject.open({ clock, disk, durability });
  const before = store.statistics().syncsTotal;
  await store.apply([put("a", 1)]);
  const { promise, resolve } = Promise.withResolvers<void>();
  device = promise;
  await clock.advance(INTERVAL_MS);
  await store.apply([put("b", 2)]);
  resolve();
  await clock.advance(0);
  await clock.advance(INTERVAL_MS);
  assertEquals(store.statistics().syncsTotal, before + 2);
  subject.device.crash();
  assertEquals(scanAll(await subject.open()).map(({ key }) => key), ["a", "b"]);
});

Deno.test("LsmStore, interval and os: a power failure takes a suffix of whole batches", async () => {
  let kept = 0;
  let lost = 0;
  for (let seed = 0; seed < 60; seed++) {
    const subject = new VirtualStore(seed);
    const clock = new HandClock();
    const interval = { mode: "interval", ms: INTERVAL_MS } as const;
    const durability = seed % 2 === 0 ? interval : { mode: "os" } as const;
    const store = await subject.open({ clock, durability });
    for (let i = 1; i <= 3; i++) await store.apply([put(`a${i}`, i), put(`b${i}`, i)]);
    await clock.advance(INTERVAL_MS);
    for (let i = 4; i <= 6; i++) await store.apply([put(`a${i}`, i), put(`b${i}`, i)]);
    subject.device.crash();
    const again = await subject.open();
    const counters = scanAll(again).map(({ key, counter }) => `${key[0]}${counter}`);
    const batches = counters.filter((text) => text.startsWith("a")).length;
    const expected = ["a", "b"].flatMap((letter) =>
      Array.from({ length: batches }, (_, i) => `${letter}${i + 1}`)
    );
    assertEquals(counters, expected, `seed ${seed}`);
    if (durability.mode === "interval") {
      assert(batches >= 3, `seed ${seed}: what an interval's fsync covered is there`);
    }
    kept += batches;
    lost += 6 - batches;
    await again.close();
  }
  assert(kept > 0 && lost > 0, `${kept} kept, ${lost} lost`);
});

Deno.test("LsmStore, interval and os: what was applied before sync() is there after a power failure", async () => {
  for (let seed = 0; seed < 20; seed++) {
    for (const durability of [{ mode: "os" }, { mode: "interval", ms: INTERVAL_MS }] as const) {
      const subject = new VirtualStore(seed);
      const store = await subject.open({ clock: new HandClock(), durability });
      await store.apply([put("a", 1)]);
      await store.sync();
      await store.apply([put("b", 2)]);
      subject.device.crash();
      const again = await subject.open();
      assertEquals(scanAll(again)[0]?.key, "a", `${durability.mode}, seed ${seed}`);
      await again.close();
    }
  }
});

Deno.test("LsmStore.sync(): what a full disk had cut off during the fsync takes nothing that was applied before", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const time = new VirtualTime();
    const device = new VirtualDisk({ random: new SeededRandom(seed, "disk"), time });
    const subject = new VirtualStore();
    /** Waits for what takes the device some time. */
    const taken = async <T>(done: Promise<T>): Promise<T> => {
      for (let isOver = false; !isOver; time.step(Infinity)) {
        await Promise.race([done.then(() => isOver = true, () => isOver = true), turns()]);
      }
      return await done;
    };
    const open = () => {
      const disk = device.mount(new ProcessLife(time));
      return taken(subject.open({ disk, durability: { mode: "os" } }));
    };
    const store = await open();
    await store.apply([put("a", 1)]);
    const synced = store.sync();
    const used = device.files().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    device.faults.capacityBytes = used + 500;
    const large = put("large", 2, { value: "x".repeat(1_000) });
    await assertRejects(() => store.apply([large]), ConvergeError, "no space");
    await store.apply([put("b", 3)]);
    await taken(synced);
    device.crash();
    device.faults.capacityBytes = Infinity;
    const again = await open();
    assertEquals(again.get(DATA, "a")?.counter, 1, `seed ${seed}`);
  }
});

Deno.test("LsmStore: what a start found in the log is not cut as a torn tail at the next, if it rots", async () => {
  const subject = new VirtualStore();
  // No note has been written of the last group when the first ends, and nothing after it by the second.
  await (await subject.open({ clock: new HandClock() })).apply([put("a", 1)]);
  subject.device.crash({ power: false });
  await subject.open({ clock: new HandClock() });
  subject.device.crash({ power: false });
  const [log] = subject.paths(".log");
  subject.device.flipBit(log!, 80);
  const error = await assertRejects(() => subject.open(), ConvergeError, "000001.log at offset");
  assertEquals(error.code, "corrupt_file");
});

Deno.test("LsmStore, os and interval: a death of the process alone loses nothing", async () => {
  for (const durability of [{ mode: "os" }, { mode: "interval", ms: INTERVAL_MS }] as const) {
    const subject = new VirtualStore();
    const store = await subject.open({ clock: new HandClock(), durability });
    for (let i = 1; i <= 5; i++) await store.apply([put(`k${i}`, i)]);
    subject.device.crash({ power: false });
    const again = await subject.open();
    assertEquals(scanAll(again).length, 5);
    await again.close();
  }
});

/** A store that answered for a record of which the fsync failed afterwards. */
async function failedInBackground() {
  const subject = new VirtualStore();
  const clock = new HandClock();
  const store = await subject.open({ clock, durability: { mode: "interval", ms: INTERVAL_MS } });
  await store.apply([put("a", 1)]);
  subject.device.faults.errorRate.sync = 1;
  await clock.advance(INTERVAL_MS);
  subject.device.faults.errorRate.sync = 0;
  return { subject, store };
}

Deno.test("LsmStore, interval: a failed fsync in the background ends all writing", async () => {
  const { subject, store } = await failedInBackground();
  assertEquals(subject.fatal.length, 1);
  const error = await assertRejects(() => store.apply([put("b", 2)]), ConvergeError);
  assert(isConvergeError(error, "disk_failed"));
});

Deno.test("LsmStore: what a failed fsync left in the cache is written again before it is served", async () => {
  const { subject, store } = await failedInBackground();
  await store.close();
  const served = await subject.open();
  assertEquals(scanAll(served).length, 1);
  await served.apply([put("b", 2)]);
  subject.device.crash();
  const again = await subject.open();
  assertEquals(scanAll(again).length, 2);
  await again.close();
});

Deno.test("LsmStore: a start writes again what of the log may be in the cache only, and no more", async () => {
  const group = "x".repeat(1_000);
  const ways = [["fsync", ""], ["fsync", "torn"], ["os", ""]] as const;
  for (const [mode, tail] of ways) {
    const subject = new VirtualStore();
    const options = { durability: { mode }, memtableBytes: 1 << 20 };
    const store = await subject.open(options);
    for (const key of ["a", "b", "c"]) await store.apply([put(key, 1, { value: group })]);
    subject.device.crash({ power: false });
    const disk = subject.device.mount();
    disk.openAppend(subject.paths(".log")[0]!).append(new TextEncoder().encode(tail));
    const written: number[] = [];
    const again = await subject.open({
      ...options,
      disk: diskAround(disk, {
        rewrite(path, offset, bytes) {
          written.push(bytes.byteLength);
          disk.rewrite(path, offset, bytes);
        },
      }),
    });
    assertEquals(written.length, 1);
    // At least the note that all before it is durable, of which nobody says it.
    const groups = Math.floor(written[0]! / group.length);
    assertEquals(groups, mode === "fsync" ? 0 : 3, `${mode} ${tail}`);
    await again.close();
  }
});

Deno.test("LsmStore: a log in which nothing was written is gone on with as it is", async () => {
  const subject = new VirtualStore();
  const store = await subject.open();
  await store.apply([put("a", 1)]);
  await store.close();
  const { sync, append } = subject.device.counts();
  await (await subject.open()).close();
  const again = await subject.open();
  assertEquals([subject.device.counts().sync, subject.device.counts().append], [sync, append]);
  await again.apply([put("b", 2)]);
  subject.device.crash();
  const afterFailure = await subject.open();
  assertEquals(scanAll(afterFailure).length, 2);
  await afterFailure.close();
});

Deno.test("LsmStore: a log that was closed without a group, or not closed, is written again before it is written on", async () => {
  for (let seed = 1; seed <= 100; seed++) {
    // Killed: the room of zeros is left.
    const killed = new VirtualStore(seed);
    await killed.open();
    killed.device.crash({ power: false });
    await (await killed.open()).apply([put("a", 1)]);
    killed.device.crash();
    assertEquals(scanAll(await killed.open()).length, 1, `killed, seed ${seed}`);

    // A note without a group, of which the fsync failed as the store was closed.
    const noted = new VirtualStore(seed);
    await noted.open();
    noted.device.crash({ power: false });
    const store = await noted.open();
    noted.device.faults.errorRate.sync = 1;
    await store.close().catch(() => {});
    noted.device.faults.errorRate.sync = 0;
    await (await noted.open()).apply([put("b", 2)]);
    noted.device.crash();
    assertEquals(scanAll(await noted.open()).length, 1, `noted, seed ${seed}`);
  }
});

Deno.test("LsmStore: a second log of which the header may be in the cache only is written again, too", async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const { device, ...subject } = await withUnsyncedHeader(seed);
    const store = await subject.open();
    device.crashAtOperation(device.operations + 2); // a group, its fsync
    await store.apply([put("b", 2)]).catch(() => {});
    assert(device.crashed);
    device.crash();
    const again = await subject.open();
    assert(scanAll(again).some(({ key }) => key === "a"), `seed ${seed}`);
    await again.close();
  }
});

/** Of a process that ended as it began its second log: nothing of it was synced. */
async function withUnsyncedHeader(seed: number) {
  const subject = new VirtualStore(seed);
  const store = await subject.open();
  await store.apply([put("a", 1)]);
  subject.device.crash({ power: false });
  const disk = subject.device.mount();
  const [log] = subject.paths(".log");
  const previousBytes = withoutRoom(disk.openRead(log!).readAt(0, subject.size(log!))).byteLength;
  await disk.openAppend(log!).sync();
  const segment = Number(log!.slice(-10, -4)) + 1;
  const file = disk.openAppend(`${DIRECTORY}/${logName(segment)}`);
  file.append(headerLine({ format: LOG_FORMAT, segment, previousBytes }));
  return { device: subject.device, open: () => subject.open() };
}

/** A directory with two segments, of which the first holds "a" and then "c", the second "b". */
async function withTwoSegments(): Promise<{ subject: VirtualStore; segments: [string, string] }> {
  const subject = new VirtualStore();
  const store = await subject.open();
  await store.apply([put("a", 1)]);
  await store.apply([put("c", 1)]);
  // The log is rotated; what was frozen finds no room for its table.
  subject.leaveRoom(450);
  await store.close();
  subject.device.faults.capacityBytes = Infinity;
  const again = await subject.open();
  const [first, second, ...others] = subject.paths(".log");
  assert(first !== undefined && second !== undefined && others.length === 0);
  assertEquals(again.statistics().tableCount, 0);
  await again.apply([put("b", 2)]);
  subject.device.crash({ power: false });
  return { subject, segments: [first, second] };
}

Deno.test("LsmStore: nothing is added to a segment whose length the next one is being told", async () => {
  const subject = new VirtualStore();
  const clock = new HandClock();
  const disk = subject.device.mount();
  const { openAppend, syncDirectory } = disk;
  disk.openAppend = (path, options) => {
    // Both segments are needed at the next start.
    if (path.endsWith(".sst.tmp")) throw new ConvergeError("disk_full", "no space");
    return openAppend.call(disk, path, options);
  };
  const store = await subject.open({ clock, disk });
  const { promise, resolve } = Promise.withResolvers<void>();
  disk.syncDirectory = async (path) => {
    await promise;
    await syncDirectory.call(disk, path);
  };
  await store.apply([put("a", 1)]);
  const flushed = store.flush().catch(() => {});
  await clock.advance(0); // the next one is being made
  await clock.advance(50);
  resolve();
  for (let i = 0; i < 10; i++) await clock.advance(50); // a flush rests
  await flushed;
  subject.device.crash({ power: false });
  assertEquals(subject.paths(".log").length, 2);
  const again = await subject.open();
  assertEquals(scanAll(again).length, 1);
  await again.close();
});

Deno.test("LsmStore: a segment that lost its last groups after another was begun stops the start", async () => {
  const { subject, segments: [first] } = await withTwoSegments();
  const disk = subject.device.mount();
  const whole = withoutRoom(disk.openRead(first).readAt(0, subject.size(first)));
  const afterHeader = whole.indexOf(10) + 1;
  for (let bytes = whole.byteLength - 1; bytes >= afterHeader; bytes -= 20) {
    disk.truncate(first, bytes);
    const error = await assertRejects(() => subject.open(), ConvergeError, "bytes and had");
    assertEquals([error.code, error.details.file], ["corrupt_file", first]);
  }
});

Deno.test("LsmStore: a header that rots under an acknowledged group stops the start, be it of a second segment", async () => {
  const { subject, segments: [, second] } = await withTwoSegments();
  subject.device.flipBit(second, 12);
  const error = await assertRejects(() => subject.open(), ConvergeError);
  assert(isConvergeError(error, "corrupt_file"), error.message);
});

Deno.test("LsmStore.statistics(): the log is about as long after a start as it was before", async () => {
  const subject = new VirtualStore();
  const store = await subject.open();
  await store.apply([put("a", 1), put("b", 1)]);
  const { logBytes } = store.statistics();
  subject.device.crash({ power: false });
  const again = await subject.open();
  const { logBytes: afterBytes } = again.statistics();
  assert(afterBytes >= logBytes && afterBytes < 1.5 * logBytes, `${afterBytes}, not ${logBytes}`);
  await again.flush();
  assert(again.statistics().logBytes < logBytes);
  await again.close();
});

Deno.test("LsmStore.statistics(): segments that wait for their flush are counted once", async () => {
  const { subject } = await withTwoSegments();
  const store = await subject.open();
  const { logBytes } = store.statistics();
  subject.leaveRoom(logBytes - 150); // enough for a segment, not for a table
  await assertRejects(() => store.flush(), ConvergeError, "no space");
  const waitingBytes = store.statistics().logBytes;
  await store.close();
  const isAbout = Math.abs(waitingBytes - logBytes) < 0.1 * logBytes;
  assert(isAbout, `${waitingBytes}, not ${logBytes}`);
});
