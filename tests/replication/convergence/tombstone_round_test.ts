/** One round of a collector alone: whom it asks, with what words, and what it leaves as it is. */
import { assertEquals } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Member } from "../../../src/membership/member.ts";
import type { StoredRecord } from "../../../src/record/record.ts";
import {
  TombstoneCollector,
  type TombstoneCollectorOptions,
} from "../../../src/replication/convergence/tombstone_collector.ts";
import {
  decodeReadQuestions,
  encodeReadReplies,
  type ReadReply,
} from "../../../src/replication/peers/internal_protocol.ts";
import type { TopologyOptions } from "../../../src/replication/topology/topology.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { DATA } from "../../../src/storage/store.ts";
import { type InWorld, inWorld } from "../../support/in_world.ts";
import { removal } from "../../support/members.ts";
import { record } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";

const TOMBSTONE = record("k", 5, { value: undefined });

interface Asked {
  name: string;
  path: string;
  headers: Record<string, string>;
}

/** The first owner of `k` of three, over a network that the test makes up. */
async function collecting(
  { clock }: InWorld,
  { options = {}, change = (one) => one, reply = () => "same", onCollect = () => {} }: {
    options?: Partial<TopologyOptions>;
    /** What the other members say of themselves. */
    change?: (one: Member) => Member;
    reply?: () => ReadReply;
    onCollect?: (name: string) => void;
  } = {},
) {
  const selfName = topologyOf(3).ownersOf("k")[0]!.name;
  const members = topologyOf(3).members.map((one) => one.name === selfName ? one : change(one));
  const now = { topology: topologyOf(0, { members, selfName, ...options }) };
  const store = new MemoryStore();
  await store.apply([{ keyspace: DATA, record: TOMBSTONE }]);
  const asked: Asked[] = [];
  const collected: string[] = [];
  const lamport = { current: 5 };
  const request = (name: string) =>
  async (
    _method: string,
    path: string,
    { body, headers = {} }: { body: Uint8Array; headers?: Record<string, string> },
  ) => {
    asked.push({ name, path, headers });
    if (path === "/internal/collect") {
      onCollect(name);
      return { body: new Uint8Array() };
    }
    return { body: encodeReadReplies(decodeReadQuestions(body).map(() => reply())) };
  };
  const links = new Map(
    members.map(({ name }) => [name, { isOpen: false, request: request(name) }]),
  );
  const collector = new TombstoneCollector({
    store,
    clock,
    lamport,
    log: { info() {}, warn() {}, error() {} },
    replica: {
      answer: (questions: unknown[]) => questions.map(() => "same"),
      collect: async (records: StoredRecord[]) =>
        void collected.push(...records.map(({ key }) => key)),
    },
    topology: () => now.topology,
    linkTo: (name: string) => links.get(name),
    intervalMs: 1_000,
  } as unknown as TombstoneCollectorOptions);
  const rounds = async (count: number) => {
    for (let i = 0; i < count; i++) await collector.round();
    return collected;
  };
  return { collector, store, lamport, links, now, asked, collected, rounds, selfName };
}

Deno.test("TombstoneCollector.round: what it found younger than its round before is left for the next", () =>
  inWorld(async (world) => {
    const { rounds, asked, lamport } = await collecting(world);
    let counter = TOMBSTONE.counter - 2;
    Object.defineProperty(lamport, "current", { get: () => ++counter }); // others write all the time
    assertEquals([await rounds(2), asked], [[], []]);
    assertEquals(await rounds(1), ["k"]);
  }));

Deno.test("TombstoneCollector.round: asks for what is on the device, by the ring that it knows, and itself last", () =>
  inWorld(async (world) => {
    const { rounds, asked, now, selfName } = await collecting(world);
    assertEquals(await rounds(2), ["k"]);
    const ring = { "converge-ring": now.topology.fingerprint };
    const others = now.topology.ownersOf("k").map(({ name }) => name)
      .filter((name) => name !== selfName);
    assertEquals(asked, [
      ...others.map((name) => {
        return { name, path: "/internal/read", headers: { "converge-durable": "1", ...ring } };
      }),
      ...others.map((name) => ({ name, path: "/internal/collect", headers: ring })),
    ]);
  }));

