/** What a start makes of what it finds: torn logs, missing files, unknown formats, leftovers. */
import { crc32 } from "node:zlib";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import type { AppendFile, Disk } from "../../src/platform/disk.ts";
import { appendFileAround, diskAround } from "../../src/platform/disk_around.ts";
import { logName } from "../../src/storage/file_names.ts";
import { FOOTER_BYTES } from "../../src/storage/sstable_format.ts";
import { DATA } from "../../src/storage/store.ts";
import { checkedLine, commitLine, headerLine, LOG_FORMAT } from "../../src/storage/wal_format.ts";
import { withoutRoom } from "../../src/storage/wal_reader.ts";
import { turns } from "./soon.ts";
import { put, scanAll, textOf } from "./store_conformance.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";
import { applyAll, forwarding, KEYS } from "./faulty_store.ts";

Deno.test("LsmStore: a torn tail is cut, once, and writing goes on", async () => {
  const subject = new VirtualStore();
  const store = await subject.open();
  await store.apply([put("a", 1)]);
  subject.device.crash({ power: false });
  const [path] = subject.paths(".log");
  const file = subject.device.mount().openAppend(path!);
  file.append(new TextEncoder().encode('12345678 {"k":"b","v":"torn","c":2,"n":"n'));
  const warned: string[] = [];
  const log = { info() {}, warn: (event: string) => void warned.push(event), error() {} };
  for (let i = 0; i < 3; i++) {
    subject.device.crash({ power: false });
    const again = await subject.open({ log });
    assertEquals(warned, ["storage.torn_tail_cut"]);
    assertEquals(scanAll(again).length, 1 + i);
    await again.apply([put(`next${i}`, 10 + i)]);
  }
});

Deno.test("LsmStore: a hole in what was never synced is a torn tail, not damage", async () => {
  const subject = new VirtualStore();
  const store = await subject.open({ durability: { mode: "os" } });
  await store.apply([put("a", 1)]);
  await store.apply([put("b", 2)]);
  await store.apply([put("c", 3)]);
  subject.device.crash({ power: false });
  const [path] = subject.paths(".log");
  // Later pages reached the device, an earlier one did not.
  subject.device.flipBit(path!, 120);
  const again = await subject.open();
  assertEquals(scanAll(again), []);
  await again.close();
});

Deno.test("LsmStore: what a start serves from the log is durable by then", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const subject = new VirtualStore(seed);
    const store = await subject.open({ durability: { mode: "os" } });
    await store.apply([put("a", 1)]);
    subject.device.crash({ power: false });
    const again = await subject.open();
    assertEquals(textOf(again.get(DATA, "a")), "a@1");
    subject.device.crash();
    const last = await subject.open();
    assertEquals(textOf(last.get(DATA, "a")), "a@1", `seed ${seed}`);
    await last.close();
  }
});

Deno.test("LsmStore: damage before synced groups stops with offset and remedy", async () => {
  const subject = new VirtualStore();
  const store = await subject.open();
  await applyAll(store, 1);
  subject.device.crash({ power: false });
  const [path] = subject.paths(".log");
  subject.device.flipBit(path!, 90);
  const error = await assertRejects(() => subject.open(), ConvergeError, "--salvage");
  assertEquals(error.code, "corrupt_file");
  assert(Number(error.details.offset) > 0);
  const again = await subject.open().catch((error) => error);
  assert(again instanceof ConvergeError, "it stays so until someone decides");
});

Deno.test("LsmStore: a missing file stops the start", async () => {
  for (const ending of [".sst", ".log", "manifest.jsonl"]) {
    const subject = new VirtualStore();
    const store = await subject.open();
    await store.apply([put("a", 1)]);
    await store.flush();
    await store.apply([put("b", 2)]);
    subject.device.crash({ power: false });
    subject.device.mount().remove(subject.paths(ending)[0]!);
    await assertRejects(() => subject.open(), ConvergeError, "missing", ending);
  }
});

Deno.test("LsmStore: a table of another length stops the start", async () => {
  for (const change of [-1, 1]) {
    const subject = new VirtualStore();
    const store = await subject.open();
    await store.apply([put("a", 1)]);
    await store.close();
    const [path] = subject.paths(".sst");
    const bytes = subject.size(path!);
    const disk = subject.device.mount();
    if (change < 0) disk.truncate(path!, bytes - 1);
    else disk.openAppend(path!).append(Uint8Array.of(10));
    const says = `it has ${bytes + change} bytes and had ${bytes}`;
    await assertRejects(() => subject.open(), ConvergeError, says);
  }
});

Deno.test("LsmStore.open(): a table whose footer rots is damaged, and of no unknown format", async () => {
  for (let offset = 1; offset <= FOOTER_BYTES; offset++) {
    const subject = new VirtualStore();
    const first = await subject.open();
    await applyAll(first, 3);
    await first.close();
    const [path] = subject.paths(".sst");
    subject.device.flipBit(path!, subject.size(path!) - offset);
    const store = await subject.open();
    assertThrows(() => scanAll(store), ConvergeError, "", `${offset} from the end`);
    await store.settled();
    assertEquals(scanAll(store).length, KEYS.length);
    await store.close();
  }
});

Deno.test("LsmStore.open(): a table whose footer cannot be read stops no start, only who reads of it", async () => {
  const subject = new VirtualStore();
  const first = await subject.open();
  await applyAll(first, 3);
  await first.close();
  const disk = subject.device.mount();
  const readAt = (): never => {
    throw new ConvergeError("disk_failed", "Cannot read: input/output error");
  };
  const openRead: Disk["openRead"] = (path) => {
    const file = disk.openRead(path);
    return path.endsWith(".sst") ? forwarding(file, { readAt }) : file;
  };
  const store = await subject.open({ disk: forwarding(disk, { openRead }) });
  const error = assertThrows(() => store.get(DATA, "a"), ConvergeError, "input/output");
  assertEquals(error.code, "disk_failed");
  await store.apply([put("z", 9)]);
  assertEquals(textOf(store.get(DATA, "z")), "z@9");
  await store.close();
});

