import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { NetworkResponse } from "../../../src/platform/network.ts";
import { type Key, keyFromText } from "../../../src/record/key.ts";
import type { StoredRecord } from "../../../src/record/record.ts";
import { THROUGH_HEADER } from "../../../src/replication/peers/internal_protocol.ts";
import {
  decodeListRequest,
  encodeListPage,
  type ListRequest,
} from "../../../src/replication/requests/key_listing.ts";
import {
  Lister,
  type ListerOptions,
  type Listing,
} from "../../../src/replication/requests/lister.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { DATA, type Store } from "../../../src/storage/store.ts";
import { inWorld } from "../../support/in_world.ts";
import { record } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";

const ALL: ListRequest = { prefix: "", after: undefined, limit: 10, values: false };

/** A member's answer: all that it has, or what it has up to a key. */
function page(records: readonly StoredRecord[], through?: Key): Partial<NetworkResponse> {
  const headers = new Headers(through === undefined ? {} : { [THROUGH_HEADER]: through });
  return { headers, body: encodeListPage({ records, through }, false) };
}

type Answer = (request: ListRequest) => Partial<NetworkResponse> | Promise<unknown>;

/** A lister of `node1`, and the keys that it read one by one; all others answer as is told. */
async function listerOf({ own = [], others = {}, uncounted = [], ...options }: {
  own?: readonly StoredRecord[];
  others?: Record<string, Answer>;
  /** Owners that do not count yet. */
  uncounted?: readonly string[];
  clock?: Clock;
  store?: Store;
  maxValueBytes?: number;
}): Promise<{ lister: Lister; read: Key[] }> {
  const store = new MemoryStore();
  await store.apply(own.map((record) => ({ keyspace: DATA, record })));
  const members = ["node1", ...Object.keys(others)].map((name) => ({ name }));
  // One arc, of which up to three members are owners.
  const owners = members.slice(0, 3).map(({ name }) => ({
    name,
    countsForReads: !uncounted.includes(name),
  }));
  const read: Key[] = [];
  const lister = new Lister({
    store,
    clock: { wallMs: () => 0, setTimer: () => 0, clearTimer: () => {} },
    selfName: "node1",
    maxValueBytes: 1024 * 1024,
    topology: () => ({
      members,
      quorums: owners.length === 1 ? { n: 1, r: 1, w: 1 } : { n: 3, r: 2, w: 2 },
      ring: { arcs: [{ end: 0n }] },
      ownersOf: () => owners,
      ownersOfToken: () => owners,
    }),
    linkTo: (name: string) => ({
      request: async (_method: string, _path: string, { body }: { body: Uint8Array }) =>
        await others[name]!(decodeListRequest(body)),
    }),
    coordinator: {
      read(key: Key) {
        read.push(key);
        return Promise.resolve({ record: record(key, 9) });
      },
    },
    ...options,
  } as unknown as ListerOptions);
  return { lister, read };
}

function keysOf({ entries }: Listing): Key[] {
  return entries.map(({ key }) => key);
}

Deno.test("Lister: what lies behind the bytes of a page comes with the next one, also at the end", async () => {
  // Each of the large ones is a page of its member; the last two come in one, with which all is told.
  const large = (key: string, bytes: number) => record(key, 1, { value: "x".repeat(bytes) });
  const own = ["a", "b", "c"].map((key) => large(key, 1_300_000));
  const { lister } = await listerOf({ own: [...own, large("d", 500_000), large("e", 1)] });
  const first = await lister.list({ ...ALL, values: true });
  assertEquals([keysOf(first), first.next], [["a", "b", "c", "d"], "d"]);
  const rest = await lister.list({ ...ALL, values: true, after: first.next });
  assertEquals([keysOf(rest), rest.next], [["e"], undefined]);
});

Deno.test("Lister: where as many are there as are wanted there is no next page", async () => {
  const { lister } = await listerOf({ own: ["a", "b", "c"].map((key) => record(key, 1)) });
  assertEquals((await lister.list({ ...ALL, limit: 3 })).next, undefined);
  assertEquals((await lister.list({ ...ALL, limit: 2 })).next, "b");
});

