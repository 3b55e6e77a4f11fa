/** What the simulation holds a node to that answers before the device has what it answers for. */
import { assertEquals } from "@std/assert";
import { noDiskFaults } from "../../../src/simulation/virtual/disk_faults.ts";
import { PageCache, withLosses } from "../../../src/simulation/evidence/page_cache.ts";
import { Promises } from "../../../src/simulation/evidence/promises.ts";
import { put } from "../evidence_builder.ts";

const MS = 100;
const SYNC_MS = noDiskFaults().syncMs[1];

/** How long before a power failure an answer must be for it to survive: not shorter, nor much longer. */
function lateMs(cache: PageCache, nowMs: number): number {
  return nowMs - cache.durableUntilMs(nowMs);
}

Deno.test("PageCache: with fsync an answer is durable, with os nothing is since the last start or stop", () => {
  const fsync = new PageCache({ mode: "fsync" });
  assertEquals(lateMs(fsync, 5_000), 0);
  const os = new PageCache({ mode: "os" });
  assertEquals(os.durableUntilMs(5_000), 0);
  os.synced(3_000);
  os.halted(4_000);
  assertEquals(os.durableUntilMs(5_000), 3_000);
});

Deno.test("PageCache: at an interval what is older than that and a slow sync is durable", () => {
  const cache = new PageCache({ mode: "interval", ms: MS });
  const usualMs = lateMs(cache, 5_000);
  assertEquals(usualMs > MS + SYNC_MS && usualMs <= MS + SYNC_MS + 10, true, `${usualMs} ms`);
  cache.synced(4_990);
  assertEquals(cache.durableUntilMs(5_000), 4_990, "all was synced since");
  cache.syncsTake(50);
  assertEquals(lateMs(cache, 9_000), usualMs + 50 - SYNC_MS);
  cache.syncsTake(10);
  assertEquals(lateMs(cache, 9_000), usualMs + 50 - SYNC_MS, "some took longer");
});

Deno.test("PageCache: where it was paused no timer came, from an interval before that on", () => {
  const cache = new PageCache({ mode: "interval", ms: MS });
  const usualMs = lateMs(cache, 900);
  cache.halted(1_000);
  cache.resumed(1_500);
  cache.resumed(1_600); // it was not paused any more
  assertEquals(cache.durableUntilMs(1_500 + usualMs), 1_000 - usualMs, "just before a timer");
  assertEquals(lateMs(cache, 1_501 + usualMs), usualMs, "a timer came");
  // Two shortly after each other: between them none came.
  cache.halted(1_500 + usualMs - 1);
  cache.halted(1_900); // it dies while it is paused
  assertEquals(cache.durableUntilMs(9_000), 1_000 - usualMs);
  cache.synced(9_000);
  assertEquals(cache.durableUntilMs(9_001), 9_000);
  assertEquals(lateMs(cache, 9_001 + usualMs), usualMs, "it runs again");
});

Deno.test("PageCache: what a life left counts by its own mode until the next one has started", () => {
  const cache = new PageCache({ mode: "os" });
  cache.halted(1_000);
  assertEquals([cache.isBypassed, cache.durableUntilMs(2_000)], [false, 0]);
  cache.started(3_000, { mode: "fsync" });
  assertEquals([cache.isBypassed, cache.durableUntilMs(4_000)], [true, 4_000]);
  cache.started(5_000, { mode: "os" });
  assertEquals([cache.isBypassed, cache.durableUntilMs(6_000)], [false, 5_000]);
});

Deno.test("withLosses: nothing is promised any more of what ended since, and began before the failure", () => {
  const operations = [put("a", 1, [1, 10]), put("a", 2, [11, 20]), put("a", 3, [21, 30])];
  const full = (atMs: number, sinceMs: number) =>
    withLosses(operations, [{ node: "node1", atMs, sinceMs }]).map((one) => one.full);
  const { endMs } = operations[1]!;
  const { beginMs } = operations[2]!;
  assertEquals(full(beginMs - 0.5, endMs), [true, false, true]);
  assertEquals(full(beginMs - 0.5, endMs + 0.25), [true, true, true]);
  assertEquals(full(beginMs, endMs), [true, false, false]);
  assertEquals(withLosses(operations, []), operations);
  const failures = [0, 1].map((i) => operations[i]!)
    .map((one) => ({ node: "node1", atMs: one.beginMs, sinceMs: one.endMs }));
  assertEquals(withLosses(operations, failures).map((one) => one.full), [false, false, true]);
});

Deno.test("Promises: what was given in time is settled, the newest of a key; the rest is void", () => {
  let nowMs = 0;
  const promises = new Promises(() => nowMs);
  const give = (counter: number, atMs: number, key = "k") => {
    nowMs = atMs;
    promises.add(key, { counter, nodeID: "n.1" });
  };
  const settled = () => [...promises.settled].map(([key, { counter }]) => `${key}@${counter}`);
  give(5, 10);
  give(3, 20, "other");
  give(7, 30);
  assertEquals(settled(), [], "nothing has ended yet");
  promises.settle(20);
  assertEquals(settled(), ["k@5", "other@3"]);
  promises.settle(Infinity);
  assertEquals(settled(), ["k@5", "other@3"], "what was given later is void");
  give(4, 40);
  promises.settle(Infinity);
  assertEquals(settled(), ["k@5", "other@3"], "it had something newer");
});

Deno.test("Promises: what is forgotten is, as it is by then, and nothing newer", () => {
  const promises = new Promises();
  const version = (counter: number) => ({ counter, nodeID: "n.1" });
  promises.add("k", version(5));
  promises.settle(0);
  promises.add("k", version(6));
  promises.add("other", version(1));
  promises.forget("k", version(4));
  assertEquals(promises.settled.get("k"), version(5));
  promises.forget("k", version(5));
  assertEquals(promises.settled.size, 0);
  promises.settle(0);
  assertEquals([...promises.settled.keys()], ["k", "other"]);
  promises.add("k", version(7));
  promises.forget("k", version(7));
  promises.settle(0);
  assertEquals([...promises.settled.keys()], ["other"]);
  promises.add("k", version(8));
  promises.clear();
  promises.settle(0);
  assertEquals(promises.settled.size, 0);
});
