/** Flush and compaction that fall behind: writes are slowed, wait, and are refused; never lost. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConvergeError, isConvergeError } from "../../src/errors.ts";
import type { TimerID } from "../../src/platform/clock.ts";
import { DenoClock } from "../../src/platform/deno/deno_clock.ts";
import type { Disk } from "../../src/platform/disk.ts";
import type { LsmStore } from "../../src/storage/lsm_store.ts";
import { DATA } from "../../src/storage/store.ts";
import { HeldClock } from "./instant_clock.ts";
import { soon, turns } from "./soon.ts";
import { put, scanAll } from "./store_conformance.ts";
import { VirtualStore } from "./virtual_store.ts";
import { withoutRoomFor } from "./full_disk.ts";

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
  for (
    const name of [
      "makeDirectory",
      "removeDirectory",
      "syncDirectory",
      "lock",
      "discard",
      "freeBytes",
    ]
  ) {
    const method = Reflect.get(disk, name) as (...args: unknown[]) => unknown;
    Object.defineProperty(gated, name, { value: method.bind(disk) });
  }
  return { disk: gated, open };
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

Deno.test("LsmStore, os: who awaits write after write, with no wait for the device in between, lets others run", async () => {
  const subject = new VirtualStore();
  const clock = new DenoClock();
  const store = await subject.open({ clock, durability: { mode: "os" }, memtableBytes: 1 << 26 });
  let hasRun = false;
  const timer = setTimeout(() => hasRun = true, 1);
  const deadlineMs = performance.now() + 2_000;
  for (let counter = 1; !hasRun && performance.now() < deadlineMs; counter++) {
    await store.apply([put("a", counter)]);
  }
  clearTimeout(timer);
  assert(hasRun, "no timer fired while one caller wrote");
  await store.close();
});
