import { assert, assertEquals, assertRejects } from "@std/assert";
import { withRetries } from "../../../src/cli/transfer/retry.ts";
import { ClientError } from "../../../src/client/client_error.ts";

/** Fails so often, in these words, and then works. */
function failing(times: number, error: Error) {
  const pausesMs: number[] = [];
  let attempts = 0;
  const attempt = async () => {
    attempts += 1;
    if (attempts <= times) throw error;
    return attempts;
  };
  const pause = async (ms: number) => void pausesMs.push(ms);
  return { run: () => withRetries(attempt, pause), pausesMs };
}

Deno.test("withRetries() tries what passes again, eight times at most, with growing pauses", async () => {
  const overload = new ClientError("overloaded", { status: 503 });
  const { run, pausesMs } = failing(7, overload);
  assertEquals(await run(), 8);
  assertEquals(pausesMs.length, 7);
  for (const [i, ms] of pausesMs.entries()) {
    assert(ms >= 50 * 2 ** i && ms <= 100 * 2 ** i, `pause ${i}: ${ms}`);
  }
  await assertRejects(failing(8, overload).run, ClientError, "overloaded");
});

Deno.test("withRetries() tries nothing again that will not pass", async () => {
  for (const error of [new ClientError("too large", { status: 413 }), new TypeError("a mistake")]) {
    const { run, pausesMs } = failing(1, error);
    assertEquals(await assertRejects(run), error);
    assertEquals(pausesMs, []);
  }
});
