import { assert, assertEquals, assertFalse } from "@std/assert";
import { GATHER_MS, Gathering } from "../../src/platform/gathering.ts";
import { CrowdedClock } from "../support/crowded_clock.ts";

/** A place from which a batch has just left, and how many turns the next one waits. */
function gathering(clock: CrowdedClock) {
  const gathering = new Gathering(clock);
  gathering.left();
  const turnsOf = async (fill: () => number) => {
    const before = clock.delaysMs.length;
    await gathering.gather(fill);
    return clock.delaysMs.length - before;
  };
  return { gathering, turnsOf };
}

/** Each time fuller, and never full. */
function growing(): () => number {
  let fill = 0;
  return () => fill += 0.001;
}

Deno.test("Gathering: is not worth it before the first batch, or on an idle thread", () => {
  assertFalse(new Gathering(new CrowdedClock(1)).isWorthIt);
  assertFalse(gathering(new CrowdedClock(0.1)).gathering.isWorthIt);
});

Deno.test("Gathering: is worth it on a busy thread, for a while", async () => {
  const clock = new CrowdedClock(1);
  const { gathering: place } = gathering(clock);
  assert(place.isWorthIt);
  clock.setTimer(GATHER_MS, () => {});
  assertFalse(place.isWorthIt);
  // The next one finds out anew.
  place.left();
  assert(place.isWorthIt);
  await place.gather(growing());
  assertFalse(place.isWorthIt);
});

Deno.test("Gathering: a batch waits while others want the thread and more comes, up to its time", async () => {
  const clock = new CrowdedClock(1);
  const { turnsOf } = gathering(clock);
  assertEquals(await turnsOf(growing()), GATHER_MS - 1, "the look took a turn");
});

Deno.test("Gathering: a batch leaves once nobody else wants the thread", async () => {
  const clock = new CrowdedClock(1);
  const { turnsOf } = gathering(clock);
  clock.onTurn = () => {
    if (clock.delaysMs.length === 5) clock.turnMs = 0.1;
  };
  assertEquals(await turnsOf(growing()), 5);
});

Deno.test("Gathering: a batch leaves where no more comes", async () => {
  const { turnsOf } = gathering(new CrowdedClock(1));
  assertEquals(await turnsOf(() => 0.5), 3);
});

Deno.test("Gathering: turns that bring nothing count also where others between them do", async () => {
  const { turnsOf } = gathering(new CrowdedClock(1));
  let looks = 0;
  assertEquals(await turnsOf(() => Math.floor(++looks / 2) / 100), 6);
});

Deno.test("Gathering: a batch leaves when it is full", async () => {
  const clock = new CrowdedClock(1);
  const { turnsOf } = gathering(clock);
  assertEquals(await turnsOf(() => 1), 0);
  let fill = 0;
  assertEquals(await turnsOf(() => fill += 0.25), 3);
});

Deno.test("Gathering: looks whether the thread is busy every few milliseconds only", () => {
  const clock = new CrowdedClock(0.5);
  const { gathering: place } = gathering(clock);
  for (let i = 0; i < 100; i++) place.left();
  assertEquals(clock.delaysMs, [0]);
  clock.setTimer(4, () => {});
  place.left();
  assertEquals(clock.delaysMs, [0, 4, 0]);
});

Deno.test("Gathering: a thread that was busy while a batch gathered counts as busy, whatever a look finds", async () => {
  const clock = new CrowdedClock(1);
  const { gathering: place, turnsOf } = gathering(clock);
  assertEquals(await turnsOf(growing()), GATHER_MS - 1);
  clock.turnMs = 0.1;
  place.left();
  assert(place.isWorthIt);
  clock.setTimer(GATHER_MS - 1, () => {});
  assert(place.isWorthIt);
});
