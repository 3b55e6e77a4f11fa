/** What every `Store` must do: one suite, run on each implementation. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { keyFromBytes, keyFromText } from "../../src/record/key.ts";
import type { StoredRecord } from "../../src/record/record.ts";
import { decodeFrame, encodeRecord, valueOf } from "../../src/record/record_line.ts";
import { DATA, META, type Mutation, type Store } from "../../src/storage/store.ts";

/** A record whose value says what it is. */
export function record(
  key: string,
  counter: number,
  { nodeID = "n1.aa", value = `${key}@${counter}`, tombstone = false } = {},
): StoredRecord {
  return encodeRecord({
    key: keyFromText(key),
    value: tombstone ? undefined : new TextEncoder().encode(value),
    counter,
    nodeID,
  });
}

/** A mutation of the data keyspace. */
export function put(key: string, counter: number, options = {}): Mutation {
  return { keyspace: DATA, record: record(key, counter, options) };
}

/** The value of a record as text; undefined when absent, null for a tombstone. */
export function textOf(found: StoredRecord | undefined): string | null | undefined {
  if (found === undefined) return undefined;
  return found.tombstone ? null : new TextDecoder().decode(valueOf(found).bytes);
}

/** Everything in a keyspace, read in pages. */
export function scanAll(store: Store, keyspace = DATA, range = {}, pageSize = 7): StoredRecord[] {
  const scan = store.scan(keyspace, range);
  const all: StoredRecord[] = [];
  for (let page; (page = scan.next(pageSize)).length > 0;) all.push(...page);
  scan.close();
  return all;
}

/** What a store under test needs around it. */
export interface StoreHarness {
  open(): Promise<Store>;
  /** Called between steps: moves data to where it is harder (flush, compaction, reopening). */
  disturb(store: Store): Promise<Store>;
  dispose(): Promise<void>;
}

type Test = (
  what: string,
  body: (store: Store, harness: StoreHarness) => Promise<void>,
) => void;

/** Registers the suite. */
export function testStore(name: string, makeHarness: () => StoreHarness): void {
  const test: Test = (what, body) =>
    Deno.test(`${name}: ${what}`, async () => {
      const harness = makeHarness();
      try {
        await body(await harness.open(), harness);
      } finally {
        await harness.dispose();
      }
    });
  testWrites(test);
  testScans(test);
  testSnapshots(test);
  testLife(test);
}

function testWrites(test: Test): void {
  test("apply() stores and get() returns the same bytes", async (store, harness) => {
    const mutation = put("greeting", 1, { value: "hello" });
    assertEquals(await store.apply([mutation]), ["stored"]);
    store = await harness.disturb(store);
    const found = store.get(DATA, "greeting")!;
    assertEquals(found.frame, mutation.record.frame);
    assertEquals([found.key, found.counter, found.nodeID], ["greeting", 1, "n1.aa"]);
    decodeFrame(found.frame, 0, found.frame.byteLength);
    assertEquals(store.get(DATA, "greetinh"), undefined);
    assertEquals(store.get(META, "greeting"), undefined);
    await store.close();
  });

  test("apply() answers superseded with the newer version and keeps it", async (store, harness) => {
    await store.apply([put("k", 5)]);
    store = await harness.disturb(store);
    assertEquals(await store.apply([put("k", 4)]), [{ counter: 5, nodeID: "n1.aa" }]);
    assertEquals(await store.apply([put("k", 5, { nodeID: "n0.aa" })]), [
      { counter: 5, nodeID: "n1.aa" },
    ]);
    assertEquals(await store.apply([put("k", 5)]), ["stored"]);
    assertEquals(textOf(store.get(DATA, "k")), "k@5");
    store = await harness.disturb(store);
    assertEquals(await store.apply([put("k", 5, { nodeID: "n2.aa", value: "n2" })]), ["stored"]);
    assertEquals(textOf(store.get(DATA, "k")), "n2");
    await store.close();
  });

  test("apply() decides a batch in order, one key more than once", async (store, harness) => {
    assertEquals(await store.apply([put("k", 2), put("k", 1), put("k", 3), put("k", 3)]), [
      "stored",
      { counter: 2, nodeID: "n1.aa" },
      "stored",
      "stored",
    ]);
    store = await harness.disturb(store);
    assertEquals(textOf(store.get(DATA, "k")), "k@3");
    assertEquals(scanAll(store).length, 1);
    await store.close();
  });

  test("tombstones are records", async (store, harness) => {
    await store.apply([put("k", 1), put("k", 2, { tombstone: true })]);
    store = await harness.disturb(store);
    assertEquals(textOf(store.get(DATA, "k")), null);
    assertEquals(scanAll(store).map((found) => [found.key, found.tombstone]), [["k", true]]);
    await store.close();
  });

  test("erase forgets a key up to its version, and only up to it", async (store, harness) => {
    await store.apply([put("a", 1), put("b", 9)]);
    store = await harness.disturb(store);
    assertEquals(
      await store.apply([{ ...put("a", 3), erase: true }, { ...put("b", 3), erase: true }]),
      ["stored", { counter: 9, nodeID: "n1.aa" }],
    );
    assertEquals(store.get(DATA, "a"), undefined);
    assertEquals(store.locate(DATA, "a"), undefined);
    store = await harness.disturb(store);
    assertEquals(store.get(DATA, "a"), undefined);
    assertEquals(scanAll(store).map(({ key }) => key), ["b"]);
    assertEquals(store.highestCounter(), 9);
    // Nothing is there, so any version is newer.
    assertEquals(await store.apply([put("a", 2)]), ["stored"]);
    store = await harness.disturb(store);
    assertEquals(textOf(store.get(DATA, "a")), "a@2");
    await store.close();
  });

  test("keyspaces are apart", async (store, harness) => {
    const other = record("k", 7);
    await store.apply([put("k", 1), { keyspace: META, record: other }]);
    store = await harness.disturb(store);
    assertEquals(store.get(DATA, "k")!.counter, 1);
    assertEquals(store.get(META, "k")!.frame, other.frame);
    assertEquals(store.highestCounter(), 1);
    await store.apply([{ keyspace: META, record: other, erase: true }]);
    store = await harness.disturb(store);
    assertEquals(store.get(META, "k"), undefined);
    assertEquals(textOf(store.get(DATA, "k")), "k@1");
    await store.close();
  });
}

