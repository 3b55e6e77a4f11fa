/** Virtual time for the test of a single part. */
import { assertEquals } from "@std/assert";
import type { Clock } from "../../src/platform/clock.ts";
import { VirtualClock } from "../../src/simulation/virtual/virtual_clock.ts";
import type { VirtualTime } from "../../src/simulation/virtual/virtual_time.ts";
import { World } from "../../src/simulation/world/world.ts";

/** What a scenario gets. */
export interface InWorld {
  clock: Clock;
  time: VirtualTime;
  /** Lets virtual time pass. */
  wait(delayMs: number): Promise<void>;
}

/** Runs a scenario in virtual time; fails when a promise rejected unseen. */
export async function inWorld(scenario: (world: InWorld) => Promise<void>): Promise<void> {
  const world = new World(1);
  const clock = new VirtualClock(world.time);
  await world.run(async () => {
    await world.time.wait(0);
    await scenario({ clock, time: world.time, wait: (delayMs) => world.time.wait(delayMs) });
  });
  assertEquals(world.errors, []);
}
