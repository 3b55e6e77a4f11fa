import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import {
  decodeRangeRequest,
  encodeRangeRequest,
  type RangeRequest,
  type RangeSource,
  readRange,
} from "../../../src/replication/convergence/key_range.ts";
import {
  leafOf,
  LeafSet,
  LEAVES_PER_ARC,
} from "../../../src/replication/convergence/merkle_tree.ts";
import { tokenOf } from "../../../src/ring/token.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import type { StoredRecord } from "../../../src/record/record.ts";
import { member, removal } from "../../support/members.ts";
import { keyOf, record } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";

const OWNERS: RangeRequest["owners"] = ["node1", "node2"];
const ALL: RangeRequest = { after: undefined, owners: OWNERS, leaves: undefined };

/** A clock whose timers all fire at once, in the next turn. */
class HastyClock implements Clock {
  timers = 0;
  waitedMs = 0;
  monotonicMs = () => 0;
  wallMs = () => 0;
  clearTimer() {}
  setTimer(delayMs: number, callback: () => void): number {
    this.waitedMs += delayMs;
    queueMicrotask(callback);
    return ++this.timers;
  }
}

async function storeOf(
  records: readonly StoredRecord[],
): Promise<RangeSource & { clock: HastyClock }> {
  const store = new MemoryStore();
  await store.apply(records.map((one) => ({ keyspace: "data", record: one })));
  return { store, clock: new HastyClock(), isBusy: () => false };
}

Deno.test("readRange: pages follow each other through all keys, each once", async () => {
  const records = Array.from({ length: 2_600 }, (_, i) => record(`k${10_000 + i}`, i + 1));
  const store = await storeOf(records);
  const seen: string[] = [];
  let after: string | undefined;
  let pages = 0;
  do {
    const page = await readRange(store, topologyOf(3), { ...ALL, after });
    seen.push(...page.records.map(({ key }) => key));
    after = page.through;
    pages++;
  } while (after !== undefined);
  assertEquals(seen, records.map(({ key }) => key));
  assertEquals(pages, 3);
});

Deno.test("readRange: what is hidden is not shown, be it owned or not", async () => {
  const store = await storeOf(["a", "b", "c"].map((key) => record(key, 1)));
  const isHidden = (token: bigint) => token === tokenOf("b");
  const page = await readRange(store, topologyOf(3), { ...ALL, isHidden });
  assertEquals(page.records.map(({ key }) => key), ["a", "c"]);
});

Deno.test("readRange: with an end given it goes exactly that far", async () => {
  const store = await storeOf(["a", "b", "b\0", "c"].map((key) => record(key, 1)));
  const page = await readRange(store, topologyOf(3), { ...ALL, after: "a", through: "b" });
  assertEquals(page.records.map(({ key }) => key), ["b"]);
  assertEquals(page.through, "b");
});

Deno.test("readRange: only keys that both own, never others", async () => {
  const topology = topologyOf(6);
  const records = Array.from({ length: 300 }, (_, i) => record(`k${1_000 + i}`, 1));
  const { records: got } = await readRange(await storeOf(records), topology, ALL);
  const owned = records.filter(({ key }) =>
    OWNERS.every((name) => topology.ownersOf(key).some((owner) => owner.name === name))
  );
  assertEquals(got.map(({ key }) => key), owned.map(({ key }) => key));
  assert(got.length > 0 && got.length < records.length);
});

Deno.test("readRange: only the leaves asked for", async () => {
  const topology = topologyOf(3);
  const records = Array.from({ length: 50 }, (_, i) => record(`k${i}`, 1));
  const leaves = new LeafSet(topology.ring.arcs.length * LEAVES_PER_ARC);
  const leafOfKey = (key: string) => leafOf(topology.ring.arcOf(tokenOf(key))!.index, tokenOf(key));
  leaves.add(leafOfKey("k7"));
  const { records: got } = await readRange(await storeOf(records), topology, { ...ALL, leaves });
  assert(got.some(({ key }) => key === "k7"));
  assert(got.every(({ key }) => leafOfKey(key) === leafOfKey("k7")));
});

Deno.test("readRange: a few keys among many come in few pages, each looked for in slices", async () => {
  const topology = topologyOf(3);
  const records = Array.from({ length: 45_000 }, (_, i) => record(`k${100_000 + i}`, 1));
  const source = await storeOf(records);
  const wanted = ["k100007", "k123456", "k144999"];
  const leaves = new LeafSet(topology.ring.arcs.length * LEAVES_PER_ARC);
  for (const key of wanted) {
    leaves.add(leafOf(topology.ring.arcOf(tokenOf(key))!.index, tokenOf(key)));
  }
  const seen: string[] = [];
  let after: string | undefined;
  let pages = 0;
  do {
    const page = await readRange(source, topology, { ...ALL, leaves, after });
    seen.push(...page.records.map(({ key }) => key));
    after = page.through;
    pages++;
  } while (after !== undefined);
  assertEquals(wanted.filter((key) => !seen.includes(key)), []);
  assertEquals(pages, 3);
  assert(source.clock.timers > 100, `others had ${source.clock.timers} turns`);
  assertEquals(source.clock.waitedMs, 0);
});

