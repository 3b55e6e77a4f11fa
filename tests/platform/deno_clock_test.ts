import { assert, assertEquals } from "@std/assert";
import { DenoClock } from "../../src/platform/deno/deno_clock.ts";

Deno.test("DenoClock.setTimer() calls back once, not before its delay", async () => {
  const clock = new DenoClock();
  const began = clock.monotonicMs();
  await new Promise<void>((resolve) => void clock.setTimer(20, resolve));
  assert(clock.monotonicMs() - began >= 19);
});

Deno.test("DenoClock.clearTimer() forgets a timer and ignores unknown ones", async () => {
  const clock = new DenoClock();
  let fired = 0;
  const timer = clock.setTimer(0, () => fired++);
  assertEquals(typeof timer, "number");
  clock.clearTimer(timer);
  clock.clearTimer(timer);
  clock.clearTimer(123_456);
  await new Promise<void>((resolve) => void clock.setTimer(5, resolve));
  assertEquals(fired, 0);
});
