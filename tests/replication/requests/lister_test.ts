import { assert, assertEquals } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import { type Key, keyFromText } from "../../../src/record/key.ts";
import type { StoredRecord } from "../../../src/record/record.ts";
import { encodeListPage } from "../../../src/replication/requests/key_listing.ts";
import { Lister, type ListerOptions } from "../../../src/replication/requests/lister.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { DATA } from "../../../src/storage/store.ts";
import { inWorld } from "../../support/in_world.ts";
import { record } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";

/** A lister whose own copies are `records`; of a topology where it is alone. */
async function alone(
  records: readonly StoredRecord[],
  options: Partial<ListerOptions> = {},
): Promise<Lister> {
  const store = new MemoryStore();
  await store.apply(records.map((record) => ({ keyspace: DATA, record })));
  const topology = topologyOf(1);
  return new Lister({
    store,
    clock: { wallMs: () => 0, setTimer: () => 0, clearTimer: () => {} },
    selfName: "node1",
    topology: () => topology,
    linkTo: () => undefined,
    ...options,
  } as unknown as ListerOptions);
}

Deno.test("Lister: what lies behind the bytes of a page comes with the next one, also at the end", async () => {
  // Each of the large ones is a page of its member; the last two come in one, with which all is told.
  const large = (key: string, bytes: number) => record(key, 1, { value: "x".repeat(bytes) });
  const lister = await alone([
    ...["a", "b", "c"].map((key) => large(key, 1_300_000)),
    large("d", 500_000),
    large("e", 1),
  ]);
  const request = { prefix: keyFromText(""), limit: 10, values: true };
  const { entries, next } = await lister.list({ ...request, after: undefined });
  assertEquals([entries.map(({ key }) => key), next], [["a", "b", "c", "d"], "d"]);
  const rest = await lister.list({ ...request, after: next });
  assertEquals([rest.entries.map(({ key }) => key), rest.next], [["e"], undefined]);
});

Deno.test("Lister: where as many are there as are wanted there is no next page", async () => {
  const lister = await alone(["a", "b", "c"].map((key) => record(key, 1)));
  const request = { prefix: keyFromText(""), after: undefined, values: false };
  assertEquals((await lister.list({ ...request, limit: 3 })).next, undefined);
  assertEquals((await lister.list({ ...request, limit: 2 })).next, "b");
});

Deno.test("Lister: copies of those that own a key no more, or do not count yet, make no quorum", async () => {
  const copy = record("k", 5);
  const owners = ["node1", "node2", "refilling"].map((name) => ({
    name,
    countsForReads: name !== "refilling",
  }));
  const names = ["node1", "node2", "refilling", "former"];
  for (const others of [["refilling"], ["former"], ["refilling", "former"]]) {
    const read: Key[] = [];
    const lister = await alone([copy], {
      topology: () => ({
        members: names.map((name) => ({ name })),
        quorums: { n: 3, r: 2, w: 2 },
        ring: { arcs: [{ end: 0n }] },
        ownersOf: () => owners,
        ownersOfToken: () => owners,
      }),
      linkTo: (name: string) => ({
        request: () => {
          const records = others.includes(name) ? [copy] : [];
          const body = encodeListPage({ records, through: undefined }, false);
          return Promise.resolve({ headers: new Headers(), body });
        },
      }),
      coordinator: {
        read(key: Key) {
          read.push(key);
          return Promise.resolve({ record: copy });
        },
      },
    } as unknown as Partial<ListerOptions>);
    const { entries } = await lister.list({
      prefix: keyFromText(""),
      after: undefined,
      limit: 10,
      values: false,
    });
    assertEquals([entries.map(({ key }) => key), read], [["k"], ["k"]], `${others}`);
  }
});

Deno.test("Lister: it waits on where those that answered are not enough, as some of them do not count", () =>
  inWorld(async ({ clock, wait }) => {
    const owners = ["node1", "node2", "refilling"].map((name) => ({
      name,
      countsForReads: name !== "refilling",
    }));
    const lister = await alone([], {
      clock,
      topology: () => ({
        members: owners,
        quorums: { n: 3, r: 2, w: 2 },
        ring: { arcs: [{ end: 0n }] },
        ownersOfToken: () => owners,
      }),
      linkTo: (name: string) => ({
        async request() {
          if (name === "node2") await wait(300);
          return { headers: new Headers(), body: new Uint8Array() };
        },
      }),
    } as unknown as Partial<ListerOptions>);
    const { entries } = await lister.list({
      prefix: keyFromText(""),
      after: undefined,
      limit: 10,
      values: false,
    });
    assertEquals(entries, []);
  }));

Deno.test("Lister: questions that nobody waits for any more have a bound, and end", () =>
  inWorld(async ({ clock, wait }) => {
    const topology = topologyOf(3);
    let underWay = 0;
    let underWayMost = 0;
    const quick = {
      request: () => Promise.resolve({ headers: new Headers(), body: new Uint8Array() }),
    };
    const slow = {
      async request() {
        underWayMost = Math.max(underWayMost, ++underWay);
        await wait(60_000);
        underWay--;
        throw new ConvergeError("timeout", "no answer");
      },
    };
    const lister = new Lister({
      store: new MemoryStore(),
      clock,
      selfName: "node1",
      topology: () => topology,
      linkTo: (name: string) => name === "node3" ? slow : quick,
    } as unknown as ListerOptions);
    const tookMs = async () => {
      const startMs = clock.monotonicMs();
      await lister.list({ prefix: keyFromText("p"), after: undefined, limit: 10, values: false });
      return clock.monotonicMs() - startMs;
    };
    assert(await tookMs() <= 100, "it waits for none that it can do without");
    let listings = 1;
    while (await tookMs() <= 100) assert(++listings < 100, `${underWay} are left behind`);
    assertEquals([listings, underWayMost], [32, 33]);
    await wait(60_000);
    assertEquals([underWay, await tookMs() <= 100], [0, true], "once these have ended");
  }));
