import { assert, assertEquals } from "@std/assert";
import { BloomFilterBuilder, hashKey, mayContain } from "../../src/storage/bloom_filter.ts";

const KEYS = 20_000;

Deno.test("BloomFilter: built in steps, it holds every key and few others", async () => {
  const builder = new BloomFilterBuilder();
  for (let i = 0; i < KEYS; i++) builder.add(`key${i}`);
  let pauses = 0;
  const bits = await builder.build(() => Promise.resolve(void pauses++));
  let wrong = 0;
  for (let i = 0; i < KEYS; i++) {
    assert(mayContain(bits, hashKey(`key${i}`)), `key${i}`);
    if (mayContain(bits, hashKey(`absent${i}`))) wrong++;
  }
  assertEquals(pauses, 2);
  assert(bits.byteLength <= 2 * KEYS, `${bits.byteLength} bytes`);
  assert(wrong < KEYS / 200, `${wrong} of ${KEYS}`);
});

Deno.test("hashKey(): pinned: by another one the keys of all tables of before would not be found", () => {
  assertEquals(["a", "greeting", "\xff\x00", "x".repeat(2_048)].map((key) => hashKey(key)), [
    { a: 481_602_925, b: 842_635_033 },
    { a: -1_865_135_358, b: -1_090_276_681 },
    { a: -941_294_164, b: 1_084_246_307 },
    { a: 150_665_556, b: 950_494_025 },
  ]);
});
