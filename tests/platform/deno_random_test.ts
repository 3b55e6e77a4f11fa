import { assert } from "@std/assert";
import { DenoRandom } from "../../src/platform/deno/deno_random.ts";

Deno.test("DenoRandom.next() spreads over [0, 1) and does not repeat itself", () => {
  const random = new DenoRandom();
  const seen = new Set<number>();
  const buckets = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const number = random.next();
    assert(number >= 0 && number < 1);
    seen.add(number);
    const bucket = Math.floor(number * 10);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  assert(seen.size > 9_990);
  assert(buckets.every((count) => count > 800 && count < 1_200), String(buckets));
});
