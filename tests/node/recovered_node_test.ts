/** What a node makes of its directory, and of what others say, when it starts. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DEFAULTS, type NodeConfig } from "../../src/config.ts";
import { ConvergeError } from "../../src/errors.ts";
import { Gossip } from "../../src/membership/gossip.ts";
import type { Member } from "../../src/membership/member.ts";
import {
  type RecoveredNode,
  recoverNode,
  type StartingNode,
} from "../../src/node/recovered_node.ts";
import type { NetworkRequest } from "../../src/platform/network.ts";
import {
  MEMBERSHIP_DOCUMENT,
  type SavedMembership,
} from "../../src/replication/gossip/membership_document.ts";
import { LamportClock } from "../../src/replication/state/lamport_clock.ts";
import { LocalState } from "../../src/replication/state/local_state.ts";
import { SeededRandom } from "../../src/simulation/virtual/random_streams.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import { InstantClock } from "../storage/instant_clock.ts";
import { gossipOf, member, originOf, removal } from "../support/members.ts";

/** Starts node `a` on what is in `store`; others answer with their view, or not at all. */
function start(
  store: MemoryStore,
  { config = {}, others = {}, loss = 0 }: {
    config?: Partial<NodeConfig>;
    others?: Record<string, Gossip>;
    loss?: number;
  } = {},
): Promise<RecoveredNode> {
  store.lastLoss = () => loss;
  const request = async ({ origin }: NetworkRequest) => {
    const other = others[origin];
    if (other === undefined) throw new ConvergeError("unreachable", "nobody listens");
    const body = new TextEncoder().encode(JSON.stringify(other.message()));
    return { status: 200, headers: new Headers({ "converge-counter": "70" }), body };
  };
  return recoverNode({
    config: {
      ...DEFAULTS,
      name: "a",
      advertise: originOf("a"),
      peers: Object.keys(others),
      dataDirectory: "directory",
      ...config,
    },
    platform: {
      random: new SeededRandom(1, "start"),
      clock: new InstantClock(),
      network: { request },
    },
    parts: {
      openLamportClock: LamportClock.open,
      createGossip: (...args: ConstructorParameters<typeof Gossip>) => new Gossip(...args),
    },
    store,
  } as unknown as StartingNode);
}

/** The directory of a node that has run before, with what it remembers. */
async function ranBefore(
  remembered: Omit<SavedMembership, "self" | "members"> & { members?: Member[] },
  selfChanges: Partial<Member> = {},
): Promise<{ store: MemoryStore; self: Member }> {
  const store = new MemoryStore();
  const { gossip } = await start(store);
  const self = { ...gossip.self, ...selfChanges };
  const members = [self, ...remembered.members ?? []];
  const state = new LocalState(store);
  await state.write(MEMBERSHIP_DOCUMENT, { ...remembered, self, members });
  await state.write("removals", { stages: { "x.1": "done" } });
  return { store, self };
}

Deno.test("recoverNode: a node goes on with all that it remembers", async () => {
  const { store, self } = await ranBefore({
    members: [member("b"), member("x")],
    seeds: [["http://alias:80", "b"]],
    settled: ["lost"],
    removed: [removal("x")],
  }, { status: "normal", incarnation: 9 });
  const { gossip, remembered, isAnotherLife } = await start(store);
  assertEquals([gossip.self.nodeID, gossip.self.status], [self.nodeID, "normal"]);
  assertEquals([gossip.self.starts, gossip.self.incarnation], [2, 10]);
  assertEquals(gossip.self.removals, { "x.1": "done" });
  assertEquals(gossip.members.map(({ name }) => name), ["a", "b"]);
  assertEquals([...gossip.resolvedSeeds], [["http://alias:80", "b"]]);
  assertEquals([...gossip.settled].sort(), ["a", "b", "lost", "x"]);
  assertEquals(gossip.pending.map(({ name }) => name), ["x"]);
  assertEquals(remembered.map(({ name }) => name), ["a", "b", "x"]);
  assert(!isAnotherLife);
});

Deno.test("recoverNode: after a loss it is another life, that is new and knows which ones it was", async () => {
  const { store, self } = await ranBefore({
    members: [member("b"), member("x")],
    seeds: [],
    removed: [removal("x")],
  }, { status: "normal", incarnation: 9 });
  const { gossip, isAnotherLife } = await start(store, { loss: 7 });
  assert(isAnotherLife && gossip.self.nodeID !== self.nodeID);
  assertEquals([gossip.self.status, gossip.self.removals], ["joining", undefined]);
  assertEquals(gossip.members.map(({ name }) => name), ["a", "b"]);
  const former = [removal("a", { nodeID: self.nodeID, dead: true })];
  gossip.receive({ from: "b", members: [member("b")], removed: former }, 0);
  assertEquals(gossip.ownRemoval?.nodeID, self.nodeID, "it knows that it was that one");
});

Deno.test("recoverNode: others tell it before it says anything that it was removed, or does not fit", async () => {
  const { store, self } = await ranBefore({ members: [member("b"), member("c")], seeds: [] });
  const refusal = async (other: Gossip, at = store) => {
    const others = { [originOf("b")]: other };
    return (await assertRejects(() => start(at, { others }), ConvergeError)).code;
  };
  const removed = [removal("a", { nodeID: self.nodeID, ended: true })];
  assertEquals(await refusal(gossipOf(member("b"), { removed })), "removed");
  const shared = { ...DEFAULTS, readQuorum: DEFAULTS.readQuorum + 1 };
  const other = gossipOf(member("b"), { shared });
  assertEquals(await refusal(other, new MemoryStore()), "bad_config");
});

Deno.test("recoverNode: a new node takes over what others know, and their counter; other owners it refuses", async () => {
  const others = { [originOf("b")]: gossipOf(member("b"), { known: [member("c")] }) };
  const { gossip, lamport } = await start(new MemoryStore(), { others });
  assertEquals(gossip.members.map(({ name }) => name), ["a", "b", "c"]);
  assertEquals(lamport.current, 70);
  const members = ["b", "c", "d"].map((name) => member(name));
  const { store } = await ranBefore({ members, seeds: [] });
  const moved = () => start(store, { config: { virtualNodes: DEFAULTS.virtualNodes + 1 } });
  assertEquals((await assertRejects(moved, ConvergeError)).code, "bad_config");
});
