import { assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { takeSteps, withEach } from "../../src/replication/step_loop.ts";
import { inWorld } from "../support/in_world.ts";

/** Warnings after `count` steps, each of which fails with what `failure` says. */
async function warningsOf(count: number, failure: (step: number) => Error): Promise<number> {
  let warnings = 0;
  await inWorld(async ({ clock }) => {
    let steps = 0;
    let ends = 0;
    await takeSteps({
      clock,
      log: { info() {}, warn: () => void warnings++, error() {} },
      event: "x.failed",
      goesOn: () => steps < count,
      isStopped: () => false,
      step: () => Promise.reject(failure(++steps)),
      onEnd: () => void ends++,
    });
    assertEquals([steps, ends], [count, 1]);
  });
  return warnings;
}

Deno.test("takeSteps: what passes by itself is told of once it lasts, anything else once a minute", async () => {
  const away = () => new ConvergeError("unreachable", "nobody is there");
  assertEquals(await warningsOf(59, away), 0);
  assertEquals(await warningsOf(120, away), 2);
  assertEquals(await warningsOf(100, () => new Error("a mistake")), 1);
});

Deno.test("withEach: goes on where one fails, and tells of the last failure", async () => {
  const done: number[] = [];
  const work = (item: number) => {
    done.push(item);
    return item < 3 ? Promise.reject(new Error(`with ${item}`)) : Promise.resolve();
  };
  await assertRejects(() => withEach([1, 2, 3], work), Error, "with 2");
  assertEquals(done, [1, 2, 3]);
  await withEach([4], work);
});
