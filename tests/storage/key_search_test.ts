import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { KeySearch } from "../../src/storage/key_search.ts";
import { relatedKey } from "../support/arbitraries.ts";

Deno.test("KeySearch: finds what a search key by key finds, for any keys", () => {
  fc.assert(fc.property(
    fc.uniqueArray(relatedKey, { minLength: 1, maxLength: 30 }),
    fc.constantFrom("", "m"),
    fc.array(relatedKey, { maxLength: 20 }),
    (unsorted, prefix, wanted) => {
      const keys = unsorted.map((key) => prefix + key).sort((a, b) => a < b ? -1 : 1);
      const search = new KeySearch(keys);
      for (const one of [...keys, ...wanted, ...wanted.map((key) => prefix + key)]) {
        const expected = Math.max(0, keys.findLastIndex((known) => known <= one));
        assertEquals(search.lastNotAfter(one), expected, JSON.stringify({ keys, one }));
      }
    },
  ));
});
