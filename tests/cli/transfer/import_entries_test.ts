import { assertEquals, assertThrows } from "@std/assert";
import { CommandError } from "../../../src/cli/output/command_error.ts";
import { exportLine } from "../../../src/cli/export.ts";
import { entryOfLine, entryOfRecord } from "../../../src/cli/transfer/import_entries.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const where = "line 1";

Deno.test("entryOfLine() keeps the line as it is under the key that a member holds", () => {
  const line = bytes('{ "id":"a b",  "n": 1.0 }');
  const entry = entryOfLine(line, { where, keyField: "id" });
  assertEquals(entry, { key: "a b", bytes: line, contentType: "application/json" });
});

Deno.test("entryOfLine() finds the key by a dotted path, or a member of that very name", () => {
  const nested = bytes('{"name":{"common":"Åland"}}');
  assertEquals(entryOfLine(nested, { where, keyField: "name.common" }).key, "Åland");
  const dotted = bytes('{"name.common":"x","name":{"common":"y"}}');
  assertEquals(entryOfLine(dotted, { where, keyField: "name.common" }).key, "x");
  assertEquals(entryOfLine(bytes('{"id":7}'), { where, keyField: "id" }).key, "7");
  assertEquals(entryOfLine(bytes('{"id":false}'), { where, keyField: "id" }).key, "false");
});

Deno.test("entryOfLine() says which line cannot be imported and why", () => {
  const bad: [string, string | undefined, string][] = [
    ["{", "id", "line 1: it is not JSON"],
    ['{"x":1}', "id", 'line 1: its "id" is absent'],
    ['{"id":""}', "id", 'line 1: its "id" is ""'],
    ['{"id":9007199254740993}', "id", "line 1: its key is a number over 9007199254740991"],
    ['{"id":-1e400}', "id", "line 1: its key is a number over"],
    ['{"k":"a","v":"b","x":"soon"}', undefined, 'line 1: its "x" is no time'],
    ['{"k":"a","v":"\\ud800"}', undefined, "line 1: half of a surrogate pair"],
    ['{"id":{}}', "id", 'line 1: its "id" is {}'],
    ['{"x":1}', "constructor.name", 'line 1: its "constructor.name" is absent'],
    ["[1]", "id", "line 1"],
    ["null", "id", "line 1"],
    ['{"id":"x"}', undefined, "--key-field"],
    ['{"k":"x"}', undefined, "--key-field"],
    ['{"kb":"%%","v":""}', undefined, "base64"],
    ["null", undefined, "--key-field"],
  ];
  for (const [line, keyField, message] of bad) {
    assertThrows(() => entryOfLine(bytes(line), { where, keyField }), CommandError, message);
  }
  const notText = new Uint8Array([...bytes('{"id":"'), 255, ...bytes('"}')]);
  assertThrows(() => entryOfLine(notText, { where, keyField: "id" }), CommandError, "not JSON");
});

Deno.test("entryOfRecord() stores a record of a JSON file as compact JSON", () => {
  const entry = entryOfRecord({ id: "é", list: [1, 2] }, { where: "record 1", keyField: "id" });
  assertEquals(new TextDecoder().decode(entry.bytes), '{"id":"é","list":[1,2]}');
});

Deno.test("exportLine() writes what entryOfLine() reads, for any bytes", () => {
  const cases: [string | Uint8Array, Uint8Array<ArrayBuffer>, string, number?][] = [
    ["plain", bytes("text"), "text/plain"],
    ["passing", bytes("text"), "text/plain", 1_796_000_000_123],
    ["with a byte order mark", bytes("\ufeffx"), "text/plain"],
    ['\n"&%/ 𝒳', bytes("\u0000\r\n\ufeff"), "application/octet-stream"],
    [new Uint8Array([255, 0]), new Uint8Array([0, 159, 255]), "application/octet-stream"],
    ["empty", new Uint8Array(), "application/octet-stream"],
  ];
  for (const [key, value, contentType, expiresAtMs] of cases) {
    const line = exportLine({ key, bytes: value, contentType, expiresAtMs }).trimEnd();
    assertEquals(line.includes('"t":'), contentType === "text/plain");
    const entry = entryOfLine(bytes(line), { where, keyField: undefined });
    assertEquals(entry.key, key);
    assertEquals(entry.bytes, value);
    assertEquals(entry.contentType ?? "application/octet-stream", contentType);
    assertEquals(entry.expiresAtMs, expiresAtMs);
  }
});
