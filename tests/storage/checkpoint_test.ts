/** Copies of a store that goes on. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { DATA } from "../../src/storage/store.ts";
import { put, scanAll, textOf } from "./store_conformance.ts";
import { VirtualStore } from "./virtual_store.ts";
import { applyAll, forwarding, KEYS } from "./faulty_store.ts";

Deno.test("LsmStore.checkpoint() makes an openable copy while serving", async () => {
  const subject = new VirtualStore();
  const store = await subject.open();
  await applyAll(store, 1);
  const copying = store.checkpoint("copy");
  const writing = applyAll(store, 2);
  await Promise.all([copying, writing]);
  const error = await assertRejects(() => store.checkpoint("copy"), ConvergeError);
  assertEquals(error.code, "bad_request");
  const copy = await subject.open({ directory: "copy" });
  const counters = scanAll(copy).map(({ counter }) => counter);
  assertEquals(counters.length, KEYS.length);
  await copy.apply([put("a", 9)]);
  await copy.flush();
  await copy.close();
  assertEquals(textOf(store.get(DATA, "a")), "a@2");
  await store.close();
});

Deno.test("LsmStore.checkpoint() that finds the disk full leaves nothing behind, and can be made later", async () => {
  const subject = new VirtualStore();
  const store = await subject.open();
  await applyAll(store, 1);
  await store.flush();
  subject.device.faults.capacityBytes = 0;
  for (let i = 0; i < 2; i++) {
    const error = await assertRejects(() => store.checkpoint("copy"), ConvergeError);
    assertEquals(error.code, "disk_full");
    assertEquals(subject.paths("").filter((path) => path.startsWith("copy")), []);
  }
  subject.device.faults.capacityBytes = Infinity;
  await store.checkpoint("copy");
  const copy = await subject.open({ directory: "copy" });
  assertEquals(scanAll(copy).length, KEYS.length);
  await copy.close();
  await store.close();
});

Deno.test("LsmStore.checkpoint(): what a failing disk leaves of it has no manifest, and does not open", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  let syncs = 0;
  const failure = new ConvergeError("disk_failed", "input/output error");
  const store = await subject.open({
    disk: forwarding(disk, {
      syncDirectory: (path) =>
        path === "copy" && ++syncs === 2 ? Promise.reject(failure) : disk.syncDirectory(path),
      remove: (path) => {
        if (path.startsWith("copy/") && path.endsWith(".sst")) throw failure;
        disk.remove(path);
      },
    }),
  });
  await applyAll(store, 1);
  await assertRejects(() => store.checkpoint("copy"), ConvergeError, "durable");
  assert(subject.paths(".sst").some((path) => path.startsWith("copy/")));
  const error = await assertRejects(() => subject.open({ directory: "copy" }), ConvergeError);
  assert(error.message.includes("manifest.jsonl: it is missing"), error.message);
  await store.close();
});
