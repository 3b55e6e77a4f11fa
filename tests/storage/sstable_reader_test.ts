/**
 * Tables that follow each other, as a long run has them, read by key and in order.
 *
 * Strategy: some tables of some blocks each, with lines from a few bytes to more than a block; ranges
 * that begin and end anywhere, caches from none to enough.
 * Invariants: a look and a cursor find what was written in the range; a cursor keeps each table until
 * it has left it, or was closed, and no longer.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ConvergeError } from "../../src/errors.ts";
import { lineOf } from "../../src/record/frame.ts";
import type { Key } from "../../src/record/key.ts";
import { encodeRecord, valueOf } from "../../src/record/record_line.ts";
import { BlockCache } from "../../src/storage/block_cache.ts";
import { hashKey } from "../../src/storage/bloom_filter.ts";
import { RunCursor } from "../../src/storage/run_cursor.ts";
import { TableReader } from "../../src/storage/sstable_reader.ts";
import { TableWriter } from "../../src/storage/sstable_writer.ts";
import { TableFiles } from "../../src/storage/table_files.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";

const VALUE_BYTES = [3, 80, 700, 1_900, 5_000];

/** The key of the i-th line; odd numbers are in no table. */
function keyOf(i: number): Key {
  return `key${String(i).padStart(4, "0")}`;
}

function valueBytesOf(i: number): number {
  return VALUE_BYTES[(i >> 1) % VALUE_BYTES.length]!;
}

interface Tables {
  subject: VirtualStore;
  tables: TableReader[];
  cache: BlockCache;
}

/** Tables of so many lines each, of the keys 2, 4, 6 and so on; `onRead` is told of each read. */
async function tablesOf(
  lines: readonly number[],
  cacheBytes: number,
  onRead: () => void = () => {},
): Promise<Tables> {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  const openRead = disk.openRead.bind(disk);
  disk.openRead = (path) => {
    const file = openRead(path);
    const { readAt, readInto } = file;
    file.readAt = (...range) => (onRead(), readAt.call(file, ...range));
    file.readInto = (...range) => (onRead(), readInto.call(file, ...range));
    return file;
  };
  disk.makeDirectory(DIRECTORY);
  const cache = new BlockCache(cacheBytes);
  const files = new TableFiles(disk);
  const tables: TableReader[] = [];
  let i = 0;
  for (const [at, count] of lines.entries()) {
    const number = at + 1;
    const writer = new TableWriter({ disk, directory: DIRECTORY, number, keyspace: "data" });
    for (let line = 0; line < count; line++) {
      i += 2;
      const value = new Uint8Array(valueBytesOf(i)).fill(97);
      const bytes = lineOf(encodeRecord({ key: keyOf(i), value, counter: i, nodeID: "n.1" }).frame);
      writer.add(keyOf(i), { bytes, start: 0, end: bytes.byteLength });
    }
    const { index: _, ...written } = await writer.finish();
    tables.push(new TableReader({ ...written, files, directory: DIRECTORY, cache }));
  }
  return { subject, tables, cache };
}

/** Says that nothing names the tables any more. @returns numbers of those that nobody reads. */
function retireAll(tables: readonly TableReader[]): number[] {
  const retired: number[] = [];
  for (const table of tables) table.retire(() => void retired.push(table.number));
  return retired;
}

const shape = fc.record({
  lines: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 }),
  cacheBytes: fc.constantFrom(0, 9_000, 1 << 20),
});

Deno.test("TableReader.get(): finds every line, and nothing between them", async () => {
  await fc.assert(
    fc.asyncProperty(shape, async ({ lines: [count], cacheBytes }) => {
      const { tables: [table], cache } = await tablesOf([count!], cacheBytes);
      for (let round = 0; round < 2; round++) {
        for (let i = 0; i <= 2 * count! + 3; i++) {
          const found = table!.get(keyOf(i), hashKey(keyOf(i)));
          const isThere = i % 2 === 0 && i > 0 && i <= 2 * count!;
          assertEquals(found?.counter, isThere ? i : undefined, keyOf(i));
          if (isThere) assertEquals(valueOf(found!).bytes.byteLength, valueBytesOf(i));
        }
      }
      assert(cache.bytes <= cacheBytes);
      table!.close();
      assertEquals(cache.bytes, 0);
    }),
    { numRuns: 40 },
  );
});

