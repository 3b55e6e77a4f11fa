import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BatchLane, type LaneLimits } from "../../src/replication/batch_lane.ts";
import { drainMicrotasks } from "../../src/simulation/drain.ts";
import { VirtualClock } from "../../src/simulation/virtual_clock.ts";
import { VirtualTime } from "../../src/simulation/virtual_time.ts";

const LIMITS: LaneLimits = {
  inFlightMax: 2,
  batchBytesMax: 10,
  batchEntriesMax: 4,
  queueBytesMax: 20,
  windowMs: 0,
};

/** A lane of numbers that are their own size; batches stay under way until they are ended. */
function lane(limits: LaneLimits = LIMITS) {
  const batches: number[][] = [];
  const ends: (() => void)[] = [];
  const time = new VirtualTime();
  const lane = new BatchLane<number>(new VirtualClock(time), limits, (size) => size, (batch) => {
    batches.push(batch);
    return new Promise((resolve) => ends.push(resolve));
  });
  return { lane, batches, ends, time };
}

Deno.test("BatchLane: what was pushed in one turn leaves as one batch", async () => {
  const { lane: queue, batches } = lane();
  for (const size of [1, 2, 3]) assert(queue.push(size));
  assertEquals(batches, []);
  await drainMicrotasks();
  assertEquals(batches, [[1, 2, 3]]);
  assertEquals([queue.queuedBytes, queue.queuedEntries], [0, 0]);
});

Deno.test("BatchLane: batches are bounded in bytes and entries, an entry too large goes alone", async () => {
  const { lane: queue, batches } = lane({ ...LIMITS, inFlightMax: 9, queueBytesMax: 100 });
  for (const size of [1, 1, 1, 1, 1, 6, 6, 40, 1]) queue.push(size);
  await drainMicrotasks();
  assertEquals(batches, [[1, 1, 1, 1], [1, 6], [6], [40], [1]]);
});

Deno.test("BatchLane: at most so many under way; the rest goes when one has ended", async () => {
  const { lane: queue, batches, ends } = lane();
  for (const size of [10, 10, 10]) {
    queue.push(size);
    await drainMicrotasks();
  }
  assertEquals(batches, [[10], [10]]);
  ends[0]!();
  await drainMicrotasks();
  assertEquals(batches, [[10], [10], [10]]);
});

Deno.test("BatchLane: refuses at its bound and takes again below it", async () => {
  const { lane: queue, ends } = lane();
  let taken = 0;
  for (let i = 0; i < 10; i++) {
    if (queue.push(10)) taken++;
    await drainMicrotasks();
  }
  assertEquals(taken, 4, "two under way, two in the queue");
  ends[0]!();
  await drainMicrotasks();
  assert(queue.push(10));
});

Deno.test("BatchLane.drain: takes back what waits and nothing that left", async () => {
  const { lane: queue, batches, ends } = lane();
  for (const size of [10, 10, 3, 4]) {
    queue.push(size);
    await drainMicrotasks();
  }
  assertEquals(queue.drain(), [3, 4]);
  assertEquals(queue.queuedBytes, 0);
  for (const end of ends) end();
  await drainMicrotasks();
  assertEquals(batches, [[10], [10]]);
});

Deno.test("BatchLane: every entry leaves once, in order, within all bounds", async () => {
  const events = fc.array(fc.oneof(fc.integer({ min: 1, max: 15 }), fc.constant(0)), {
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(events, async (sizes) => {
      const { lane: queue, batches, ends } = lane();
      const taken: number[] = [];
      let ended = 0;
      for (const size of sizes) {
        if (size > 0) {
          if (queue.push(size)) taken.push(size);
        } else {
          ends[ended++]?.();
          if (ended > ends.length) ended = ends.length;
          await drainMicrotasks();
        }
        assert(queue.queuedBytes < LIMITS.queueBytesMax + 15);
        assert(batches.length - ended <= LIMITS.inFlightMax);
      }
      for (; ended < ends.length || queue.queuedEntries > 0; ended++) {
        await drainMicrotasks();
        ends[ended]?.();
        await drainMicrotasks();
      }
      assertEquals(batches.flat(), taken);
      for (const batch of batches) {
        assert(batch.length <= LIMITS.batchEntriesMax);
        const bytes = batch.reduce((sum, size) => sum + size, 0);
        assert(batch.length === 1 || bytes <= LIMITS.batchBytesMax);
      }
    }),
    { numRuns: 50 },
  );
});

Deno.test("BatchLane: a busy lane gathers for its window, an idle one does not wait", async () => {
  const limits = { ...LIMITS, inFlightMax: 1, batchBytesMax: 100, batchEntriesMax: 100 };
  const { lane: queue, batches, ends, time } = lane({ ...limits, windowMs: 1 });
  for (const size of [1, 2, 3, 4]) queue.push(size);
  await drainMicrotasks();
  assertEquals(batches, [[1, 2, 3, 4]]);
  ends[0]!();
  await drainMicrotasks();
  queue.push(5);
  await drainMicrotasks();
  queue.push(6);
  assertEquals(batches.length, 1);
  time.step(Infinity);
  assertEquals(batches[1], [5, 6]);
  ends[1]!();
  await drainMicrotasks();
  queue.push(7);
  await drainMicrotasks();
  assertEquals(batches[2], [7]);
});
