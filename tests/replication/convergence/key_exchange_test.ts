import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { ConvergeError } from "../../../src/errors.ts";
import {
  difference,
  type ExchangeRequest,
  KeyExchange,
  type KeyExchangeOptions,
} from "../../../src/replication/convergence/key_exchange.ts";
import {
  BUSY_HEADER,
  decodeReadQuestions,
  encodeReadQuestion,
  encodeReadReplies,
  HORIZON_HEADER,
  LEAVING_HEADER,
  type ReadReply,
  RING_HEADER,
  THROUGH_HEADER,
  UNCOUNTED_HEADER,
} from "../../../src/replication/peers/internal_protocol.ts";
import type { PeerLink, PeerRequestOptions } from "../../../src/replication/peers/peer_link.ts";
import { decodeRangeRequest } from "../../../src/replication/convergence/key_range.ts";
import type { Replica } from "../../../src/replication/replica.ts";
import { joinFrames } from "../../../src/record/frame.ts";
import type { StoredRecord } from "../../../src/record/record.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { DATA } from "../../../src/storage/store.ts";
import { compareVersions, type Version } from "../../../src/record/version.ts";
import { key, version } from "../../support/arbitraries.ts";
import { inWorld } from "../../support/in_world.ts";
import { member, removal } from "../../support/members.ts";
import { record } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";

type Entry = Version & { key: string };

/** What one test has that is not as in most: a store with nothing in it, and nobody who waits. */
interface Setup extends Partial<Omit<KeyExchangeOptions, "replica">> {
  clock: Clock;
  replica?: object;
  request?: Partial<ExchangeRequest>;
}

/** Runs an exchange of node1 with node2, whose link answers what the exchange asks of it. */
async function exchangeWith(
  link: object,
  { replica = {}, request, ...options }: Setup,
): Promise<{ complete: boolean }> {
  const exchange = new KeyExchange({
    store: new MemoryStore(),
    replica: Object.assign(
      replica,
      "horizon" in replica ? {} : { horizon: 0 },
    ) as unknown as Replica,
    selfName: "node1",
    linkTo: () => undefined,
    vouches: () => true,
    isBusy: () => false,
    ...options,
  });
  return await exchange.run({
    peerName: "node2",
    link: link as PeerLink,
    topology: topologyOf(2),
    leaves: undefined,
    after: undefined,
    values: false,
    onPage: () => true,
    ...request,
  });
}

