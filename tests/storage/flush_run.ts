/** Makes runs of a store. */
import type { LsmStore } from "../../src/storage/lsm_store.ts";
import { DATA } from "../../src/storage/store.ts";
import { put } from "./store_conformance.ts";

/** Stores so many keys that begin with `name`, and flushes them to a run of their own. */
export async function flushRun(
  store: LsmStore,
  name: string,
  keys: number,
  keyspace = DATA,
): Promise<void> {
  await store.apply(
    Array.from({ length: keys }, (_, i) => ({ ...put(`${name}.${i}`, 1), keyspace })),
  );
  await store.flush();
}