Deno.test("LsmStore: what cannot be read, for whatever reason, is not taken for damage", async () => {
  for (const code of ["disk_failed", "disk_full"] as const) {
    const subject = new VirtualStore();
    const first = await subject.open();
    await applyAll(first, 3);
    await first.close();
    const disk = subject.device.mount();
    let isFailing = false;
    const openRead: Disk["openRead"] = (path) => {
      if (isFailing) throw new ConvergeError(code, "Cannot open: for some reason");
      return disk.openRead(path);
    };
    const store = await subject.open({ disk: forwarding(disk, { openRead }) });
    isFailing = true;
    const error = assertThrows(() => store.get(DATA, "a"), ConvergeError, "for some reason");
    isFailing = false;
    await store.settled();
    assertEquals([error.code, subject.damage, store.lastLoss()], [code, [], 0]);
    assertEquals(textOf(store.get(DATA, "a")), "a@3");
    await store.close();
  }
});

Deno.test("LsmStore: an unknown format is refused", async () => {
  const subject = new VirtualStore();
  await (await subject.open()).close();
  const path = `${DIRECTORY}/manifest.jsonl`;
  const { encodeManifest } = await import("../../src/storage/manifest.ts");
  const { crc32 } = await import("node:zlib");
  const text = new TextDecoder().decode(
    encodeManifest({ next: 2, log: 1, highestCounter: 0, lastLoss: 0, tables: [] }),
  );
  const body = text.split("\n")[0]!.replace('"format":1', '"format":2') + "\n";
  const crc = crc32(body).toString(16).padStart(8, "0");
  const disk = subject.device.mount();
  disk.remove(path);
  disk.openAppend(path).append(
    new TextEncoder().encode(`${body}{"end":{"tables":0,"crc":"${crc}"}}\n`),
  );
  const error = await assertRejects(() => subject.open(), ConvergeError, "format");
  assertEquals(error.code, "wrong_data");
});

Deno.test("LsmStore: a log of an unknown format is refused", async () => {
  const subject = new VirtualStore();
  await (await subject.open()).close();
  const [path] = subject.paths(".log");
  const header = { format: LOG_FORMAT + 1, segment: 1, previousBytes: 0 };
  const disk = subject.device.mount();
  disk.remove(path!);
  disk.openAppend(path!).append(headerLine(header));
  const error = await assertRejects(() => subject.open(), ConvergeError, "format");
  assertEquals(error.code, "wrong_data");
});

Deno.test("LsmStore: a directory in use is refused", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  const store = await subject.open({ disk });
  const error = await assertRejects(() => subject.open({ disk }), ConvergeError);
  assertEquals(error.code, "data_locked");
  await store.close();
  await (await subject.open({ disk })).close();
});

Deno.test("LsmStore.open(): whatever stops a start, the log is closed before the directory is given back", async () => {
  const line = checkedLine("nothing that is a record");
  const stops = {
    "injected error": (subject: VirtualStore) => subject.device.faults.errorRate.sync = 1,
    "syncDirectory": (subject: VirtualStore) => subject.device.faults.errorRate.syncDirectory = 1,
    "it is not JSON": (subject: VirtualStore) => {
      const [path] = subject.paths(".log");
      const disk = subject.device.mount();
      disk.truncate(path!, withoutRoom(disk.openRead(path!).readAt(0, subject.size(path!))).length);
      const file = disk.openAppend(path!);
      file.append(line);
      file.append(commitLine({ lines: 1, bytes: line.length, crc: crc32(line), synced: 0 }));
    },
  };
  for (const [says, stop] of Object.entries(stops)) {
    const subject = new VirtualStore();
    await (await subject.open()).apply([put("a", 1)]);
    subject.device.crash({ power: false });
    stop(subject);
    const disk = subject.device.mount();
    const open = new Set<AppendFile>();
    let openAtEnd: number | undefined;
    const openAppend: Disk["openAppend"] = (path, options) => {
      const file = disk.openAppend(path, options);
      const sync = () => turns().then(() => file.sync());
      const watched = appendFileAround(file, sync);
      watched.close = () => void open.delete(watched);
      open.add(watched);
      return watched;
    };
    const lock: Disk["lock"] = (path) => {
      const held = disk.lock(path);
      const release = () => {
        openAtEnd = open.size;
        held.release();
      };
      return { release };
    };
    await assertRejects(
      () => subject.open({ disk: diskAround(disk, { openAppend, lock }) }),
      ConvergeError,
      says,
    );
    assertEquals(openAtEnd, 0, says);
  }
});

Deno.test("LsmStore: leftovers of interrupted work are removed", async () => {
  const subject = new VirtualStore();
  await (await subject.open()).close();
  const disk = subject.device.mount();
  const [log] = subject.paths(".log");
  const next = logName(Number(log!.slice(-10, -4)) + 1); // made, and never begun
  for (const name of ["000077.sst", "000078.sst.tmp", "manifest.jsonl.tmp", next]) {
    disk.openAppend(`${DIRECTORY}/${name}`).append(new Uint8Array(3));
  }
  const store = await subject.open();
  assertEquals(subject.paths(".log"), [log]);
  assertEquals(subject.paths(".sst"), []);
  assertEquals(subject.paths(".tmp"), []);
  await store.close();
});
