import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { drainMicrotasks } from "../../../src/simulation/virtual/drain.ts";
import { ProcessLife } from "../../../src/simulation/virtual/process_life.ts";
import { RandomStreams, SeededRandom } from "../../../src/simulation/virtual/random_streams.ts";
import { VirtualClock, WALL_START_MS } from "../../../src/simulation/virtual/virtual_clock.ts";
import { VirtualTime } from "../../../src/simulation/virtual/virtual_time.ts";

Deno.test("VirtualTime: events run by time, ties in the order of scheduling", () => {
  const time = new VirtualTime();
  const random = new SeededRandom(1, "delays");
  const expected: [number, number][] = [];
  const seen: [number, number][] = [];
  for (let i = 0; i < 500; i++) {
    const atMs = Math.floor(random.next() * 50);
    expected.push([atMs, i]);
    time.schedule(atMs, () => seen.push([atMs, i]));
  }
  expected.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  while (time.step(Infinity));
  assertEquals(seen, expected);
});

Deno.test("VirtualTime: step stops at the limit and skips cancelled events", () => {
  const time = new VirtualTime();
  let ran = 0;
  time.schedule(5, () => ran++).run = undefined;
  time.schedule(10, () => ran++);
  assertEquals(time.step(9), false);
  assertEquals(time.nowMs, 0);
  assert(time.step(10));
  assertEquals([ran, time.nowMs], [1, 10]);
});

Deno.test("VirtualClock: a pause holds timers back, death forgets them, wall time is skewed", () => {
  const time = new VirtualTime();
  const life = new ProcessLife(time);
  const clock = new VirtualClock(time, { life, skew: { offsetMs: 1000, rate: 2 } });
  const seen: string[] = [];
  clock.setTimer(1, () => seen.push("a"));
  const cleared = clock.setTimer(2, () => seen.push("b"));
  life.pause();
  while (time.step(5));
  assertEquals(seen, []);
  clock.clearTimer(cleared);
  life.resume();
  while (time.step(6));
  assertEquals(seen, ["a"]);
  clock.setTimer(1, () => seen.push("c"));
  life.kill();
  while (time.step(20));
  assertEquals(seen, ["a"]);
  assertEquals(clock.wallMs(), WALL_START_MS + 1000 + 2 * time.nowMs);
});

Deno.test("VirtualClock: on a busy thread a turn takes its time, which timers with a delay do not", () => {
  const time = new VirtualTime();
  let turnMs = 0;
  const clock = new VirtualClock(time, { turnMs: () => turnMs });
  const seen: [string, number][] = [];
  const set = (name: string, delayMs: number) =>
    clock.setTimer(delayMs, () => seen.push([name, clock.monotonicMs()]));
  set("idle turn", 0);
  turnMs = 3;
  set("busy turn", 0);
  set("timer", 2);
  while (time.step(Infinity));
  assertEquals(seen, [["idle turn", 0], ["timer", 2], ["busy turn", 3]]);
});

Deno.test("RandomStreams: a stream is a function of seed and name", () => {
  const draw = (seed: number, name: string) => {
    const stream = new RandomStreams(seed).stream(name);
    return Array.from({ length: 4 }, () => stream.next());
  };
  assertEquals(draw(1, "disk"), draw(1, "disk"));
  assertNotEquals(draw(1, "disk"), draw(2, "disk"));
  assertNotEquals(draw(1, "disk"), draw(1, "network"));
  const random = new SeededRandom(7, "mean");
  let sum = 0;
  for (let i = 0; i < 10_000; i++) sum += random.next();
  assert(Math.abs(sum / 10_000 - 0.5) < 0.02, `mean ${sum / 10_000}`);
});

Deno.test("drainMicrotasks: long chains of microtasks are over when it resolves", async () => {
  let left = 1000;
  const chain = async () => {
    while (left > 0) {
      await null;
      left--;
    }
  };
  const over = chain();
  await drainMicrotasks();
  assertEquals(left, 0);
  await over;
});
