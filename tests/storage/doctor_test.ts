import { crc32 } from "node:zlib";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { DenoDisk } from "../../src/platform/deno/deno_disk.ts";
import { runDoctor } from "../../src/cli/doctor.ts";
import { runInspect } from "../../src/cli/inspect.ts";
import { ConvergeError, isConvergeError } from "../../src/errors.ts";
import type { Disk, ReadFile } from "../../src/platform/disk.ts";
import { logName } from "../../src/storage/file_names.ts";
import { frameOf } from "../../src/record/frame.ts";
import { CONTENT_TYPE_LENGTH_MAX } from "../../src/record/record.ts";
import { checkTable } from "../../src/storage/table_check.ts";
import { type ManifestTable, readManifest, writeManifest } from "../../src/storage/manifest.ts";
import { FOOTER_BYTES } from "../../src/storage/sstable_format.ts";
import { DATA, META } from "../../src/storage/store.ts";
import {
  checkedLine,
  commitLine,
  headerLine,
  hex,
  LOG_FORMAT,
} from "../../src/storage/wal_format.ts";
import { withoutRoom } from "../../src/storage/wal_reader.ts";
import { HeldClock } from "./instant_clock.ts";
import { put, record, scanAll, textOf } from "./store_conformance.ts";
import { swapFiles } from "./faulty_store.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";

const KEYS = Array.from({ length: 12 }, (_, i) => `key${String(i).padStart(2, "0")}`);

/** A directory with two runs and a log that holds something. */
async function prepared(): Promise<VirtualStore> {
  const subject = new VirtualStore();
  // At rest the two would be merged.
  const store = await subject.open({ memtableBytes: 1 << 20, clock: new HeldClock() });
  const value = (key: string, counter: number) => `${key}@${counter}${"x".repeat(340)}`;
  for (const counter of [1, 2]) {
    for (const key of KEYS.slice(0, 4 * (3 - counter))) {
      await store.apply([put(key, counter, { value: value(key, counter) })]);
    }
    await store.flush();
  }
  for (const key of KEYS.slice(8)) await store.apply([put(key, 3, { value: value(key, 3) })]);
  subject.device.crash({ power: false });
  return subject;
}

async function doctor(
  subject: VirtualStore,
  options = {},
): Promise<{ code: number; text: string }> {
  const lines: string[] = [];
  const code = await runDoctor({
    disk: subject.device.mount(),
    directory: DIRECTORY,
    print: (line) => void lines.push(line),
    ...options,
  });
  return { code, text: lines.join("\n") };
}

Deno.test("runDoctor: a good directory is good", async () => {
  const subject = await prepared();
  const { code, text } = await doctor(subject);
  assertEquals([code, text.includes("Nothing is damaged")], [0, true], text);
  assertEquals(JSON.parse((await doctor(subject, { json: true })).text).findings, []);
});

Deno.test("runDoctor: tables of deletions and erases are good, also those of a log that a start found", async () => {
  for (const isKilled of [false, true]) {
    const subject = new VirtualStore();
    let store = await subject.open();
    await store.apply(KEYS.map((key) => put(key, 1)));
    await store.flush();
    await store.apply([put("key00", 2, { tombstone: true }), put("key01", 2, { tombstone: true })]);
    await store.apply([{ ...put("key02", 3), erase: true }, { ...put("key00", 3), erase: true }]);
    if (isKilled) {
      subject.device.crash({ power: false });
      store = await subject.open();
    }
    await store.flush();
    for (const step of [() => Promise.resolve(), () => store.settled()]) {
      await step();
      subject.device.crash({ power: false });
      const { code, text } = await doctor(subject);
      assertEquals(code, 0, text);
      store = await subject.open();
      assertEquals(scanAll(store).map(({ key }) => key), ["key01", ...KEYS.slice(3)]);
    }
    await store.close();
  }
});

