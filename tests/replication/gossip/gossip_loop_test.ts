/** Whom a node names, what it keeps of gossip on its disk, and when it is told that it is no member any more. */
import { assert, assertEquals } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Gossip } from "../../../src/membership/gossip.ts";
import type { GossipMessage } from "../../../src/membership/gossip_message.ts";
import type { Member } from "../../../src/membership/member.ts";
import type { Removal } from "../../../src/membership/removal.ts";
import { GossipLoop, type GossipLoopOptions } from "../../../src/replication/gossip/gossip_loop.ts";
import {
  MEMBERSHIP_DOCUMENT,
  type SavedMembership,
} from "../../../src/replication/gossip/membership_document.ts";
import type { Log } from "../../../src/platform/log.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import type { NetworkRequest, NetworkResponse } from "../../../src/platform/network.ts";
import { MessageAuth } from "../../../src/replication/peers/message_auth.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { ForgetfulStore } from "../../support/forgetful_store.ts";
import { type InWorld, inWorld } from "../../support/in_world.ts";
import { gossipOf, member, originOf, removal } from "../../support/members.ts";

/** Microtasks from the end of a write to everything that waited for it, and some more. */
const TURNS = 12;

/** Documents that are written when the test says so. */
class HeldState {
  readonly written: SavedMembership[] = [];
  #release: (() => void) | undefined;

