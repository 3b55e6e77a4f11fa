import { assertEquals } from "@std/assert";
import { preferenceList } from "../../src/ring/preference_list.ts";

Deno.test("preferenceList: virtual nodes of one node are one owner", () => {
  assertEquals(preferenceList([0, 0, 0, 1, 0, 2], 0, 3), [0, 1, 2]);
  assertEquals(preferenceList([0, 0, 0, 1, 0, 2], 4, 3), [0, 2, 1]);
});

Deno.test("preferenceList: wraps around", () => {
  assertEquals(preferenceList([0, 1, 2], 2, 2), [2, 0]);
});

Deno.test("preferenceList: fewer nodes than wanted end after one round, never spin", () => {
  assertEquals(preferenceList([0, 1, 0, 1], 1, 3), [1, 0]);
  assertEquals(preferenceList([0, 0, 0], 2, 3), [0]);
  assertEquals(preferenceList([], 0, 3), []);
  assertEquals(preferenceList([0, 1], 0, 0), []);
});