Deno.test("runDoctor: every flipped byte is found, --salvage makes it open again", async () => {
  const first = await prepared();
  for (const ending of [".sst", ".log", "manifest.jsonl"]) {
    for (const path of first.paths(ending)) {
      const size = first.size(path);
      const step = Math.max(1, Math.floor(size / 40));
      for (let offset = 0; offset < size; offset += step) {
        const subject = await prepared();
        subject.device.flipBit(path, offset);
        const { code, text } = await doctor(subject);
        const where = `${path} at ${offset} of ${size}: ${text}`;
        // The last commit of a log protects nothing that comes after it.
        if (code === 0) assert(ending === ".log" && text.includes("torn tail"), where);
        else assert(text.includes("--salvage"), where);
        const salvage = await doctor(subject, { salvage: true, json: true });
        assertEquals(salvage.code, 0, where);
        assertEquals((await doctor(subject)).code, 0, where);
        const store = await subject.open();
        const found = scanAll(store);
        if (ending === ".sst") assertLostIsTold(found, JSON.parse(salvage.text).salvaged.lost);
        for (const record of found) {
          assert(textOf(record)!.startsWith(`${record.key}@${record.counter}x`), where);
        }
        assert(found.length >= KEYS.length - 8, `${where}: ${found.length} left`);
        assert(store.highestCounter() >= 2, where);
        await store.apply([put("after", 9)]);
        assertEquals(textOf(store.get(DATA, "after")), "after@9");
        await store.close();
      }
    }
  }
});

/** That each key of the tables that is not there lies in a range that is told of. */
function assertLostIsTold(
  found: readonly { key: string }[],
  lost: readonly { start: string; end?: string }[],
): void {
  for (const key of KEYS.slice(0, 8)) {
    if (found.some((one) => one.key === key)) continue;
    const isTold = lost.some(({ start, end }) => start <= key && (end === undefined || key < end));
    assert(isTold, `${key} is gone, told of are ${JSON.stringify(lost)}`);
  }
}

Deno.test("runDoctor: a lost manifest is rebuilt, the newest versions win", async () => {
  const subject = await prepared();
  subject.device.mount().remove(`${DIRECTORY}/manifest.jsonl`);
  assertEquals((await doctor(subject)).code, 1);
  assertEquals((await doctor(subject, { salvage: true })).code, 0);
  const store = await subject.open();
  const counters = scanAll(store).map(({ counter }) => counter);
  assertEquals(counters, [2, 2, 2, 2, 1, 1, 1, 1, 3, 3, 3, 3]);
  await store.close();
});

Deno.test("runDoctor: manifest and logs lost, the tables are kept, and no file is missed that nobody can name", async () => {
  const subject = await prepared();
  const disk = subject.device.mount();
  for (const path of [...subject.paths(".log"), `${DIRECTORY}/manifest.jsonl`]) disk.remove(path);
  const { findings } = JSON.parse((await doctor(subject, { json: true })).text);
  assertEquals(findings.map(({ file }: { file: string }) => file), ["manifest.jsonl"]);
  assertEquals((await doctor(subject, { salvage: true })).code, 0);
  const store = await subject.open();
  assertEquals(scanAll(store).map(({ key }) => key), KEYS.slice(0, 8));
  await store.close();
});

Deno.test("runDoctor: what a first start leaves that was interrupted is no damage, as at the next", async () => {
  let checked = 0;
  for (let operation = 1; operation <= 12; operation++) {
    for (const power of [false, true]) {
      const subject = new VirtualStore(operation);
      subject.device.crashAtOperation(operation);
      await subject.open().catch(() => {});
      subject.device.crash({ power });
      if (subject.paths("").length === 0) continue; // nothing to check
      const { code, text } = await doctor(subject);
      assertEquals(code, 0, `operation ${operation}: ${text}`);
      await (await subject.open()).close();
      checked++;
    }
  }
  assert(checked > 6, `${checked} checked`);
});

Deno.test("runDoctor: an empty log that came after others is what is left of more, as at a start", async () => {
  const subject = new VirtualStore();
  const written = await subject.open();
  await written.apply([put("a", 1)]);
  await written.close();
  const disk = subject.device.mount();
  for (const path of [...subject.paths(".sst"), `${DIRECTORY}/manifest.jsonl`]) disk.remove(path);
  const files = subject.device.files();
  const refusal = await assertRejects(() => subject.open(), ConvergeError, "--salvage");
  assert(refusal.message.includes("manifest.jsonl: it is missing"), refusal.message);
  assertEquals(subject.device.files(), files, "nothing is made in the place of what was lost");
  assertEquals(await salvaged(subject, "the log alone"), "");
});

