import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Disk } from "../../../src/platform/disk.ts";
import { SeededRandom } from "../../../src/simulation/virtual/random_streams.ts";
import { VirtualDisk } from "../../../src/simulation/virtual/virtual_disk.ts";

const text = (s: string) => new TextEncoder().encode(s);
const device = (seed = 1) => new VirtualDisk({ random: new SeededRandom(seed, "disk") });

/** What the file holds after a crash, for each of `seeds` fates. */
async function fates(prepare: (disk: Disk, device: VirtualDisk) => Promise<void>, seeds = 60) {
  const seen = new Set<string | undefined>();
  for (let seed = 0; seed < seeds; seed++) {
    const dev = device(seed);
    await prepare(dev.mount(), dev);
    dev.crash();
    seen.add(contents(dev.mount(), "data/f"));
  }
  return seen;
}

function contents(disk: Disk, path: string): string | undefined {
  const sizeBytes = disk.fileSize(path);
  if (sizeBytes === undefined) return undefined;
  return new TextDecoder().decode(disk.openRead(path).readAt(0, sizeBytes));
}

Deno.test("VirtualDisk: synced bytes under a synced name survive every crash", async () => {
  const seen = await fates(async (disk) => {
    disk.makeDirectory("data");
    const file = disk.openAppend("data/f");
    file.append(text("abc"));
    await file.sync();
    await disk.syncDirectory("data");
  });
  assertEquals([...seen], ["abc"]);
});

Deno.test("VirtualDisk: unsynced bytes are kept, lost or torn", async () => {
  const seen = await fates(async (disk) => {
    disk.makeDirectory("data");
    const file = disk.openAppend("data/f");
    file.append(text("ab"));
    await file.sync();
    await disk.syncDirectory("data");
    file.append(text("cd"));
  });
  assertEquals([...seen].sort(), ["ab", "abc", "abcd"]);
});

Deno.test("VirtualDisk: of a file with room any unsynced part may read as zeros, and zeros may follow", async () => {
  const seen = { hole: 0, tail: 0, lost: 0, kept: 0 };
  for (let seed = 1; seed <= 400; seed++) {
    const dev = device(seed);
    const disk = dev.mount();
    disk.makeDirectory("data");
    const file = disk.openAppend("data/f", { roomBytes: 10 });
    await disk.syncDirectory("data");
    file.append(text("synced"));
    await file.sync();
    file.append(text("not"));
    dev.crash({ power: seed % 2 === 0 });
    const found = contents(dev.mount(), "data/f") ?? "";
    assert(/^synced[not\0]{0,3}\0*$/.test(found), JSON.stringify(found));
    if (seed % 2 === 1) {
      assert(found.startsWith("syncednot"), "the death of a process loses nothing");
    }
    const rest = found.slice(6);
    if (/\0[ot]/.test(rest)) seen.hole++;
    if (rest.endsWith("\0")) seen.tail++;
    seen[rest.startsWith("not") ? "kept" : "lost"]++;
  }
  for (const [what, times] of Object.entries(seen)) assert(times > 5, `${what}: ${times}`);
});

Deno.test("VirtualDisk: a name without a directory sync is kept or lost", async () => {
  const seen = await fates(async (disk) => {
    disk.makeDirectory("data");
    const file = disk.openAppend("data/f");
    file.append(text("a"));
    await file.sync();
  });
  assertEquals(seen, new Set([undefined, "a"]));
});

Deno.test("VirtualDisk: a file that was discarded is there again or not, without a directory sync", async () => {
  const seen = await fates(async (disk) => {
    disk.makeDirectory("data");
    const file = disk.openAppend("data/f");
    file.append(text("a"));
    await file.sync();
    await disk.syncDirectory("data");
    await disk.discard("data/f");
    await disk.discard("data/f");
    assertEquals(disk.list("data"), []);
  });
  assertEquals(seen, new Set([undefined, "a"]));
});

Deno.test("VirtualDisk: a rename without a directory sync shows the old file or the new", async () => {
  const seen = await fates(async (disk) => {
    disk.makeDirectory("data");
    for (const [name, value] of [["f", "old"], ["f.tmp", "new"]] as const) {
      const file = disk.openAppend(`data/${name}`);
      file.append(text(value));
      await file.sync();
    }
    await disk.syncDirectory("data");
    disk.rename("data/f.tmp", "data/f");
  });
  assertEquals(seen, new Set(["old", "new"]));
});

Deno.test("VirtualDisk: an unsynced truncation can be undone by a crash", async () => {
  const seen = await fates(async (disk) => {
    disk.makeDirectory("data");
    const file = disk.openAppend("data/f");
    file.append(text("abcd"));
    await file.sync();
    await disk.syncDirectory("data");
    disk.truncate("data/f", 2);
  });
  assertEquals(seen, new Set(["abcd", "ab"]));
});

