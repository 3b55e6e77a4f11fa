import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { KeySearch } from "../../src/storage/key_search.ts";

const part = fc.constantFrom(
  "",
  "a",
  "ab",
  "user:",
  "\x00",
  "\xff",
  "\xff\xff",
  "0000000",
  "zzzzzz",
);
const key = fc.array(part, { maxLength: 5 }).map((parts) => parts.join(""));

Deno.test("KeySearch: finds what a search key by key finds, for any keys", () => {
  fc.assert(fc.property(
    fc.uniqueArray(key, { minLength: 1, maxLength: 30 }),
    fc.array(key, { maxLength: 20 }),
    (unsorted, wanted) => {
      const keys = unsorted.sort((a, b) => a < b ? -1 : 1);
      const search = new KeySearch(keys);
      for (const one of [...keys, ...wanted]) {
        const expected = Math.max(0, keys.findLastIndex((known) => known <= one));
        assertEquals(search.lastNotAfter(one), expected, JSON.stringify({ keys, one }));
      }
    },
  ));
});
