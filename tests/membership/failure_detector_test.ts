import { assertEquals } from "@std/assert";
import { FailureDetector, suspectAfterMs } from "../../src/membership/failure_detector.ts";

Deno.test("FailureDetector: up, then suspect, then down, and up again when heard", () => {
  const detector = new FailureDetector(1_000);
  const at = (nowMs: number) => detector.livenessOf("a", nowMs, 3);
  assertEquals(suspectAfterMs(1_000, 3), 4_000);
  assertEquals(at(0), "down");
  assertEquals(detector.silenceMs("a", 0), Infinity);
  detector.heard("a", 10_000);
  assertEquals([at(10_000), at(13_999), at(14_000), at(17_999), at(18_000), at(1e9)], [
    "up",
    "up",
    "suspect",
    "suspect",
    "down",
    "down",
  ]);
  detector.heard("a", 20_000);
  assertEquals(at(20_001), "up");
  detector.forget("a");
  assertEquals(at(20_002), "down");
});

Deno.test("suspectAfterMs: grows with the time that news takes, finite for one member", () => {
  assertEquals([1, 2, 4, 5, 1_000].map((size) => suspectAfterMs(100, size)), [
    300,
    300,
    400,
    500,
    1_200,
  ]);
});
