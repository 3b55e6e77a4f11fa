import { assertEquals, assertThrows } from "@std/assert";
import type { StoredRecord } from "../../src/record/record.ts";
import type { Version } from "../../src/record/version.ts";
import { hashKey } from "../../src/storage/bloom_filter.ts";
import { Group, logBytesOf } from "../../src/storage/group.ts";
import { Memtable } from "../../src/storage/memtable.ts";
import { DATA, META, type Mutation } from "../../src/storage/store.ts";
import { put, record } from "./store_conformance.ts";

function groupOf(
  memtable: Memtable,
  batch: readonly Mutation[],
  lookup: (key: string) => Version | undefined = () => undefined,
): Group {
  const bytesMax = batch.reduce((sum, mutation) => sum + logBytesOf(mutation), 0);
  return new Group({ memtable, lookup: (_keyspace, key) => lookup(key), bytesMax });
}

/** The keys of the lines, which are all that the memtable has. */
function keysOf(memtable: Memtable): string[] {
  const keys: string[] = [];
  for (const cursor of memtable.cursor(DATA, "", undefined)) {
    for (; cursor.key !== undefined; cursor.next()) keys.push(cursor.key);
  }
  assertEquals(memtable.size, keys.length);
  return keys;
}

function get(memtable: Memtable, key: string): StoredRecord | undefined {
  return memtable.get(DATA, key, hashKey(key));
}

Deno.test("Group: what it decided is read only once it is committed", () => {
  const memtable = new Memtable();
  const batch = [put("a", 1), put("b", 2)];
  const group = groupOf(memtable, batch);
  assertEquals(group.add(batch), ["stored", "stored"]);
  assertEquals([get(memtable, "a"), memtable.isEmpty], [undefined, true]);
  assertEquals(memtable.cursor(DATA, "", undefined), []);
  group.commit();
  assertEquals(get(memtable, "a")?.counter, 1);
  assertEquals([group.lines, group.highestCounter, memtable.isEmpty], [2, 2, false]);
  const again = groupOf(memtable, batch);
  assertEquals([again.add(batch), again.lines], [["stored", "stored"], 0], "it is there already");
});

Deno.test("Group: what it gave up leaves the memtable as it was", () => {
  const memtable = new Memtable();
  const first = [put("a", 1)];
  const before = groupOf(memtable, first);
  before.add(first);
  before.commit();
  const batch = [put("a", 5), put("b", 5), put("b", 6)];
  const group = groupOf(memtable, batch);
  group.add(batch);
  group.abandon();
  assertEquals([get(memtable, "a")?.counter, keysOf(memtable)], [1, ["a"]]);
  const again = groupOf(memtable, batch);
  assertEquals(again.add([put("a", 4), put("b", 4)]), ["stored", "stored"]);
  again.commit();
  assertEquals(get(memtable, "b")?.counter, 4);
});

Deno.test("Group: a look-up that fails takes nothing of its batch, and leaves the others", () => {
  const memtable = new Memtable();
  const fails = (key: string) => {
    if (key === "bad") throw new Error("damaged");
    return undefined;
  };
  const group = groupOf(memtable, [put("a", 1), put("b", 1), put("bad", 1), put("c", 1)], fails);
  group.add([put("a", 1)]);
  assertThrows(() => group.add([put("b", 1), put("bad", 1), put("a", 2)]), Error, "damaged");
  group.add([put("c", 1)]);
  group.commit();
  assertEquals(keysOf(memtable), ["a", "c"]);
  assertEquals(get(memtable, "a")?.counter, 1);
});

Deno.test("Group: a key that is refused first and taken later in a batch is kept", () => {
  const memtable = new Memtable();
  const newer = { counter: 5, nodeID: "n1.aa" };
  const batch = [put("k", 3), put("k", 7), put("other", 3)];
  const group = groupOf(memtable, batch, () => newer);
  assertEquals(group.add(batch), [newer, "stored", newer]);
  group.commit();
  assertEquals([get(memtable, "k")?.counter, keysOf(memtable)], [7, ["k"]]);
});

Deno.test("logBytesOf() is never less than what a mutation takes, an erase too", () => {
  const keys = ["k", 'q"\\', "\u{1F600}", "a\u0000b"];
  const batch = keys.flatMap((key): Mutation[] => [
    put(key, 1, { tombstone: true }),
    { ...put(key, 2, { tombstone: true }), erase: true },
    { ...put(key, 3, { value: "" }), erase: true },
    { keyspace: META, record: record(key, 4, { value: "" }) },
    { keyspace: META, record: record(key, 5, { value: "" }), erase: true },
  ]);
  for (const mutation of batch) {
    const group = groupOf(new Memtable(), [mutation]);
    group.add([mutation]);
    const bound = logBytesOf(mutation);
    assertEquals(group.bytes <= bound, true, `${group.bytes} of ${bound}`);
  }
});
