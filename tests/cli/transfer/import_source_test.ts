import { assertEquals, assertRejects } from "@std/assert";
import { CommandError } from "../../../src/cli/output/command_error.ts";
import { type ImportFormat, linesOf, openImport } from "../../../src/cli/transfer/import_source.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // leaves it in

/** What becomes of a file, as `key=value`. */
async function imported(text: string, format: ImportFormat, keyField?: string): Promise<string[]> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, text);
    const source = await openImport(path, { format, keyField });
    const entries: string[] = [];
    for await (const { key, bytes } of source.entries()) {
      entries.push(`${key}=${decoder.decode(bytes)}`);
    }
    const { byteLength } = new TextEncoder().encode(text);
    assertEquals([source.totalBytes, source.readBytes()], [byteLength, byteLength]);
    return entries;
  } finally {
    await Deno.remove(path);
  }
}

/** The lines of a stream that comes in these pieces. */
async function lines(pieces: string[], bytesMax?: number): Promise<string[]> {
  const stream = ReadableStream.from(pieces).pipeThrough(new TextEncoderStream());
  const found: string[] = [];
  for await (const line of linesOf(stream, bytesMax)) found.push(decoder.decode(line));
  return found;
}

Deno.test("openImport(): JSON lines, blank ones aside, and which of them cannot be imported", async () => {
  const text = '{"id":1}\r\n\r\n\n{"id":2}';
  assertEquals(await imported(text, "json-lines", "id"), ['1={"id":1}', '2={"id":2}']);
  const failing = () => imported(`${text}\n{}\n`, "json-lines", "id");
  await assertRejects(failing, CommandError, "Cannot import line 5: ");
});

Deno.test("openImport(): a mark before the first record is no part of it", async () => {
  const text = '\uFEFF{"id":1}\n{"id":2}';
  assertEquals(await imported(text, "json-lines", "id"), ['1={"id":1}', '2={"id":2}']);
  assertEquals(await imported('\uFEFF{"a":1}', "json"), ["a=1"]);
});

Deno.test("openImport(): a JSON array of records, or an object of values", async () => {
  assertEquals(await imported('[{"id":"a"},{"id":"b"}]', "json", "id"), [
    'a={"id":"a"}',
    'b={"id":"b"}',
  ]);
  assertEquals(await imported('{"a":1,"b":"x"}', "json"), ["a=1", 'b="x"']);
  assertEquals(await imported('[{"k":"a","v":"x"}]', "json"), ["a=x"]);
  const second = () => imported('[{"id":"a"},{}]', "json", "id");
  await assertRejects(second, CommandError, "Cannot import record 2: ");
  for (const text of ["5", '"x"', "null"]) {
    await assertRejects(
      () => imported(text, "json"),
      CommandError,
      "neither an array nor an object",
    );
  }
  await assertRejects(() => imported('{"a":1}{', "json"), CommandError, "not one JSON text");
});

Deno.test("linesOf(): lines are the same however the stream is cut", async () => {
  assertEquals(await lines(["a\nb", "c", "d\r", "\n", "\ne"]), ["a", "bcd", "", "e"]);
  assertEquals(await lines(["a\n"]), ["a"]);
  assertEquals(await lines(["ab\r"]), ["ab"]);
  assertEquals(await lines([]), []);
});

Deno.test("linesOf(): a line has a bound, their sum has none", async () => {
  const short = Array.from({ length: 20 }, () => "12345\n123");
  assertEquals((await lines(short, 8)).length, 21);
  await assertRejects(() => lines(["12345", "6789"], 8), CommandError, "a line over 8 bytes");
});
