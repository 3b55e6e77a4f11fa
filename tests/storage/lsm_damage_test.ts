/** Rot, and files in each other's place: all of it is detected, and told of before anything is given up. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { ConvergeError, isConvergeError } from "../../src/errors.ts";
import type { Disk } from "../../src/platform/disk.ts";
import { ProcessLife } from "../../src/simulation/virtual/process_life.ts";
import { DAMAGED_NAME, tableName } from "../../src/storage/file_names.ts";
import type { DamageReport } from "../../src/storage/lsm_store.ts";
import { readManifest } from "../../src/storage/manifest.ts";
import { salvageTable } from "../../src/storage/salvage.ts";
import { FOOTER_BYTES } from "../../src/storage/sstable_format.ts";
import { DATA, type Keyspace, META } from "../../src/storage/store.ts";
import { withoutRoom } from "../../src/storage/wal_reader.ts";
import { HeldClock } from "./instant_clock.ts";
import { put, record, scanAll, textOf } from "./store_conformance.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";
import { applyAll, forwarding, KEYS, swapFiles } from "./faulty_store.ts";

Deno.test("LsmStore: every flipped bit of a table is detected, nothing wrong is served", async () => {
  const subject = new VirtualStore();
  // Two blocks: the first holds four of the records.
  const padding = "x".repeat(550);
  const prepare = async () => {
    subject.device.wipe();
    const store = await subject.open();
    await applyAll(store, 3, padding);
    await store.close();
    subject.damage.length = 0;
  };
  await prepare();
  const [path] = subject.paths(".sst");
  const size = subject.size(path!);
  let kept = 0;
  for (let offset = 0; offset < size; offset++) {
    await prepare();
    const store = await subject.open();
    subject.device.flipBit(path!, offset);
    let detected = false;
    for (const text of KEYS) {
      try {
        const found = store.get(DATA, record(text, 3).key);
        assertEquals(textOf(found), `${text}@3${padding}`, `byte ${offset}`);
      } catch (error) {
        if (!isConvergeError(error, "corrupt_file")) throw error;
        detected = true;
      }
    }
    assert(detected, `byte ${offset} of ${size}`);
    await store.settled();
    const [report] = subject.damage;
    assertEquals(report?.keyspace, DATA);
    assertEquals(subject.paths(".sst").includes(report!.file), true, "the file is kept aside");
    for (const text of KEYS) {
      const { key } = record(text, 3);
      const found = store.get(DATA, key);
      if (found !== undefined) {
        assertEquals(textOf(found), `${text}@3${padding}`);
        kept++;
        continue;
      }
      const isReported = report!.lost.some(({ start, end }) =>
        key >= start && (end === undefined || key < end)
      );
      assert(isReported, `byte ${offset}: ${text} vanished without a report`);
    }
    await store.close();
  }
  assert(kept > 0, "blocks that hold are kept");
});

Deno.test("salvageTable(): a full disk gets no table for which there is no room, however often", async () => {
  const subject = new VirtualStore();
  const written = await subject.open({ memtableBytes: 1 << 20 });
  for (const key of KEYS) await written.apply([put(key, 1, { value: "x".repeat(100_000) })]);
  await written.close();
  const disk = subject.device.mount();
  const { tables: [table] } = readManifest(disk, DIRECTORY)!;
  const files = subject.device.files();
  subject.device.faults.capacityBytes = 1.5 *
    files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  for (const number of [100, 101]) {
    const target = { disk, directory: DIRECTORY, number, keyspace: DATA };
    const path = `${DIRECTORY}/${tableName(table!.number)}`;
    const error = await assertRejects(
      () => salvageTable(disk, path, table!, target),
      ConvergeError,
    );
    assertEquals(error.code, "disk_full");
    assertEquals(subject.device.files(), files);
  }
});

/** A store whose newest table of the node's own documents has a bit flipped. */
async function withDamagedDocuments(offset: (size: number) => number): Promise<VirtualStore> {
  const subject = new VirtualStore();
  const written = await subject.open();
  await written.apply([put("a", 1), { keyspace: META, record: record("identity", 1) }]);
  await written.close();
  const [path] = subject.paths(".sst").filter((path) => textAt(subject, path).includes("identity"));
  subject.device.flipBit(path!, offset(subject.size(path!)));
  return subject;
}