Deno.test("runDoctor: refuses a directory in use", async () => {
  const subject = await prepared();
  const disk = subject.device.mount();
  const store = await subject.open({ disk });
  const run = runDoctor({
    disk,
    directory: DIRECTORY,
    print: () => {},
  });
  assertEquals((await assertRejects(() => run, ConvergeError)).code, "data_locked");
  await store.close();
});

Deno.test("runInspect: tells of tables, logs and manifests", async () => {
  const subject = await prepared();
  const disk = subject.device.mount();
  const inspect = (file: string) => {
    const lines: string[] = [];
    const code = runInspect({ disk, file, json: true, print: (line) => void lines.push(line) });
    return { code, ...JSON.parse(lines.join("")) };
  };
  const table = inspect(subject.paths(".sst")[0]!);
  assertEquals([table.code, table.kind, table.records], [0, "table", 8]);
  assertEquals([table.first, table.last, table.maxCounter], ["key00", "key07", 1]);
  assertEquals(table.index.map(({ first }: { first: string }) => first), ["key00", "key06"]);
  const [one, two] = table.index;
  assertEquals([one.at, one.bytes, two.at + two.bytes], [0, two.at, table.dataBytes]);
  assertEquals(inspect(subject.paths(".log")[0]!).lines, { data: 4 });
  assertEquals(inspect(`${DIRECTORY}/manifest.jsonl`).tables.length, 2);
  subject.device.flipBit(subject.paths(".sst")[0]!, 5);
  assertEquals(inspect(subject.paths(".sst")[0]!).code, 1);
});

Deno.test("runInspect: for people, the facts come first and the blocks of a table last", async () => {
  const subject = await prepared();
  const lines: string[] = [];
  const file = subject.paths(".sst")[0]!;
  runInspect({ disk: subject.device.mount(), file, print: (line) => void lines.push(line) });
  assertEquals(lines[0], `${file}: ${subject.size(file)} bytes`);
  assert(lines.includes("  records: 8"), lines.join("\n"));
  assert(lines.some((line) => line.startsWith('  footer: {"index":')), lines.join("\n"));
  assertEquals(lines.at(-3), "  index:");
  assert(/^ {4}at 0, \d+ bytes, from "key00"$/.test(lines.at(-2)!), lines.at(-2));
});

Deno.test("runDoctor: --salvage says to the node that starts next that data was lost", async () => {
  const subject = await prepared();
  subject.device.flipBit(subject.paths(".sst")[0]!, 10);
  await doctor(subject, { salvage: true });
  const salvaged = await subject.open();
  const loss = salvaged.lastLoss();
  assert(loss > 0);
  await salvaged.close();
  // The next one has another name, whatever is left of the manifest.
  subject.device.flipBit(`${DIRECTORY}/manifest.jsonl`, 10);
  await doctor(subject, { salvage: true });
  const again = await subject.open();
  assert(again.lastLoss() > loss, `${again.lastLoss()} after ${loss}`);
  await again.close();
});

Deno.test("runDoctor: no --salvage says of a new loss what an earlier one was called", async () => {
  for (const isManifestDamaged of [false, true]) {
    const subject = new VirtualStore();
    const store = await subject.open();
    await store.apply([put("a", 1)]);
    await store.flush();
    // All of the only table is lost: the number that the loss is called by is that of no file.
    subject.device.flipBit(subject.paths(".sst")[0]!, 3);
    assertThrows(() => store.get(DATA, "a"), ConvergeError, "checksum");
    await store.settled();
    const noted = store.lastLoss();
    assert(noted > 0);
    await store.apply([put("b", 2), put("c", 3)]);
    subject.device.crash({ power: false });
    const log = subject.paths(".log").at(-1)!;
    subject.device.flipBit(log, Math.floor(subject.size(log) / 3));
    if (isManifestDamaged) subject.device.flipBit(`${DIRECTORY}/manifest.jsonl`, 10);
    assertEquals((await doctor(subject, { salvage: true })).code, 0);
    const salvaged = await subject.open();
    assert(salvaged.lastLoss() !== noted, `${salvaged.lastLoss()} after ${noted}`);
    await salvaged.close();
  }
});

