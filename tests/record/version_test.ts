import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import {
  compareVersions,
  COUNTER_MAX,
  formatVersion,
  isCounter,
  isNodeID,
  parseVersion,
} from "../../src/record/version.ts";
import { encodeRecord } from "../../src/record/record_line.ts";
import { version } from "../support/records.ts";

Deno.test("isCounter: safe integers from 1 to 2^52", () => {
  assertEquals(COUNTER_MAX, 4_503_599_627_370_496);
  for (const good of [1, 2, 2 ** 32, COUNTER_MAX]) assert(isCounter(good), `${good}`);
  for (
    const bad of [0, -1, 1.5, COUNTER_MAX + 1, 2 ** 53, Infinity, NaN, "1", 1n, null, undefined]
  ) assert(!isCounter(bad), `${bad}`);
});

Deno.test("isNodeID: the charset of names, nothing that needs escaping", () => {
  for (const good of ["a", "node-1.4f2a", "A_b.c.d", "9"]) assert(isNodeID(good), good);
  for (const bad of ["", ".a", "a b", 'a"', "a\n", "é", "a/b", "x".repeat(129), 1, null]) {
    assert(!isNodeID(bad), `${bad}`);
  }
});

Deno.test("compareVersions: the counter decides, then the node ID by bytes", () => {
  assert(compareVersions(version(2, "a.1"), version(1, "z.1")) > 0);
  assert(compareVersions(version(1, "a.1"), version(1, "b.1")) < 0);
  assert(compareVersions(version(1, "B.1"), version(1, "a.1")) < 0);
  assertEquals(compareVersions(version(3), version(3)), 0);
  assert(compareVersions(version(COUNTER_MAX), version(COUNTER_MAX - 1)) > 0);
});

Deno.test("parseVersion: reads what formatVersion wrote, dashes in the name included", () => {
  for (const v of [version(1, "a-b.c-d"), version(COUNTER_MAX, "node1.4f2a")]) {
    assertEquals(parseVersion(formatVersion(v)), v);
  }
});

Deno.test("parseVersion: refuses everything else", () => {
  const bad = ["", "1", "-a", "1-", "0-a", "x-a", "1-a b", `${COUNTER_MAX + 1}-a`, "1.5-a", "-1-a"];
  for (const text of [...bad, "1e3-a", "0x1-a", " 1-a", "01-a", "+1-a"]) {
    const error = assertThrows(() => parseVersion(text), ConvergeError, "", text);
    assertEquals(error.code, "corrupt_message");
  }
});

Deno.test("encodeRecord: a counter past 2^52 is a bug, not a record", () => {
  for (const counter of [0, COUNTER_MAX + 1, 1.5]) {
    const fields = { key: "k", value: undefined, counter, nodeID: "a.1" };
    const error = assertThrows(() => encodeRecord(fields), ConvergeError);
    assertEquals(error.code, "invariant");
  }
});
