import { assertEquals } from "@std/assert";
import { VirtualClock, WALL_START_MS } from "../../../src/simulation/virtual/virtual_clock.ts";
import { VirtualTime } from "../../../src/simulation/virtual/virtual_time.ts";
import { WallClocks } from "../../../src/simulation/evidence/wall_clocks.ts";

Deno.test("WallClocks.bounds: what a node's clock said, over jumps and drift", () => {
  const clocks = new WallClocks();
  clocks.set("a", 0, { offsetMs: 0, rate: 1 });
  clocks.set("b", 0, { offsetMs: 7, rate: 1 });
  clocks.set("a", 100, { offsetMs: -50, rate: 2 });
  const since = (node: string | undefined, fromMs: number, toMs: number) => {
    const { lowMs, highMs } = clocks.bounds(node, fromMs, toMs);
    return [lowMs - WALL_START_MS, highMs - WALL_START_MS];
  };
  assertEquals(since("a", 10, 20), [10, 20]);
  assertEquals(since("a", 90, 110), [90, 170]);
  assertEquals(since("a", 110, 120), [170, 190]);
  assertEquals(since(undefined, 10, 20), [10, 27]);
});

Deno.test("WallClocks.bounds: holds what the clock of a node says", () => {
  const skew = { offsetMs: 1234.5, rate: 1.07 };
  const time = new VirtualTime();
  const clock = new VirtualClock(time, { skew });
  const clocks = new WallClocks();
  clocks.set("a", 0, skew);
  const { lowMs, highMs } = clocks.bounds("a", 0, 0);
  assertEquals(lowMs <= clock.wallMs() && clock.wallMs() <= highMs, true);
});
