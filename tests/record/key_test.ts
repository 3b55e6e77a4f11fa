import { assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import {
  KEY_BYTES_MAX,
  keyFromBytes,
  keyFromJson,
  keyFromPath,
  keyFromText,
  keyToBytes,
  keyToJson,
  keyToPath,
  keyToText,
} from "../../src/record/key.ts";

Deno.test("keyFromPath: decodes every escape to its byte, once", () => {
  const cases: [path: string, bytes: number[]][] = [
    ["%FF", [0xff]],
    ["%ff", [0xff]],
    ["%00", [0]],
    ["%2e%2e", [0x2e, 0x2e]],
    ["..", [0x2e, 0x2e]],
    ["%2525", [0x25, 0x32, 0x35]],
    ["a/b%2Fc", [0x61, 0x2f, 0x62, 0x2f, 0x63]],
    ["a&b=c", [0x61, 0x26, 0x62, 0x3d, 0x63]],
    ["a+b%20c", [0x61, 0x2b, 0x62, 0x20, 0x63]],
    ["%C3%A9", [0xc3, 0xa9]],
    ["é", [0xc3, 0xa9]],
    ["%0A%0D", [0x0a, 0x0d]],
    ["//", [0x2f, 0x2f]],
  ];
  for (const [path, bytes] of cases) {
    assertEquals([...keyToBytes(keyFromPath(path))], bytes, path);
  }
});

Deno.test("keyFromPath: 2048 bytes are a key, none and 2049 are not, counted after decoding", () => {
  assertEquals(keyFromPath("k".repeat(KEY_BYTES_MAX)).length, 2048);
  assertEquals(keyFromPath("%FF".repeat(KEY_BYTES_MAX)).length, 2048);
  for (const bad of ["", "k".repeat(2049), "%41".repeat(2049), "é".repeat(1025)]) {
    const error = assertThrows(() => keyFromPath(bad), ConvergeError);
    assertEquals(error.code, "bad_request");
  }
});

Deno.test("keyFromPath: refuses malformed escapes", () => {
  for (const bad of ["%", "a%", "%4", "%zz", "%4g", "%%", "%-1", "% 1", "%é"]) {
    const error = assertThrows(() => keyFromPath(bad), ConvergeError, "", bad);
    assertEquals(error.code, "bad_request");
  }
});

Deno.test("keyToText: text where the bytes are UTF-8, the BOM kept, else nothing", () => {
  assertEquals(keyToText(keyFromText("\ufeffé😀")), "\ufeffé😀");
  for (
    const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80]]
  ) {
    assertEquals(keyToText(keyFromBytes(new Uint8Array(bytes))), undefined, `${bytes}`);
  }
});

Deno.test("keyFromJson: refuses what keyToJson never writes", () => {
  const bad = [
    {},
    { k: 1 },
    { k: "a", kb: "/w==" },
    { k: "\ud800" }, // a lone surrogate would become another key, U+FFFD
    { k: "a\udfff" },
    { kb: "/w" },
    { kb: "/w= =" },
    { kb: "_w==" },
    { kb: "YQ==" }, // the bytes of "a": text has one form only
  ];
  for (const json of bad) assertEquals(keyFromJson(json), undefined, JSON.stringify(json));
});

Deno.test("keyToJson: UTF-8 as text, other bytes as base64", () => {
  assertEquals(keyToJson(keyFromText("a&é")), { k: "a&é" });
  assertEquals(keyToJson(keyFromBytes(new Uint8Array([0xff]))), { kb: "/w==" });
});

Deno.test("keyToPath: escapes all but unreserved characters and slashes, dots too", () => {
  assertEquals(keyToPath(keyFromText("../a b&c%é")), "%2E%2E/a%20b%26c%25%C3%A9");
});
