import { assert, assertEquals } from "@std/assert";
import {
  AT_REST,
  type CompactionChoice,
  compactionDebt as debtOf,
  type CompactionPolicy,
  pickCompaction as pick,
  type RunSize,
  smallestPart as smallest,
  UNDER_LOAD,
} from "../../src/storage/compaction_picker.ts";

/** Runs of so many bytes, with one record a byte, newest first. */
const runsOf = (bytes: readonly number[]): RunSize[] =>
  bytes.map((bytes) => ({ bytes, records: bytes, erases: 0 }));
const pickCompaction = (bytes: readonly number[], policy: CompactionPolicy) =>
  pick(runsOf(bytes), policy);
const compactionDebt = (bytes: readonly number[]) => debtOf(runsOf(bytes));
const smallestPart = (bytes: readonly number[], choice: CompactionChoice) =>
  smallest(runsOf(bytes), choice);

/** Flushes runs of size 1 that share no key. @returns what was rewritten, and the runs after each. */
function load(flushes: number, policy: CompactionPolicy): { rewritten: number; seen: number[][] } {
  let runs: number[] = [];
  let rewritten = 0;
  const seen: number[][] = [];
  for (let i = 0; i < flushes; i++) {
    runs = [1, ...runs];
    for (let choice; (choice = pickCompaction(runs, policy)) !== undefined;) {
      const { from, to } = choice;
      const merged = runs.slice(from, to).reduce((sum, bytes) => sum + bytes, 0);
      runs = [...runs.slice(0, from), merged, ...runs.slice(to)];
      rewritten += merged;
    }
    seen.push(runs);
  }
  return { rewritten, seen };
}

Deno.test("pickCompaction(): nothing to merge", () => {
  for (const policy of [AT_REST, UNDER_LOAD]) {
    assertEquals(pickCompaction([], policy), undefined);
    assertEquals(pickCompaction([5], policy), undefined);
    assertEquals(pickCompaction([1, 100], policy), undefined);
  }
});

Deno.test("pickCompaction(): neighbours of similar size, the newest first", () => {
  assertEquals(pickCompaction([1, 1, 1, 1, 90], AT_REST), { from: 0, to: 4 });
  assertEquals(pickCompaction([1, 9, 9, 9, 9, 900], AT_REST), { from: 1, to: 5 });
  assertEquals(pickCompaction([1, 9, 9, 9, 9], AT_REST), { from: 1, to: 5 });
  assertEquals(pickCompaction([4, 6, 15, 37, 900], AT_REST), { from: 0, to: 4 });
  assertEquals(pickCompaction([4, 7, 16, 40, 900], AT_REST), undefined);
  assertEquals(pickCompaction([1, 1, 1, 1, 90], UNDER_LOAD), undefined);
  assertEquals(pickCompaction([1, 1, 1, 1, 1, 1, 90], UNDER_LOAD), { from: 0, to: 6 });
});

Deno.test("pickCompaction(): everything, once the newer runs are too large a share of the oldest", () => {
  assertEquals(pickCompaction([41, 100], AT_REST), { from: 0, to: 2 });
  assertEquals(pickCompaction([40, 100], AT_REST), undefined);
  assertEquals(pickCompaction([10, 91, 100], UNDER_LOAD), { from: 0, to: 3 });
  assertEquals(pickCompaction([10, 90, 100], UNDER_LOAD), undefined);
  assertEquals(compactionDebt([40, 100]), 0);
  assertEquals(compactionDebt([41, 100]), 141);
  assertEquals(compactionDebt([1, 9, 9, 9, 9, 900]), 36);
});

Deno.test("pickCompaction(): everything, once the newer runs erase too large a share of the oldest, however small they are", () => {
  const oldest = { bytes: 1_000_000, records: 100, erases: 0 };
  const erasing = (erases: number) => ({ bytes: erases, records: erases, erases });
  assertEquals(pick([erasing(13), oldest], AT_REST), { from: 0, to: 2 });
  assertEquals(pick([erasing(12), oldest], AT_REST), undefined);
  assertEquals(pick([erasing(100), oldest], UNDER_LOAD), undefined);
  assertEquals(pick([erasing(101), oldest], UNDER_LOAD), { from: 0, to: 2 });
  assertEquals(debtOf([erasing(13), oldest]), 1_000_013);
  const newerFirst = pick([erasing(1), erasing(12), oldest], AT_REST);
  assertEquals(newerFirst, { from: 0, to: 2 }, "what they erase of each other frees nothing there");
});

Deno.test("pickCompaction(): everything, once the newer runs hide too large a share of the oldest", () => {
  const runs = runsOf([1, 1_000]);
  assertEquals(pick(runs, AT_REST, 401), { from: 0, to: 2 });
  assertEquals(pick(runs, AT_REST, 400), undefined);
  assertEquals([debtOf(runs, 401), debtOf(runs, 400)], [1_001, 0]);
  const newerFirst = pick(runsOf([1, 9, 1_000]), AT_REST, 401);
  assertEquals(newerFirst, { from: 0, to: 2 }, "what both hide was counted twice");
});

Deno.test("smallestPart(): two neighbours of the choice, and of nothing else", () => {
  assertEquals(smallestPart([1, 1, 9, 7, 8, 1], { from: 2, to: 5 }), { from: 3, to: 5 });
  assertEquals(smallestPart([4, 2, 2, 3], { from: 0, to: 4 }), { from: 1, to: 3 });
  assertEquals(smallestPart([5, 5], { from: 0, to: 2 }), { from: 0, to: 2 });
});

Deno.test("pickCompaction(): space and the number of runs are bounded, and load is rewritten less", () => {
  const flushes = 300;
  const atRest = load(flushes, AT_REST);
  const underLoad = load(flushes, UNDER_LOAD);
  for (
    const [{ seen }, { newerShareMax }, runsMax] of [
      [atRest, AT_REST, 8],
      [underLoad, UNDER_LOAD, 10],
    ] as const
  ) {
    for (const runs of seen) {
      const newer = runs.slice(0, -1).reduce((sum, bytes) => sum + bytes, 0);
      assert(newer <= runs.at(-1)! * newerShareMax, `${runs}`);
      assert(runs.length <= runsMax, `${runs.length} runs`);
    }
  }
  assert(underLoad.rewritten < atRest.rewritten * 0.7);
});
