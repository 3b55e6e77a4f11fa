import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { Log } from "../../../src/platform/log.ts";
import { AntiEntropy } from "../../../src/replication/convergence/anti_entropy.ts";
import type { KeyExchange } from "../../../src/replication/convergence/key_exchange.ts";
import type { PeerLink } from "../../../src/replication/peers/peer_link.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { DATA } from "../../../src/storage/store.ts";
import { type InWorld, inWorld } from "../../support/in_world.ts";
import { record } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";

const CLOCK: Clock = {
  monotonicMs: () => 0,
  wallMs: () => 0,
  clearTimer() {},
  setTimer: (_delayMs, callback) => (queueMicrotask(callback), 1),
};
const LOG: Log = { info() {}, warn() {}, error() {} };

Deno.test("AntiEntropy.differing: a ring that grows under a comparison ends it, whatever it waited for", async () => {
  for (const [asked, grownAt] of [[1, 1], [2, 2]] as const) {
    let topology = topologyOf(3);
    const antiEntropy = new AntiEntropy({
      store: new MemoryStore(),
      exchange: {} as KeyExchange,
      clock: CLOCK,
      log: LOG,
      selfName: "node1",
      topology: () => topology,
      linkTo: () => undefined,
      keysUnderWay: () => [],
      isCatchingUp: () => false,
      deliverHints() {},
      intervalMs: 1,
    });
    let questions = 0;
    const answer = async (): Promise<{ body: Uint8Array }> => {
      if (++questions === grownAt) {
        topology = topologyOf(4);
        // Somebody else compares over the new ring meanwhile.
        await antiEntropy.arcHashes("node2", topology.fingerprint);
      }
      return { body: new TextEncoder().encode(questions === 1 ? "{}" : "[]") };
    };
    const link = { isOpen: false, request: answer } as unknown as PeerLink;
    const error = await assertRejects(
      () => antiEntropy.differing("node2", link, topologyOf(3), false),
      ConvergeError,
    );
    assertEquals([error.code, questions], ["not_ready", asked]);
  }
});

const TWO = topologyOf(2);

/** A node with some records, that counts how often all of them are read. */
async function sideOf(clock: Clock, records: number, linkTo: () => PeerLink | undefined) {
  const store = new MemoryStore();
  const scan = store.scan.bind(store);
  const reads = { count: 0 };
  store.scan = (...range) => {
    reads.count++;
    return scan(...range);
  };
  await store.apply(
    Array.from({ length: records }, (_, i) => ({ keyspace: DATA, record: record(`k${i}`, 1) })),
  );
  const antiEntropy = new AntiEntropy({
    store,
    exchange: {} as KeyExchange,
    clock,
    log: LOG,
    selfName: "node1",
    topology: () => TWO,
    linkTo,
    keysUnderWay: () => [],
    isCatchingUp: () => false,
    deliverHints() {},
    intervalMs: 1_000,
  });
  return { antiEntropy, reads };
}

/** A node that compares with a peer that holds the same, while a test says what is stored. */
async function comparing({ clock, wait }: InWorld, records: number) {
  const { antiEntropy: peer } = await sideOf(clock, records, () => undefined);
  const state = { answers: true };
  const link = {
    isOpen: false,
    request: async () => {
      if (!state.answers) throw new ConvergeError("overloaded", "Not now");
      const hashes = await peer.arcHashes("node2", TWO.fingerprint);
      return { body: new TextEncoder().encode(JSON.stringify(hashes)) };
    },
  } as unknown as PeerLink;
  const { antiEntropy, reads } = await sideOf(clock, records, () => link);
  let stored = 0;
  const store = async (perSecond: number, seconds: number, keys = Infinity) => {
    for (let tenth = 0; tenth < 10 * seconds; tenth++) {
      for (let i = 0; i < perSecond / 10; i++) antiEntropy.onStored(`key${stored++ % keys}`);
      await wait(100);
    }
  };
  antiEntropy.start();
  await wait(500);
  const isShownAsItIs = async () => {
    const before = reads.count;
    await antiEntropy.arcHashes("node2", TWO.fingerprint);
    return reads.count === before;
  };
  return { antiEntropy, counts: antiEntropy.counts, store, state, isShownAsItIs };
}

const MANY = 16_000;

Deno.test("AntiEntropy: rounds are put off while more is stored than hashes can follow, not for ever", () =>
  inWorld(async (world) => {
    const { antiEntropy, counts, store, isShownAsItIs } = await comparing(world, MANY);
    await store(4_000, 3, 10);
    assertEquals([counts.rounds, counts.roundsEqual], [4, 4], "hashes follow a few keys");
    await store(4_000, 9);
    assertEquals([counts.rounds, counts.roundsPutOff], [4, 9], "put off");
    assert(await isShownAsItIs(), "nor are hashes made for a peer");
    await store(4_000, 3);
    assertEquals(counts.rounds, 5, "but not for ever");
    antiEntropy.urgent("node2");
    await world.wait(100);
    assertEquals(counts.rounds, 6, "and not where it is urgent");
    await store(4_000, 2.5);
    assertEquals(counts.rounds, 6, "put off again");
    await store(500, 3);
    assertEquals(counts.rounds, 8, "until hashes can follow");
    assertEquals(counts.roundsEqual, 8);
    antiEntropy.stop();
  }));

Deno.test("AntiEntropy: a round that failed is tried again in the next interval, however much is stored", () =>
  inWorld(async (world) => {
    const { antiEntropy, counts, store, state } = await comparing(world, MANY);
    state.answers = false;
    await store(4_000, 14);
    const { roundsFailed } = counts;
    assert(roundsFailed >= 3, `${roundsFailed} failed`);
    state.answers = true;
    await store(4_000, 2);
    assert(counts.roundsEqual >= 2, "tried again");
    antiEntropy.stop();
  }));

Deno.test("AntiEntropy: rounds of a small store are not put off: to read it all takes no time", () =>
  inWorld(async (world) => {
    const { antiEntropy, counts, store } = await comparing(world, 4_000);
    await store(4_000, 5);
    assertEquals([counts.rounds, counts.roundsPutOff], [6, 0]);
    antiEntropy.stop();
  }));

Deno.test("AntiEntropy.arcHashes(): are up to an interval old where new ones would read everything, unless asked for fresh", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { antiEntropy, reads } = await sideOf(clock, 0, () => undefined);
    const ask = async (fresh = false) => {
      await antiEntropy.arcHashes("node2", TWO.fingerprint, fresh);
      return reads.count;
    };
    const flood = () => {
      for (let i = 0; i < 2_000; i++) antiEntropy.onStored(`key${i}`);
    };
    assertEquals(await ask(), 1);
    flood();
    await wait(900);
    assertEquals(await ask(), 1, "recent");
    await wait(200);
    assertEquals(await ask(), 2, "old");
    flood();
    assertEquals(await ask(true), 3, "fresh");
    antiEntropy.stop();
  });
});
