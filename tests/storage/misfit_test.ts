import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError, type ErrorCode } from "../../src/errors.ts";
import type { Disk } from "../../src/platform/disk.ts";
import { ProcessLife } from "../../src/simulation/virtual/process_life.ts";
import { SeededRandom } from "../../src/simulation/virtual/random_streams.ts";
import { VirtualDisk } from "../../src/simulation/virtual/virtual_disk.ts";
import { LsmStore } from "../../src/storage/lsm_store.ts";
import { Misfit } from "../../src/storage/misfit.ts";
import { DATA } from "../../src/storage/store.ts";
import { type InWorld, inWorld } from "../support/in_world.ts";
import { put, textOf } from "./store_conformance.ts";
import { DIRECTORY } from "./virtual_store.ts";

Deno.test("Misfit: what found the disk full is not begun again before there is more room, or for minutes", () =>
  inWorld(async ({ clock, wait }) => {
    let freeBytes = 100;
    let begun = 0;
    let code: ErrorCode = "disk_full";
    const misfit = new Misfit({
      disk: { freeBytes: () => freeBytes } as unknown as Disk,
      directory: "",
    }, clock);
    const attempt = async (name: string, bytes = 1_000) => {
      begun = 0;
      await assertRejects(() =>
        misfit.attempt({ name, bytes }, () => {
          begun++;
          return Promise.reject(new ConvergeError(code, `${name} at ${freeBytes}`));
        }), ConvergeError);
      return begun;
    };
    assertEquals([await attempt("a"), await attempt("a"), await attempt("a")], [1, 0, 0]);
    freeBytes = 50;
    assertEquals(await attempt("a"), 0);
    freeBytes = 101;
    assertEquals([await attempt("a"), await attempt("a")], [1, 0]);
    assertEquals([await attempt("b"), await attempt("b")], [1, 0], "something else");
    // Another may have had some of the room meanwhile, and have given it back.
    await wait(299_000);
    assertEquals(await attempt("b"), 0);
    await wait(1_000);
    assertEquals([await attempt("b"), await attempt("b")], [1, 0]);
    // That it is the room that is missing shows nowhere: a quota may be used up.
    freeBytes = 1_000;
    assertEquals([await attempt("c"), await attempt("c")], [1, 1]);
    freeBytes = Infinity;
    assertEquals([await attempt("c"), await attempt("c")], [1, 1]);
    freeBytes = 100;
    code = "disk_failed";
    assertEquals([await attempt("d"), await attempt("d")], [1, 1]);
    assertEquals(
      await misfit.attempt({ name: "d", bytes: 1_000 }, () => Promise.resolve("done")),
      "done",
    );
  }));

/** A store that takes its time, on a disk that can fill up. */
async function withStore(
  memtableBytes: number,
  body: (store: LsmStore, device: VirtualDisk, world: InWorld) => Promise<void>,
): Promise<void> {
  await inWorld(async (world) => {
    const { clock, time } = world;
    const device = new VirtualDisk({ random: new SeededRandom(1, "disk"), time });
    const disk = device.mount(new ProcessLife(time));
    const store = await LsmStore.open({ directory: DIRECTORY, clock, disk, memtableBytes });
    await body(store, device, world);
    device.faults.capacityBytes = Infinity;
    await store.close();
  });
}

function leaveRoom(device: VirtualDisk, bytes: number): void {
  const used = device.files().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  device.faults.capacityBytes = used + bytes;
}

function appendsTo(device: VirtualDisk): number {
  return device.counts().append ?? 0;
}

Deno.test("LsmStore: a merge that found no room is not begun again before there is more, and then soon", () =>
  withStore(1 << 20, async (store, device, { wait }) => {
    for (const keys of [30, 20]) {
      for (let i = 0; i < keys; i++) {
        await store.apply([put(`key${i}`, 50 - keys, { value: "x".repeat(500) })]);
      }
      await store.flush();
    }
    await wait(1_000); // the log is removed
    leaveRoom(device, 8_000); // half of what the merge takes
    await wait(7_000); // it is at rest by then
    const { compactionsTotal, compactionDebtBytes } = store.statistics();
    assert(compactionsTotal === 0 && compactionDebtBytes > 0);
    const appends = appendsTo(device);
    await wait(61_000);
    assertEquals(appendsTo(device), appends);
    assertEquals(await store.apply([put("small", 9)]), ["stored"]);
    device.faults.capacityBytes = Infinity;
    await wait(300);
    assertEquals(store.statistics().compactionsTotal, 1);
    assertEquals(textOf(store.get(DATA, "small")), "small@9");
  }));

Deno.test("LsmStore: a flush that found no room is not begun again before there is more, and then soon", () =>
  withStore(10_000, async (store, device, { wait }) => {
    leaveRoom(device, 15_000);
    const write = (i: number) =>
      store.apply([put(`key${i}`, 1, { value: "x".repeat(500) })]).then(() => true, () => false);
    let written = 0;
    while (await write(written)) written++;
    await wait(2_000);
    const appends = appendsTo(device);
    await wait(60_000);
    assertEquals(appendsTo(device), appends);
    assertEquals(store.statistics().flushesTotal, 0);
    device.faults.capacityBytes = Infinity;
    await wait(500);
    assertEquals(store.statistics().flushesTotal, 1);
    assertEquals(await write(written), true);
  }));
