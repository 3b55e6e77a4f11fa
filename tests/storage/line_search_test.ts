/** Lines of any length in a block: where they start and end, and the one that has a key. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { findLine, lineEnd, lowerBound } from "../../src/storage/line_record.ts";

const encoder = new TextEncoder();

function lineOf(key: string, length: number): string {
  return `{"k":"${key}","v":"${"x".repeat(length)}","c":1,"n":"n.1"}\n`;
}

/** Around each length at which the search goes on in another way, and far beyond. */
const lengthOfValue = fc.oneof(
  fc.nat(60),
  fc.integer({ min: 150, max: 350 }),
  fc.integer({ min: 3_900, max: 4_300 }),
  fc.integer({ min: 8_300, max: 8_600 }),
  fc.integer({ min: 16_000, max: 17_000 }),
);

Deno.test("findLine(), lowerBound(), lineEnd(): lines of any length", () => {
  fc.assert(
    fc.property(fc.array(lengthOfValue, { minLength: 1, maxLength: 12 }), (lengths) => {
      const keys = lengths.map((_, i) => `key${200 + 2 * i}`);
      const block = encoder.encode(lengths.map((n, i) => lineOf(keys[i]!, n)).join(""));
      let start = 0;
      for (const [i, key] of keys.entries()) {
        const end = block.indexOf(10, start);
        assertEquals(findLine(block, key), start, key);
        assertEquals(findLine(block, `${key}!`), -1);
        const before = `key${200 + 2 * i - 1}`;
        assertEquals(findLine(block, before), -1);
        assertEquals(lowerBound(block, before), start, before);
        for (const from of [start, start + 20, Math.max(start, end - 300), end - 1, end]) {
          assertEquals(lineEnd(block, from), end, `${key} from ${from}`);
        }
        start = end + 1;
      }
      assertEquals(lowerBound(block, "key999"), block.byteLength);
      assertEquals(lineEnd(block, block.byteLength), block.byteLength);
      assertEquals(lineEnd(block.subarray(0, -1), start - 2), block.byteLength - 1);
    }),
    { numRuns: 200 },
  );
});