async function storeOf(records: readonly StoredRecord[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.apply(records.map((record) => ({ keyspace: DATA, record })));
  return store;
}

const side: fc.Arbitrary<Entry[]> = fc
  .uniqueArray(fc.tuple(key, version), { selector: ([k]) => k, maxLength: 12 })
  .map((entries) =>
    entries.map(([k, v]) => ({ key: k, ...v })).sort((a, b) => a.key < b.key ? -1 : 1)
  );

Deno.test("difference: exactly what each side has newer, in order of keys", () => {
  fc.assert(fc.property(side, side, (mine, theirs) => {
    const { missing, surplus } = difference(mine, theirs);
    const newer = (a: Entry[], b: Entry[]) =>
      a.filter((one) => {
        const other = b.find(({ key }) => key === one.key);
        return other === undefined || compareVersions(one, other) > 0;
      });
    assertEquals(missing, newer(theirs, mine));
    assertEquals(surplus, newer(mine, theirs));
  }));
});

Deno.test("difference: keys of bytes above ASCII are merged in byte order, not in text order", () => {
  const entry = (key: string): Entry => ({ key, counter: 1, nodeID: "a.1" });
  const astral = entry("\xf0\x9f\x98\x80"); // U+1F600 in UTF-8
  const bmp = entry("\xef\xbf\xbd"); // U+FFFD: after it in UTF-16, before it in bytes
  assertEquals(difference([bmp, astral], [astral]), { missing: [], surplus: [bmp] });
  assertEquals(difference([astral], [bmp, astral]), { missing: [bmp], surplus: [] });
});

Deno.test("KeyExchange: rests as long as it works where clients wait, and hardly where nobody does", async () => {
  const PAGES = 5;
  const PAGE_MS = 40;
  await inWorld(async ({ clock, wait }) => {
    const tookMs = async (busyThere: boolean, busyHere: boolean): Promise<number> => {
      let pages = 0;
      const request = async () => {
        await wait(PAGE_MS);
        const headers = new Headers(busyThere ? { [BUSY_HEADER]: "1" } : {});
        if (++pages < PAGES) headers.set(THROUGH_HEADER, `k${pages}`);
        return { status: 200, headers, body: new Uint8Array() };
      };
      const startMs = clock.monotonicMs();
      await exchangeWith({ request }, {
        clock,
        isBusy: () => busyHere,
        request: { values: true },
      });
      return clock.monotonicMs() - startMs - PAGES * PAGE_MS;
    };
    const idle = await tookMs(false, false);
    assert(idle < PAGES * PAGE_MS / 4, `${idle} ms of rest`);
    for (const busy of [await tookMs(true, false), await tookMs(false, true)]) {
      assert(busy >= (PAGES - 1) * PAGE_MS * 0.9, `${busy} ms of rest`);
    }
  });
});

Deno.test("KeyExchange: an owner that has no room to answer is asked again before anything is given up", async () => {
  await inWorld(async ({ clock }) => {
    const collected: string[] = [];
    const answers: ReadReply[][] = [[record("kept", 1), "again"], ["absent"]];
    const answered = (body: Uint8Array) => ({ status: 200, headers: new Headers(), body });
    const third = {
      request: () => answered(encodeReadReplies(answers.shift()!)),
    };
    const peer = {
      request: () => answered(new Uint8Array()),
      writeCopies: (records: unknown[]) => records.map(() => ({ horizon: 9 })),
    };
    await exchangeWith(peer, {
      clock,
      store: await storeOf([record("kept", 1), record("leftover", 2)]),
      replica: {
        horizon: 9,
        collect: (records: Entry[]) => void collected.push(...records.map(({ key }) => key)),
      },
      linkTo: () => third as unknown as PeerLink,
      vouches: () => false,
      request: { topology: topologyOf(3), values: true, leftovers: true },
    });
    assertEquals([collected, answers], [["leftover"], []]);
  });
});

/** Exchanges with a peer that holds nothing; `through` is the end of its pages, so far as it is ahead. */
async function pushedToEmptyPeer(
  records: readonly StoredRecord[],
  through?: string,
  request: Partial<ExchangeRequest> = {},
): Promise<{ pushed: string[]; throughs: (string | undefined)[] }> {
  const pushed: string[] = [];
  const throughs: (string | undefined)[] = [];
  await inWorld(async ({ clock }) => {
    const peer = {
      request: (_method: string, _path: string, { body }: { body: Uint8Array<ArrayBuffer> }) => {
        const { after = "" } = decodeRangeRequest(new TextDecoder().decode(body));
        const isAhead = through !== undefined && after < through;
        const headers = new Headers(isAhead ? { [THROUGH_HEADER]: through } : {});
        return { status: 200, headers, body: new Uint8Array() };
      },
      writeCopies: (batch: StoredRecord[]) => {
        pushed.push(...batch.map(({ key }) => key));
        return batch.map(() => "stored");
      },
    };
    await exchangeWith(peer, {
      clock,
      store: await storeOf(records),
      request: { onPage: (end) => throughs.push(end) > 0, ...request },
    });
  });
  return { pushed, throughs };
}

Deno.test("KeyExchange: all that this node has behind the peer's last key is pushed, page by page", async () => {
  const records = Array.from({ length: 2_600 }, (_, i) => record(`k${10_000 + i}`, i + 1));
  const { pushed, throughs } = await pushedToEmptyPeer(records);
  assertEquals(pushed, records.map(({ key }) => key));
  assertEquals(throughs, ["k10999", "k11999", undefined]);
});

Deno.test("KeyExchange: large records of this node end a page before the peer's end of it", async () => {
  const value = "v".repeat(300_000);
  const records = Array.from({ length: 7 }, (_, i) => record(`k${i}`, i + 1, { value }));
  const { pushed, throughs } = await pushedToEmptyPeer(records, "k4");
  assertEquals(pushed, records.map(({ key }) => key));
  assertEquals(throughs, ["k1", "k3", "k4", "k6", undefined]);
});

Deno.test("KeyExchange: a node that is being refilled brings a peer nothing that the peer does not own", async () => {
  const topology = topologyOf(5);
  const records = Array.from({ length: 60 }, (_, i) => record(`k${100 + i}`, i + 1));
  const shared = records.filter(({ key }) =>
    ["node1", "node2"].every((name) => topology.owns(name, key))
  );
  const { pushed } = await pushedToEmptyPeer(records, undefined, { topology, settled: [] });
  assert(shared.length > 0);
  assertEquals(pushed, shared.map(({ key }) => key));
});

/** A page of versions. */
function listOf(records: readonly StoredRecord[]): Uint8Array {
  const lines = records.map((record) => encodeReadQuestion({ key: record.key, have: record }));
  return new TextEncoder().encode(lines.join(""));
}

/** What an exchange takes from a peer that lists some keys and answers questions about them in turn. */
async function pulledFromPeer(
  peer: { listed: StoredRecord[]; answers: ReadReply[][] },
  own: readonly StoredRecord[] = [],
): Promise<string[]> {
  const pulled: string[] = [];
  await inWorld(async ({ clock }) => {
    const ranges = [listOf(peer.listed)];
    const link = {
      request: (_method: string, path: string) => ({
        status: 200,
        headers: new Headers(),
        body: path === "/internal/range"
          ? ranges.shift() ?? new Uint8Array()
          : encodeReadReplies(peer.answers.shift()!),
      }),
      writeCopies: (batch: StoredRecord[]) => batch.map(() => "stored"),
    };
    const replica = {
      apply: (records: StoredRecord[]) => {
        pulled.push(...records.map(({ key, counter }) => `${key}@${counter}`));
        return records.map(() => "stored");
      },
    };
    await exchangeWith(link, { clock, store: await storeOf(own), replica });
  });
  return pulled;
}

Deno.test("KeyExchange: a peer whose pages do not go on is not asked for ever", () =>
  inWorld(async ({ clock }) => {
    let asked = 0;
    const page = { status: 200, headers: new Headers({ [THROUGH_HEADER]: "k" }) };
    const link = {
      async request() {
        if (++asked > 9) throw new Error("it is asked for ever");
        return { ...page, body: new Uint8Array() };
      },
    };
    await assertRejects(() => exchangeWith(link, { clock }), ConvergeError, "its page ends before");
    assertEquals(asked, 2);
  }));

Deno.test("KeyExchange: a page that was not taken, since the horizon rose meanwhile, is not behind it", () =>
  inWorld(async ({ clock }) => {
    for (const values of [true, false]) {
      const taken: string[] = [];
      let horizon = 0;
      const replica = {
        get horizon() {
          return horizon;
        },
        apply(records: StoredRecord[], fence: number) {
          if (fence !== horizon) return records.map(() => ({ horizon }));
          taken.push(...records.map(({ key }) => key));
          return records.map(() => "stored");
        },
      };
      const [a, b] = [record("a", 1), record("b", 2)];
      const headers = new Headers();
      const link = {
        async request(_method: string, path: string) {
          if (path === "/internal/read") {
            return { status: 200, headers, body: encodeReadReplies([a, b]) };
          }
          horizon ||= 9; // another owner has this one collect a tombstone
          return { status: 200, headers, body: values ? joinFrames([a, b]) : listOf([a, b]) };
        },
      };
      const once = () => exchangeWith(link, { clock, replica, request: { values } });
      await assertRejects(once, ConvergeError, "the horizon rose");
      assertEquals(taken, []);
      await once();
      assertEquals(taken, ["a", "b"]);
    }
  }));

Deno.test("KeyExchange: what one answer has no room for is asked for again", async () => {
  const [a, b, c] = [record("a", 1), record("b", 2), record("c", 3)];
  const answers: ReadReply[][] = [[a, "again", "again"], [b, "again"], [c]];
  assertEquals(await pulledFromPeer({ listed: [a, b, c], answers }), ["a@1", "b@2", "c@3"]);
});

Deno.test("KeyExchange: the key that ends this node's page is compared, too", async () => {
  const value = "v".repeat(300_000);
  const own = [record("a", 1, { value }), record("b", 1, { value })]; // a page of its own
  const newer = record("b", 2);
  assertEquals(await pulledFromPeer({ listed: [newer], answers: [[newer]] }, own), ["b@2"]);
});

Deno.test("KeyExchange: what is collected here while the peer answers is not taken from it again", async () => {
  for (const values of [true, false]) {
    await inWorld(async ({ clock }) => {
      const old = record("k", 3);
      const replica = {
        horizon: 4,
        fences: [] as unknown[],
        apply(records: StoredRecord[], fence: number) {
          this.fences.push(fence);
          return records.map(() => ({ horizon: this.horizon }));
        },
      };
      const link = {
        request: (_method: string, path: string) => {
          replica.horizon++; // tombstones are collected all the time
          const listed = new TextEncoder().encode(encodeReadQuestion({ key: "k", have: old }));
          const isListed = path === "/internal/range" && !values;
          const body = isListed ? listed : encodeReadReplies([old]);
          return { status: 200, headers: new Headers(), body };
        },
      };
      const exchange = () => exchangeWith(link, { clock, replica, request: { values } });
      await assertRejects(exchange, ConvergeError, "the horizon rose");
      assertEquals(replica.fences, [4], "the horizon before anything was read");
    });
  }
});

Deno.test("KeyExchange: a node vouches for what it pushes while it has all its data, to the end of that", async () => {
  for (const isFilled of [true, false]) {
    await inWorld(async ({ clock }) => {
      const fences: unknown[] = [];
      const link = {
        request: () => ({
          status: 200,
          headers: new Headers({ [HORIZON_HEADER]: "7" }),
          body: new Uint8Array(),
        }),
        writeCopies: (batch: StoredRecord[], fence: unknown) => {
          fences.push(fence);
          return batch.map(() => "stored");
        },
      };
      const store = await storeOf([record("k", 1)]);
      await exchangeWith(link, { clock, store, vouches: () => isFilled });
      assertEquals(fences, [isFilled ? 7 : undefined]);
    });
  }
});

Deno.test("KeyExchange: a member that is being removed is asked as one that is", async () => {
  await inWorld(async ({ clock }) => {
    const found = record("k", 1);
    const said: unknown[] = [];
    const link = {
      workTimeoutMs: 4_321,
      request: (_method: string, path: string, { headers = {}, timeoutMs }: PeerRequestOptions) => {
        assertEquals(timeoutMs, 4_321, "no client waits for it");
        if (path === "/internal/read") said.push(headers);
        const listed = new TextEncoder().encode(encodeReadQuestion({ key: "k", have: found }));
        const body = path === "/internal/range" ? listed : encodeReadReplies([found]);
        return { status: 200, headers: new Headers(), body };
      },
    };
    const replica = { apply: (records: StoredRecord[]) => records.map(() => "stored") };
    const members = [member("node1"), member("node3")];
    const topology = topologyOf(0, { members, pending: [removal("node2")] });
    for (const asked of [topologyOf(2), topology]) {
      await exchangeWith(link, { clock, replica, request: { topology: asked } });
    }
    assertEquals(said, [{}, { [LEAVING_HEADER]: "1" }]);
  });
});

/**
 * What is given up of a node's leftovers that node2 does not take, where node3, or node4 that is being
 * removed, knows some of the keys.
 */
async function givenUp(
  { leftovers, third, leaving }: {
    leftovers: boolean;
    third: string[] | "unreachable";
    leaving?: string[];
  },
): Promise<string[]> {
  const collected: string[] = [];
  const { members } = topologyOf(3);
  const pending = leaving === undefined ? [] : [removal("node4")];
  const topology = topologyOf(0, { members, pending });
  await inWorld(async ({ clock }) => {
    const answered = (body: Uint8Array) => ({ status: 200, headers: new Headers(), body });
    const link = {
      request: () => answered(new Uint8Array()),
      writeCopies: (records: unknown[]) => records.map(() => ({ horizon: 9 })),
    };
    const other = (known: readonly string[] | string) => ({
      request: (_method: string, _path: string, { body, headers }: PeerRequestOptions) => {
        assertEquals(headers, { [UNCOUNTED_HEADER]: "1", [RING_HEADER]: topology.fingerprint });
        return answered(encodeReadReplies(
          decodeReadQuestions(body!).map(({ key }) =>
            known.includes(key) ? record(key, 1) : "absent"
          ),
        ));
      },
    });
    const others = new Map<string, object>();
    if (third !== "unreachable") others.set("node3", other(third));
    if (leaving !== undefined) others.set("node4", other(leaving));
    await exchangeWith(link, {
      clock,
      store: await storeOf([record("a", 1), record("b", 2)]),
      replica: {
        horizon: 9,
        collect: (records: Entry[]) => void collected.push(...records.map(({ key }) => key)),
      },
      linkTo: (name) => others.get(name) as PeerLink | undefined,
      request: { topology, leftovers },
    });
  });
  return collected;
}

Deno.test("KeyExchange: leftovers go only where nobody has the key, as far as all others can tell", async () => {
  assertEquals(await givenUp({ leftovers: true, third: ["b"] }), ["a"]);
  assertEquals(await givenUp({ leftovers: true, third: [] }), ["a", "b"]);
  assertEquals(await givenUp({ leftovers: false, third: [] }), [], "it has all its data");
  const before = topologyOf(0, {
    members: topologyOf(3).members,
    pending: [removal("node4")],
  });
  const theirs = ["a", "b"].filter((key) => before.holds("node4", key));
  assert(theirs.length > 0 && theirs.every((key) => !before.owns("node4", key)));
  const kept = await givenUp({ leftovers: true, third: [], leaving: theirs });
  assertEquals(kept, ["a", "b"].filter((key) => !theirs.includes(key)), "nor one that leaves");
  const silent = givenUp({ leftovers: true, third: "unreachable" });
  await assertRejects(() => silent, ConvergeError, "Cannot ask node3");
});

Deno.test("KeyExchange: is complete at the end of the keys, and not where it is told to stop before", () =>
  inWorld(async ({ clock }) => {
    for (const through of [undefined, "k"]) {
      for (const goesOn of [true, false]) {
        let asked = 0;
        const link = {
          request: () => {
            const headers = through === undefined || asked++ > 0
              ? {}
              : { [THROUGH_HEADER]: through };
            return { status: 200, headers: new Headers(headers), body: new Uint8Array() };
          },
        };
        const { complete } = await exchangeWith(link, { clock, request: { onPage: () => goesOn } });
        assertEquals(complete, through === undefined || goesOn);
      }
    }
  }));
