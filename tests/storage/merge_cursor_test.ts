import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Cursor, MergeCursor } from "../../src/storage/cursor.ts";
import { relatedKey } from "../support/arbitraries.ts";

/** Keys that all begin with the same. */
const key = relatedKey.map((rest) => `key${rest}`);

/** Lines whose `start` says of which source they are, and whose `end` at which place they stand. */
class ListCursor implements Cursor {
  key: string | undefined;
  bytes = new Uint8Array(0);
  start: number;
  end = -1;
  facts = undefined;
  isClosed = false;
  readonly lastKey: string | undefined;
  readonly #keys: readonly string[];

  constructor(keys: readonly string[], source: number) {
    this.#keys = keys;
    this.start = source;
    this.lastKey = keys.at(-1);
    this.next();
  }

  next(): void {
    this.key = this.#keys[++this.end];
  }

  close(): void {
    this.key = undefined;
    this.isClosed = true;
  }
}

Deno.test("MergeCursor: every key once, in order, from the newest source that has it", () => {
  const sources = fc.array(fc.uniqueArray(key, { maxLength: 12 }), { maxLength: 6 });
  fc.assert(fc.property(sources, (unsorted) => {
    const lists = unsorted.map((keys) => keys.toSorted());
    const expected = [...new Set(lists.flat())].sort().map((key) => {
      const source = lists.findIndex((keys) => keys.includes(key));
      return { key, source, place: lists[source]!.indexOf(key) };
    });
    const merge = new MergeCursor(lists.map((keys, source) => new ListCursor(keys, source)));
    const found = [];
    for (; merge.key !== undefined; merge.next()) {
      found.push({ key: merge.key, source: merge.start, place: merge.end });
    }
    assertEquals(found, expected);
    assertEquals(merge.lastKey, expected.at(-1)?.key);
  }));
});

Deno.test("MergeCursor.close(): closes all sources, those at their end too", () => {
  const sources = [["a"], [], ["b", "c"], ["a", "d"]].map((keys, i) => new ListCursor(keys, i));
  const merge = new MergeCursor(sources);
  merge.next();
  assertEquals(merge.key, "b");
  merge.close();
  assertEquals([merge.key, ...sources.map(({ isClosed }) => isClosed)], [
    undefined,
    true,
    true,
    true,
    true,
  ]);
});
