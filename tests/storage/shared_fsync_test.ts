/** On a busy thread writes wait a little for others to share their fsync. */
import { assertEquals } from "@std/assert";
import type { Durability } from "../../src/config.ts";
import type { TimerID } from "../../src/platform/clock.ts";
import { CrowdedClock } from "../support/crowded_clock.ts";
import { put } from "./store_conformance.ts";
import { VirtualStore } from "./virtual_store.ts";

/** While it is held nothing happens later, only in the next turn. */
class TurnsOnly extends CrowdedClock {
  isHeld = true;

  override setTimer(delayMs: number, callback: () => void): TimerID {
    return this.isHeld && delayMs > 0 ? 0 : super.setTimer(delayMs, callback);
  }
}

/** Writes one record, then another one, and a third if others get the thread before that is stored. */
async function twoWritesOrThree(turnMs: number, durability: Durability) {
  const clock = new TurnsOnly(turnMs);
  const store = await new VirtualStore().open({ clock, durability });
  await store.apply([put("a", 1)]);
  const before = store.statistics().syncsTotal;
  let third: Promise<unknown> | undefined;
  clock.onTurn = () => void (third ??= store.apply([put("c", 3)]));
  await store.apply([put("b", 2)]);
  await third;
  const syncs = store.statistics().syncsTotal - before;
  clock.isHeld = false;
  clock.onTurn = () => {};
  await store.close();
  return { writes: third === undefined ? 2 : 3, syncs };
}

Deno.test("LsmStore, busy thread: a write that comes while another one gathers shares its fsync", async () => {
  assertEquals(await twoWritesOrThree(1, { mode: "fsync" }), { writes: 3, syncs: 1 });
});

Deno.test("LsmStore, idle thread: a write waits for no other", async () => {
  assertEquals(await twoWritesOrThree(0.1, { mode: "fsync" }), { writes: 2, syncs: 1 });
});

Deno.test("LsmStore, no fsync: a write waits for no other on a busy thread", async () => {
  assertEquals(await twoWritesOrThree(1, { mode: "os" }), { writes: 2, syncs: 0 });
});
