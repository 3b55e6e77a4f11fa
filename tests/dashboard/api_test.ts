import { assertEquals } from "@std/assert";
import { keyOfLabel, labelOf, operate, textOf, typeOf } from "../../src/dashboard/page/api.ts";

const encoder = new TextEncoder();

Deno.test("textOf(): a long value of bytes is shown as bytes, like a short one, and says that it goes on", () => {
  assertEquals(textOf(new Uint8Array([0xff, 0, 1])), "ff 00 01");
  for (const length of [513, 5_000]) {
    const shown = textOf(new Uint8Array(length).fill(0xff));
    assertEquals(shown, "ff ".repeat(512) + "…", `${length} bytes`);
  }
});

Deno.test("textOf(): a long text is cut, through a character too", () => {
  assertEquals(textOf(encoder.encode("hällo")), "hällo");
  assertEquals(textOf(encoder.encode("a" + "ä".repeat(4_000))), "a" + "ä".repeat(2_047) + "…");
});

Deno.test("labelOf(): nothing of a key is unseen, and keyOfLabel() reads it back", () => {
  for (const k of ["greeting", "a b", "é/😀", "base64", "👨‍👩‍👧"]) {
    assertEquals(labelOf({ k }), k);
    assertEquals(keyOfLabel(k), { k });
  }
  for (const k of [" ", " a", "a ", "a\nb", "\u202Ertl", "\u200B", "base64:/wAB", "\uFEFF"]) {
    const label = labelOf({ k });
    assertEquals([label.startsWith("base64:"), keyOfLabel(label)], [true, { k }], label);
  }
  assertEquals(labelOf({ kb: "/wAB" }), "base64:/wAB");
  assertEquals(keyOfLabel("base64:/wAB"), { kb: "/wAB" });
  assertEquals(keyOfLabel("base64:!"), undefined);
});

Deno.test("typeOf(): a document of JSON is stored as what it is, all else as text", () => {
  for (const value of ['{"name":"Ada"}', "[1, 2]", " {}\n"]) {
    assertEquals(typeOf(value), "application/json", value);
  }
  for (const value of ["hello", "", "5", "null", '"x"', "{name}"]) {
    assertEquals(typeOf(value), "text/plain; charset=utf-8", value);
  }
});

Deno.test("operate(): a key that a browser would fold into another path is not asked for", async () => {
  for (const k of [".", ".."]) {
    assertEquals(await operate("GET", { k }), {
      ok: false,
      problem: "No browser can ask for this key; the command line can",
    });
  }
});