function textAt(subject: VirtualStore, path: string): string {
  const file = subject.device.mount().openRead(path);
  return new TextDecoder().decode(file.readAt(0, file.sizeBytes));
}

Deno.test("LsmStore.open(): what a node begins with is readable at once, though its table is damaged", async () => {
  for (const offset of [() => 5, (size: number) => size - FOOTER_BYTES - 5]) {
    const subject = await withDamagedDocuments(offset);
    const store = await subject.open();
    const found = store.get(META, "identity"); // the block may hold though the index does not
    assert(found === undefined || textOf(found) === "identity@1");
    assertEquals(subject.damage.length, 1);
    assertEquals(store.lastLoss(), subject.damage[0]!.loss);
    assertEquals(textOf(store.get(DATA, "a")), "a@1");
    await store.close();
  }
});

Deno.test("LsmStore.open(): waits for nobody who waits for its end before values are given up", async () => {
  const subject = new VirtualStore();
  const written = await subject.open({ clock: new HeldClock() });
  const write = async (keyspace: Keyspace, key: string, bytes: number) => {
    const value = "x".repeat(bytes);
    await written.apply([{ keyspace, record: record(key, 1, { value }) }]);
    await written.flush();
  };
  for (const [name, bytes] of [["m1", 2000], ["m2", 300], ["m3", 1]] as const) {
    await write(META, name, bytes); // not worth merging
  }
  for (const [key, bytes] of [["a", 1000], ["b", 500]] as const) {
    await write(DATA, key, bytes); // to be merged at rest
  }
  await written.close();
  const damaged = subject.paths(".sst").filter((path) =>
    !textAt(subject, path).includes('"k":"b"')
  );
  for (const path of damaged) subject.device.flipBit(path, 5);
  const opening = Promise.withResolvers<void>();
  const told: Keyspace[] = [];
  const onDamage = ({ keyspace }: DamageReport) => {
    told.push(keyspace);
    return keyspace === META ? undefined : opening.promise;
  };
  const store = await subject.open({ onDamage });
  assertEquals(told, [META, META, META]);
  opening.resolve();
  await store.settled();
  assertEquals(told, [META, META, META, DATA]);
  await store.close();
});

Deno.test("LsmStore.open(): says so where there is no room to mend what a node begins with", async () => {
  const subject = await withDamagedDocuments((size) => size - FOOTER_BYTES - 5);
  subject.device.faults.capacityBytes = 0;
  const error = await assertRejects(() => subject.open({ clock: new HeldClock() }), ConvergeError);
  assertEquals(error.code, "disk_full");
  subject.device.faults.capacityBytes = Infinity;
  const store = await subject.open();
  assertEquals(store.lastLoss(), subject.damage.at(-1)!.loss);
  await store.close();
});

Deno.test("LsmStore: what was kept of a damaged table stays, though the disk is too full to set that aside", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  let refused = 0;
  const rename: Disk["rename"] = (from, to) => {
    if (to.includes(`/${DAMAGED_NAME}/`) && refused++ === 0) {
      throw new ConvergeError("disk_full", "no space");
    }
    disk.rename(from, to);
  };
  const store = await subject.open({ disk: forwarding(disk, { rename }) });
  await applyAll(store, 3, "x".repeat(550)); // two blocks
  await store.flush();
  subject.device.flipBit(subject.paths(".sst")[0]!, 10);
  assertThrows(() => store.get(DATA, "a"), ConvergeError);
  await store.settled();
  assertEquals(refused, 1);
  const kept = scanAll(store).map(({ key }) => key);
  assert(kept.length > 0 && kept.length < KEYS.length, `${kept.length} were kept`);
  await store.close();
  assertEquals(subject.fatal, []);
  const again = await subject.open();
  assertEquals(scanAll(again).map(({ key }) => key), kept);
  await again.close();
});

