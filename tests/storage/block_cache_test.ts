import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BlockCache, type CachedBlock } from "../../src/storage/block_cache.ts";

type Blocks = (CachedBlock | undefined)[];

const BYTES_MAX = 1_000;

function heldBytes(owners: readonly Blocks[]): number {
  return owners.flat().reduce((sum, held) => sum + (held?.bytes.byteLength ?? 0), 0);
}

Deno.test("BlockCache: what owners hold is what it counts, and stays within its bytes", () => {
  const step = fc.record({
    kind: fc.constantFrom("put", "put", "put", "hit", "drop"),
    owner: fc.nat(2),
    index: fc.nat(7),
    length: fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constantFrom(BYTES_MAX, BYTES_MAX + 1)),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
    const cache = new BlockCache(BYTES_MAX);
    const owners: Blocks[] = [[], [], []];
    for (const { kind, owner, index, length } of steps) {
      const blocks = owners[owner]!;
      const held = blocks[index];
      if (kind === "put") {
        cache.put(blocks, index, new Uint8Array(length));
        const isKept = held === undefined && length <= BYTES_MAX;
        assertEquals(blocks[index]?.bytes.byteLength, isKept ? length : held?.bytes.byteLength);
      } else if (kind === "hit" && held !== undefined) held.used = true;
      else if (kind === "drop") {
        const ofOthers = heldBytes(owners) - heldBytes([blocks]);
        cache.drop(blocks);
        assertEquals([blocks.length, heldBytes(owners)], [0, ofOthers]);
      }
      assertEquals(cache.bytes, heldBytes(owners));
      assert(cache.bytes <= BYTES_MAX);
    }
  }));
});

Deno.test("BlockCache: the oldest blocks go first, but not those that were hit since the last time", () => {
  const cache = new BlockCache(BYTES_MAX);
  const blocks: Blocks = [];
  const held = () => [...blocks.keys()].filter((index) => blocks[index] !== undefined);
  const put = (index: number) => cache.put(blocks, index, new Uint8Array(250));
  for (const index of [0, 1, 2, 3]) put(index);
  blocks[1]!.used = true;
  put(4);
  assertEquals(held(), [1, 2, 3, 4]);
  put(5); // the hand passes 1
  assertEquals(held(), [1, 3, 4, 5]);
  for (const index of [6, 7, 8]) put(index);
  assertEquals(held(), [5, 6, 7, 8]);
});
