import { assert, assertEquals } from "@std/assert";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { META } from "../../../src/storage/store.ts";

Deno.test("LocalState: the last write of a document is read, also by a later life", async () => {
  const store = new MemoryStore();
  const state = new LocalState(store);
  assertEquals(state.read("a"), undefined);
  await state.write("a", { n: 1 });
  await state.write("a", { n: 2, text: "é\n" });
  await state.write("b", []);
  assertEquals(state.read("a"), { n: 2, text: "é\n" });
  const later = new LocalState(store);
  assertEquals(later.read("a"), { n: 2, text: "é\n" });
  await later.write("a", { n: 3 });
  assertEquals(state.read("a"), { n: 3 });
});

Deno.test("LocalState: of writes under way at once the last one stays", async () => {
  const store = new MemoryStore();
  const apply = store.apply.bind(store);
  store.apply = (mutations) => Promise.resolve().then(() => apply(mutations)); // as a disk does
  const state = new LocalState(store);
  await Promise.all(Array.from({ length: 20 }, (_, i) => state.write("a", i)));
  assertEquals(state.read("a"), 19);
});

Deno.test("LocalState: writeAgain() brings back what the disk has lost, as it was last", async () => {
  const store = new MemoryStore();
  const state = new LocalState(store);
  await new LocalState(store).write("read", 1);
  assertEquals(state.read("read"), 1);
  await state.write("written", 1);
  await state.write("written", 2);
  const scan = store.scan(META);
  const records = scan.next(10);
  scan.close();
  await store.apply(records.map((record) => ({ keyspace: META, record, erase: true })));
  assertEquals([state.read("read"), state.read("written")], [undefined, undefined]);
  let isSynced = false;
  store.sync = () => Promise.resolve().then(() => void (isSynced = true));
  await state.writeAgain();
  assert(isSynced);
  assertEquals([state.read("read"), state.read("written")], [1, 2]);
});
