/** Whom a node names, what it keeps of gossip on its disk, and when it is told that it is no member any more. */
import { assertEquals } from "@std/assert";
import type { Gossip } from "../../../src/membership/gossip.ts";
import type { GossipMessage } from "../../../src/membership/gossip_message.ts";
import type { Removal } from "../../../src/membership/removal.ts";
import {
  GossipLoop,
  type GossipLoopOptions,
  MEMBERSHIP_DOCUMENT,
  type SavedMembership,
} from "../../../src/replication/gossip/gossip_loop.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { gossipOf, member, removal } from "../../support/members.ts";

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
  state.release();
  await saving;
  assertEquals(namedBy(loop), ["a.1", "b.2", "c.2", "d.2"]);
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