Deno.test("Lister: no key is passed over where members' pages end at different ones", async () => {
  const [first, ...rest] = ["a", "b", "c"].map((key) => record(key, 1));
  const owner: Answer = ({ after }) => after === undefined ? page([first!], "a") : page(rest);
  const former: Answer = ({ after }) => after === undefined ? page([], "b") : page([]);
  const { lister } = await listerOf({ others: { node2: owner, node3: owner, former } });
  assertEquals(keysOf(await lister.list(ALL)), ["a", "b", "c"]);
});

Deno.test("Lister: copies of those that own a key no more, or do not count yet, make no quorum", async () => {
  const copy = record("k", 5);
  for (const having of [["node3"], ["former"], ["node3", "former"]]) {
    const answer = (name: string) => () => page(having.includes(name) ? [copy] : []);
    const { lister, read } = await listerOf({
      own: [copy],
      others: { node2: answer("node2"), node3: answer("node3"), former: answer("former") },
      uncounted: ["node3"],
    });
    assertEquals([keysOf(await lister.list(ALL)), read], [["k"], ["k"]], `${having}`);
  }
});

Deno.test("Lister: keys that too few have are read side by side, within bounds of number and bytes", async () => {
  const keys = Array.from({ length: 40 }, (_, i): Key => `k${100 + i}`);
  let underWay = 0;
  let mostAtOnce = 0;
  const coordinator = {
    async read(key: Key) {
      mostAtOnce = Math.max(mostAtOnce, ++underWay);
      await new Promise((resolve) => setTimeout(resolve));
      underWay--;
      return { record: record(key, 9) };
    },
  };
  for (const [maxValueMiB, most] of [[1, 16], [5, 3], [64, 1]] as const) {
    const { lister } = await listerOf(
      {
        own: keys.map((key) => record(key, 1)),
        others: { node2: () => page([]), node3: () => page([]) },
        coordinator,
        maxValueBytes: maxValueMiB * 1024 * 1024,
      } as Parameters<typeof listerOf>[0],
    );
    mostAtOnce = 0;
    const listing = await lister.list({ ...ALL, limit: 30 });
    assertEquals([keysOf(listing), listing.next], [keys.slice(0, 30), keys[29]]);
    assertEquals(mostAtOnce, most);
  }
});

Deno.test("Lister: an answer of an owner that does not count is not enough, and is told of", async () => {
  const away = () => Promise.reject(new ConvergeError("timeout", "no answer"));
  const { lister } = await listerOf({
    others: { node2: away, node3: () => page([]) },
    uncounted: ["node3"],
  });
  const error = await assertRejects(() => lister.list(ALL), ConvergeError);
  assertEquals(error.code, "quorum_unreachable");
  const outcomes = (error.details.owners as { outcome: string }[]).map(({ outcome }) => outcome);
  assertEquals(outcomes, ["answered", "no answer", "answered"]);
});

Deno.test("Lister: it waits on where those that answered are not enough, as some of them do not count", () =>
  inWorld(async ({ clock, wait }) => {
    const late = () => wait(300).then(() => page([]));
    const { lister } = await listerOf({
      others: { node2: late, node3: () => page([]) },
      uncounted: ["node3"],
      clock,
    });
    assertEquals(keysOf(await lister.list(ALL)), []);
  }));

Deno.test("Lister: a page that cannot be the one that was asked for counts as no answer", async () => {
  const copies = [record("p/a", 1), record("p/b", 1)];
  // Of another prefix; and one that ends where it begins, after which one would ask for ever.
  for (const wrong of [page([record("x", 1)]), page([], "p/")]) {
    let asked = 0;
    const node2 = () => ++asked < 3 ? wrong : page(copies);
    const { lister } = await listerOf({
      own: copies,
      others: { node2, node3: () => page(copies) },
    });
    const listing = await lister.list({ ...ALL, prefix: "p/", after: "p/" });
    assertEquals([keysOf(listing), asked], [["p/a", "p/b"], 1]);
  }
});

Deno.test("Lister: others make up for own copies that cannot be read", async () => {
  for (const code of ["corrupt_file", "disk_failed", "closed"] as const) {
    const store = {
      scan() {
        throw new ConvergeError(code, "Cannot read");
      },
    } as unknown as Store;
    const copies = () => page([record("k", 1)]);
    const { lister } = await listerOf({ store, others: { node2: copies, node3: copies } });
    assertEquals(keysOf(await lister.list(ALL)), ["k"]);
  }
});

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
      maxValueBytes: 1024 * 1024,
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