  write(_name: string, json: SavedMembership): Promise<void> {
    this.written.push(json);
    return new Promise((resolve) => this.#release = resolve);
  }

  release(): void {
    this.#release?.();
    this.#release = undefined;
  }
}

/** The loop of a node that sends nothing. */
function loopOf(gossip: Gossip, more: Partial<GossipLoopOptions> = {}) {
  const store = new MemoryStore();
  const state = new LocalState(store);
  const clock = { monotonicMs: () => 0 };
  const given = { gossip, state, remembered: [], platform: { clock }, onChange() {}, onHeard() {} };
  const options = { ...given, ...more };
  const loop = new GossipLoop(options as unknown as GossipLoopOptions);
  return { loop, store, saved: () => state.read<SavedMembership>(MEMBERSHIP_DOCUMENT) };
}

Deno.test("GossipLoop.save: those that leave, and who was normal once, are remembered, too", async () => {
  const alias = "http://alias:80";
  const gossip = gossipOf(member("a"), { known: [member("b"), member("x")], seeds: [alias] });
  const refilling = member("b", { heartbeat: 1, status: "refilling" });
  gossip.receive({ from: "b", members: [refilling] }, 0, alias);
  gossip.remove("x", false);
  const { loop, saved } = loopOf(gossip);
  await loop.save();
  const { self, members, settled, seeds, removed } = saved()!;
  assertEquals(seeds, [[alias, "b"]]);
  assertEquals([self.name, members.map(({ name }) => name).sort()], ["a", ["a", "b", "x"]]);
  assertEquals([settled!.sort(), removed], [["a", "b", "x"], gossip.removed]);
});

Deno.test("GossipLoop.save: what changes while it is written is written after it, before either ends", async () => {
  const gossip = gossipOf(member("a", { status: "refilling" }));
  const { loop, store, saved } = loopOf(gossip);
  const apply = store.apply.bind(store);
  const { promise, resolve } = Promise.withResolvers<void>();
  store.apply = async (mutations) => {
    await promise;
    return await apply(mutations);
  };
  const first = loop.save();
  gossip.setStatus("normal");
  const second = loop.save();
  resolve();
  await second;
  assertEquals(saved()!.self.status, "normal");
  await first;
});

Deno.test("GossipLoop: a member that leaves goes on until all is taken over; one that is dead, or of before, ends", () => {
  const life = { name: "x", origin: member("x").origin, incarnation: 1 };
  const isTold = (changes: Partial<Removal>, nodeID = "x.1") => {
    let told = 0;
    const gossip = gossipOf(member("x", { nodeID }), { known: [member("b")] });
    const { loop } = loopOf(gossip, { onRemoved: () => void told++ });
    const removal = { ...life, nodeID: "x.1", dead: false, ended: false, ...changes };
    const message = gossipOf(member("b"), { known: [member("x")], removed: [removal] }).message();
    loop.receive(new TextEncoder().encode(JSON.stringify(message)));
    return told > 0;
  };
  assertEquals(isTold({}), false);
  assertEquals(isTold({ dead: true }), true);
  assertEquals(isTold({ ended: true }), true);
  assertEquals(isTold({}, "x.2"), true, "it took the place of that one before it knew");
});

Deno.test("GossipLoop: what is news is written at once, and what is none is not", () => {
  const state = new HeldState();
  const told: number[] = [];
  const gossip = gossipOf(member("a"), { known: [member("b")] });
  const { loop } = loopOf(gossip, {
    state: state as unknown as LocalState,
    onChange: () => void told.push(gossip.version),
  });
  const hear = (changes: Partial<Member>) => {
    const view = { from: "b", members: [member("b", { heartbeat: 1, ...changes })] };
    loop.receive(new TextEncoder().encode(JSON.stringify(view)));
    state.release();
  };
  hear({ status: "refilling" });
  assertEquals([state.written.length, told.length], [1, 1]);
  hear({ status: "refilling", heartbeat: 2 });
  assertEquals([state.written.length, told.length], [1, 1]);
});

Deno.test("GossipLoop: a seed of another cluster ends a node only while that is new; it is told of once", () =>
  inWorld(async (world) => {
    const seed = "http://other:80";
    for (const status of ["joining", "refilling", "normal"] as const) {
      const ended: string[] = [];
      const warned: unknown[] = [];
      const gossip = gossipOf(member("a", { status }), { known: [member("b")], seeds: [seed] });
      const { loop } = talkingLoop(gossip, world, {
        answer: () => viewOf(gossipOf(member("z"))),
        onOtherCluster: (origin) => void ended.push(origin),
        warn: (_, fields) => void warned.push(fields),
      });
      const ask = async () => {
        loop.announce();
        await world.wait(1);
      };
      await ask();
      assertEquals(ended.includes(seed), status === "joining", status);
      if (status === "joining") gossip.setStatus("normal");
      ended.length = 0;
      for (let i = 0; i < 3; i++) await ask();
      assertEquals([ended, warned], [[], [{ seed: originOf("b") }, { seed }]], status);
    }
  }));

/** Node IDs in the view that a node gives who asks for it. */
function namedBy(loop: GossipLoop): string[] {
  const question = new TextEncoder().encode(JSON.stringify({ from: "new", members: [] }));
  const view = JSON.parse(new TextDecoder().decode(loop.receive(question))) as GossipMessage;
  return view.members.map(({ nodeID }) => nodeID).sort();
}

Deno.test("GossipLoop: names only members that are on disk, or whose name is on the ring after a restart", async () => {
  const remembered = [member("b"), member("c")];
  const gossip = gossipOf(member("a"), {
    known: remembered,
    removed: [removal("c", { dead: true })],
  });
  const state = new HeldState();
  const { loop } = loopOf(gossip, { state: state as unknown as LocalState, remembered });
  const lives = ["b", "c", "d"].map((name) => {
    return member(name, { nodeID: `${name}.2`, incarnation: 2, status: "joining" });
  });
  const removed = [removal("c", { dead: true, ended: true })];
  gossip.receive({ from: "b", members: lives, removed }, 0);
  assertEquals(gossip.members.map(({ nodeID }) => nodeID), ["a.1", "b.2", "c.2", "d.2"]);
  assertEquals(namedBy(loop), ["a.1", "b.2"]);
  const saving = loop.save();
  assertEquals(namedBy(loop), ["a.1", "b.2"]);
  gossip.receive({ from: "b", members: [member("e", { status: "joining" })] }, 0);
  state.release();
  await saving;
  assertEquals(namedBy(loop), ["a.1", "b.2", "c.2", "d.2"], "e came while it was written");
});

Deno.test("GossipLoop: a life is not named while a restart would forget it for the removal of another one", async () => {
  const second = member("x", { nodeID: "x.2", incarnation: 2, status: "joining" });
  const gossip = gossipOf(member("a"), { known: [second] });
  const { loop } = loopOf(gossip);
  const ask = new TextEncoder().encode(JSON.stringify({ from: "b", members: [] }));
  const named = () => {
    const { members } = JSON.parse(new TextDecoder().decode(loop.receive(ask))) as GossipMessage;
    return members.map(({ nodeID }) => nodeID).sort();
  };
  await loop.save();
  assertEquals(named(), ["a.1", "x.2"]);
  gossip.receive({ from: "b", members: [], removed: [removal("x")] }, 0);
  await loop.save();
  const restarted = gossipOf(member("a"), { known: [second], removed: gossip.removed });
  assertEquals([restarted.member("x"), named()], [undefined, ["a.1"]]);
  gossip.endRemoval("x.1");
  gossip.receive({ from: "x", members: [{ ...second, incarnation: 3 }] }, 0);
  assertEquals(named(), ["a.1"], "on the disk the removal goes on");
  await loop.save();
  assertEquals(named(), ["a.1", "x.2"]);
});

Deno.test("GossipLoop.save(): resolves once what was known at the call is written, whenever it comes", async () => {
  for (let turns = 0; turns < TURNS; turns++) {
    const state = new HeldState();
    const gossip = gossipOf(member("a"));
    const { loop } = loopOf(gossip, { state: state as unknown as LocalState });
    const first = loop.save();
    state.release();
    for (let i = 0; i < turns; i++) await undefined;
    gossip.setStatus("refilling");
    const second = loop.save();
    for (let i = 0; i < TURNS; i++) {
      await undefined;
      state.release();
    }
    await Promise.all([first, second]);
    assertEquals(state.written.at(-1)!.self.status, "refilling", `${turns} turns after the write`);
  }
});

const INTERVAL_MS = 1_000;

/** What a peer answers: the view of `from`, and the highest counter that it has seen. */
function viewOf(from: Gossip | undefined, counter = 0): NetworkResponse {
  const view = from?.message() ?? { from: "", members: [] };
  return {
    status: from === undefined ? 503 : 200,
    headers: new Headers({ "converge-counter": String(counter) }),
    body: new TextEncoder().encode(JSON.stringify(view)),
  };
}

/** The loop of a node that sends to a network which the test makes up. */
function talkingLoop(
  gossip: Gossip,
  { clock }: InWorld,
  { answer, store = new MemoryStore(), warn = () => {}, onOtherCluster = () => {} }: {
    answer: (request: NetworkRequest) => NetworkResponse | Promise<NetworkResponse>;
    store?: MemoryStore;
    warn?: Log["warn"];
    onOtherCluster?: GossipLoopOptions["onOtherCluster"];
  },
) {
  const lamport = { current: 0, observe: (counter: number) => void (lamport.current = counter) };
  const request = async (asked: NetworkRequest) => await answer(asked);
  const { loop } = loopOf(gossip, {
    state: new LocalState(store),
    platform: { clock, network: { request }, log: { warn } } as unknown as Platform,
    onOtherCluster,
    auth: new MessageAuth(""),
    lamport: lamport as unknown as GossipLoopOptions["lamport"],
    intervalMs: INTERVAL_MS,
  });
  return { loop, lamport };
}

Deno.test("GossipLoop.refusedSeeds: where nobody was heard, and nobody listened when it was asked last", () =>
  inWorld(async (world) => {
    const seeds = ["s1", "s2", "s3"].map(originOf);
    const gossip = gossipOf(member("a", { status: "joining" }), {
      seeds,
      known: [member("b", { status: "joining" })],
    });
    let answer = (): NetworkResponse => {
      throw new ConvergeError("unreachable", "nobody listens");
    };
    const { loop } = talkingLoop(gossip, world, {
      answer: ({ origin }) => {
        if (origin === originOf("s3")) throw new ConvergeError("timeout", "no answer");
        return answer();
      },
    });
    loop.announce();
    await world.wait(1);
    assertEquals(loop.refusedSeeds, 2, "not b, which is no seed, nor one that is silent");
    answer = () => viewOf(undefined);
    loop.announce();
    await world.wait(1);
    assertEquals(loop.refusedSeeds, 0, "somebody does");
    answer = () => {
      throw new ConvergeError("unreachable", "nobody listens");
    };
    loop.announce();
    await world.wait(1);
    answer = () => {
      throw new ConvergeError("timeout", "no answer");
    };
    loop.announce();
    await world.wait(1);
    assertEquals(loop.refusedSeeds, 0, "somebody may");
  }));

Deno.test("GossipLoop: until a node is normal it asks ten times as often", () =>
  inWorld(async (world) => {
    let asked = 0;
    const gossip = gossipOf(member("a", { status: "joining" }), { known: [member("b")] });
    const answer = () => {
      asked++;
      return viewOf(undefined);
    };
    const { loop } = talkingLoop(gossip, world, { answer });
    loop.start();
    await world.wait(INTERVAL_MS - 1);
    assertEquals(asked, 10);
    gossip.setStatus("normal");
    await world.wait(3 * INTERVAL_MS);
    assertEquals(asked, 10 + 3);
    loop.stop();
  }));

Deno.test("GossipLoop: a member that could not be written is written with a later tick, and named then", () =>
  inWorld(async (world) => {
    const gossip = gossipOf(member("a"));
    const store = new ForgetfulStore();
    store.isFull = true;
    const { loop } = talkingLoop(gossip, world, { answer: () => viewOf(undefined), store });
    loop.start();
    const view = gossipOf(member("b", { status: "joining" })).message();
    loop.receive(new TextEncoder().encode(JSON.stringify(view)));
    await world.wait(3 * INTERVAL_MS);
    assertEquals(namedBy(loop), ["a.1"]);
    store.isFull = false;
    await world.wait(2 * INTERVAL_MS);
    assertEquals(namedBy(loop), ["a.1", "b.1"]);
    loop.stop();
  }));

Deno.test("GossipLoop: the counter of an answer is observed; one that comes after the end changes nothing", () =>
  inWorld(async (world) => {
    const gossip = gossipOf(member("a"), { known: [member("b")] });
    const other = gossipOf(member("b"), { known: [member("c")] });
    const late = Promise.withResolvers<NetworkResponse>();
    const { loop, lamport } = talkingLoop(gossip, world, { answer: () => late.promise });
    loop.announce();
    loop.stop();
    late.resolve(viewOf(other, 7));
    await world.wait(1);
    assertEquals([gossip.member("c"), lamport.current], [undefined, 0]);
    const going = talkingLoop(gossip, world, { answer: () => viewOf(other, 7) });
    going.loop.announce();
    await world.wait(1);
    assert(gossip.member("c") !== undefined);
    assertEquals(going.lamport.current, 7);
  }));
