import { assert, assertEquals } from "@std/assert";
import { isLive, newest } from "../../src/record/record.ts";
import { record } from "../support/records.ts";

Deno.test("newest: the newer version, whichever side it is on", () => {
  const old = record("k", 1);
  const young = record("k", 2);
  assertEquals(newest(old, young), young);
  assertEquals(newest(young, old), young);
  assertEquals(newest(undefined, old), old);
  assertEquals(newest(old, undefined), old);
  assertEquals(newest(undefined, undefined), undefined);
});

Deno.test("isLive: neither tombstones nor what has expired; expiry is exclusive", () => {
  assert(!isLive(undefined, 0));
  assert(!isLive(record("k", 1, { value: undefined }), 0));
  assert(isLive(record("k", 1), Infinity));
  assert(isLive(record("k", 1, { expiresAtMs: 100 }), 99));
  assert(!isLive(record("k", 1, { expiresAtMs: 100 }), 100));
});
