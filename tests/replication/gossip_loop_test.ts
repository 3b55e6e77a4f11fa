/** What a node says of members, and what it keeps of them. */
import { assertEquals } from "@std/assert";
import { GossipLoop, type SavedMembership } from "../../src/replication/gossip_loop.ts";
import type { LamportClock } from "../../src/replication/lamport_clock.ts";
import type { LocalState } from "../../src/replication/local_state.ts";
import { MessageAuth } from "../../src/replication/message_auth.ts";
import type { Platform } from "../../src/platform/platform.ts";
import type { Gossip } from "../../src/membership/gossip.ts";
import type { GossipMessage } from "../../src/membership/gossip_message.ts";
import type { Member } from "../../src/membership/member.ts";
import { InstantClock } from "../storage/instant_clock.ts";
import { gossipOf, member, removal } from "../support/members.ts";

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

function loopOf(gossip: Gossip, state: HeldState, remembered: Member[] = []): GossipLoop {
  return new GossipLoop({
    gossip,
    platform: { clock: new InstantClock() } as unknown as Platform,
    lamport: {} as LamportClock,
    auth: new MessageAuth(""),
    state: state as unknown as LocalState,
    remembered,
    intervalMs: 1_000,
    timeoutMs: 1_000,
    onChange() {},
    onHeard() {},
    onOtherOptions() {},
    onOtherCluster() {},
    onOldCopy() {},
    onTwin() {},
    onRemoved() {},
  });
}

/** Node IDs in the view that a node gives who asks for it. */
function namedBy(loop: GossipLoop): string[] {
  const question = new TextEncoder().encode(JSON.stringify({ from: "new", members: [] }));
  const view = JSON.parse(new TextDecoder().decode(loop.receive(question))) as GossipMessage;
  return view.members.map(({ nodeID }) => nodeID).sort();
}

Deno.test("GossipLoop: names who is on disk, by any life of a name that is on the ring of a restart", async () => {
  const remembered = [member("b"), member("c")];
  const gossip = gossipOf(member("a"), {
    known: remembered,
    removed: [removal("c", { dead: true })],
  });
  const state = new HeldState();
  const loop = loopOf(gossip, state, remembered);
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
    const loop = loopOf(gossip, state);
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
