import { assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { checkedContentType } from "../../src/http/content_type.ts";

Deno.test("checkedContentType: what a header would bring back, whichever way it came", () => {
  for (const type of ["text/plain", 'image/x; q="é"', "a\tb", "\xa0", "x".repeat(255)]) {
    assertEquals(checkedContentType(type), type);
  }
  assertEquals(checkedContentType("\t text/plain; a=b \t"), "text/plain; a=b");
  for (const none of [undefined, "", " ", "\t \t"]) {
    assertEquals(checkedContentType(none), undefined);
  }
});

Deno.test("checkedContentType: what no header can hold is refused", () => {
  for (const unusable of [5, null, {}, "a\nb", "a\0b", "€", "x".repeat(256)]) {
    assertThrows(() => checkedContentType(unusable), ConvergeError, "Cannot keep the content type");
  }
});