Deno.test("LsmStore: a repair leaves no table behind where who is told of it finds the disk full, however often", async () => {
  const subject = new VirtualStore();
  let told = 0;
  const store = await subject.open({
    onDamage: () => {
      if (++told <= 8) throw new ConvergeError("disk_full", "no space");
    },
  });
  await applyAll(store, 3, "x".repeat(550)); // two blocks
  await store.flush();
  subject.device.flipBit(subject.paths(".sst")[0]!, 10);
  assertThrows(() => store.get(DATA, "a"), ConvergeError, "checksum");
  await store.settled();
  assertEquals(told, 9);
  const kept = scanAll(store).map(({ key }) => key);
  assert(kept.length > 0 && kept.length < KEYS.length, `${kept.length} were kept`);
  const tables = subject.paths(".sst").filter((path) => !path.includes(DAMAGED_NAME));
  assertEquals(tables.length, store.statistics().tableCount);
  await store.close();
});

Deno.test("LsmStore: a damaged table of one key, of which nothing is kept, is told of as lost", async () => {
  const subject = new VirtualStore();
  const store = await subject.open();
  await store.apply([put("a", 1)]);
  await store.flush();
  subject.device.flipBit(subject.paths(".sst")[0]!, 5);
  assertThrows(() => store.get(DATA, "a"), ConvergeError, "checksum");
  await store.settled();
  assertEquals(subject.damage.map(({ lost }) => lost), [[{ start: "a", end: "a\0" }]]);
  await store.close();
});

Deno.test("LsmStore: a damaged table that nobody may give up stays as it is, and the store fails", async () => {
  const subject = new VirtualStore();
  const onDamage = () => Promise.reject(new ConvergeError("corrupt_file", "nobody else has it"));
  const store = await subject.open({ onDamage });
  await applyAll(store, 3, "x".repeat(550)); // two blocks
  await store.flush();
  const before = subject.paths(".sst");
  subject.device.flipBit(before[0]!, 10);
  assertThrows(() => store.get(DATA, "a"), ConvergeError);
  await store.settled();
  assertEquals(subject.fatal.map(({ code }) => code), ["corrupt_file"]);
  assert(subject.fatal[0]!.message.includes("nobody else has it"), subject.fatal[0]!.message);
  assertEquals([subject.paths(".sst"), store.lastLoss()], [before, 0]);
  await store.close();
});

Deno.test("Snapshot.close(): ends though the damaged table that it held cannot be set aside", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  const rename: Disk["rename"] = (from, to) => {
    if (to.includes(`/${DAMAGED_NAME}/`)) throw new ConvergeError("disk_failed", "injected error");
    disk.rename(from, to);
  };
  const store = await subject.open({ disk: forwarding(disk, { rename }) });
  await applyAll(store, 3);
  await store.flush();
  const snapshot = store.snapshot();
  subject.device.flipBit(subject.paths(".sst")[0]!, 10);
  assertThrows(() => store.get(DATA, "a"), ConvergeError);
  await store.settled();
  snapshot.close();
  assertEquals(subject.fatal, []);
  await store.close();
});

Deno.test("LsmStore: tables whose files were swapped are damaged, and neither is taken for the other", async () => {
  const subject = new VirtualStore();
  const written = await subject.open();
  await written.apply([put("a", 1), { keyspace: META, record: record("m", 1) }]);
  await written.close();
  const [one, two] = subject.paths(".sst");
  assertEquals(subject.size(one!), subject.size(two!));
  swapFiles(subject, one!, two!);
  const store = await subject.open();
  assertThrows(() => store.get(DATA, "a"), ConvergeError, "the manifest");
  await store.settled();
  assertEquals(subject.damage.map(({ keyspace, lost }) => [keyspace, lost]), [
    [META, [{ start: "m", end: "m\0" }]],
    [DATA, [{ start: "a", end: "a\0" }]],
  ]);
  for (const keyspace of [DATA, META]) assertEquals(scanAll(store, keyspace).length, 0);
  await store.close();
});

