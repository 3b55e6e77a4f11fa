import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { isFolded, keyPath } from "../../src/client/key_path.ts";
import { keyFromBytes, keyFromPath } from "../../src/record/key.ts";

Deno.test("keyPath() escapes what is special in a URL", () => {
  assertEquals(keyPath("a b&c/d%"), "/kv/a%20b%26c/d%25");
  assertEquals(keyPath(new Uint8Array([255, 0])), "/kv/%FF%00");
  assertEquals(keyPath("a/../b"), "/kv/a%2F..%2Fb");
  assertEquals([isFolded(keyPath("..")), isFolded(keyPath("..."))], [true, false]);
});

// Strategy: any bytes as a key, with a bias to dots and slashes.
// Invariant: the path that leaves fetch means the same key to the server.
Deno.test("keyPath() survives the URL parser, whatever the key", () => {
  const piece = fc.oneof(
    fc.constantFrom(".", "..", "/", "%", "?", "#", " ", "\\", "%2e", "\t\n"),
    fc.string({ unit: "grapheme" }),
  );
  const text = fc.array(piece, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(""));
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 12 });
  const encoder = new TextEncoder();
  fc.assert(fc.property(fc.oneof(text, bytes), (key) => {
    const path = keyPath(key);
    fc.pre(path !== "/kv/" && !isFolded(path));
    const sent = new URL(`http://node${path}`).pathname;
    const meant = typeof key === "string" ? encoder.encode(key) : key;
    assertEquals(keyFromPath(sent.slice("/kv/".length)), keyFromBytes(meant));
  }));
});
