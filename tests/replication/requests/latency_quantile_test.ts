import { assert, assertEquals } from "@std/assert";
import { LatencyQuantile } from "../../../src/replication/requests/latency_quantile.ts";
import { SeededRandom } from "../../../src/simulation/virtual/random_streams.ts";

const BOUNDS = { minMs: 5, maxMs: 100 };

function after(quantile: LatencyQuantile, samples: number[]): number {
  for (const sample of samples) quantile.add(sample);
  return quantile.valueMs;
}

Deno.test("LatencyQuantile: begins at the upper bound and stays within both", () => {
  const quantile = new LatencyQuantile(0.99, BOUNDS);
  assertEquals(quantile.valueMs, 100);
  assertEquals(after(quantile, [1_000]), 100);
  assertEquals(after(quantile, Array(10_000).fill(0)), 5);
  assertEquals(after(quantile, Array(1_000).fill(1_000)), 100);
});

Deno.test("LatencyQuantile: comes to lie where that share of the samples is below, wherever it was", () => {
  const random = new SeededRandom(1, "latencies");
  for (const share of [0.5, 0.9, 0.99]) {
    const quantile = new LatencyQuantile(share, { minMs: 0.01, maxMs: 1_000 });
    for (const scale of [100, 1, 40]) {
      let below = 0;
      for (let i = 0; i < 40_000; i++) {
        const sample = random.next() * scale;
        if (i >= 20_000 && sample < quantile.valueMs) below++;
        quantile.add(sample);
      }
      assert(Math.abs(below / 20_000 - share) < 0.01, `${below / 20_000} below, not ${share}`);
    }
  }
});

Deno.test("LatencyQuantile: follows within some hundred samples, down as well where most are below", () => {
  const median = new LatencyQuantile(0.5, { minMs: 0.01, maxMs: 1_000 });
  assert(after(median, Array(500).fill(2)) < 2.2);
  assert(after(median, Array(500).fill(300)) > 270);
});