Deno.test("LsmStore: swapped tables are told apart though they look alike", async () => {
  const subject = new VirtualStore();
  const written = await subject.open();
  for (const [counter, middle] of [[1, "b"], [2, "c"]] as const) {
    // Both runs have the same bounds, and the same highest counter.
    await written.apply([put("a", counter), put(middle, 3), put("d", counter)]);
    await written.flush();
  }
  subject.device.crash({ power: false });
  const [one, two] = subject.paths(".sst");
  assertEquals(subject.size(one!), subject.size(two!));
  swapFiles(subject, one!, two!);
  const store = await subject.open();
  await store.settled(); // a merge of the two meets the newer one first
  assertThrows(() => store.get(DATA, "b"), ConvergeError, "the manifest");
  await store.settled();
  assertEquals(subject.damage.map(({ reason }) => reason.includes("the manifest")), [true, true]);
  assertEquals(scanAll(store).length, 0);
  await store.close();
});

Deno.test("LsmStore: every flipped bit of a log is detected, no answered write is dropped", async () => {
  const subject = new VirtualStore();
  const prepare = async () => {
    subject.device.wipe();
    const store = await subject.open();
    await applyAll(store, 3);
    await store.apply([{ keyspace: META, record: record("m", 4) }, put("a", 5)]);
    await store.apply([{ ...put("b", 6), erase: true }]);
    subject.device.crash({ power: false });
  };
  await prepare();
  const [path] = subject.paths(".log");
  const whole = subject.device.mount().openRead(path!);
  const size = withoutRoom(whole.readAt(0, whole.sizeBytes)).byteLength;
  let refused = 0;
  for (let offset = 0; offset < size; offset++) {
    await prepare();
    subject.device.flipBit(path!, offset);
    const store = await subject.open().catch((error) => error);
    if (store instanceof Error) {
      assert(isConvergeError(store, "corrupt_file", "wrong_data"), String(store));
      assert(store.message.includes("doctor --data data --salvage"), store.message);
      refused++;
      continue;
    }
    // Only what comes after the last group may be damaged without a loss.
    assertEquals(
      scanAll(store).map(({ key, counter }) => `${key}${counter}`).join(" "),
      `a5 c3 d"\\3 \u00c3\u00a93`,
      `byte ${offset} of ${size}`,
    );
    await store.close();
  }
  assert(refused > size * 0.8, `${refused} of ${size} refused`);
});

Deno.test("LsmStore: every flipped bit of the manifest is detected", async () => {
  const subject = new VirtualStore();
  const prepare = async () => {
    subject.device.wipe();
    const store = await subject.open();
    await applyAll(store, 3);
    await store.close();
  };
  await prepare();
  const path = `${DIRECTORY}/manifest.jsonl`;
  const size = subject.size(path);
  for (let offset = 0; offset < size; offset++) {
    await prepare();
    subject.device.flipBit(path, offset);
    const error = await subject.open().catch((error) => error);
    assert(isConvergeError(error, "corrupt_file", "wrong_data"), `byte ${offset}`);
    if (error.code === "corrupt_file") assertStringIncludes(error.message, "converge doctor");
  }
});