function testScans(test: Test): void {
  test("scan() goes by the order of bytes, within its range", async (store, harness) => {
    // UTF-16 order would put the emoji (D83D DE00) before U+FF5E; UTF-8 order does not.
    const texts = ["b", "a", "\u{1F600}", "\uFF5E", "a\u0000", 'q"\\', "a/b", "é", "\u007f"];
    const raw = [[255], [0], [128, 1], [255, 0]].map((bytes) =>
      keyFromBytes(Uint8Array.from(bytes))
    );
    const keys = [...texts.map(keyFromText), ...raw];
    const value = new Uint8Array([0, 255, 10, 13]);
    for (const [i, key] of keys.entries()) {
      const one = encodeRecord({ key, value, counter: i + 1, nodeID: "n1.aa" });
      assertEquals(await store.apply([{ keyspace: DATA, record: one }]), ["stored"]);
      if (i % 4 === 3) store = await harness.disturb(store);
    }
    const expected = [...keys].sort((a, b) => a < b ? -1 : 1);
    assertEquals(scanAll(store).map(({ key }) => key), expected);
    for (const key of keys) assertEquals(valueOf(store.get(DATA, key)!).bytes, value);
    const range = { start: expected[3]!, end: expected[8]! };
    assertEquals(scanAll(store, DATA, range).map(({ key }) => key), expected.slice(3, 8));
    assertEquals(scanAll(store, DATA, { start: "a", end: "a" }), []);
    assertEquals(scanAll(store, "nothing-here"), []);
    await store.close();
  });

  test(
    "scan() of scattered keys, as of a range of tokens, in bounded steps",
    async (store, harness) => {
      const keys = Array.from({ length: 40 }, (_, i) => `k${String(i).padStart(2, "0")}`);
      for (const [i, key] of keys.entries()) {
        await store.apply([put(key, i + 1)]);
        if (i === 25) store = await harness.disturb(store);
      }
      await store.apply([{ ...put("k03", 99), erase: true }]);
      const asked: string[] = [];
      const isWanted = (key: string) => asked.push(key) > 0 && key.endsWith("3");
      const wanted = ["k13", "k23", "k33"];
      assertEquals(scanAll(store, DATA, { isWanted }).map(({ key }) => key), wanted);
      assertEquals(new Set(asked).size, asked.length, "each is asked for once");
      const scan = store.scan(DATA, { start: "k05", end: "k34", isWanted });
      assertEquals([scan.lastKey, scan.isDone], [undefined, false]);
      assertEquals(scan.next(10, 5), []);
      assertEquals([scan.lastKey, scan.isDone], ["k09", false]);
      assertEquals(scan.next(1).map(({ key }) => key), ["k13"]);
      assertEquals(scan.lastKey, "k13");
      assertEquals(scan.next(10).map(({ key }) => key), ["k23", "k33"]);
      assertEquals([scan.lastKey, scan.isDone], ["k33", true]);
      assertEquals(scan.next(1), []);
      scan.close();
    },
  );

  test(
    "scan() reads large records a few at a time, however many are asked for",
    async (store, harness) => {
      const sizes = [300_000, 300_000, 500_000, 10, 3_000_000, 10, 900_000, 900_000];
      for (const [i, size] of sizes.entries()) {
        const value = new Uint8Array(size).fill(97);
        const one = encodeRecord({ key: `k${i}`, value, counter: i + 1, nodeID: "n1.aa" });
        await store.apply([{ keyspace: DATA, record: one }]);
        if (i === 4) store = await harness.disturb(store);
      }
      const scan = store.scan(DATA);
      const pages: string[] = [];
      for (let page; (page = scan.next(100)).length > 0;) {
        pages.push(page.map(({ key }) => key.slice(1)).join(""));
      }
      scan.close();
      assertEquals(pages, ["012", "34", "567"]);
      await store.close();
    },
  );

  test("scan() is a snapshot", async (store, harness) => {
    const keys = Array.from({ length: 50 }, (_, i) => `key${String(i).padStart(2, "0")}`);
    await store.apply(keys.slice(0, 30).map((key) => put(key, 1)));
    store = await harness.disturb(store);
    await store.apply(keys.slice(20, 40).map((key) => put(key, 2)));
    const scan = store.scan(DATA);
    const first = scan.next(5);
    await store.apply(keys.map((key) => put(key, 3)));
    await store.flush();
    await store.apply(keys.map((key) => ({ ...put(key, 4), erase: true })));
    const rest = scan.next(1000);
    assertEquals(
      [...first, ...rest].map(({ key, counter }) => `${key}:${counter}`),
      keys.slice(0, 40).map((key, i) => `${key}:${i < 20 ? 1 : 2}`),
    );
    assertEquals(scan.next(1), []);
    assertEquals(scanAll(store), []);
    scan.close();
    await store.close();
  });
}

