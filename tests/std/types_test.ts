import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { STATUS_CODE, STATUS_TEXT } from "@std/http/status";
import { ifNoneMatch, ServerSentEventStream } from "@std/http";
import { join } from "@std/path";

// These stand for the types as much as for the values: a re-export that lost its types is `any`,
// and then the `@ts-expect-error` lines below are errors of `deno check`.
Deno.test("@std/assert narrows and returns the error", async () => {
  const value: string | undefined = [undefined, "a"].at(-1);
  assert(value !== undefined);
  assertEquals(value.length, 1);
  const error: TypeError = await assertRejects(
    () => Promise.reject(new TypeError("no")),
    TypeError,
  );
  assertEquals(error.message, "no");
  // @ts-expect-error: a message is a string
  assertThrows(() => assertEquals(1, 2, 3));
});

Deno.test("@std/http and @std/path have types", () => {
  const status: 404 = STATUS_CODE.NotFound;
  assertEquals(STATUS_TEXT[status], "Not Found");
  assertEquals(ifNoneMatch('"1"', '"1"'), false);
  assert(new ServerSentEventStream() instanceof TransformStream);
  // @ts-expect-error: a path is a string
  assertThrows(() => join("a", 1));
});