/** A disk that counts its open files. */
function countingDisk(disk: Disk): { disk: Disk; open: () => string[] } {
  const open: string[] = [];
  const counted = <T extends { close(): void }>(path: string, file: T): T => {
    open.push(path);
    const close = (): void => {
      const at = open.indexOf(path);
      if (at >= 0) open.splice(at, 1);
      file.close();
    };
    return forwarding<T>(file, { close } as Partial<T>);
  };
  return {
    disk: forwarding(disk, {
      openAppend: (path, options) => counted(path, disk.openAppend(path, options)),
      openRead: (path) => counted(path, disk.openRead(path)),
    }),
    open: () => open,
  };
}

Deno.test("LsmStore: closes every file that it opens, those of what it gives up too", async () => {
  const subject = new VirtualStore();
  const all: (() => string[])[] = [];
  const mount = (): Disk => {
    const { disk, open } = countingDisk(subject.device.mount(new ProcessLife()));
    all.push(open);
    return disk;
  };
  const first = await subject.open({ disk: mount() });
  await applyAll(first, 3);
  await first.flush();
  await first.close();
  subject.device.flipBit(subject.paths(".sst")[0]!, 12);
  const disk = mount();
  let full = "";
  const refuseIf = (what: string, path: string) => {
    if (full === what && path.includes(".sst")) throw new ConvergeError("disk_full", "no space");
  };
  const { rename, openAppend } = disk;
  const filling = forwarding(disk, {
    rename: (from, to) => (refuseIf("rename", to), rename(from, to)),
    openAppend: (path, options) => {
      const file = openAppend(path, options);
      const append = file.append.bind(file);
      return forwarding(file, { append: (bytes) => (refuseIf("append", path), append(bytes)) });
    },
  });
  const second = await subject.open({ disk: filling });
  assertThrows(() => scanAll(second), ConvergeError, "checksum");
  await second.settled();
  let counter = 3;
  for (const kind of ["rename", "append"]) {
    await applyAll(second, ++counter);
    full = kind;
    await assertRejects(() => second.flush(), ConvergeError, "no space");
    full = "";
    await second.settled();
  }
  for (let i = 0; i < 8; i++) {
    await applyAll(second, ++counter);
    await second.flush();
  }
  await second.checkpoint("copy");
  await second.settled();
  scanAll(second);
  await second.close();
  const third = await subject.open({ disk: mount() });
  await third.apply([put("last", 100)]);
  await third.close();
  assertEquals(all.map((open) => open()), [[], [], []]);
});

Deno.test("LsmStore.open(): lets go of lock and log where it fails at the last", async () => {
  for (const isKilled of [false, true]) {
    const subject = new VirtualStore();
    const written = await subject.open();
    await written.apply([put("a", 1)]);
    if (isKilled) subject.device.crash({ power: false });
    else await written.close();
    const { disk, open } = countingDisk(subject.device.mount(new ProcessLife()));
    subject.device.faults.errorRate.syncDirectory = 1;
    const error = await assertRejects(() => subject.open({ disk }), ConvergeError);
    assertEquals([error.code, open()], ["disk_failed", []]);
    subject.device.faults.errorRate.syncDirectory = 0;
    const store = await subject.open({ disk });
    assertEquals(textOf(store.get(DATA, "a")), "a@1");
    await store.close();
  }
});

Deno.test("LsmStore: a loss is on disk with the commit that makes it, though nobody took note", async () => {
  const subject = new VirtualStore();
  let store = await subject.open();
  let last = 0;
  for (const counter of [1, 2]) {
    await applyAll(store, counter);
    await store.close();
    subject.damage.length = 0;
    subject.device.flipBit(subject.paths(".sst").find((path) => !path.includes("damaged"))!, 10);
    store = await subject.open();
    assertEquals(store.lastLoss(), last);
    assertThrows(() => scanAll(store, DATA), ConvergeError, "checksum");
    await store.settled();
    assertEquals(store.lastLoss(), subject.damage[0]!.loss);
    assert(store.lastLoss() > last, `${store.lastLoss()} after ${last}`);
    last = store.lastLoss();
    subject.device.crash();
    store = await subject.open();
    assertEquals(store.lastLoss(), last);
  }
  await store.close();
});
