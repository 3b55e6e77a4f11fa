/** Reads past a full cache: most go through one buffer that is used again and again. */
import { assert, assertEquals } from "@std/assert";
import { BlockCache } from "../../src/storage/block_cache.ts";
import { DATA } from "../../src/storage/store.ts";
import { put, textOf } from "./store_conformance.ts";
import { VirtualStore } from "./virtual_store.ts";

/** Values from a few bytes to more than a block. */
function valueOf(i: number): string {
  return `${i}:` + "x".repeat([10, 300, 1500, 6000][i % 4]!);
}

Deno.test("LsmStore.get(): what was read stays what it is while other blocks are read", async () => {
  const subject = new VirtualStore();
  const store = await subject.open({ cacheBytes: 8192, memtableBytes: 1 << 20 });
  const keys = Array.from({ length: 200 }, (_, i) => `key${String(i).padStart(3, "0")}`);
  await store.apply(keys.map((key, i) => put(key, 1, { value: valueOf(i) })));
  await store.flush();
  const order = keys.map((_, i) => (i * 77) % keys.length);
  const found = order.map((i) => store.get(DATA, keys[i]!));
  for (const [at, i] of order.entries()) assertEquals(textOf(found[at]), valueOf(i), keys[i]);
  assert(store.statistics().cacheBytes <= 8192);
  await store.close();
});

Deno.test("LsmStore.get(): a damaged block is found out without the cache too", async () => {
  const subject = new VirtualStore();
  const store = await subject.open({ cacheBytes: 1, memtableBytes: 1 << 20 });
  await store.apply([put("a", 1), put("b", 1)]);
  await store.flush();
  subject.device.flipBit(subject.paths(".sst")[0]!, 12);
  for (let i = 0; i < 20; i++) {
    const outcome = (() => {
      try {
        return textOf(store.get(DATA, "a"));
      } catch (error) {
        return (error as Error).message;
      }
    })();
    assert(String(outcome).includes("checksum does not hold"), String(outcome));
  }
  await store.close();
});

Deno.test("LsmStore: of many tables few have their file open, and all are read", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  const openRead = disk.openRead.bind(disk);
  let open = 0;
  disk.openRead = (path) => {
    const file = openRead(path);
    assert(++open <= 2, `${open} files are open`);
    const close = file.close.bind(file);
    file.close = () => (open--, close());
    return file;
  };
  const keys = Array.from({ length: 20 }, (_, i) => `key${i}`);
  const store = await subject.open({ disk, cacheBytes: 0, openFilesMax: 2 });
  const keyspaces = ["aa", "bb", "cc", "dd", "ee"];
  const all = keyspaces.flatMap((keyspace) => keys.map((key) => ({ ...put(key, 1), keyspace })));
  await store.apply(all);
  await store.flush();
  for (const key of keys) {
    for (const keyspace of keyspaces) assertEquals(textOf(store.get(keyspace, key)), `${key}@1`);
  }
  const scans = keyspaces.map((keyspace) => store.scan(keyspace));
  const counts = scans.map((scan) => [...scan.next(10), ...scan.next(100)].length);
  assertEquals(counts, keyspaces.map(() => keys.length));
  await store.close();
  assertEquals(open, 0);
});

Deno.test("LsmStore.scan(): reads ahead by bytes too, where values are long", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  const openRead = disk.openRead.bind(disk);
  const lengths: number[] = [];
  disk.openRead = (path) => {
    const file = openRead(path);
    const readInto = file.readInto.bind(file);
    file.readInto = (offset, target) => {
      lengths.push(target.byteLength);
      readInto(offset, target);
    };
    return file;
  };
  const store = await subject.open({ disk, memtableBytes: 1 << 24 });
  for (const [count, bytes] of [[200, 20], [200, 30_000], [6, 600_000]] as const) {
    const puts = Array.from(
      { length: count },
      (_, i) => put(`${bytes}/${i}`, 1, { value: "x".repeat(bytes) }),
    );
    await store.apply(puts);
    await store.flush();
    lengths.length = 0;
    const scan = store.scan(DATA, { start: `${bytes}/` });
    let found = 0;
    for (let page = scan.next(50); page.length > 0; page = scan.next(50)) {
      found += page.filter(({ key }) => key.startsWith(`${bytes}/`)).length;
    }
    scan.close();
    assertEquals(found, count);
    const longest = Math.max(...lengths);
    assert(longest <= Math.max(66 * 4096, bytes + 100), `${longest} for values of ${bytes}`);
  }
  await store.close();
});

Deno.test("BlockCache: full, it takes one missed block in a few", () => {
  const cache = new BlockCache(4096);
  assert(cache.admits(4096), "while there is room, everything");
  cache.put([], 0, new Uint8Array(4096));
  const admitted = Array.from({ length: 80 }, () => cache.admits(4096)).filter((yes) => yes).length;
  assert(admitted >= 5 && admitted <= 20, `${admitted} of 80`);
});