Deno.test("runDoctor: --salvage keeps what is in tables whose files were swapped", async () => {
  const subject = new VirtualStore();
  const written = await subject.open();
  await written.apply([put("a", 1), { keyspace: META, record: record("m", 2) }]);
  await written.close();
  const [one, two] = subject.paths(".sst");
  swapFiles(subject, one!, two!);
  assertEquals((await doctor(subject)).code, 1);
  const { code, text } = await doctor(subject, { salvage: true });
  assertEquals(code, 0);
  // Of neither it is known what became of it.
  assertEquals(text.match(/was lost with/g)?.length, 2, text);
  const store = await subject.open();
  assertEquals(scanAll(store).map(({ key }) => key), ["a"]);
  assertEquals(scanAll(store, META).map(({ key }) => key), ["m"]);
  await store.close();
});

Deno.test("runDoctor: --salvage that finds the disk full leaves no table behind, however often", async () => {
  const subject = await prepared();
  subject.device.flipBit(`${DIRECTORY}/manifest.jsonl`, 10);
  const files = subject.device.files();
  const used = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  for (const room of [1_000, 2_000]) {
    subject.device.faults.capacityBytes = used + room;
    const error = await assertRejects(() => doctor(subject, { salvage: true }), ConvergeError);
    assertEquals(error.code, "disk_full");
    assertEquals(subject.device.files(), files);
  }
  subject.device.faults.capacityBytes = Infinity;
  assertEquals((await doctor(subject, { salvage: true })).code, 0);
});

Deno.test("runDoctor: what the disk cannot read is damage, and the rest is kept", async () => {
  for (const ending of [".sst", ".log", "manifest.jsonl"]) {
    for (const isEnd of [false, true]) {
      const subject = new VirtualStore();
      const written = await subject.open({ memtableBytes: 1 << 20 });
      const value = "x".repeat(1_000);
      for (const key of KEYS) await written.apply([put(key, 1, { value })]);
      await written.flush();
      for (const key of KEYS) await written.apply([put(`l${key}`, 2, { value })]);
      subject.device.crash({ power: false });
      const [path] = subject.paths(ending);
      const disk = withBadSector(subject, path!, isEnd ? subject.size(path!) - 1 : 0);
      const name = path!.slice(DIRECTORY.length + 1);
      const found = await doctor(subject, { disk });
      assertEquals(found.code, 1);
      assert(found.text.includes(`damage: ${name}`), found.text);
      const { code, text } = await doctor(subject, { disk, salvage: true });
      assertEquals(code, 0, text);
      assertEquals((await doctor(subject)).code, 0);
      const store = await subject.open();
      const kept = scanAll(store).length;
      assert(kept >= KEYS.length && kept <= 2 * KEYS.length, `${name}: ${kept}`);
      await store.close();
    }
  }
});

