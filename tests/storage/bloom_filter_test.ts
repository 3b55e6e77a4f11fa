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
  assert(wrong < KEYS / 200, `${wrong} of ${KEYS}`);
});
