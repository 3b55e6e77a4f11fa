import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { sortSlots } from "../../src/storage/slot_sort.ts";
import { type SlotRun, SortedSlots } from "../../src/storage/sorted_slots.ts";
import { relatedKey } from "../support/arbitraries.ts";

const keysOf = (maxLength: number) =>
  fc.uniqueArray(relatedKey, { minLength: 1, maxLength, size: "max" });

Deno.test("sortSlots(): the order of the keys, for any keys", () => {
  fc.assert(fc.property(keysOf(200), (keys) => {
    const slots = Uint32Array.from(keys, (_, slot) => slot);
    sortSlots(keys, slots);
    assertEquals(Array.from(slots, (slot) => keys[slot]), keys.toSorted());
  }));
});

Deno.test("sortSlots(): the order of keys that have long beginnings in common", () => {
  const prefix = fc.constantFrom("p".repeat(40), "p".repeat(80), "p".repeat(80) + "q");
  const longKey = fc.tuple(prefix, relatedKey).map(([first, last]) => first + last);
  const keysOf = fc.uniqueArray(longKey, { minLength: 1, maxLength: 100, size: "max" });
  fc.assert(fc.property(keysOf, (keys) => {
    const slots = Uint32Array.from(keys, (_, slot) => slot);
    sortSlots(keys, slots);
    assertEquals(Array.from(slots, (slot) => keys[slot]), keys.toSorted());
  }));
});

Deno.test("sortSlots(): a key comes before all that it begins, zeros or not", () => {
  const keys = Array.from({ length: 30 }, (_, i) => "a" + "\x00".repeat(i * 7 % 30));
  const slots = Uint32Array.from(keys, (_, slot) => slot);
  sortSlots(keys, slots);
  assertEquals(Array.from(slots, (slot) => keys[slot]), keys.toSorted());
});

Deno.test("SortedSlots: every slot once and in order, whenever somebody looks", () => {
  const lookAt = fc.uniqueArray(fc.nat(100));
  fc.assert(fc.property(keysOf(100), lookAt, (keys, looks) => {
    const sorted = new SortedSlots(keys);
    const keysIn = (runs: readonly SlotRun[]) =>
      runs.flatMap((run) => Array.from(run, (slot) => keys[slot]!)).toSorted();
    const seen: (readonly SlotRun[])[] = [];
    for (let slot = 0; slot < keys.length; slot++) {
      if (looks.includes(slot)) seen[slot] = sorted.runs();
      sorted.add(slot);
    }
    for (const run of sorted.runs()) {
      const inRun = Array.from(run, (slot) => keys[slot]!);
      assertEquals(inRun, inRun.toSorted());
    }
    assertEquals(keysIn(sorted.runs()), keys.toSorted());
    seen.forEach((runs, slot) => assertEquals(keysIn(runs), keys.slice(0, slot).toSorted()));
  }));
});

Deno.test("SortedSlots: more slots than one run takes", () => {
  const keys = Array.from({ length: 40_000 }, (_, i) => `key${i * 7919 % 40_000}`);
  const sorted = new SortedSlots(keys);
  for (let slot = 0; slot < keys.length; slot++) sorted.add(slot);
  const runs = sorted.runs().map((run) => Array.from(run, (slot) => keys[slot]!));
  for (const run of runs) assertEquals(run, run.toSorted());
  for (const { length } of runs) assert(length <= 8 * 1024, `${length} slots in a run`);
  assertEquals(runs.flat().toSorted(), keys.toSorted());
});

Deno.test("SortedSlots.sortStep(): some at a time, with slots that are added in between", () => {
  const keys = Array.from({ length: 30_000 }, (_, i) => `key${i * 7919 % 30_000}`);
  const sorted = new SortedSlots(keys);
  let steps = 0;
  for (let slot = 0; slot < 20_000; slot++) sorted.add(slot);
  for (let slot = 20_000; sorted.sortStep(); steps++) {
    for (const end = Math.min(keys.length, slot + 4_000); slot < end; slot++) sorted.add(slot);
  }
  assertEquals(steps >= 4 && steps < 10, true, `${steps} steps`);
  const runs = sorted.runs().map((run) => Array.from(run, (slot) => keys[slot]!));
  for (const run of runs) assertEquals(run, run.toSorted());
  assertEquals(runs.flat().toSorted(), keys.toSorted());
});

Deno.test("SortedSlots.runs(): few and short ones, and a long one is not sorted again for one more slot", () => {
  const keys = Array.from({ length: 40_000 }, (_, i) => `key${i * 7919 % 40_000}`);
  const sorted = new SortedSlots(keys);
  for (let slot = 0; slot < keys.length; slot++) {
    sorted.add(slot);
    if (slot % 10 !== 0) continue;
    const runs = sorted.runs();
    assert(runs.length <= 24, `${runs.length} runs`);
    for (const { length } of runs) assert(length <= 8 * 1024, `${length} slots in a run`);
  }
  const half = new SortedSlots(keys);
  for (let slot = 0; slot < 4_000; slot++) half.add(slot);
  const [long] = half.runs();
  half.add(4_000);
  assert(half.runs()[0] === long);
});
