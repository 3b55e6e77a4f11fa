import { assertEquals } from "@std/assert";
import { type Deadlined, DeadlineQueue } from "../../../src/replication/requests/deadline_queue.ts";
import { VirtualClock } from "../../../src/simulation/virtual/virtual_clock.ts";
import { VirtualTime } from "../../../src/simulation/virtual/virtual_time.ts";

function world() {
  const time = new VirtualTime();
  const clock = new VirtualClock(time);
  const queue = new DeadlineQueue(clock, 100);
  const add = (item: Deadlined) => queue.add(item, clock.monotonicMs());
  const expired: string[] = [];
  const item = (name: string): Deadlined => ({
    deadlineMs: 0,
    previous: undefined,
    next: undefined,
    onDeadline: () => void expired.push(`${name}@${time.nowMs}`),
  });
  const at = (ms: number) => {
    time.schedule(ms - time.nowMs, () => {});
    while (time.step(ms));
  };
  return { clock, queue, add, expired, item, at };
}

Deno.test("DeadlineQueue: each item expires once, when its time has passed", () => {
  const { add, expired, item, at } = world();
  add(item("a"));
  at(50);
  add(item("b"));
  at(99);
  assertEquals(expired, []);
  at(1_000);
  assertEquals(expired, ["a@100", "b@150"]);
});

Deno.test("DeadlineQueue: a removed item does not expire, the others do; removing twice is harmless", () => {
  const { add, queue, expired, item, at } = world();
  const items = ["a", "b", "c", "d"].map(item);
  for (const one of items) add(one);
  for (const i of [1, 3, 1, 3]) queue.remove(items[i]!);
  queue.remove(item("stranger"));
  at(1_000);
  assertEquals(expired, ["a@100", "c@100"]);
  const [first, second, third] = ["a", "b", "c"].map(item);
  for (const one of [first!, second!, third!]) add(one);
  for (const one of [second!, third!, second!]) queue.remove(one);
  expired.length = 0;
  at(2_000);
  assertEquals(expired, ["a@1100"], "it brings nobody back");
});

Deno.test("DeadlineQueue: an emptied queue can be used again", () => {
  const { add, queue, expired, item, at } = world();
  const a = item("a");
  add(a);
  queue.remove(a);
  at(300);
  add(a);
  at(400);
  assertEquals(expired, ["a@400"]);
});

Deno.test("DeadlineQueue: one timer for any number of items", () => {
  const { add, clock, item, at } = world();
  for (let i = 0; i < 1_000; i++) {
    add(item(`${i}`));
    at(i / 100);
    assertEquals(clock.pendingTimers, 1);
  }
  at(1_000);
  assertEquals(clock.pendingTimers, 0);
});

Deno.test("DeadlineQueue: an item whose time is over soon is not ended with one whose time is over", () => {
  const { add, expired, item, at } = world();
  add(item("a"));
  at(3);
  add(item("b"));
  at(1_000);
  assertEquals(expired, ["a@100", "b@105"], "one timer for all of 5 ms");
});

Deno.test("DeadlineQueue: an item may add and remove others when it expires", () => {
  const { add, queue, expired, item, at } = world();
  const b = item("b");
  const a: Deadlined = { ...item("a"), onDeadline: () => (queue.remove(b), add(item("c"))) };
  add(a);
  add(b);
  at(1_000);
  assertEquals(expired, ["c@200"]);
});

Deno.test("DeadlineQueue: an item that began before it was added expires that much earlier", () => {
  const { queue, expired, item, at } = world();
  at(60);
  queue.add(item("a"), 0, 60);
  at(1_000);
  assertEquals(expired, ["a@100"]);
});
