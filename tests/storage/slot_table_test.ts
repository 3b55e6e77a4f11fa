import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { hashKey } from "../../src/storage/bloom_filter.ts";
import { NO_SLOT, SlotTable } from "../../src/storage/slot_table.ts";

Deno.test("SlotTable: finds what a map finds, whatever is added and removed", () => {
  // Mostly full, and more than it has room for at first: places are run over and freed.
  const key = fc.nat(700).map((n) => `key${n}`);
  const step = fc.tuple(fc.integer({ min: 0, max: 3 }), key);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 2_000, size: "max" }), (steps) => {
      const keys: string[] = [];
      const table = new SlotTable(keys);
      const slots = new Map<string, number>();
      for (const [kind, key] of steps) {
        const slot = slots.get(key);
        if (slot === undefined) {
          table.add(keys.push(key) - 1);
          slots.set(key, keys.length - 1);
        } else if (kind === 0) {
          table.remove(slot);
          slots.delete(key);
        }
      }
      assertEquals(table.size, slots.size);
      for (let n = 0; n <= 700; n++) {
        assertEquals(table.find(`key${n}`), slots.get(`key${n}`) ?? NO_SLOT);
      }
    }),
    { numRuns: 30 },
  );
});

Deno.test("SlotTable: keys of the same hash are told apart", () => {
  const byHash = new Map<number, string>();
  const keys: string[] = [];
  for (let n = 0; keys.length < 2; n++) {
    const key = `key${n}`;
    const { a } = hashKey(key);
    if (byHash.has(a)) keys.push(byHash.get(a)!, key);
    byHash.set(a, key);
  }
  const table = new SlotTable(keys);
  table.add(0);
  assertEquals(keys.map((key) => table.find(key)), [0, NO_SLOT]);
  table.add(1);
  assertEquals(keys.map((key) => table.find(key)), [0, 1]);
  table.remove(0);
  assertEquals(keys.map((key) => table.find(key)), [NO_SLOT, 1]);
});
