import { assertEquals } from "@std/assert";
import { Reminder } from "../../src/platform/reminder.ts";

Deno.test("Reminder: at once, then once a minute, and at once again after an end", () => {
  let nowMs = 5_000;
  const reminder = new Reminder({ monotonicMs: () => nowMs });
  const told: number[] = [];
  for (; nowMs <= 130_000; nowMs += 500) if (reminder.isDue()) told.push(nowMs);
  assertEquals(told, [5_000, 65_000, 125_000]);
  reminder.end();
  assertEquals([reminder.isDue(), reminder.isDue()], [true, false]);
});
