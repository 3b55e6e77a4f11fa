import { assertEquals } from "@std/assert";
import { giveWay } from "../../src/platform/clock.ts";
import { CrowdedClock } from "../support/crowded_clock.ts";

Deno.test("giveWay() takes a turn where nobody wants the thread, and a rest where somebody does", async () => {
  const alone = new CrowdedClock(0.01);
  assertEquals(await giveWay(alone), 0.01);
  assertEquals(alone.delaysMs, [0]);
  const crowded = new CrowdedClock(1);
  assertEquals(await giveWay(crowded), 6);
  assertEquals(crowded.delaysMs, [0, 4]);
});
