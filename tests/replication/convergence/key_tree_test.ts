/**
 * Strategy: stores of both kinds, histories of writes, erasures, flushes and updates in any order and
 * overlapping, as fast-check makes them up. Invariant: whenever an update that began after the last
 * change is over, the tree is the one that a scan of the store gives.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { ConvergeError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { Key } from "../../../src/record/key.ts";
import { KeyTree } from "../../../src/replication/convergence/key_tree.ts";
import { LamportClock } from "../../../src/replication/state/lamport_clock.ts";
import { leafOf, MerkleTree } from "../../../src/replication/convergence/merkle_tree.ts";
import { Horizon } from "../../../src/replication/state/horizon.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import { Replica } from "../../../src/replication/replica.ts";
import { tokenOf } from "../../../src/ring/token.ts";
import { ProcessLife } from "../../../src/simulation/virtual/process_life.ts";
import { SeededRandom } from "../../../src/simulation/virtual/random_streams.ts";
import { VirtualDisk } from "../../../src/simulation/virtual/virtual_disk.ts";
import { LsmStore } from "../../../src/storage/lsm_store.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { DATA, type Store } from "../../../src/storage/store.ts";
import { CrowdedClock } from "../../support/crowded_clock.ts";
import { type InWorld, inWorld } from "../../support/in_world.ts";
import { record } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";

const TOPOLOGY = topologyOf(2, { virtualNodes: 4 });

/** A node's tree with everything that changes its store. */
async function treeOver(store: Store, clock: Clock) {
  const errors: string[] = [];
  const state = new LocalState(store);
  const replica: Replica = new Replica({
    store,
    clock,
    lamport: await LamportClock.open(state, 0),
    horizon: new Horizon(state),
    onStored: ({ key }) => tree.touch(key),
  });
  const tree = new KeyTree({
    store,
    clock,
    log: { info() {}, warn() {}, error: (event) => errors.push(event) },
    keysUnderWay: () => replica.keysUnderWay(),
  }, TOPOLOGY);
  return { tree, replica, errors };
}

/** The tree as a scan gives it. */
function scanned(store: Store): MerkleTree {
  const tree = new MerkleTree(TOPOLOGY.ring.arcs.length);
  const scan = store.scan(DATA);
  for (let page = scan.next(100); page.length > 0; page = scan.next(100)) {
    for (const found of page) {
      const token = tokenOf(found.key);
      tree.add(leafOf(TOPOLOGY.ring.arcOf(token)!.index, token), found);
    }
  }
  return tree;
}

const key = fc.nat(40).map((number): Key => `key${number}`);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("put" as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("erase" as const), key }) },
  { weight: 3, arbitrary: fc.constant({ do: "update" as const }) },
  { weight: 3, arbitrary: fc.constant({ do: "wait" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "flush" as const }) },
  { weight: 1, arbitrary: fc.constantFrom({ do: "doubt" as const }, { do: "forget" as const }) },
);
const HISTORY = fc.array(step, { maxLength: 80, size: "max" });
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Runs a history, each step begun before the ones before it are over. */
async function holds(store: Store, { clock, wait }: InWorld, steps: readonly Step[]) {
  const { tree, replica, errors } = await treeOver(store, clock);
  const begun: Promise<unknown>[] = [];
  let counter = 0;
  for (const step of steps) {
    if (step.do === "put") begun.push(replica.apply([record(step.key, ++counter)]));
    else if (step.do === "erase") begun.push(replica.collect([record(step.key, ++counter)]));
    else if (step.do === "update") begun.push(tree.update());
    else if (step.do === "doubt") tree.doubt();
    else if (step.do === "forget") tree.forget();
    else if (step.do === "flush") begun.push(store.flush());
    else await wait(1);
  }
  await Promise.all(begun);
  await tree.update();
  assert(tree.tree.equals(scanned(store)), "the tree is not what the store holds");
  tree.doubt();
  await tree.update();
  assertEquals(errors, []);
  tree.close();
  await store.close();
}

Deno.test("KeyTree: is what the memory store holds, whatever happened meanwhile", async () => {
  await fc.assert(
    fc.asyncProperty(HISTORY, async (steps) => {
      await inWorld((world) => holds(new MemoryStore(), world, steps));
    }),
    { numRuns: 300 },
  );
});

Deno.test("KeyTree: is what the engine holds, through flushes and compactions", async () => {
  await fc.assert(
    fc.asyncProperty(HISTORY, async (steps) => {
      await inWorld(async (world) => {
        const disk = new VirtualDisk({ random: new SeededRandom(1, "disk"), time: world.time });
        const store = await LsmStore.open({
          directory: "data",
          clock: world.clock,
          disk: disk.mount(new ProcessLife(world.time)),
          memtableBytes: 1_000,
        });
        await holds(store, world, steps);
      });
    }),
    { numRuns: 300 },
  );
});

Deno.test("KeyTree: follows a few writes without reading all, and reads all after many", async () => {
  await inWorld(async ({ clock }) => {
    const store = new MemoryStore();
    const { tree, replica } = await treeOver(store, clock);
    const put = (from: number, count: number, counter: number) =>
      replica.apply(Array.from({ length: count }, (_, i) => record(`key${from + i}`, counter)));
    await put(0, 3_000, 1);
    await tree.update();
    let scans = 0;
    const scan = store.scan.bind(store);
    store.scan = (...args) => {
      scans++;
      return scan(...args);
    };
    await put(2_900, 200, 2);
    await tree.update();
    assertEquals(scans, 0);
    await put(0, 2_000, 3);
    await tree.update();
    assertEquals(scans, 1);
    assert(tree.tree.equals(scanned(store)));
    tree.close();
  });
});

