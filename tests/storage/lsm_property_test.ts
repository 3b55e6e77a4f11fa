/**
 * Generated histories on the LSM store and on the reference.
 *
 * Strategy: few keys, versions in any order, short values and a few long ones, erases, several
 * keyspaces; flushes, waits for compaction, clean reopenings and killings of the process in between. The
 * histories are as long as they may be: by default most have some ten steps, and few tables.
 * Invariants: every answer, every get, every scan and the highest counter are the reference's.
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ProcessLife } from "../../src/simulation/virtual/process_life.ts";
import { SeededRandom } from "../../src/simulation/virtual/random_streams.ts";
import { VirtualDisk } from "../../src/simulation/virtual/virtual_disk.ts";
import { LsmStore } from "../../src/storage/lsm_store.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import type { Mutation, Store } from "../../src/storage/store.ts";
import { InstantClock } from "./instant_clock.ts";
import { record, scanAll } from "./store_conformance.ts";

const KEYSPACES = ["data", "meta", "hints"];
const KEYS = ["a", "a/b", "b", "é", 'q"\\', "z".repeat(40), "\u{1F600}", "\uFF5E"];

const mutation: fc.Arbitrary<Mutation> = fc.record({
  keyspace: fc.constantFrom(...KEYSPACES, "data", "data"),
  key: fc.constantFrom(...KEYS),
  counter: fc.integer({ min: 1, max: 30 }),
  nodeID: fc.constantFrom("n1.a", "n2.b"),
  erase: fc.nat(4).map((n) => n === 0),
}).map(({ keyspace, key, counter, nodeID, erase }) => ({
  keyspace,
  // Equal versions mean equal records: what a version says follows from the version.
  record: record(key, counter, {
    nodeID,
    tombstone: counter % 5 === 0,
    value: `${key}@${counter}`.repeat(counter % 7 === 0 ? 100 : 1),
  }),
  erase,
}));

type Step =
  | { kind: "apply"; batches: Mutation[][] }
  | { kind: "flush" | "settle" | "reopen" | "kill" | "check" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.array(fc.array(mutation, { minLength: 1, maxLength: 6 }), {
      minLength: 1,
      maxLength: 3,
    }).map((batches) => ({ kind: "apply" as const, batches })),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom("flush", "settle", "reopen", "kill", "check").map((kind) => ({
      kind: kind as "flush",
    })),
  },
);

class Subject {
  readonly #device = new VirtualDisk({ random: new SeededRandom(1, "disk") });
  store!: LsmStore;

  async open(): Promise<void> {
    this.store = await LsmStore.open({
      directory: "data",
      clock: new InstantClock(),
      disk: this.#device.mount(new ProcessLife()),
      memtableBytes: 500,
      cacheBytes: 4096,
    });
  }

  async kill(): Promise<void> {
    this.#device.crash({ power: false });
    await this.open();
  }
}

function look(store: Store): unknown {
  return KEYSPACES.map((keyspace) => ({
    all: scanAll(store, keyspace).map(summary),
    part: scanAll(store, keyspace, { start: "a/", end: "q" }, 2).map(summary),
    single: KEYS.map((key) => summary(store.get(keyspace, key))),
  }));
}

function summary(found: { key: string; frame: Uint8Array } | undefined): string | undefined {
  return found && `${found.key} ${new TextDecoder().decode(found.frame)}`;
}

Deno.test("LsmStore: every history has the reference's results", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 60, size: "max" }),
      async (steps) => {
        const subject = new Subject();
        await subject.open();
        const reference = new MemoryStore();
        for (const next of steps) {
          if (next.kind === "apply") {
            const answers = await Promise.all(
              next.batches.map((batch) => subject.store.apply(batch)),
            );
            for (const [i, batch] of next.batches.entries()) {
              assertEquals(answers[i], await reference.apply(batch));
            }
          } else if (next.kind === "flush") await subject.store.flush();
          else if (next.kind === "settle") await subject.store.settled();
          else if (next.kind === "reopen") {
            await subject.store.close();
            await subject.open();
          } else if (next.kind === "kill") await subject.kill();
          else assertEquals(look(subject.store), look(reference));
        }
        await subject.store.flush();
        await subject.store.settled();
        assertEquals(look(subject.store), look(reference));
        assertEquals(subject.store.highestCounter(), reference.highestCounter());
        await subject.store.close();
      },
    ),
    { numRuns: 60 },
  );
});