Deno.test("TombstoneCollector.round: none while a member is removed, or an owner is being filled", () =>
  inWorld(async (world) => {
    const pending = await collecting(world, { options: { pending: [removal("x")] } });
    assertEquals([await pending.rounds(3), pending.asked], [[], []]);
    const changes: Partial<Member>[] = [{ removals: { "x.1": "done" } }, { status: "refilling" }];
    for (const change of changes) {
      const { rounds, collector } = await collecting(world, {
        change: (one) => ({ ...one, ...change }),
      });
      assertEquals([await rounds(3), collector.counts.unconfirmed], [[], 1]);
    }
  }));

Deno.test("TombstoneCollector.round: only that very version is confirmed, be it newer elsewhere", () =>
  inWorld(async (world) => {
    for (const other of [record("k", 4), record("k", 6), "absent" as const]) {
      const { rounds } = await collecting(world, { reply: () => other });
      assertEquals(await rounds(3), []);
    }
    const same = await collecting(world, { reply: () => TOMBSTONE });
    assertEquals(await same.rounds(2), ["k"]);
  }));

Deno.test("TombstoneCollector.round: keeps its own while another owner may keep one, or there is another ring", () =>
  inWorld(async (world) => {
    const refusing = await collecting(world, {
      onCollect: () => {
        throw new ConvergeError("timeout", "no answer");
      },
    });
    assertEquals(await refusing.rounds(2), []);
    assertEquals(refusing.asked.filter(({ path }) => path === "/internal/collect").length, 1);
    const gone = await collecting(world, { onCollect: () => gone.links.clear() });
    assertEquals(await gone.rounds(2), [], "the second one is no member any more");
    const growing = await collecting(world, {
      onCollect: () => growing.now.topology = topologyOf(4, { selfName: growing.selfName }),
    });
    assertEquals(await growing.rounds(2), []);
  }));

Deno.test("TombstoneCollector.round: not by another than the first owner", () =>
  inWorld(async (world) => {
    const second = topologyOf(3).ownersOf("k")[1]!.name;
    const { rounds, asked } = await collecting(world, { options: { selfName: second } });
    assertEquals([await rounds(3), asked], [[], []]);
  }));

Deno.test("TombstoneCollector: looks again while something is to expire, and leaves that alone for a minute", () =>
  inWorld(async (world) => {
    const { collector, store, collected, lamport } = await collecting(world);
    await collector.round();
    await collector.round();
    await store.apply([{ keyspace: DATA, record: TOMBSTONE, erase: true }]);
    collected.length = 0;
    let looks = 0;
    const scan = store.scan.bind(store);
    store.scan = (...range) => {
      looks++;
      return scan(...range);
    };
    collector.start();
    await world.wait(3_500);
    assertEquals(looks, 1, "there was something at the last look, and is nothing any more");
    const expiring = record("k", 5, { expiresAtMs: world.clock.wallMs() + 10_000 });
    await store.apply([{ keyspace: DATA, record: expiring }]);
    collector.onStored(expiring);
    lamport.current = 9;
    await world.wait(69_000);
    assertEquals([looks, collected], [70, []], "other clocks may be a minute late");
    await world.wait(3_000);
    assertEquals(collected[0], "k");
    collector.stop();
  }));

Deno.test("TombstoneCollector: looks again after a round that failed in its midst", () =>
  inWorld(async (world) => {
    const { collector, store, collected } = await collecting(world);
    const { scan } = store;
    collector.start();
    await world.wait(1_500);
    store.scan = () => ({ ...scan.call(store, DATA), next: fail, close() {} });
    await world.wait(1_000);
    store.scan = scan;
    await world.wait(1_000);
    assertEquals(collected, ["k"]);
    collector.stop();
  }));

function fail(): never {
  throw new ConvergeError("corrupt_file", "Cannot read");
}
