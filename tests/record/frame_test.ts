import { assertEquals } from "@std/assert";
import { batchesOf } from "../../src/record/frame.ts";
import { record } from "../support/records.ts";

Deno.test("batchesOf: all records, in order, in batches within the bound; a longer one is alone", () => {
  const size = record("k0", 1).frame.byteLength;
  const records = Array.from(
    { length: 7 },
    (_, i) => record(`k${i}`, 1, i === 3 ? { value: "v".repeat(3 * size) } : {}),
  );
  const batches = [...batchesOf(records, 2 * size)];
  const names = batches.map((batch) => batch.map(({ key }) => key.slice(1)).join(""));
  assertEquals(names, ["01", "2", "3", "45", "6"]);
  assertEquals([...batchesOf([], size)], []);
});
