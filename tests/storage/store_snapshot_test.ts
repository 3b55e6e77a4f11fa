import { assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { Memtable } from "../../src/storage/memtable.ts";
import { DATA } from "../../src/storage/store.ts";
import { StoreSnapshot } from "../../src/storage/store_snapshot.ts";
import { TableSet } from "../../src/storage/table_set.ts";

Deno.test("StoreSnapshot.close(): lets go of each memtable once, which keeps earlier lines for it", () => {
  let views = 0;
  const memtables = [new Memtable(), new Memtable()];
  for (const memtable of memtables) {
    const snapshot = memtable.snapshot.bind(memtable);
    memtable.snapshot = () => {
      views++;
      const { get, close } = snapshot();
      return { get, close: () => (views--, close()) };
    };
  }
  const snapshot = new StoreSnapshot(memtables, new TableSet([]), () => false);
  assertEquals([views, snapshot.get(DATA, "a")], [2, undefined]);
  snapshot.close();
  snapshot.close();
  assertEquals(views, 0);
  assertThrows(() => snapshot.get(DATA, "a"), ConvergeError, "closed");
});