Deno.test("readRange: clients come first", async () => {
  const records = Array.from({ length: 1_000 }, (_, i) => record(`k${10_000 + i}`, 1));
  const source = await storeOf(records);
  await readRange({ ...source, isBusy: () => true }, topologyOf(3), ALL);
  assert(source.clock.waitedMs >= 5, `waited ${source.clock.waitedMs} ms`);
});

Deno.test("readRange: large values end a page early, so that an answer has a bound", async () => {
  const value = "x".repeat(200 * 1024);
  const records = Array.from({ length: 40 }, (_, i) => record(`k${10 + i}`, 1, { value }));
  const page = await readRange(await storeOf(records), topologyOf(3), ALL);
  const bytes = page.records.reduce((sum, { frame }) => sum + frame.byteLength, 0);
  assert(bytes < 1024 * 1024, `${bytes} bytes in one page`);
  assertEquals(page.through, page.records.at(-1)!.key);
});

Deno.test("decodeRangeRequest: reads what was written, refuses everything else", () => {
  const leaves = new LeafSet(16);
  leaves.add(3);
  const request = { after: "\xff", owners: OWNERS, leaves, ring: "f00", values: true };
  const read = decodeRangeRequest(encodeRangeRequest(request));
  assertEquals([read.after, read.owners, read.ring, read.values], ["\xff", OWNERS, "f00", true]);
  assert(read.leaves!.has(3) && !read.leaves!.has(2));
  const good = { owners: OWNERS, ring: "f00", values: true };
  const bad: unknown[] = [
    null,
    1,
    {},
    { ...good, owners: ["a"] },
    { ...good, ring: 1 },
    { ...good, values: 1 },
    { ...good, after: { k: 1 } },
    { ...good, after: null },
    { ...good, leaves: "xyz" },
    { ...good, leaves: 1 },
    { ...good, settled: [1] },
  ];
  for (const text of ["", "{", ...bad.map((json) => JSON.stringify(json))]) {
    const error = assertThrows(() => decodeRangeRequest(text), ConvergeError, "", text);
    assertEquals(error.code, "corrupt_message");
  }
});

Deno.test("readRange: to a node that is refilled also what either owned without others that join", async () => {
  const members = Array.from({ length: 6 }, (_, i) => member(`node${i + 1}`));
  const joining = ["node5", "node6"];
  const topology = topologyOf(6, {
    members: members.map((one) =>
      joining.includes(one.name) ? { ...one, status: "joining" as const } : one
    ),
  });
  const before = topologyOf(4);
  const alone = topologyOf(5);
  const owned = (ring: typeof topology, name: string, key: string) =>
    ring.ownersOf(key).some((owner) => owner.name === name);
  const records = Array.from({ length: 300 }, (_, i) => record(`k${1_000 + i}`, 1));
  const store = await storeOf(records);
  const asked = { ...ALL, owners: ["node5", "node1"] as const };
  const keysOf = async (request: RangeRequest) =>
    (await readRange(store, topology, request)).records.map(({ key }) => key);

  const expected = records.map(({ key }) => key).filter((key) =>
    owned(alone, "node5", key) && (owned(topology, "node1", key) || owned(before, "node1", key))
  );
  assertEquals(await keysOf({ ...asked, settled: [] }), expected);
  assert(
    (await keysOf(asked)).length < expected.length,
    "two joined, so some owners of before are none now",
  );
  // Somebody knows that node6 was normal: nothing from before it joined may be a leftover.
  const five = topologyOf(5, { members: members.filter(({ name }) => name !== "node5") });
  assertEquals(
    await keysOf({ ...asked, settled: ["node6"] }),
    records.map(({ key }) => key).filter((key) =>
      owned(topology, "node5", key) && (owned(topology, "node1", key) || owned(five, "node1", key))
    ),
  );
});

Deno.test("readRange: one that joins while another is removed gets what was acknowledged in that one's place", async () => {
  const keys = Array.from({ length: 400 }, (_, i) => `k${i}`);
  const source = await storeOf(keys.map((key, i) => record(key, i + 1)));
  const members = [1, 2, 3, 4].map((i) => member(`node${i}`));
  const settled = [...members.map(({ name }) => name), "node5"];
  const joiner = member("node6", { status: "joining" });
  const topology = topologyOf(0, {
    members: [...members, joiner],
    settled,
    pending: [removal("node5")],
  });
  const owns = (of: readonly string[], key: string) => {
    const { ring } = topologyOf(0, { members: of.map((name) => member(name)) });
    return ring.arcOf(tokenOf(keyOf(key)))!.owners.includes("node1");
  };
  const joins = keys.filter((key) => topology.owns("node6", keyOf(key)));
  const gained = joins.filter((key) =>
    !owns(settled, key) && owns(settled.slice(0, -1), key) && !topology.owns("node1", keyOf(key))
  );
  assert(gained.length > 0, "node1 gave up to node6 what it had gained from node5");
  const owners = ["node6", "node1"] as const;
  const page = await readRange(source, topology, { ...ALL, owners, settled });
  const shown = new Set(page.records.map(({ key }) => key));
  assertEquals(gained.filter((key) => !shown.has(keyOf(key))), []);
});
