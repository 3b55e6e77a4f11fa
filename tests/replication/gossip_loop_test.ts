/** What a node keeps of gossip on its disk, and when it is told that it is no member any more. */
import { assertEquals } from "@std/assert";
import type { Gossip } from "../../src/membership/gossip.ts";
import type { Removal } from "../../src/membership/removal.ts";
import {
  GossipLoop,
  type GossipLoopOptions,
  MEMBERSHIP_DOCUMENT,
  type SavedMembership,
} from "../../src/replication/gossip_loop.ts";
import { LocalState } from "../../src/replication/local_state.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import { gossipOf, member } from "../support/members.ts";

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
  const gossip = gossipOf(member("a"), { known: [member("b"), member("x")] });
  gossip.receive({ from: "b", members: [member("b", { heartbeat: 1, status: "refilling" })] }, 0);
  gossip.remove("x", false);
  const { loop, saved } = loopOf(gossip);
  await loop.save();
  const { self, members, settled, removed } = saved()!;
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
