import { assertEquals } from "@std/assert";
import { LATENCY_BOUNDS_MS, LatencyHistogram } from "../../src/metrics/latency_histogram.ts";

Deno.test("LatencyHistogram.observe: a bound itself lies in its range, the rest beyond", () => {
  const histogram = new LatencyHistogram();
  for (const ms of [0, 0.1, 0.11, 5_000, 5_001]) histogram.observe(ms);
  const last = LATENCY_BOUNDS_MS.length;
  assertEquals(histogram.counts[0], 2);
  assertEquals(histogram.counts[1], 1);
  assertEquals(histogram.counts[last - 1], 1);
  assertEquals(histogram.counts[last], 1);
  assertEquals(histogram.total, 5);
});

Deno.test("LATENCY_BOUNDS_MS: ascending", () => {
  assertEquals([...LATENCY_BOUNDS_MS].sort((a, b) => a - b), [...LATENCY_BOUNDS_MS]);
});
