import { DenoClock } from "../../src/platform/deno/deno_clock.ts";
import { DenoDisk } from "../../src/platform/deno/deno_disk.ts";
import { LsmStore } from "../../src/storage/lsm_store.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import type { Store } from "../../src/storage/store.ts";
import { type StoreHarness, testStore } from "./store_conformance.ts";
import { VirtualStore } from "./virtual_store.ts";

testStore("MemoryStore", () => ({
  open: () => Promise.resolve(new MemoryStore()),
  disturb: (store) => Promise.resolve(store),
  dispose: () => Promise.resolve(),
}));

testStore("LsmStore, left alone", () => lsmHarness((store) => Promise.resolve(store)));
testStore("LsmStore, flushed in between", () =>
  lsmHarness(async (store) => {
    await store.flush();
    await (store as LsmStore).settled();
    return store;
  }));
testStore("LsmStore, reopened in between", () =>
  lsmHarness(async (store, open) => {
    await store.close();
    return open();
  }));
testStore("LsmStore, killed in between", () => {
  const subject = new VirtualStore();
  return {
    open: () => subject.open(),
    disturb: () => {
      subject.device.crash({ power: false });
      return subject.open();
    },
    dispose: () => Promise.resolve(),
  };
});

function lsmHarness(
  disturb: (store: Store, open: () => Promise<Store>) => Promise<Store>,
): StoreHarness {
  const directory = Deno.makeTempDirSync({ prefix: "converge-store-" });
  const clock = new DenoClock();
  const disk = new DenoDisk();
  const opened: Store[] = [];
  const open = async () => {
    const store = await LsmStore.open({ directory, clock, disk, memtableBytes: 4096 });
    opened.push(store);
    return store;
  };
  return {
    open,
    disturb: (store) => disturb(store, open),
    dispose: async () => {
      // A flush that goes on would make files in the directory while it is removed.
      for (const store of opened) await store.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}
