import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  BatchLane,
  type LaneLimits,
  PATIENCE_MS,
} from "../../../src/replication/peers/batch_lane.ts";
import type { TimerID } from "../../../src/platform/clock.ts";
import { drainMicrotasks } from "../../../src/simulation/virtual/drain.ts";
import { VirtualClock } from "../../../src/simulation/virtual/virtual_clock.ts";
import { VirtualTime } from "../../../src/simulation/virtual/virtual_time.ts";
import { CrowdedClock } from "../../support/crowded_clock.ts";

const LIMITS: LaneLimits = {
  inFlightMax: 2,
  batchBytesMax: 10,
  batchEntriesMax: 4,
  queueBytesMax: 20,
  gathers: true,
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

async function runUntil(time: VirtualTime, ms: number): Promise<void> {
  time.schedule(ms - time.nowMs, () => {});
  while (time.step(ms)) await drainMicrotasks();
}

Deno.test("BatchLane: what was pushed in one turn leaves as one batch", async () => {
  const { lane: queue, batches } = lane();
  for (const size of [1, 2, 3]) assert(queue.push(size));
  assertEquals(batches, []);
  await drainMicrotasks();
  assertEquals(batches, [[1, 2, 3]]);
  assertEquals(queue.queuedBytes, 0);
});

Deno.test("BatchLane: batches are bounded in bytes and entries, an entry too large goes alone", async () => {
  const { lane: queue, batches, ends } = lane({ ...LIMITS, inFlightMax: 9, queueBytesMax: 100 });
  for (const size of [1, 1, 1, 1, 1, 6, 6, 40, 1]) queue.push(size);
  await drainMicrotasks();
  for (const end of ends) end();
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
      for (; ended < ends.length || queue.queuedBytes > 0; ended++) {
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

const ROOMY = { ...LIMITS, batchBytesMax: 100, batchEntriesMax: 100, queueBytesMax: 1_000 };

Deno.test("BatchLane: while a batch is under way the next one gathers", async () => {
  const { lane: queue, batches, ends } = lane(ROOMY);
  for (const size of [1, 2, 3]) {
    queue.push(size);
    await drainMicrotasks();
  }
  assertEquals(batches, [[1]]);
  ends[0]!();
  await drainMicrotasks();
  assertEquals(batches, [[1], [2, 3]]);
});

Deno.test("BatchLane: a batch without an answer holds up the next one for a moment only", async () => {
  const { lane: queue, batches, time } = lane(ROOMY);
  for (const size of [1, 2, 3]) {
    queue.push(size);
    await drainMicrotasks();
  }
  await runUntil(time, PATIENCE_MS - 1);
  assertEquals(batches, [[1]]);
  await runUntil(time, PATIENCE_MS);
  assertEquals(batches, [[1], [2, 3]]);
  queue.push(4);
  await drainMicrotasks();
  await runUntil(time, 10 * PATIENCE_MS);
  assertEquals(batches, [[1], [2, 3]], "no more than two");
});

Deno.test("BatchLane: patience counts from the batch that is under way", async () => {
  const { lane: queue, batches, ends, time } = lane(ROOMY);
  queue.push(1);
  await drainMicrotasks();
  queue.push(2); // this one has the clock look after PATIENCE_MS
  await drainMicrotasks();
  await runUntil(time, PATIENCE_MS - 5);
  ends[0]!();
  await drainMicrotasks();
  assertEquals(batches, [[1], [2]]);
  queue.push(3);
  await drainMicrotasks();
  await runUntil(time, 2 * PATIENCE_MS - 6);
  assertEquals(batches, [[1], [2]]);
  await runUntil(time, 2 * PATIENCE_MS - 5);
  assertEquals(batches, [[1], [2], [3]]);
});

Deno.test("BatchLane: what fills a batch leaves beside one that is under way", async () => {
  const { lane: queue, batches } = lane({ ...ROOMY, batchEntriesMax: 3 });
  for (const size of [1, 2, 3, 4, 5, 6]) {
    queue.push(size);
    await drainMicrotasks();
  }
  assertEquals(batches, [[1], [2, 3, 4]]);
});

Deno.test("BatchLane: beside a batch that is late the others follow one another at once", async () => {
  const { lane: queue, batches, ends, time } = lane(ROOMY);
  queue.push(1); // never answered
  await drainMicrotasks();
  queue.push(2);
  await runUntil(time, PATIENCE_MS);
  for (const size of [3, 4, 5]) {
    ends[batches.length - 1]!();
    await drainMicrotasks();
    queue.push(size);
    await drainMicrotasks();
  }
  assertEquals(batches, [[1], [2], [3], [4], [5]]);
  assertEquals(time.nowMs, PATIENCE_MS);
});

Deno.test("BatchLane: an older batch is late too, though a newer one was answered", async () => {
  const { lane: queue, batches, ends, time } = lane({ ...ROOMY, batchEntriesMax: 2 });
  queue.push(1); // never answered
  await drainMicrotasks();
  for (const size of [2, 3, 4]) queue.push(size);
  await drainMicrotasks();
  assertEquals(batches, [[1], [2, 3]]);
  ends[1]!();
  await drainMicrotasks();
  assertEquals(batches, [[1], [2, 3]]);
  await runUntil(time, PATIENCE_MS);
  assertEquals(batches, [[1], [2, 3], [4]]);
});

Deno.test("BatchLane: where as many as may be are under way, and all are late, the rest waits", async () => {
  const { lane: queue, batches, ends, time } = lane();
  for (let i = 1; i <= 4; i++) {
    queue.push(i);
    await runUntil(time, 2 * i * PATIENCE_MS);
  }
  assertEquals(batches, [[1], [2]]);
  ends[0]!();
  await drainMicrotasks();
  assertEquals(batches, [[1], [2], [3, 4]]);
});

Deno.test("BatchLane: on a busy thread a batch gathers before it leaves, where it may", async () => {
  const gathered = [[1], [2, 3, 4, 5, 6, 7]];
  assertEquals(await batchesBeside({ turnMs: 1, gathers: true }), gathered);
  const atOnce = [[1], [2], [3, 4, 5, 6, 7]];
  assertEquals(await batchesBeside({ turnMs: 0.1, gathers: true }), atOnce);
  assertEquals(await batchesBeside({ turnMs: 1, gathers: false }), atOnce);
});

/** Pushes two entries one after the other, and further ones whenever others get the thread, or else at the end. */
async function batchesBeside({ turnMs, gathers }: { turnMs: number; gathers: boolean }) {
  const clock = new CrowdedClock(turnMs);
  const batches: number[][] = [];
  const lane = new BatchLane<number>(clock, { ...ROOMY, gathers }, (size) => size, (batch) => {
    batches.push(batch);
    return Promise.resolve();
  });
  lane.push(1);
  await drainMicrotasks();
  const next = [3, 4, 5, 6, 7];
  clock.onTurn = () => {
    if (next.length > 0) lane.push(next.shift()!);
  };
  lane.push(2);
  await drainMicrotasks();
  for (const size of next.splice(0)) lane.push(size);
  await drainMicrotasks();
  return batches;
}

/** A turn of the event loop takes a millisecond. */
class BusyClock extends VirtualClock {
  override setTimer(delayMs: number, callback: () => void): TimerID {
    return super.setTimer(delayMs === 0 ? 1 : delayMs, callback);
  }
}

Deno.test("BatchLane: the end of patience with a batch that was answered cuts no gathering short", async () => {
  const time = new VirtualTime();
  const leftMs: number[] = [];
  const limits = { ...LIMITS, batchBytesMax: 1e6, batchEntriesMax: 1e6, queueBytesMax: 1e6 };
  const lane = new BatchLane<number>(new BusyClock(time), limits, (size) => size, () => {
    leftMs.push(time.nowMs);
    return time.wait(4.5);
  });
  for (let ms = 0; ms < 70; ms++) {
    lane.push(1);
    await drainMicrotasks();
    await runUntil(time, ms + 0.9999);
  }
  // Gathering begins at 4.5 ms, when the first one is answered, and goes by turns of 1 ms.
  assertEquals(leftMs, [0, 16.5, 33, 49.5, 66]);
});
