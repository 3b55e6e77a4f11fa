import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { hashKey } from "../../src/storage/bloom_filter.ts";
import type { LineRecord } from "../../src/storage/line_record.ts";
import type { TableReader } from "../../src/storage/sstable_reader.ts";
import { findInRuns, tableFor, TableSet } from "../../src/storage/table_set.ts";

/** A table of these keys, which stand in no file; each line says of which run and table it is. */
function tableOf(keyspace: string, keys: string[], counter: number): TableReader {
  const table: Partial<TableReader> = {
    properties: {
      keyspace,
      records: keys.length,
      tombstones: 0,
      erases: 0,
      first: keys[0]!,
      last: keys.at(-1)!,
      maxCounter: counter,
    },
    bytes: 100 + keys.length,
    get: (key) => keys.includes(key) ? { key, counter } as LineRecord : undefined,
  };
  return table as TableReader;
}

const key = fc.nat(60).map((n) => `key${String(n).padStart(2, "0")}`);
/** Runs of some tables each, oldest first. */
const runs = fc.array(
  fc.record({
    keyspace: fc.constantFrom("data", "meta"),
    keys: fc.uniqueArray(key, { minLength: 1, maxLength: 30 }),
    perTable: fc.integer({ min: 1, max: 8 }),
  }),
  { maxLength: 14 },
);

Deno.test("TableSet: the newest run that has a key has the say, wherever in it its table stands", () => {
  fc.assert(fc.property(runs, fc.func(fc.nat()), (runs, order) => {
    const tables: { run: number; table: TableReader }[] = [];
    const expected = new Map<string, number>();
    for (const [run, { keyspace, keys, perTable }] of runs.entries()) {
      const sorted = keys.toSorted();
      for (let from = 0; from < sorted.length; from += perTable) {
        const part = sorted.slice(from, from + perTable);
        tables.push({ run, table: tableOf(keyspace, part, run + 1) });
        for (const one of part) expected.set(`${keyspace} ${one}`, run + 1);
      }
    }
    const set = new TableSet(
      tables.map((table, i) => ({ table, by: order(i) })).sort((a, b) => a.by - b.by)
        .map(({ table }) => table),
    );
    assertEquals([...set.all()].length, tables.length);
    for (const keyspace of ["data", "meta"]) {
      const found = set.runs(keyspace);
      assertEquals(found.map(({ id }) => id), found.map(({ id }) => id).toSorted((a, b) => b - a));
      for (const [i, run] of found.entries()) {
        assertEquals(run.bytes, run.tables.reduce((sum, { bytes }) => sum + bytes, 0));
        assertEquals(run.maxCounterFromHere, run.id + 1);
        assertEquals(run.keyspace, keyspace);
        const all = tables.filter((one) => one.run === run.id);
        assertEquals(run.tables.length, all.length, `${i}`);
      }
      for (let n = 0; n <= 61; n++) {
        const key = `key${String(n).padStart(2, "0")}`;
        const line = findInRuns(found, key, hashKey(key))?.line;
        assertEquals(line?.counter, expected.get(`${keyspace} ${key}`), `${keyspace} ${key}`);
        for (const run of found) {
          const there = run.tables.filter(({ properties: { first, last } }) =>
            first <= key && key <= last
          );
          assertEquals([tableFor(run, key)], there.length === 0 ? [undefined] : there);
        }
      }
    }
  }));
});
