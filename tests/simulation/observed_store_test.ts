import { assertEquals } from "@std/assert";
import { ObservedStore } from "../../src/simulation/observed_store.ts";
import { Promises } from "../../src/simulation/promises.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import { type ApplyResult, DATA } from "../../src/storage/store.ts";
import { record } from "../support/records.ts";

Deno.test("ObservedStore: an answer that comes after the key was erased promises nothing", async () => {
  const promises = new Promises();
  const inner = new MemoryStore();
  const answers: PromiseWithResolvers<ApplyResult[]>[] = [];
  inner.apply = () => {
    const answer = Promise.withResolvers<ApplyResult[]>();
    answers.push(answer);
    return answer.promise;
  };
  const store = new ObservedStore(inner, { promises });
  const tombstone = record("k", 3, { value: undefined });
  const written = store.apply([{ keyspace: DATA, record: tombstone }]);
  const erased = store.apply([{ keyspace: DATA, record: tombstone, erase: true }]);
  answers[0]!.resolve(["stored"]);
  await written;
  promises.settle(0);
  assertEquals(promises.settled.size, 0, "the erasure may have happened");
  answers[1]!.resolve(["stored"]);
  await erased;
  promises.settle(0);
  assertEquals(promises.settled.size, 0);
  const again = store.apply([{ keyspace: DATA, record: tombstone }]);
  answers[2]!.resolve(["stored"]);
  await again;
  promises.settle(0);
  assertEquals(promises.settled.get("k")?.counter, 3);
});