Deno.test("TableReader.get(): reads blocks once while there is room, and those that are wanted often once more", async () => {
  let reads = 0;
  const count = 100;
  const readsOf = (table: TableReader, i: number): number => {
    reads = 0;
    assert(table.get(keyOf(i), hashKey(keyOf(i))) !== undefined);
    return reads;
  };
  const roomy = await tablesOf([count], 1 << 20, () => void reads++);
  for (let i = 2; i <= 2 * count; i += 2) readsOf(roomy.tables[0]!, i);
  for (let i = 2; i <= 2 * count; i += 2) assertEquals(readsOf(roomy.tables[0]!, i), 0);

  const { tables: [table] } = await tablesOf([count], 30_000, () => void reads++);
  let readAgain = 0;
  for (let round = 0; round < 2_000; round++) {
    readAgain += readsOf(table!, 2);
    readsOf(table!, 40 + round * 34 % 160);
  }
  assert(readAgain <= 40, `${readAgain} reads of what was wanted each time`);
});

Deno.test("RunCursor: the lines of a range, each table for as long as it is read", async () => {
  const range = fc.record({
    from: fc.nat(330),
    length: fc.option(fc.nat(200), { nil: undefined }),
    steps: fc.option(fc.nat(60), { nil: undefined }),
    isTransient: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(shape, range, async ({ lines, cacheBytes }, range) => {
      const { tables } = await tablesOf(lines, cacheBytes);
      const { from, length, steps = Infinity, isTransient } = range;
      const total = lines.reduce((sum, count) => sum + count, 0);
      const end = length === undefined ? Infinity : from + length;
      const expected = Array.from({ length: total }, (_, i) => 2 * (i + 1))
        .filter((i) => i >= from && i < end);
      const endKey = length === undefined ? undefined : keyOf(end);
      const cursor = new RunCursor(tables, keyOf(from), endKey, { isTransient });
      const retired = retireAll(tables);
      let step = 0;
      for (; cursor.key !== undefined && step < steps; cursor.next(), step++) {
        const { key } = cursor;
        assertEquals(key, keyOf(expected[step]!));
        assert(key <= cursor.lastKey!);
        const line = JSON.parse(
          new TextDecoder().decode(cursor.bytes.subarray(cursor.start, cursor.end)),
        );
        assertEquals([line.k, line.v.length], [key, valueBytesOf(expected[step]!)]);
        for (const { number, properties } of tables) {
          const isNeeded = properties.last >= key && (endKey ?? "~") > properties.first;
          assertEquals(retired.includes(number), !isNeeded, `${number} at ${key}`);
        }
      }
      if (steps === Infinity) assertEquals(step, expected.length);
      cursor.close();
      cursor.close();
      assertEquals(cursor.key, undefined);
      assertEquals(retired.toSorted(), tables.map(({ number }) => number));
    }),
    { numRuns: 150 },
  );
});

Deno.test("RunCursor: one that meets damage lets go of all its tables", async () => {
  const { subject, tables } = await tablesOf([30, 30], 0);
  subject.device.flipBit(tables[0]!.path, 20_000);
  const cursor = new RunCursor(tables, "", undefined);
  const retired = retireAll(tables);
  assertEquals(retired, []);
  assertThrows(
    () => {
      while (cursor.key !== undefined) cursor.next();
    },
    ConvergeError,
    "checksum",
  );
  assertEquals([cursor.key, retired.toSorted()], [undefined, [1, 2]]);
});

Deno.test("RunCursor: one that meets damage as it begins lets go of no table that another reads", async () => {
  const { subject, tables } = await tablesOf([30, 30], 0);
  subject.device.flipBit(tables[0]!.path, 10);
  const other = new RunCursor(tables, keyOf(62), undefined);
  assertThrows(() => new RunCursor(tables, "", undefined), ConvergeError, "checksum");
  const retired = retireAll(tables);
  assertEquals(retired, [1]);
  while (other.key !== undefined) other.next();
  assertEquals(retired, [1, 2]);
});
