/** What a salvage leaves: all that holds, in a directory in which a node goes on. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { runDoctor } from "../../src/cli/doctor.ts";
import { DAMAGED_NAME, MANIFEST_NAME } from "../../src/storage/file_names.ts";
import type { LsmStore } from "../../src/storage/lsm_store.ts";
import { InstantClock } from "./instant_clock.ts";
import { FOOTER_BYTES } from "../../src/storage/sstable_format.ts";
import { DATA, META } from "../../src/storage/store.ts";
import { put, scanAll } from "./store_conformance.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";

const OTHER = "other";
const KEYSPACES = [DATA, META, OTHER];
const KEYS = ["a", "b", "c"];

/** Three keyspaces in a table each, a newer table of which all is lost, and a log. */
async function damaged(seed = 1): Promise<VirtualStore> {
  const subject = new VirtualStore(seed);
  const store = await subject.open({ memtableBytes: 1 << 20 });
  for (const [i, keyspace] of KEYSPACES.entries()) {
    // Those of a node's own documents have counters of their own.
    const counter = keyspace === META ? 500 : i + 1;
    await store.apply(KEYS.map((key) => ({ ...put(key, counter), keyspace })));
  }
  await store.flush();
  const there = new Set(subject.paths(".sst"));
  await store.apply([put("z", 90)]);
  await store.flush();
  await store.apply(KEYSPACES.map((keyspace) => ({ ...put("logged", 60), keyspace })));
  subject.device.crash({ power: false });
  const last = subject.paths(".sst").find((path) => !there.has(path))!;
  subject.device.flipBit(last, 3);
  return subject;
}

interface Salvaged {
  readonly kept: number;
  readonly movedAside: string[];
  readonly lost: { keyspace: string; file: string }[];
}

async function doctor(subject: VirtualStore, salvage = false): Promise<[number, Salvaged]> {
  let text = "";
  const print = (line: string) => void (text += line);
  const disk = subject.device.mount();
  const code = await runDoctor({ disk, directory: DIRECTORY, salvage, json: true, print });
  return [code, JSON.parse(text).salvaged];
}

function contents(store: LsmStore): string[] {
  return KEYSPACES.flatMap((keyspace) =>
    scanAll(store, keyspace).map(({ key, counter }) => `${keyspace} ${key}@${counter}`)
  );
}

const KEPT = [[DATA, 1], [META, 500], [OTHER, 3]].flatMap(([keyspace, counter]) =>
  [...KEYS.map((key) => `${key}@${counter}`), "logged@60"].map((line) => `${keyspace} ${line}`)
);

Deno.test("salvage: what holds is kept under its keyspace and counter, and a node goes on with it", async () => {
  const subject = await damaged();
  // Nothing of it tells any more of which keyspace it is: the manifest does.
  const other = subject.paths(".sst").at(-2)!;
  subject.device.mount().truncate(other, subject.size(other) - 1);
  const names = subject.device.mount().list(DIRECTORY);
  const [code, salvaged] = await doctor(subject, true);
  assertEquals([code, salvaged.kept], [0, KEPT.length]);
  assertEquals(salvaged.lost.map(({ keyspace }) => keyspace), [DATA]);
  assertEquals(salvaged.movedAside.sort(), names.filter((name) => /\.(sst|log|jsonl)$/.test(name)));
  assertEquals(
    subject.device.mount().list(`${DIRECTORY}/${DAMAGED_NAME}`),
    salvaged.movedAside,
  );
  const store = await subject.open();
  assertEquals(contents(store), KEPT);
  assertEquals(store.highestCounter(), 90, "what is lost had it");
  await store.apply(KEYSPACES.map((keyspace) => ({ ...put("b", 700), keyspace })));
  await store.flush();
  await store.close();
  const again = await subject.open();
  const expected = KEPT.map((line) => line.replace(/ b@\d+/, " b@700"));
  assertEquals(contents(again), expected);
  await again.settled();
  assertEquals(contents(again), expected);
  await again.close();
  assertEquals((await doctor(subject))[0], 0);
});

Deno.test("salvage: where a table says nothing of itself, nor the manifest of it, it is lost, and told of", async () => {
  for (const isManifestLost of [false, true]) {
    for (const isLineLost of [false, true]) {
      const subject = await damaged();
      const other = subject.paths(".sst").at(-2)!;
      const cutBytes = isLineLost ? FOOTER_BYTES + 20 : 1;
      subject.device.mount().truncate(other, subject.size(other) - cutBytes);
      if (isManifestLost) subject.device.flipBit(`${DIRECTORY}/${MANIFEST_NAME}`, 10);
      const [code, { lost }] = await doctor(subject, true);
      assertEquals(code, 0);
      const isLost = isManifestLost && isLineLost;
      assertEquals(lost.some(({ file }) => other.endsWith(file)), isLost);
      const store = await subject.open();
      const isKept = (line: string) => !isLost || !/^other [abc]/.test(line);
      assertEquals(contents(store), KEPT.filter(isKept));
      await store.close();
    }
  }
});

Deno.test("salvage: one that ends at any of its operations is made anew, and nothing more is lost", async () => {
  let operations = 0;
  for (let isOver = false; !isOver; operations++) {
    for (const power of [false, true]) {
      const subject = await damaged(operations + 1);
      subject.device.crashAtOperation(subject.device.operations + operations + 1);
      await doctor(subject, true).catch(() => {});
      isOver = !subject.device.crashed;
      subject.device.crash({ power });
      const where = `operation ${operations}, ${power ? "power" : "process"}`;
      assertEquals((await doctor(subject, true))[0], 0, where);
      assertEquals((await doctor(subject))[0], 0, where);
      const store = await subject.open();
      assertEquals(contents(store), KEPT, where);
      assert(store.lastLoss() > 0, where);
      await store.close();
    }
  }
  assert(operations > 20, `${operations} operations`);
});

Deno.test("salvage: a repair lets others run, however large the table is", async () => {
  const subject = new VirtualStore();
  const first = await subject.open({ memtableBytes: 1 << 22 });
  const value = "x".repeat(2_000);
  for (let i = 0; i < 500; i++) await first.apply([put(`k${i}`, 1, { value })]);
  await first.close();
  const [path] = subject.paths(".sst");
  subject.device.flipBit(path!, 10);
  const clock = new InstantClock();
  const store = await subject.open({ clock });
  let pauses = 0;
  const setTimer = clock.setTimer.bind(clock);
  clock.setTimer = (...timer) => (pauses++, setTimer(...timer));
  assertThrows(() => store.get(DATA, "k0"), ConvergeError, "checksum");
  await store.settled();
  assert(
    pauses >= subject.size(path!.replace(DIRECTORY, `${DIRECTORY}/${DAMAGED_NAME}`)) / 100_000,
  );
  assertEquals(scanAll(store).length, 498, "all but the first block");
  await store.close();
});
