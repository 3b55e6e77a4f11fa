import { assertAlmostEquals, assertEquals } from "@std/assert";
import {
  angleOf,
  arcPaths,
  CENTER,
  placeAt,
  placeOfNode,
} from "../../src/dashboard/page/ring_geometry.ts";

Deno.test("angleOf: the token space is one round", () => {
  assertEquals(angleOf("0000000000000000"), 0);
  assertAlmostEquals(angleOf("4000000000000000"), Math.PI / 2);
  assertAlmostEquals(angleOf("ffffffffffffffff"), 2 * Math.PI, 1e-8);
});

Deno.test("placeAt: clockwise from the top", () => {
  assertAlmostEquals(placeAt(0, 10).y, CENTER - 10);
  assertAlmostEquals(placeAt(Math.PI / 2, 10).x, CENTER + 10);
});

Deno.test("placeOfNode: one node stands in the middle", () => {
  assertEquals(placeOfNode(0, 1), { x: CENTER, y: CENTER });
});

Deno.test("arcPaths: neighbours of one node are one arc, and the first arc wraps around", () => {
  const tokens = ["2000000000000000", "4000000000000000", "c000000000000000"];
  const [first, second] = arcPaths(tokens, [0, 0, 1], 2);
  assertEquals(first!.match(/M/g)?.length, 1);
  assertEquals(second!.match(/M/g)?.length, 1);
  const wrapping = arcPaths(["4000000000000000", "c000000000000000"], [0, 1], 2);
  const left = `M${(CENTER - 196).toFixed(1)} 220.0`;
  assertEquals(wrapping[0]!.startsWith(left), true, "begins where the last arc ends");
  assertEquals(wrapping[0]!.includes(" 0 0 1 "), true, "the shorter way");
  const [long] = arcPaths(["b000000000000000", "c000000000000000"], [0, 1], 2);
  assertEquals(long!.includes(" 0 1 1 "), true, "the longer way");
  const [whole] = arcPaths(["1000000000000000"], [0], 1);
  assertEquals(whole!.match(/A/g)?.length, 2);
  assertEquals(arcPaths([], [], 0), []);
});