function testSnapshots(test: Test): void {
  test("snapshot() finds what was there, whatever comes afterwards", async (store, harness) => {
    const keys = Array.from({ length: 40 }, (_, i) => `key${String(i).padStart(2, "0")}`);
    await store.apply(keys.slice(0, 30).map((key) => put(key, 1)));
    store = await harness.disturb(store);
    await store.apply(keys.slice(10, 20).map((key) => put(key, 2)));
    await store.apply(keys.slice(20, 30).map((key) => ({ ...put(key, 2), erase: true })));
    const versions = (of: Pick<Store, "get">) => keys.map((key) => of.get(DATA, key)?.counter);
    const before = versions(store);
    const snapshot = store.snapshot();
    for (let counter = 3; counter < 6; counter++) {
      await store.apply(keys.map((key) => put(key, counter)));
      assertEquals(versions(snapshot), before);
      await store.flush();
    }
    await store.apply(keys.map((key) => ({ ...put(key, 6), erase: true })));
    assertEquals(versions(snapshot), before);
    assertEquals(before, keys.map((_, i) => i < 10 ? 1 : i < 20 ? 2 : undefined));
    snapshot.close();
    await store.close();
  });
}

/** What a store tells of itself, and what it answers before a write is durable and after its end. */
function testLife(test: Test): void {
  test("highestCounter() counts what was ever stored", async (store, harness) => {
    assertEquals(store.highestCounter(), 0);
    await store.apply([put("a", 7), put("a", 3)]);
    assertEquals(store.highestCounter(), 7);
    store = await harness.disturb(store);
    await store.apply([{ ...put("a", 8), erase: true }]);
    store = await harness.disturb(store);
    store = await harness.disturb(store);
    assertEquals(store.highestCounter(), 8);
    await store.close();
  });

  test("nothing is readable before apply() resolves", async (store) => {
    let resolved = false;
    const done = store.apply([put("k", 1)]).then(() => void (resolved = true));
    const seen = store.get(DATA, "k") !== undefined;
    await Promise.resolve();
    assert(resolved || !seen);
    await done;
    assertEquals(textOf(store.get(DATA, "k")), "k@1");
    await store.close();
  });

  test("calls after close() are refused", async (store) => {
    await store.apply([put("j", 1), put("k", 1)]);
    await store.flush();
    const scan = store.scan(DATA);
    assertEquals(scan.next(1).length, 1);
    await Promise.all([store.close(), store.close()]);
    assertThrows(() => scan.next(1), ConvergeError, "closed");
    scan.close();
    await assertRejects(() => store.apply([put("k", 2)]), ConvergeError, "closed");
    assertThrows(() => store.get(DATA, "k"), ConvergeError, "closed");
    assertThrows(() => store.scan(DATA), ConvergeError, "closed");
  });

  test("statistics() counts", async (store) => {
    await store.apply([put("a", 1), put("b", 1), put("a", 2)]);
    const { appliedTotal, approximateKeys } = store.statistics();
    assertEquals([appliedTotal, approximateKeys[DATA]], [3, 2]);
    await store.close();
  });

  test("statistics(): what was erased is no key, wherever it lay", async (store) => {
    const keys = () => store.statistics().approximateKeys[DATA];
    const erase = (...keys: string[]) =>
      store.apply(keys.map((key) => ({ ...put(key, 3), erase: true })));
    await store.apply(["a", "b", "c", "d"].map((key) => put(key, 1)));
    await erase("a");
    assertEquals(keys(), 3);
    await store.flush();
    assertEquals(keys(), 3);
    await store.apply([put("b", 2, { tombstone: true })]);
    await erase("b", "c");
    assertEquals(keys(), 1);
    for (const again of [1, 2]) {
      await store.apply([put("e", again)]);
      assertEquals(keys(), 2);
      await erase("e");
      assertEquals(keys(), 1);
    }
    await store.close();
  });
}
