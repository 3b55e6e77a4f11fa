import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { indexLine, parseIndexLines } from "../../src/storage/index_lines.ts";

const encoder = new TextEncoder();

Deno.test("parseIndexLines(): what was written, for any keys", () => {
  const part = fc.constantFrom(
    "a",
    "user:",
    '"',
    "\\",
    '\\"},"at":7',
    "\x00",
    "\xc3\xa9",
    "\xff",
    "}",
  );
  const key = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(""));
  const block = fc.record({ key, bytes: fc.nat(100_000), crc: fc.nat(0xffffffff) });
  fc.assert(fc.property(fc.array(block, { maxLength: 10 }), (blocks) => {
    const offsets = [0];
    let text = "";
    for (const { key, bytes, crc } of blocks) {
      text += indexLine(key, offsets.at(-1)!, bytes, crc);
      offsets.push(offsets.at(-1)! + bytes);
    }
    assertEquals(parseIndexLines(encoder.encode(text)), {
      firstKeys: blocks.map(({ key }) => key),
      offsets: new Float64Array(offsets),
      crcs: Uint32Array.from(blocks, ({ crc }) => crc),
    });
  }));
});

Deno.test("parseIndexLines(): refuses a block that does not follow the one before", () => {
  const text = indexLine("a", 0, 100, 1) + indexLine("b", 101, 100, 2);
  assertThrows(() => parseIndexLines(encoder.encode(text)), Error, "a gap");
});