Deno.test("KeyTree: a tree that is wrong is made right when it is doubted, and said to be wrong", async () => {
  await inWorld(async ({ clock }) => {
    const store = new MemoryStore();
    const { tree, replica, errors } = await treeOver(store, clock);
    await replica.apply([record("a", 1), record("b", 2)]);
    await tree.update();
    // Past the replica: as rot or a bug would change the store.
    await store.apply([{ keyspace: DATA, record: record("a", 5) }]);
    await tree.update();
    assert(!tree.tree.equals(scanned(store)));
    tree.doubt();
    await tree.update();
    assert(tree.tree.equals(scanned(store)));
    assertEquals(errors, ["anti_entropy.tree_was_wrong"]);
    tree.close();
  });
});

Deno.test("KeyTree.update(): keeps no files of tables that were merged, though nothing has changed since", async () => {
  await inWorld(async ({ clock, time, wait }) => {
    const disk = new VirtualDisk({ random: new SeededRandom(1, "disk"), time });
    const store = await LsmStore.open({
      directory: "data",
      clock,
      disk: disk.mount(new ProcessLife(time)),
    });
    const { tree, replica } = await treeOver(store, clock);
    for (const counter of [1, 2]) {
      await replica.apply([record("a", counter)]);
      await store.flush();
    }
    await tree.update();
    await store.settled();
    await tree.update();
    await wait(1_000); // files are removed in another thread
    const tables = disk.files().filter(({ path }) => path.endsWith(".sst"));
    assertEquals(tables.length, store.statistics().tableCount);
    tree.close();
    await store.close();
  });
});

/** Counts the snapshots and scans of a store that nobody has closed. */
function countOpen(store: Store): () => number {
  const open = new Set<object>();
  const counted = <T extends { close(): void }>(opened: T): T => {
    const close = opened.close.bind(opened);
    open.add(opened);
    opened.close = () => {
      open.delete(opened);
      close();
    };
    return opened;
  };
  const { snapshot, scan } = store;
  store.snapshot = () => counted(snapshot.call(store));
  store.scan = (...args) => counted(scan.apply(store, args));
  return () => open.size;
}

Deno.test("KeyTree: keeps one snapshot open, and none once it has forgotten or is closed", async () => {
  await inWorld(async ({ clock }) => {
    const store = new MemoryStore();
    const { tree, replica } = await treeOver(store, clock);
    const open = countOpen(store);
    const put = (counter: number) => replica.apply([record("a", counter)]);
    await put(1);
    for (const counter of [2, 3]) {
      await tree.update(); // reads all, then follows
      assertEquals(open(), 1);
      await put(counter);
    }
    tree.doubt();
    await tree.update(); // reads all, beside what it had
    assertEquals([open(), tree.mustReadAll], [1, false]);
    tree.forget();
    assertEquals(open(), 0);
    const forget = () => tree.forget();
    for (
      const [follows, end] of [[false, forget], [true, forget], [
        false,
        () => tree.close(),
      ]] as const
    ) {
      if (follows) await tree.update();
      await put(4);
      const updated = tree.update();
      end();
      await updated;
      assertEquals([open(), tree.mustReadAll], [0, true]);
    }
  });
});

Deno.test("KeyTree: what is stored while all is read, and forgotten then, is not lost to it", async () => {
  await inWorld(async ({ clock }) => {
    const store = new MemoryStore();
    const { tree, replica } = await treeOver(store, clock);
    await replica.apply(Array.from({ length: 1_000 }, (_, i) => record(`key${i}`, 1)));
    const updated = tree.update();
    await replica.apply([record("new", 2)]);
    tree.forget();
    await updated;
    await tree.update();
    assert(tree.tree.equals(scanned(store)));
    tree.close();
  });
});

Deno.test("KeyTree: where a copy cannot be read nothing is taken for done", async () => {
  await inWorld(async ({ clock }) => {
    const store = new MemoryStore();
    const { tree, replica } = await treeOver(store, clock);
    await replica.apply([record("a", 1)]);
    await tree.update();
    const open = countOpen(store);
    await replica.apply([record("a", 2)]);
    const { snapshot } = store;
    store.snapshot = () => {
      store.snapshot = snapshot;
      const now = snapshot.call(store);
      now.get = () => {
        throw new ConvergeError("corrupt_file", "Cannot read");
      };
      return now;
    };
    await assertRejects(() => tree.update(), ConvergeError, "Cannot read");
    assertEquals(open(), 0);
    await tree.update();
    assert(tree.tree.equals(scanned(store)));
    tree.close();
  });
});

Deno.test("KeyTree.update() rests where others want the thread, unless it is waited for", async () => {
  for (const isAwaited of [false, true]) {
    const store = new MemoryStore();
    const clock = new CrowdedClock(1);
    const { tree } = await treeOver(store, clock);
    const records = Array.from({ length: 1_000 }, (_, i) => record(`k${i}`, i + 1));
    await store.apply(records.map((record) => ({ keyspace: DATA, record })));
    clock.delaysMs.length = 0;
    await tree.update(isAwaited);
    assertEquals(clock.delaysMs.filter((ms) => ms > 0).length, isAwaited ? 0 : 4);
    assertEquals(tree.givenMs > 0, !isAwaited);
    assert(tree.tree.equals(scanned(store)));
  }
});
