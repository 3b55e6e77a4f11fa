import { assert, assertEquals, assertRejects } from "@std/assert";
import { forEachBounded } from "../../../src/cli/transfer/bounded_work.ts";

async function* numbers(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i;
}

Deno.test("forEachBounded() does everything, never more than allowed at once", async () => {
  const done: number[] = [];
  let running = 0;
  let most = 0;
  await forEachBounded(numbers(50), { concurrency: 7 }, async (item) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, item % 3));
    running -= 1;
    done.push(item);
  });
  assertEquals(done.length, 50);
  assert(most <= 7 && most > 1, `${most}`);
});

Deno.test("forEachBounded() counts heavy calls for several, and one that is too heavy goes alone", async () => {
  const running = new Set<number>();
  const weights = [1, 2, 1, 3, 9, 1, 1, 1];
  let most = 0;
  const bounds = { concurrency: 3, weightOf: (item: number) => weights[item]! };
  await forEachBounded(numbers(weights.length), bounds, async (item) => {
    running.add(item);
    const weight = [...running].reduce((sum, one) => sum + weights[one]!, 0);
    assert(weight <= 3 || running.size === 1, [...running].join());
    most = Math.max(most, running.size);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running.delete(item);
  });
  assertEquals(most, 3);
});

Deno.test("forEachBounded() ends at the first failure, after what is under way", async () => {
  let begun = 0;
  let ended = 0;
  const work = async (item: number) => {
    begun += 1;
    await Promise.resolve();
    if (item === 3) throw new Error("item 3");
    ended += 1;
  };
  await assertRejects(
    () => forEachBounded(numbers(1_000), { concurrency: 4 }, work),
    Error,
    "item 3",
  );
  assert(begun < 20, `${begun}`);
  assertEquals(ended, begun - 1);
});

Deno.test("forEachBounded() tells of the first failure, not of those that follow", async () => {
  const work = async (item: number) => {
    throw new Error(`item ${item}`);
  };
  await assertRejects(() => forEachBounded(numbers(9), { concurrency: 4 }, work), Error, "item 0");
});
