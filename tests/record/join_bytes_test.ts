import { assert, assertEquals } from "@std/assert";
import { joinBytes } from "../../src/record/join_bytes.ts";

const PARTS = [Uint8Array.of(1, 2), new Uint8Array(), Uint8Array.of(3)];

Deno.test("joinBytes(): all parts in order, in a fresh array; of none, nothing", () => {
  assertEquals(joinBytes(PARTS), Uint8Array.of(1, 2, 3));
  assertEquals(joinBytes([]), new Uint8Array());
  const [only] = PARTS;
  assert(joinBytes([only!]).buffer !== only!.buffer);
});

Deno.test("joinBytes(): into memory that is given, exactly where it is large enough", () => {
  for (const length of [3, 8]) {
    const memory = new ArrayBuffer(length);
    const joined = joinBytes(PARTS, memory);
    assertEquals([joined, joined.buffer === memory], [Uint8Array.of(1, 2, 3), true]);
  }
  const memory = new ArrayBuffer(2);
  assertEquals(joinBytes(PARTS, memory).buffer === memory, false);
  assertEquals(new Uint8Array(memory), new Uint8Array(2));
});
