/** On a busy thread writes wait a little for others to share their fsync. */
import { assert, assertEquals } from "@std/assert";
import type { Durability } from "../../src/config.ts";
import type { TimerID } from "../../src/platform/clock.ts";
import { CrowdedClock } from "../support/crowded_clock.ts";
import { put } from "./store_conformance.ts";
import { VirtualStore } from "./virtual_store.ts";

/** While it is held nothing happens later by itself, only in the next turn. */
class TurnsOnly extends CrowdedClock {
  isHeld = true;
  readonly #later: (() => void)[] = [];

  override setTimer(delayMs: number, callback: () => void): TimerID {
    if (!this.isHeld || delayMs === 0) return super.setTimer(delayMs, callback);
    this.#later.push(callback);
    return 0;
  }

  fireHeld(): void {
    for (const callback of this.#later.splice(0)) callback();
  }
}

/** Writes one record, then another one, and one more each time that others get the thread before that is stored. */
async function writesBeside(turnMs: number, durability: Durability) {
  const clock = new TurnsOnly(turnMs);
  const store = await new VirtualStore().open({ clock, durability });
  await store.apply([put("a", 1)]);
  const before = store.statistics().syncsTotal;
  const others: Promise<unknown>[] = [];
  clock.onTurn = () => {
    if (others.length < 5) others.push(store.apply([put("c", 3 + others.length)]));
  };
  await store.apply([put("b", 2)]);
  await Promise.all(others);
  const syncs = store.statistics().syncsTotal - before;
  clock.isHeld = false;
  clock.onTurn = () => {};
  await store.close();
  return { others: others.length, syncs };
}

Deno.test("LsmStore, busy thread: writes that come while another one gathers share its fsync", async () => {
  assertEquals(await writesBeside(1, { mode: "fsync" }), { others: 5, syncs: 1 });
});

Deno.test("LsmStore, idle thread: a write waits for no other", async () => {
  assertEquals(await writesBeside(0.1, { mode: "fsync" }), { others: 0, syncs: 1 });
});

Deno.test("LsmStore, no fsync of its own: a write waits for no other on a busy thread", async () => {
  assertEquals(await writesBeside(1, { mode: "os" }), { others: 0, syncs: 0 });
  assertEquals(await writesBeside(1, { mode: "interval", ms: 1000 }), { others: 0, syncs: 0 });
});

Deno.test("LsmStore: a group that gathers for long costs no witness of the one before", async () => {
  const clock = new TurnsOnly(2);
  const store = await new VirtualStore().open({ clock });
  await store.apply([put("a", 1)]);
  const startMs = clock.monotonicMs();
  const others: Promise<unknown>[] = [];
  const logBytes: number[] = [];
  clock.onTurn = () => {
    if (others.length < 5) others.push(store.apply([put("c", 3 + others.length)]));
    if (clock.monotonicMs() - startMs < 8 || logBytes.length > 0) return;
    logBytes.push(store.statistics().logBytes);
    clock.fireHeld();
    logBytes.push(store.statistics().logBytes);
  };
  await store.apply([put("b", 2)]);
  await Promise.all(others);
  assertEquals(logBytes.length, 2);
  assertEquals(logBytes[1], logBytes[0]);
  clock.onTurn = () => {};
  const written = store.statistics().logBytes;
  for (let turn = 0; turn < 3; turn++) clock.setTimer(0, () => {});
  clock.fireHeld();
  assert(store.statistics().logBytes > written, "that one gets its own when nothing follows");
  clock.isHeld = false;
  await store.close();
});
