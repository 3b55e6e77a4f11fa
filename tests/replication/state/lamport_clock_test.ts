import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { ConvergeError } from "../../../src/errors.ts";
import { COUNTER_MAX } from "../../../src/record/version.ts";
import { LamportClock } from "../../../src/replication/state/lamport_clock.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import { VirtualClock } from "../../../src/simulation/virtual/virtual_clock.ts";
import { VirtualTime } from "../../../src/simulation/virtual/virtual_time.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { VirtualStore } from "../../storage/virtual_store.ts";

/** The next counter, reserving where needed, as a write does. */
async function next(clock: LamportClock): Promise<number> {
  for (;;) {
    const counter = clock.next();
    if (counter !== undefined) return counter;
    await clock.reserve();
  }
}

Deno.test("LamportClock: counts from one, past everything seen", async () => {
  const clock = await LamportClock.open(new LocalState(new MemoryStore()), 0);
  assertEquals([clock.next(), clock.next()], [1, 2]);
  clock.observe(50);
  clock.observe(10);
  assertEquals([clock.current, clock.next()], [50, 51]);
});

Deno.test("LamportClock: starts past everything in log and tables", async () => {
  const clock = await LamportClock.open(new LocalState(new MemoryStore()), 7_000_000);
  assertEquals(await next(clock), 7_000_001);
});

Deno.test("LamportClock: nothing is given out beyond what is reserved on disk", async () => {
  const store = new MemoryStore();
  const clock = await LamportClock.open(new LocalState(store), 0);
  clock.observe(3_000_000);
  assertEquals(clock.next(), undefined);
  await clock.reserve();
  const counter = clock.next()!;
  assertEquals(counter, 3_000_001);
  const reserved = new LocalState(store).read<{ reserved: number }>("counter")!.reserved;
  assert(counter <= reserved);
});

Deno.test("LamportClock.skipLost(): past what a lost disk may have given out, also after a restart", async () => {
  const store = new MemoryStore();
  const clock = await LamportClock.open(new LocalState(store), 7);
  await clock.skipLost(0);
  assert(clock.current > 2 ** 32);
  const again = await LamportClock.open(new LocalState(store), 7);
  assert(again.current >= clock.current);
  const last = await LamportClock.open(new LocalState(new MemoryStore()), COUNTER_MAX - 5);
  await last.skipLost(0);
  assertEquals(last.next(), COUNTER_MAX - 4, "near the bound there is nothing to leave out");
});

Deno.test("LamportClock.skipLost(): reserves past it, also where a reservation of before is under way", async () => {
  const store = new MemoryStore();
  const clock = await LamportClock.open(new LocalState(store), 0);
  const before = clock.reserve();
  await clock.skipLost(0);
  await before;
  const { reserved } = new LocalState(store).read<{ reserved: number }>("counter")!;
  assert(reserved >= clock.current);
  assertEquals(clock.next(), 2 ** 32 + 1, "and none has to wait");
});

Deno.test("LamportClock.skipLost(): leaves out once what it is asked for again, as where a disk is full", async () => {
  const store = new MemoryStore();
  const clock = await LamportClock.open(new LocalState(store), 7);
  const apply = store.apply.bind(store);
  store.apply = () => Promise.reject(new ConvergeError("disk_full", "Cannot write"));
  for (let again = 0; again < 3; again++) {
    await assertRejects(() => clock.skipLost(0), ConvergeError, "Cannot write");
  }
  store.apply = apply;
  await clock.skipLost(0);
  assertEquals(clock.current, 7 + 2 ** 32);
  await clock.skipLost(1);
  assertEquals(clock.current, 7 + 2 * 2 ** 32, "another loss, other counters");
});

Deno.test("LamportClock: counters are reserved before they are used up", async () => {
  const clock = await LamportClock.open(new LocalState(new MemoryStore()), 0);
  clock.observe(999_998);
  assertEquals(clock.next(), 999_999);
  for (let turn = 0; turn < 20; turn++) await undefined;
  assertEquals([clock.next(), clock.next()], [1_000_000, 1_000_001]);
});

Deno.test("LamportClock: a reservation that fails gives out nothing", async () => {
  const store = new MemoryStore();
  const clock = await LamportClock.open(new LocalState(store), 0);
  clock.observe(3_000_000);
  await store.close();
  await assertRejects(() => clock.reserve(), ConvergeError);
  assertEquals(clock.next(), undefined);
});

Deno.test("LamportClock: one beyond 2^52 is ignored; at the bound it stops, not wraps", async () => {
  const clock = await LamportClock.open(new LocalState(new MemoryStore()), 0);
  for (const huge of [COUNTER_MAX + 1, 2 ** 53, Infinity, NaN]) clock.observe(huge);
  assertEquals(clock.current, 0);
  clock.observe(COUNTER_MAX - 1);
  assertEquals(await next(clock), COUNTER_MAX);
  await assertRejects(() => next(clock), ConvergeError, "used up");
});

Deno.test("LamportClock: gives no counter twice after power failed, in any durability mode", async () => {
  for (const durability of [{ mode: "os" }, { mode: "interval", ms: 50 }] as const) {
    for (let seed = 0; seed < 20; seed++) {
      const disk = new VirtualStore(seed);
      const given: number[] = [];
      for (let life = 0; life < 3; life++) {
        const store = await disk.open({ clock: new VirtualClock(new VirtualTime()), durability });
        given.push(await next(await LamportClock.open(new LocalState(store), 0)));
        disk.device.crash();
      }
      assertEquals(new Set(given).size, 3, `${durability.mode}, seed ${seed}: ${given}`);
    }
  }
});

Deno.test("LamportClock: never gives a counter twice, through any restarts", async () => {
  const life = fc.array(
    fc.oneof(fc.constant("next" as const), fc.integer({ min: 1, max: 5_000_000 })),
    { maxLength: 10 },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(life, { maxLength: 6 }), async (lives) => {
      const store = new MemoryStore();
      let last = 0;
      for (const steps of lives) {
        const clock = await LamportClock.open(new LocalState(store), 0);
        for (const step of steps) {
          if (step !== "next") {
            clock.observe(step);
            continue;
          }
          const counter = await next(clock);
          assert(counter > last, `${counter} after ${last}`);
          last = counter;
        }
      }
    }),
  );
});
