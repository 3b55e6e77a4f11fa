/**
 * Generated histories of a memtable beside maps.
 *
 * Strategy: groups that are committed or given up, with more keys than there is room for at first,
 * tombstones and erases; snapshots and cursors that are opened and closed in any order in between.
 * Invariants: each of them, and a look at the memtable itself, finds what a map of its moment has;
 * what was given up leaves nothing.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { hashKey } from "../../src/storage/bloom_filter.ts";
import { MergeCursor } from "../../src/storage/cursor.ts";
import { Group, logBytesOf } from "../../src/storage/group.ts";
import { Memtable } from "../../src/storage/memtable.ts";
import { DATA, META, type Mutation } from "../../src/storage/store.ts";
import { record } from "./store_conformance.ts";

const KEYSPACES = [DATA, META];
const KEYS = 700;

/** What a line of a key says: counter, tombstone, erase. */
type Facts = [number, boolean, boolean];
type Model = Map<string, Map<string, Facts>>;

function groupOf(memtable: Memtable, batch: readonly Mutation[]): Group {
  const bytesMax = batch.reduce((sum, mutation) => sum + logBytesOf(mutation), 0);
  const group = new Group({ memtable, lookup: () => undefined, bytesMax });
  group.add(batch);
  return group;
}

function keyOf(i: number): string {
  return `key${i % KEYS}`;
}

/** Changes of so many keys, one after the other, or each the `stride`-th. */
const change = fc.record({
  kind: fc.constantFrom("commit", "commit", "commit", "abandon"),
  keyspace: fc.constantFrom(...KEYSPACES),
  first: fc.nat(KEYS - 1),
  count: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 400 })),
  stride: fc.constantFrom(1, 7),
  what: fc.constantFrom("value", "tombstone", "erase"),
});
const look = fc.record({
  kind: fc.constantFrom("snapshot", "cursor", "cursor", "close"),
  keyspace: fc.constantFrom(...KEYSPACES),
  first: fc.nat(KEYS - 1),
  count: fc.nat(KEYS),
});

/** Somebody who looks at one moment: `check` once, and then it is closed. */
interface View {
  check(): void;
}

function snapshotOf(memtable: Memtable, model: Model): View {
  const then = new Map(KEYSPACES.map((keyspace) => [keyspace, new Map(model.get(keyspace))]));
  const snapshot = memtable.snapshot();
  return {
    check() {
      assertSame((keyspace, key) => snapshot.get(keyspace, key, hashKey(key)), then);
      snapshot.close();
    },
  };
}

function cursorOf(
  memtable: Memtable,
  model: Model,
  { keyspace, start, end }: { keyspace: string; start: string; end: string | undefined },
): View {
  const expected = [...model.get(keyspace)!]
    .filter(([key]) => key >= start && (end === undefined || key < end))
    .sort(([a], [b]) => a < b ? -1 : 1);
  const cursor = new MergeCursor(memtable.cursor(keyspace, start, end));
  return {
    check() {
      const found: [string, Facts][] = [];
      for (; cursor.key !== undefined; cursor.next()) {
        const { counter, tombstone, erase } = cursor.facts!;
        found.push([cursor.key, [counter, tombstone, erase === true]]);
        const text = new TextDecoder().decode(cursor.bytes.subarray(cursor.start, cursor.end));
        assertEquals([JSON.parse(text).k, JSON.parse(text).c], [cursor.key, counter]);
      }
      assertEquals(found, expected);
      cursor.close();
    },
  };
}

function assertSame(get: (keyspace: string, key: string) => unknown, model: Model): void {
  for (const [keyspace, lines] of model) {
    for (let i = 0; i < KEYS; i++) {
      const key = keyOf(i);
      const found = get(keyspace, key) as ReturnType<Memtable["get"]>;
      const facts = found && [found.counter, found.tombstone, found.erase];
      assertEquals(facts, lines.get(key), `${keyspace} ${key}`);
      if (found !== undefined && !found.erase) {
        assertEquals(found.frame, record(key, found.counter, found).frame);
      }
    }
  }
}

Deno.test("Memtable: finds what maps find, now and at each moment that somebody looks at", () => {
  const steps = fc.array(fc.oneof(change, look), { minLength: 12, maxLength: 24, size: "max" });
  fc.assert(
    fc.property(steps, (steps) => {
      const memtable = new Memtable();
      const model: Model = new Map(KEYSPACES.map((keyspace) => [keyspace, new Map()]));
      const views: View[] = [];
      for (const [i, step] of steps.entries()) {
        const { keyspace, first } = step;
        if (step.kind === "snapshot") views.push(snapshotOf(memtable, model));
        else if (step.kind === "cursor") {
          const end = step.count < KEYS / 2 ? keyOf(first + step.count) : undefined;
          views.push(cursorOf(memtable, model, { keyspace, start: keyOf(first), end }));
        } else if (step.kind === "close") views.splice(first % (views.length + 1), 1)[0]?.check();
        else if ("what" in step) {
          const counter = (i + 1) * 2 ** 40; // more than 32 bits take
          const keys = Array.from({ length: step.count }, (_, n) => keyOf(first + n * step.stride));
          const [tombstone, erase] = [step.what === "tombstone", step.what === "erase"];
          const group = groupOf(
            memtable,
            keys.map((key) => ({ keyspace, record: record(key, counter, { tombstone }), erase })),
          );
          if (step.kind === "abandon") group.abandon();
          else {
            group.commit();
            for (const key of keys) model.get(keyspace)!.set(key, [counter, tombstone, erase]);
          }
        }
      }
      for (const view of views) view.check();
      assertSame((keyspace, key) => memtable.get(keyspace, key, hashKey(key)), model);
      const size = [...model.values()].reduce((sum, { size }) => sum + size, 0);
      assertEquals([memtable.size, memtable.isEmpty], [size, size === 0]);
    }),
    { numRuns: 80 },
  );
});

Deno.test("Memtable: groups that are given up again and again take no more room than one", () => {
  const memtable = new Memtable();
  for (let i = 0; i < 1_000; i++) {
    groupOf(memtable, [{ keyspace: DATA, record: record(`key${i}`, 1) }]).abandon();
  }
  assertEquals(memtable.size, 0);
  assertEquals(memtable.space(DATA).add("one more"), 0);
});

Deno.test("Memtable.sort(): lets others run between the steps, and leaves none to a cursor", async () => {
  const memtable = new Memtable();
  for (const keyspace of KEYSPACES) {
    const batch = Array.from(
      { length: 20_000 },
      (_, i) => ({ keyspace, record: record(`key${i}`, 1) }),
    );
    groupOf(memtable, batch).commit();
  }
  let pauses = 0;
  await memtable.sort(() => Promise.resolve(void pauses++));
  assert(pauses >= 4, `${pauses} pauses`);
  for (const keyspace of KEYSPACES) assert(!memtable.space(keyspace).sorted.sortStep());
});
