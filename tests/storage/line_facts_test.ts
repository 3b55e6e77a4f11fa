/** What is read from the end of a line, without its JSON. */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ConvergeError } from "../../src/errors.ts";
import { lineOf } from "../../src/record/frame.ts";
import { encodeRecord } from "../../src/record/record_line.ts";
import { eraseLine, lineFacts } from "../../src/storage/line_record.ts";
import { recordFields } from "../support/arbitraries.ts";
import { bytesOf } from "../support/records.ts";

function factsOf(line: Uint8Array) {
  return lineFacts(line, 0, line.byteLength);
}

Deno.test("lineFacts(): those of the record, whatever its value looks like", () => {
  const tails = fc.constantFrom("", ',"x":5', '","x":5', '","d":1', ',"d":1,"c":7,"n":"b.1"}');
  fc.assert(fc.property(recordFields, tails, (fields, tail) => {
    const { counter, nodeID, expiresAtMs = 0 } = fields;
    const value = fields.value && Uint8Array.from([...fields.value, ...bytesOf(tail)]);
    const tombstone = value === undefined;
    const expected = { counter, nodeID, expiresAtMs, tombstone, erase: false };
    assertEquals(factsOf(lineOf(encodeRecord({ ...fields, value }).frame)), expected);
    const erased = factsOf(bytesOf(eraseLine(fields.key, { counter, nodeID })));
    assertEquals(erased, { counter, nodeID, expiresAtMs: 0, tombstone: false, erase: true });
  }));
});

Deno.test("lineFacts(): an expiry is read to the last digit", () => {
  for (const x of [1, 10, 2 ** 52 + 1, 2 ** 53 - 7, 2 ** 53 - 1]) {
    const line = bytesOf(`{"k":"k","v":"v","x":${x},"c":1,"n":"a.1"}`);
    assertEquals(factsOf(line).expiresAtMs, x);
  }
});

Deno.test("lineFacts(): refuses an expiry that is no whole number, and marks that nobody writes", () => {
  for (const member of ['"x":9007199254740993', '"x":01', '"x":1.5', '"y":', '"d":']) {
    const line = bytesOf(`{"k":"k","v":"v",${member},"c":1,"n":"a.1"}`);
    assertThrows(() => factsOf(line), ConvergeError, "", member);
  }
});
