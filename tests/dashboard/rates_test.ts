import { assertEquals } from "@std/assert";
import {
  percentile,
  type Point,
  POINTS_MAX,
  Rates,
  RecentPoints,
} from "../../src/dashboard/page/rates.ts";
import type { ClusterEvent, NodeSample } from "../../src/http/cluster_watch.ts";

function sample(reads: number, latencyCounts: number[] = []): NodeSample {
  return {
    requests: { reads, writes: 0, readsFailed: 0, writesFailed: 0, repairs: 0, inFlight: 0 },
    latencyCounts,
    keys: 0,
    memtableBytes: 0,
    diskBytes: 0,
    compactionDebtBytes: 10,
    compactions: 0,
    hintsWaiting: { node2: 3 },
    tombstones: { tombstones: 0, collected: 0, unconfirmed: 0 },
    refill: { done: [], pulled: 0, waitsFor: [] },
    lagMs: 0,
    hotKeys: [],
  } as NodeSample;
}

function event(atMs: number, samples: (NodeSample | null)[], self = "node0"): ClusterEvent {
  return {
    atMs,
    self,
    ready: true,
    quorums: { n: 3, r: 2, w: 2 },
    ring: "",
    unresolvedSeeds: [],
    latencyBoundsMs: [1, 2],
    members: samples.map((own, i) => ({
      name: `node${i}`,
      origin: "http://127.0.0.1:1",
      status: "normal",
      state: "up",
      silentMs: 0,
      ownership: 1,
      leaving: false,
      sample: own,
    })),
  };
}

Deno.test("Rates.next: sums over nodes, per second, from the second event on", () => {
  const rates = new Rates();
  assertEquals(rates.next(event(0, [sample(10), sample(0)])).readsPerSecond, null);
  const point = rates.next(event(2_000, [sample(20, [0, 4]), sample(2)]));
  assertEquals(point.readsPerSecond, 6);
  assertEquals(point.perNode.get("node0"), 5);
  assertEquals(point.p50Ms, 1.5);
  assertEquals(point.hintsWaiting, 6);
  assertEquals(point.compactionDebtBytes, 20);
});

Deno.test("Rates.next: a node that started anew or was silent makes no wild rate", () => {
  const rates = new Rates();
  rates.next(event(0, [sample(1_000), sample(5)]));
  assertEquals(rates.next(event(1_000, [sample(3), null])).readsPerSecond, 0);
  assertEquals(rates.next(event(2_000, [sample(4), sample(9)])).readsPerSecond, 1);
  assertEquals(rates.next(event(2_000, [sample(5), sample(9)])).readsPerSecond, null);
  assertEquals(rates.next(event(3_000, [sample(9)], "node1")).readsPerSecond, null);
});

Deno.test("percentile: interpolates within a range, and knows no end of the last", () => {
  assertEquals(percentile([], [1, 2], 0.5), null);
  assertEquals(percentile([0, 0, 0], [1, 2], 0.5), null);
  assertEquals(percentile([10, 0, 0], [1, 2], 0.5), 0.5);
  assertEquals(percentile([50, 49, 1], [1, 2], 0.99), 2);
  assertEquals(percentile([0, 0, 5], [1, 2], 0.99), 2);
});

const point = (atMs: number, p99Ms: number | null = null) => ({ atMs, p99Ms }) as Point;

Deno.test("RecentPoints: of a node that was started anew, under a page that is long open, all are kept", () => {
  const points = new RecentPoints();
  for (const atMs of [900_000, 901_000, 1_000, 2_000, 3_000]) points.add(point(atMs));
  assertEquals(points.all.map(({ atMs }) => atMs), [1_000, 2_000, 3_000]);
  for (let i = 4; i < 2 * POINTS_MAX; i++) points.add(point(1_000 * i));
  assertEquals(points.all.length, POINTS_MAX);
});

Deno.test("RecentPoints.worstP99Ms: of the time that is asked for, however few points it has", () => {
  const points = new RecentPoints();
  assertEquals(points.worstP99Ms(10_000), null);
  points.add(point(1_000, 80));
  points.add(point(30_000, 3));
  points.add(point(31_000, 5));
  points.add(point(32_000));
  assertEquals(points.worstP99Ms(10_000), 5);
});
