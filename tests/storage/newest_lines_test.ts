import { assertEquals } from "@std/assert";
import { eraseLine, type LineRecord, lineRecord } from "../../src/storage/line_record.ts";
import { NewestLines } from "../../src/storage/newest_lines.ts";
import { DATA } from "../../src/storage/store.ts";
import { record } from "./store_conformance.ts";

const encoder = new TextEncoder();

function lineOf(key: string, counter: number, erase = false): LineRecord {
  const nodeID = "n1.aa";
  const text = erase
    ? eraseLine(key, { counter, nodeID })
    : JSON.stringify({ k: key, v: "x", c: counter, n: nodeID });
  const bytes = encoder.encode(text);
  return lineRecord(record(key, counter).key, bytes, 0, bytes.byteLength);
}

Deno.test("NewestLines: where the newest line of each key lies, and none of its bytes", () => {
  const lines = new NewestLines();
  lines.take(DATA, "one", lineOf("b", 2));
  lines.take(DATA, "two", lineOf("b", 1));
  lines.take(DATA, "two", lineOf("a", 1));
  lines.take(DATA, "one", lineOf("erased", 3));
  lines.take(DATA, "two", lineOf("erased", 3, true));
  const { end } = lineOf("a", 1);
  const place = { nodeID: "n1.aa", start: 0, end, erase: false };
  assertEquals(lines.inKeyOrder(DATA), [
    { key: "a", path: "two", counter: 1, ...place },
    { key: "b", path: "one", counter: 2, ...place },
  ]);
  assertEquals([...lines.keyspaces], [DATA]);
});
