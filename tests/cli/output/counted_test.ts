import { assertEquals } from "@std/assert";
import { counted } from "../../../src/cli/output/counted.ts";

Deno.test("counted(): one is no plural, none is", () => {
  assertEquals([0, 1, 2].map((count) => counted(count, "record")), [
    "0 records",
    "1 record",
    "2 records",
  ]);
});