Deno.test("VirtualDisk: a sync after a failed sync does not bring the bytes back", async () => {
  const seen = await fates(async (disk, dev) => {
    disk.makeDirectory("data");
    const file = disk.openAppend("data/f");
    await disk.syncDirectory("data");
    file.append(text("ab"));
    dev.faults.errorRate.sync = 1;
    await assertRejects(() => file.sync(), ConvergeError, "Cannot sync");
    dev.faults.errorRate.sync = 0;
    await file.sync();
  });
  assertEquals([...seen], ["\0\0"]);
});

/**
 * What may be left of "ab", synced, and "cd", whose sync failed, and what was synced after that, once a
 * part was written again.
 */
function fatesOfRewritten(offset: number, { isSynced, after = "" }: {
  isSynced: boolean;
  after?: string;
}) {
  return fates(async (disk, dev) => {
    disk.makeDirectory("data");
    const file = disk.openAppend("data/f");
    await disk.syncDirectory("data");
    file.append(text("ab"));
    await file.sync();
    file.append(text("cd"));
    dev.faults.errorRate.sync = 1;
    await assertRejects(() => file.sync(), ConvergeError, "Cannot sync");
    dev.faults.errorRate.sync = 0;
    if (after !== "") file.append(text(after));
    await file.sync();
    dev.faults.capacityBytes = 0; // it takes no space
    disk.rewrite("data/f", offset, text(`abcd${after}`.slice(offset)));
    if (isSynced) await file.sync();
  });
}

Deno.test("VirtualDisk: what a failed sync dropped is on the device once it was written again and synced", async () => {
  for (const offset of [0, 1, 2]) {
    assertEquals(await fatesOfRewritten(offset, { isSynced: true }), new Set(["abcd"]));
    const unsynced = await fatesOfRewritten(offset, { isSynced: false });
    assertEquals(unsynced, new Set(["ab", "abc", "abcd"]));
  }
});

Deno.test("VirtualDisk: what a failed sync dropped before the part that is written again stays dropped", async () => {
  assertEquals(await fatesOfRewritten(3, { isSynced: true }), new Set(["ab\0d"]));
  const unsynced = await fatesOfRewritten(3, { isSynced: false, after: "e" });
  assertEquals(unsynced, new Set(["ab\0", "ab\0d", "ab\0de"]));
});

Deno.test("VirtualDisk: a full disk takes a part and says disk_full", () => {
  const dev = device();
  const disk = dev.mount();
  disk.makeDirectory("data");
  const file = disk.openAppend("data/f");
  dev.faults.capacityBytes = 4;
  file.append(text("ab"));
  const error = assertThrows(() => file.append(text("cdef")), ConvergeError);
  assertEquals(error.code, "disk_full");
  assert(file.sizeBytes <= 4);
});

Deno.test("VirtualDisk: power fails at the chosen operation and all later calls throw", () => {
  const dev = device();
  const disk = dev.mount();
  disk.makeDirectory("data");
  const file = disk.openAppend("data/f");
  dev.crashAtOperation(dev.operations + 2);
  file.append(text("ab"));
  assertThrows(() => file.append(text("cd")), ConvergeError, "power failed");
  assert(dev.crashed);
  assertThrows(() => disk.makeDirectory("other"), ConvergeError, "dead");
  dev.crash();
  dev.mount().makeDirectory("other");
});

Deno.test("VirtualDisk: the death of a process alone loses nothing and frees its locks", () => {
  const dev = device();
  const disk = dev.mount();
  disk.makeDirectory("data");
  disk.lock("data/lock");
  assertThrows(() => disk.lock("data/lock"), ConvergeError, "held elsewhere");
  disk.openAppend("data/f").append(text("ab"));
  dev.crash({ power: false });
  assertThrows(() => disk.makeDirectory("late"), ConvergeError, "dead");
  const next = dev.mount();
  next.lock("data/lock");
  assertEquals(contents(next, "data/f"), "ab");
});

Deno.test("VirtualDisk: a wiped disk is empty; a flipped bit is read", () => {
  const dev = device();
  const disk = dev.mount();
  disk.makeDirectory("data");
  disk.openAppend("data/f").append(text("ab"));
  dev.flipBit("data/f", 1);
  const bytes = disk.openRead("data/f").readAt(0, 2);
  assertEquals(bytes[0], 97);
  assert(bytes[1] !== 98);
  dev.crash({ power: false });
  dev.wipe();
  assertEquals(dev.files(), []);
});

Deno.test("VirtualDisk: a copy that is put back is all there is, and survives a power failure", () => {
  const dev = device();
  const disk = dev.mount();
  disk.makeDirectory("data/aside");
  disk.openAppend("data/aside/f").append(text("before"));
  dev.crash({ power: false });
  const copy = dev.copy();
  const later = dev.mount();
  later.openAppend("data/aside/f").append(text(" and after"));
  later.openAppend("data/g").append(text("new"));
  dev.crash({ power: false });
  dev.restore(copy);
  dev.crash();
  assertEquals(dev.files().map(({ path }) => path), ["data/aside/f"]);
  assertEquals(contents(dev.mount(), "data/aside/f"), "before");
});
