/** The load of `converge bench`: bounded, counted, measured. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ClientError } from "../../../src/client/client_error.ts";
import { reportLines } from "../../../src/cli/bench.ts";
import { quantile, runLoad } from "../../../src/cli/live/bench_load.ts";

const FOREVER = { durationMs: Infinity };

Deno.test("runLoad() makes so many requests, each once, so many at a time", async () => {
  const indexes: number[] = [];
  let running = 0;
  let most = 0;
  const result = await runLoad(async (index) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running -= 1;
    indexes.push(index);
  }, { ...FOREVER, requests: 50, concurrency: 7 });
  assertEquals([result.ok, result.failed], [50, 0]);
  assertEquals(indexes.sort((a, b) => a - b), Array.from({ length: 50 }, (_, i) => i));
  assertEquals(most, 7);
});

Deno.test("runLoad() begins nothing once it is told to end", async () => {
  const abort = new AbortController();
  const bounds = { ...FOREVER, requests: 50, concurrency: 1, signal: abort.signal };
  const result = await runLoad(async (index) => index === 2 && abort.abort(), bounds);
  assertEquals([result.ok, result.failed], [3, 0]);
});

Deno.test("runLoad() begins nothing once its time is over, and measures by the clock given", async () => {
  let nowMs = 0;
  const bounds = { durationMs: 100, requests: 1e6, concurrency: 1 };
  const result = await runLoad(() => Promise.resolve(nowMs += 10), bounds, () => nowMs);
  assertEquals([result.ok, result.seconds, result.perSecond], [10, 0.1, 100]);
  assertEquals([result.p50Ms, result.p99Ms, result.p999Ms, result.maxMs], [10, 10, 10, 10]);
});

Deno.test("runLoad() counts failures by their words, and no more kinds than it can tell", async () => {
  const result = await runLoad((index) => {
    throw new ClientError(index < 30 ? "too few owners" : `number ${index}`);
  }, { ...FOREVER, requests: 60, concurrency: 1 });
  assertEquals([result.ok, result.failed, result.p50Ms], [0, 60, null]);
  assertEquals(result.failures["too few owners"], 30);
  assert(Object.keys(result.failures).length <= 11, JSON.stringify(result.failures));
  assertEquals(Object.values(result.failures).reduce((a, b) => a + b), 60);
});

Deno.test("runLoad() does not hide a mistake of its own behind a count", async () => {
  const broken = () => Promise.reject(new TypeError("a bug"));
  await assertRejects(
    () => runLoad(broken, { ...FOREVER, requests: 2, concurrency: 1 }),
    TypeError,
  );
});

Deno.test("quantile() takes the nearest rank", () => {
  const hundred = Float64Array.from({ length: 100 }, (_, i) => i + 1);
  assertEquals([0.5, 0.99, 0.999, 1].map((share) => quantile(hundred, share)), [50, 99, 100, 100]);
  assertEquals(quantile(Float64Array.of(3), 0.5), 3);
  assertEquals(quantile(new Float64Array(), 0.5), null);
});

Deno.test("reportLines() shows both parts and what failed", async () => {
  const bounds = { ...FOREVER, requests: 2, concurrency: 1 };
  const puts = await runLoad(() => Promise.resolve(), bounds);
  const gets = await runLoad(() => Promise.reject(new ClientError("away")), bounds);
  const settings = { url: "http://n", keys: 5, valueBytes: 9, prefix: "p/", ...bounds };
  const lines = reportLines({ settings, puts, gets }, false);
  assert(lines[0]?.includes("1 requests at a time, values of 9 bytes, 5 keys"), lines[0]);
  assertEquals(lines[2]?.split("\t").slice(0, 3), ["put", "2", "0"]);
  assertEquals(lines[3]?.split("\t").slice(0, 5), ["get", "0", "2", "0", "-"]);
  assertEquals(lines[4], "2 gets failed: away");
});
