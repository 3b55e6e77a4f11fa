/** The parts of the storage benchmark that can be wrong without anybody noticing. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { better } from "./storage/comparison.ts";
import { Dataset } from "./storage/dataset.ts";
import { parseOptions } from "./storage/options.ts";
import { comparisonTable, growthTable } from "./storage/tables.ts";

const SLOW = { perSecond: 50, cpuMicroseconds: 4 };
const FAST = { perSecond: 100, cpuMicroseconds: 8 };

Deno.test("parseOptions() takes parts and numbers, and refuses what it does not know", () => {
  const options = parseOptions(["--only", "compare,growth", "--keys=2000", "--no-write"]);
  assertEquals([...options.parts], ["compare", "growth"]);
  assertEquals([options.keys, options.rounds, options.write], [2000, 3, false]);
  assertEquals(parseOptions(["--key-steps", "10,20"]).keySteps, [10, 20]);
  assertThrows(() => parseOptions(["--only", "everything"]), Error, "everything");
  assertThrows(() => parseOptions(["--keys", "none"]), Error, "positive");
  assertThrows(() => parseOptions(["--sync", "1"]), Error, "no such option");
});

Deno.test("Dataset: keys of 16 bytes, all different, absent ones not among them", () => {
  const dataset = new Dataset(5_000, 100);
  const keys = new Set(Array.from({ length: dataset.keys }, (_, i) => dataset.key(i)));
  assertEquals(keys.size, dataset.keys);
  assert([...keys].every((key) => key.length === 16));
  assert(!keys.has(dataset.absentKey(1)));
  assertEquals([dataset.value(1).byteLength, dataset.bytes], [100, 5_000 * 116]);
  assertEquals(dataset.value(7), dataset.value(7));
  for (let i = 0; i < 1_000; i++) assert(keys.has(dataset.key(dataset.pick())));
});

Deno.test("better() takes the best of each figure", () => {
  assertEquals(better(SLOW, FAST), { perSecond: 100, cpuMicroseconds: 4 });
});

Deno.test("comparisonTable() and growthTable() mark a ratio that is missed, and only that", () => {
  const rows = [
    { name: "missed", ours: SLOW, theirs: FAST, target: 1 },
    { name: "reached", ours: FAST, theirs: SLOW, target: 2 },
    { name: "for information", ours: SLOW, theirs: FAST, target: undefined },
  ];
  const comparison = { dataset: new Dataset(10, 100), rows, space: { ours: 1, theirs: 1 } };
  const ratios = comparisonTable(comparison).rows.map((row) => row[3]);
  assertEquals(ratios, ["0.50 (>= 1: missed)", "2.00 (>= 2)", "0.50", undefined]);
  assertEquals(growthTable([comparison]).rows.map((row) => row[1]), ratios.slice(0, 3));
});
