import { assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { checkedTtl, expiryOf, TTL_SECONDS_MAX } from "../../src/http/expiry.ts";
import type { Clock } from "../../src/platform/clock.ts";

Deno.test("expiryOf(): a whole millisecond so many seconds from now on, or none", () => {
  const clock = { wallMs: () => 1_000.6 } as Clock;
  assertEquals(expiryOf(2, clock), 3_001);
  assertEquals(expiryOf(undefined, clock), 0);
});

Deno.test("checkedTtl(): from a second to ten years", () => {
  for (const seconds of [undefined, 1, TTL_SECONDS_MAX]) assertEquals(checkedTtl(seconds), seconds);
  for (const seconds of [0, 0.5, -1, TTL_SECONDS_MAX + 1, NaN]) {
    assertThrows(() => checkedTtl(seconds), ConvergeError, `ttl=${seconds}`);
  }
});
