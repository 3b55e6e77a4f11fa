import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { plainBytesEnd } from "../../src/record/plain_bytes.ts";

function isPlain(byte: number): boolean {
  return byte >= 0x20 && byte <= 0x7e && byte !== 0x22 && byte !== 0x5c;
}

/** The same, one byte after the other. */
function expectedEnd(bytes: Uint8Array, start: number): number {
  const end = bytes.subarray(start).findIndex((byte) => !isPlain(byte));
  return end < 0 ? bytes.byteLength : start + end;
}

Deno.test("plainBytesEnd(): every byte, at every place of a word, beside every other", () => {
  const letter = 0x61;
  for (let place = 0; place < 4; place++) {
    const bytes = new Uint8Array(160).fill(letter);
    for (let byte = 0; byte < 256; byte++) {
      for (let beside = 0; beside < 256; beside++) {
        bytes[140 + place] = byte;
        bytes[141 + place] = beside;
        assertEquals(plainBytesEnd(bytes, 0), expectedEnd(bytes, 0), `${byte}, ${beside}`);
      }
    }
    bytes.fill(letter);
  }
});

Deno.test("plainBytesEnd(): any bytes, from any place of any buffer", () => {
  const mostlyPlain = fc.oneof(
    { weight: 400, arbitrary: fc.constantFrom(0x20, 0x21, 0x23, 0x41, 0x5b, 0x5d, 0x7e) },
    { weight: 1, arbitrary: fc.nat(255) },
  );
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40, size: "max" }),
      fc.array(mostlyPlain, { maxLength: 400, size: "max" }), // else hardly any is longer than ten
      fc.nat(8),
      fc.nat(20),
      (before, plain, offset, start) => {
        const buffer = Uint8Array.from([...before, ...plain]);
        const bytes = buffer.subarray(Math.min(offset, buffer.byteLength));
        const from = Math.min(start, bytes.byteLength);
        assertEquals(plainBytesEnd(bytes, from), expectedEnd(bytes, from));
        const rest = buffer.subarray(before.length);
        assertEquals(plainBytesEnd(rest, 0), expectedEnd(rest, 0));
      },
    ),
    { numRuns: 300 },
  );
});
