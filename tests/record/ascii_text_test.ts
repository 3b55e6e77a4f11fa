import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { asciiTextEnd, unescapedText } from "../../src/record/ascii_text.ts";
import { bytesOf } from "../support/records.ts";

/** Bytes as they stand in JSON behind an opening quote. */
const pieces = fc.array(
  fc.oneof(
    fc.constantFrom(
      '\\"',
      "\\\\",
      "\\/",
      "\\n",
      "\\b",
      "\\f",
      "\\r",
      "\\t",
      "\\u0000",
      "\\u001F",
      "\\u007f",
    ),
    fc.constantFrom("\\u0080", "\\ud800", "\\u00", "\\x", "\\", '"', "\n", "\u007f", "é"),
    fc.string({ unit: fc.constantFrom(..."ab0/u{}:,"), maxLength: 150 }),
  ),
  { maxLength: 8 },
);

Deno.test("asciiTextEnd(): where JSON ends the string, or -1 where it is none or not ASCII", () => {
  let ended = 0;
  fc.assert(
    fc.property(pieces, fc.boolean(), (texts, hasQuote) => {
      const text = texts.join("") + (hasQuote ? '"' : "");
      const bytes = bytesOf(text);
      const end = asciiTextEnd(bytes, 0);
      const first = textsEnd(text);
      const isAscii = first >= 0 && isInAscii(text.slice(0, first));
      assertEquals(end, first >= 0 && isAscii ? first : -1, text);
      if (end >= 0) ended++;
    }),
    { numRuns: 2_000 },
  );
  assert(ended > 200, `only ${ended} were strings`);
});

/** Where the first closing quote is that makes a JSON string; -1 for none. */
function textsEnd(text: string): number {
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) {
    try {
      JSON.parse(`"${text.slice(0, at)}"`);
      return at;
    } catch {
      // An escaped quote, or no JSON.
    }
  }
  return -1;
}

/** Whether it is ASCII, and stands for that; DEL stands for itself in JSON, and is left to the parser. */
function isInAscii(json: string): boolean {
  const read: string = JSON.parse(`"${json}"`);
  return [...json].every((char) => char <= "~") && [...read].every((char) => char <= "\x7f");
}

Deno.test("unescapedText(): the bytes that JSON reads, in any script", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.nat(200), (text, before) => {
      fc.pre(text.isWellFormed());
      const value = "x".repeat(before) + text;
      const line = bytesOf(`${JSON.stringify(value)},"c":1}`);
      const read = unescapedText(line, 1);
      assert(read !== undefined);
      assertEquals(read.bytes.slice(0, read.length), bytesOf(value));
      assertEquals(line[read.end + 1], 44);
    }),
  );
});

Deno.test("unescapedText(): undefined for what is cut short, or escapes what is beyond ASCII", () => {
  for (const text of ["", "abc", "a\\", 'a\\"', '\\u00e9"', '\\ud83d\\ude00"', '\\u00"']) {
    assertEquals(unescapedText(bytesOf(text), 0), undefined, text);
  }
});
