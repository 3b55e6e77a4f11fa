import { assert, assertEquals } from "@std/assert";
import xxhash from "xxhash-wasm";
import { keyFromBytes, keyFromText } from "../../src/record/key.ts";
import { formatToken, TOKEN_END, tokenOf, tokensOfNode } from "../../src/ring/token.ts";

Deno.test("tokenOf: xxHash64 of the key's bytes, pinned: ownership follows from it", () => {
  const pinned: [string, string][] = [
    ["", "ef46db3751d8e999"], // the algorithm's own test vectors
    ["a", "d24ec4f1a98c6e5b"],
    ["greeting", "e7c5ca42cd4bed7f"],
    ["\xff", "95634172a60b7544"],
    ["a/b&c %", "5e61918c93669a1f"],
  ];
  for (const [key, token] of pinned) assertEquals(formatToken(tokenOf(key)), token, key);
});

Deno.test("tokenOf: text and bytes of one key have one token", () => {
  const bytes = new TextEncoder().encode("é😀");
  assertEquals(tokenOf(keyFromText("é😀")), tokenOf(keyFromBytes(bytes)));
});

Deno.test("tokenOf: of a key's own bytes, whatever single byte it is", async () => {
  const { h64Raw } = await xxhash();
  for (let byte = 0; byte < 256; byte++) {
    const bytes = Uint8Array.of(byte);
    assertEquals(tokenOf(keyFromBytes(bytes)), h64Raw(bytes), `${byte}`);
  }
});

Deno.test("tokensOfNode: hashes of name and number, pinned, distinct, more of them a prefix", () => {
  const tokens = tokensOfNode("node1", 100);
  assertEquals(tokens.slice(0, 3).map(formatToken), [
    "974feab0b1f1eead",
    "3acbd3b3756c3745",
    "92e78d155ed79b36",
  ]);
  assertEquals(new Set(tokens).size, 100);
  assertEquals(tokensOfNode("node1", 200).slice(0, 100), tokens);
  assert(tokens.every((token) => token >= 0n && token < TOKEN_END));
});

Deno.test("formatToken: 16 hex digits", () => {
  assertEquals(formatToken(0n), "0000000000000000");
  assertEquals(formatToken(TOKEN_END - 1n), "ffffffffffffffff");
});