/** The disk with a sector of a file that it does not read. */
function withBadSector(subject: VirtualStore, path: string, at: number): Disk {
  const disk = subject.device.mount();
  const bad = at - at % 4096;
  const openRead = (opened: string): ReadFile => {
    const file = disk.openRead(opened);
    if (opened !== path) return file;
    const check = (offset: number, length: number) => {
      if (offset >= bad + 4096 || offset + length <= bad) return;
      throw new ConvergeError("disk_failed", `Cannot read ${path}: injected error`);
    };
    const { sizeBytes } = file;
    return {
      sizeBytes,
      readAt: (offset, length) => (check(offset, length), file.readAt(offset, length)),
      readInto: (offset, target) => (check(offset, target.length), file.readInto(offset, target)),
      close: () => file.close(),
    };
  };
  return new Proxy(disk, {
    get: (target, name) => {
      if (name === "openRead") return openRead;
      const member = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/** What `--salvage` must do for a directory that no node starts with. Returns what is kept. */
async function salvaged(subject: VirtualStore, what: string): Promise<string> {
  const refusal = await subject.open().catch((error) => error);
  assert(isConvergeError(refusal, "corrupt_file"), `${what}: ${refusal}`);
  assert(refusal.message.includes("--salvage"), refusal.message);
  const found = await doctor(subject);
  assertEquals(found.code, 1, `${what}: ${found.text}`);
  assertEquals((await doctor(subject, { salvage: true })).code, 0, what);
  const again = await doctor(subject);
  assertEquals(again.code, 0, `${what}: ${again.text}`);
  assert(again.text.endsWith("Nothing is damaged."), again.text);
  const store = await subject.open();
  const kept = scanAll(store).map(({ key, counter }) => `${key}@${counter}`).join(" ");
  assert(store.lastLoss() > 0, what);
  await store.close();
  return kept;
}

const IN_TABLES = "key00@2 key01@2 key02@2 key03@2 key04@1 key05@1 key06@1 key07@1";
const IN_LOG = "key08@3 key09@3 key10@3 key11@3";

Deno.test("runDoctor: a log that was cut before the end of its header is damage", async () => {
  for (const bytes of [0, 20, 50]) {
    const subject = await prepared();
    subject.device.mount().truncate(subject.paths(".log")[0]!, bytes);
    assertEquals(await salvaged(subject, `cut to ${bytes}`), IN_TABLES);
  }
});

Deno.test("runDoctor: a table that was cut, to however few bytes, is damage", async () => {
  for (const bytes of [0, 1, 50, 400]) {
    const subject = await prepared();
    subject.device.mount().truncate(subject.paths(".sst").at(-1)!, bytes);
    assertStringIncludes(await salvaged(subject, `cut to ${bytes}`), IN_LOG);
  }
});

Deno.test("runDoctor: a log under the number of another is damage", async () => {
  const subject = await prepared();
  const [path] = subject.paths(".log");
  const number = Number(path!.slice(-10, -4));
  copyFile(subject, path!, `${DIRECTORY}/${logName(number + 1)}`);
  assertEquals(await salvaged(subject, "copied"), `${IN_TABLES} ${IN_LOG}`);
});

Deno.test("runDoctor: a line of a log that is no record is damage, and nothing is missing behind it", async () => {
  const subject = await prepared();
  const [path] = subject.paths(".log");
  const number = Number(path!.slice(-10, -4));
  const previousBytes = await appendGroup(subject, path!, '{"k":"a","v":"no version"}');
  const file = subject.device.mount().openAppend(`${DIRECTORY}/${logName(number + 1)}`);
  file.append(headerLine({ format: LOG_FORMAT, segment: number + 1, previousBytes }));
  const { text } = await doctor(subject, { json: true });
  const { findings } = JSON.parse(text);
  assertEquals(findings.map(({ file }: { file: string }) => file), [logName(number)], text);
  assertEquals(await salvaged(subject, "no record"), `${IN_TABLES} ${IN_LOG}`);
});

Deno.test("runDoctor: --salvage leaves lines out that are no records, and says so", async () => {
  const all = ["a\nb", "x".repeat(CONTENT_TYPE_LENGTH_MAX + 1), "\u0100"];
  for (const [isInTable, types] of [[true, all], [false, all], [false, all.slice(0, 1)]] as const) {
    const subject = new VirtualStore();
    const written = await subject.open({ memtableBytes: 1 << 20 });
    await written.apply([put("a", 1), put("key0", 1)]);
    await written.flush();
    for (const [i, type] of types.entries()) {
      // `encodeRecord` makes no such record.
      const version = { key: `key${i}`, counter: 5, nodeID: "n1.aa" };
      const frame = frameOf(JSON.stringify({ k: version.key, v: "v", t: type, c: 5, n: "n1.aa" }));
      const record = { ...version, tombstone: false, expiresAtMs: 0, frame };
      await written.apply([{ keyspace: DATA, record }, put(`z${i}`, 2)]);
    }
    if (isInTable) await written.flush();
    await written.settled();
    subject.device.crash({ power: false });
    const found = JSON.parse((await doctor(subject, { json: true })).text).findings;
    assertEquals(found.length, types.length, JSON.stringify(found));
    const { code, text } = await doctor(subject, { salvage: true });
    assertEquals(code, 0);
    assertEquals(JSON.parse((await doctor(subject, { json: true })).text).findings, []);
    const lines = types.length === 1 ? "1 line" : `${types.length} lines`;
    assert(text.includes(`Left ${lines} of ${found[0].file} out`), text);
    const store = await subject.open();
    // A compaction has taken the older version of the first away; behind a line of the log it is left.
    const expected = ["a", ...(isInTable ? [] : ["key0"]), ...types.map((_, i) => `z${i}`)];
    assertEquals(scanAll(store).map(({ key }) => key), expected);
    await store.close();
  }
});

Deno.test("runDoctor: what is no file in the place of one is set aside, and the rest is kept", async () => {
  const extra = ["000099.log", "000099.sst", "000099.sst.tmp", "manifest.jsonl.tmp"];
  for (const ending of [".sst", ".log", "manifest.jsonl", ...extra]) {
    for (const isLink of [false, true]) {
      const directory = Deno.makeTempDirSync({ prefix: "converge-doctor-" });
      try {
        await keepWithout({ directory, ending, isLink });
      } finally {
        Deno.removeSync(directory, { recursive: true });
      }
    }
  }
});

/** Puts a directory or a link to nothing in the place of a file, and has the rest kept; twice. */
async function keepWithout(
  { directory, ending, isLink }: { directory: string; ending: string; isLink: boolean },
): Promise<void> {
  const disk = new DenoDisk();
  const subject = new VirtualStore();
  const what = `${isLink ? "link" : "directory"} ${ending}`;
  const written = await subject.open({ disk, directory });
  await written.apply([put("a", 1), put("b", 1), { keyspace: META, record: record("m", 1) }]);
  await written.close();
  for (let round = 0; round < 2; round++) {
    const name = disk.list(directory).find((name) => name.endsWith(ending)) ?? ending;
    disk.remove(`${directory}/${name}`);
    if (isLink) Deno.symlinkSync("./absent", `${directory}/${name}`);
    else Deno.mkdirSync(`${directory}/${name}/inside`, { recursive: true });
    const refusal = await subject.open({ disk, directory }).catch((error) => error);
    assert(isConvergeError(refusal, "corrupt_file"), `${what}: ${refusal}`);
    assert(refusal.message.includes("--salvage"), refusal.message);
    const found = await doctor(subject, { disk, directory });
    assertEquals(found.code, 1, what);
    assert(found.text.includes(`damage: ${name}: it is no file`), `${what}: ${found.text}`);
    const { code, text } = await doctor(subject, { disk, directory, salvage: true });
    assertEquals(code, 0, `${what}: ${text}`);
    assertEquals(text.includes(`was lost with ${name}`), ending === ".sst", `${what}: ${text}`);
    const after = await doctor(subject, { disk, directory });
    assertEquals(after.text.split("\n").slice(1), ["Nothing is damaged."], what);
    const store = await subject.open({ disk, directory });
    const kept = scanAll(store).length + scanAll(store, META).length;
    // The first table holds two of the three, the one left then the other.
    assertEquals(kept, ending === ".sst" ? 1 - round : 3, what);
    await store.close();
  }
}

Deno.test("runDoctor: a manifest or log of a format that it does not know is refused as at a start", async () => {
  for (const file of ["manifest.jsonl", ".log"]) {
    const subject = await prepared();
    const [path] = subject.paths(file);
    const disk = subject.device.mount();
    const text = new TextDecoder().decode(disk.openRead(path!).readAt(0, subject.size(path!)));
    disk.remove(path!);
    const known = text.split("\n");
    if (file === ".log") {
      const header = { format: LOG_FORMAT + 1, segment: Number(path!.slice(-10, -4)) };
      disk.openAppend(path!).append(headerLine({ ...header, previousBytes: 0 }));
    } else {
      known[0] = known[0]!.replace('"format":1', '"format":2');
      const body = known.slice(0, -2).join("\n") + "\n";
      const end = `{"end":{"tables":${known.length - 3},"crc":"${hex(crc32(body))}"}}\n`;
      disk.openAppend(path!).append(new TextEncoder().encode(body + end));
    }
    const files = subject.device.files();
    const refusal = await assertRejects(() => subject.open(), ConvergeError, "its format is 2");
    for (const salvage of [false, true]) {
      const error = await assertRejects(() => doctor(subject, { salvage }), ConvergeError);
      assertEquals([error.code, error.message], ["wrong_data", refusal.message]);
    }
    assertEquals(subject.device.files(), files);
  }
});

Deno.test("runDoctor: a table of a format that it does not know is refused as at a start", async () => {
  for (const isManifestLost of [false, true]) {
    const subject = await prepared();
    const [path] = subject.paths(".sst");
    rewriteFooter(subject, path!, (text) => text.replace('"format":1', '"format":2'));
    const refusal = await assertRejects(() => subject.open(), ConvergeError, "its format is 2");
    assert(refusal.message.includes(path!), refusal.message);
    if (isManifestLost) subject.device.mount().remove(`${DIRECTORY}/manifest.jsonl`);
    const files = subject.device.files();
    for (const salvage of [false, true]) {
      const error = await assertRejects(() => doctor(subject, { salvage }), ConvergeError);
      assertEquals([error.code, error.message], ["wrong_data", refusal.message]);
    }
    assertEquals(subject.device.files(), files);
  }
});

/** Gives a table another footer, with a checksum that holds. */
function rewriteFooter(subject: VirtualStore, path: string, edit: (text: string) => string): void {
  const disk = subject.device.mount();
  const at = subject.size(path) - FOOTER_BYTES;
  const footer = new TextDecoder().decode(disk.openRead(path).readAt(at, FOOTER_BYTES));
  const text = edit(footer.slice(0, footer.indexOf(',"crc"')));
  disk.truncate(path, at);
  const line = `${text},"crc":"${hex(crc32(text))}"}`.padEnd(FOOTER_BYTES - 1) + "\n";
  disk.openAppend(path).append(new TextEncoder().encode(line));
}

Deno.test("checkTable(): a filter that misses a key is damage, though every checksum holds", async () => {
  const subject = await prepared();
  const [path] = subject.paths(".sst");
  const disk = subject.device.mount();
  const bytes = disk.openRead(path!).readAt(0, subject.size(path!));
  assertEquals(checkTable(bytes, "whole"), []);
  const text = new TextDecoder().decode(bytes);
  const { index, filter } = JSON.parse(text.slice(-FOOTER_BYTES));
  const noBits = (_: string, bits: string) => `{"filter":"${"A".repeat(bits.length)}"`;
  const emptied = text.slice(0, filter) + text.slice(filter).replace(/{"filter":"(.*?)"/, noBits);
  const tail = hex(crc32(emptied.slice(index, -FOOTER_BYTES)));
  const footer = emptied.slice(-FOOTER_BYTES).replace(/"tail":"\w+"/, `"tail":"${tail}"`);
  const checked = footer.slice(0, footer.indexOf(',"crc"'));
  const crc = `${checked},"crc":"${hex(crc32(checked))}"}`.padEnd(FOOTER_BYTES - 1) + "\n";
  const findings = checkTable(
    new TextEncoder().encode(emptied.slice(0, -FOOTER_BYTES) + crc),
    "emptied",
  );
  assertEquals(findings.map(({ problem }) => problem), Array(8).fill("the filter misses a key"));
});

Deno.test("runDoctor: tables of one run that overlap are damage", async () => {
  const subject = new VirtualStore();
  const store = await subject.open({ clock: new HeldClock() });
  for (const count of [12, 2]) {
    await store.apply(KEYS.slice(0, count).map((key) => put(key, 20 - count)));
    await store.flush();
  }
  subject.device.crash({ power: false });
  const disk = subject.device.mount();
  const manifest = readManifest(disk, DIRECTORY)!;
  assertEquals(manifest.tables.length, 2);
  const [{ run }] = manifest.tables as [ManifestTable];
  const tables = manifest.tables.map((table) => ({ ...table, run }));
  await writeManifest(disk, DIRECTORY, { ...manifest, tables });
  const { code, text } = await doctor(subject);
  assertEquals(code, 1);
  assert(text.includes("of the same run"), text);
});

function copyFile(subject: VirtualStore, from: string, to: string): void {
  const disk = subject.device.mount();
  const file = disk.openAppend(to);
  file.append(disk.openRead(from).readAt(0, subject.size(from)));
}

/** Puts a whole group of one line behind a log. Returns how long that is then. */
async function appendGroup(subject: VirtualStore, path: string, text: string): Promise<number> {
  const disk = subject.device.mount();
  const bytes = withoutRoom(disk.openRead(path).readAt(0, subject.size(path))).byteLength;
  disk.truncate(path, bytes);
  const file = disk.openAppend(path);
  const line = checkedLine(text);
  file.append(line);
  file.append(commitLine({ lines: 1, bytes: line.byteLength, crc: crc32(line), synced: bytes }));
  await file.sync();
  return file.sizeBytes;
}
