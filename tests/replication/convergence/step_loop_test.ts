import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import { RETRY_MS, takeSteps, withEach } from "../../../src/replication/convergence/step_loop.ts";
import { inWorld } from "../../support/in_world.ts";

/** Warnings after `count` steps, each of which fails with what `failure` says, if it says anything. */
async function warningsOf(
  count: number,
  failure: (step: number) => Error | undefined,
): Promise<number> {
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
      step: async () => {
        const error = failure(++steps);
        if (error !== undefined) throw error;
      },
      onEnd: () => void ends++,
    });
    assertEquals([steps, ends], [count, 1]);
  });
  return warnings;
}

Deno.test("takeSteps: what passes by itself is told of once it lasts, anything else once a minute", async () => {
  const away = () => new ConvergeError("unreachable", "nobody is there");
  for (const code of ["unreachable", "timeout", "not_ready", "overloaded"] as const) {
    assertEquals(await warningsOf(59, () => new ConvergeError(code, "passes by itself")), 0);
  }
  assertEquals(await warningsOf(120, away), 2);
  assertEquals(await warningsOf(119, (step) => step === 60 ? undefined : away()), 0);
  assertEquals(await warningsOf(100, () => new Error("a mistake")), 1);
  const twice = (step: number) => step === 2 ? undefined : new Error("a mistake");
  assertEquals(await warningsOf(3, twice), 2, "it was over in between");
});

Deno.test("takeSteps: ends where it is stopped, and waits between steps, longer after one that failed", async () => {
  for (const isFailing of [false, true]) {
    await inWorld(async ({ clock }) => {
      const startMs = clock.monotonicMs();
      let steps = 0;
      let warnings = 0;
      await takeSteps({
        clock,
        log: { info() {}, warn: () => void warnings++, error() {} },
        event: "x.failed",
        goesOn: () => steps < 10,
        isStopped: () => steps >= 3,
        step: async () => {
          if (!isFailing) steps++;
          else if (++steps < 3) throw new ConvergeError("timeout", "nobody answers");
          else throw new Error("stopped in its middle, which is no news");
        },
        onEnd: () => {},
      });
      const tookMs = clock.monotonicMs() - startMs;
      assertEquals([steps, warnings], [3, 0]);
      if (isFailing) assert(tookMs >= 2 * RETRY_MS, `${tookMs} ms`);
      else assert(tookMs >= 50 && tookMs < RETRY_MS, `${tookMs} ms`);
    });
  }
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
