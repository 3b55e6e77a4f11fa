import { assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import { Horizon } from "../../../src/replication/state/horizon.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";

Deno.test("Horizon.raiseTo: resolves only once it is on disk, also where it failed before", async () => {
  const store = new MemoryStore();
  const horizon = new Horizon(new LocalState(store));
  const { apply } = store;
  store.apply = () => Promise.reject(new ConvergeError("disk_full", "Cannot write"));
  await assertRejects(() => horizon.raiseTo(5), ConvergeError);
  await assertRejects(() => horizon.raiseTo(5), ConvergeError);
  assertEquals(horizon.counter, 5);
  store.apply = apply;
  await horizon.raiseTo(5);
  assertEquals(new Horizon(new LocalState(store)).counter, 5);
  await horizon.raiseTo(3);
  assertEquals(horizon.counter, 5);
  assertEquals(new Horizon(new LocalState(store)).counter, 5);
});

Deno.test("Horizon: never falls, in memory or on disk, whatever is raised beside it", async () => {
  const store = new MemoryStore();
  const horizon = new Horizon(new LocalState(store));
  const onDisk = () => new Horizon(new LocalState(store)).counter;
  await store.apply([horizon.raise(9)]);
  await store.apply([horizon.raise(4)]);
  assertEquals([horizon.counter, onDisk()], [9, 9]);
  await horizon.raiseTo(5);
  assertEquals([horizon.counter, onDisk()], [9, 9]);
});

Deno.test("Horizon.raiseTo: what is raised while it is written is not taken for written", async () => {
  const store = new MemoryStore();
  const horizon = new Horizon(new LocalState(store));
  const apply = store.apply.bind(store);
  let writes = 0;
  store.apply = async (mutations) => {
    if (++writes === 1) horizon.raise(9); // and its batch fails
    return await apply(mutations);
  };
  await horizon.raiseTo(5);
  await horizon.raiseTo(9);
  assertEquals(new Horizon(new LocalState(store)).counter, 9);
  await horizon.raiseTo(9);
  assertEquals(writes, 2, "once it is on disk there is nothing to write");
});
