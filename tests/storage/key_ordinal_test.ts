import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { commonPrefix, ordinalOf } from "../../src/storage/key_ordinal.ts";

/** Keys of bytes at the ends of their range, which a digit too large or too small would carry over. */
const key = fc.string({ unit: fc.constantFrom("\x00", "\x01", "\xfe", "\xff"), maxLength: 10 });

Deno.test("ordinalOf(): never against the order of the keys, wherever it begins", () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      const prefix = commonPrefix(a, b);
      assert(a.startsWith(prefix) && b.startsWith(prefix));
      assert(a === b || a[prefix.length] !== b[prefix.length]);
      for (let from = 0; from <= prefix.length; from++) {
        const difference = ordinalOf(a, from) - ordinalOf(b, from);
        if (difference !== 0) assertEquals(difference < 0, a < b);
      }
    }),
    { numRuns: 2_000 },
  );
});
