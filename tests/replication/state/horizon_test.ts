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
