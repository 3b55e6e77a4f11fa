import { assertEquals } from "@std/assert";
import { shortName } from "../../src/dashboard/page/format.ts";

Deno.test("shortName(): a few letters that still tell nodes apart", () => {
  const shortened = {
    "node1": "node1",
    "converge-12": "converge-12",
    "converge-0.converge.default.svc.cluster.local": "converge-0",
    "the-third-of-them.example": "the-t…-them",
    "key-value-store-17": "key-v…re-17",
  };
  assertEquals(Object.keys(shortened).map(shortName), Object.values(shortened));
});
