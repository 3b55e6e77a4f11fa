import { assertEquals } from "@std/assert";
import { textOf } from "../../src/dashboard/page/api.ts";

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
