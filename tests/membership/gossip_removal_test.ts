import { assert, assertEquals } from "@std/assert";
import type { Gossip } from "../../src/membership/gossip.ts";
import { gossipOf, member, originOf, removal } from "../support/members.ts";

/** `a` with `b` and `x`, of which `x` is removed. */
function removing({ ended = true } = {}): Gossip {
  const gossip = gossipOf(member("a"), { known: [member("b"), member("x")] });
  gossip.remove("x", false);
  if (ended) gossip.endRemoval("x.1");
  return gossip;
}

function names(gossip: Gossip): string[] {
  return gossip.members.map(({ name }) => name);
}

Deno.test("Gossip: a removed node does not come back by gossip, whoever tells of it, whatever it says", () => {
  const gossip = removing();
  const old = gossipOf(member("b"), { known: [member("x", { incarnation: 9, heartbeat: 99 })] });
  gossip.receive(old.message(), 0);
  assertEquals(names(gossip), ["a", "b"]);
  assertEquals(gossip.settled.has("x"), false);
  const restarted = gossipOf(member("a", { incarnation: 2 }), {
    known: [member("b"), member("x")],
    removed: gossip.removed,
  });
  assertEquals(names(restarted), ["a", "b"]);
});

Deno.test("Gossip.version: grows when a removal begins, is said to be of a dead member, or ends", () => {
  const gossip = gossipOf(member("a"), { known: [member("b"), member("x")] });
  const versions = [gossip.version];
  const note = () => void versions.push(gossip.version);
  gossip.remove("x", false);
  note();
  gossip.remove("x", true);
  note();
  assert(gossip.pending[0]!.dead);
  gossip.remove("x", false);
  assertEquals([gossip.version, gossip.pending[0]!.dead], [versions.at(-1)!, true]);
  gossip.endRemoval("x.1");
  note();
  assertEquals(versions, [...new Set(versions)], "each is");
});

Deno.test("Gossip: a node that hears of a removal only when it has ended leaves the member out at once", () => {
  const late = gossipOf(member("c"), { known: [member("a"), member("x")] });
  late.receive(removing().message(), 0);
  assertEquals([names(late), late.member("x"), late.settled.has("x")], [
    ["a", "b", "c"],
    undefined,
    false,
  ]);
});

Deno.test("Gossip: others learn of one that is being removed that it was normal once, not so of its next life", () => {
  const told = gossipOf(member("b"), { known: [member("a"), member("x")] });
  const lost = member("x", { nodeID: "x.2", incarnation: 2, status: "joining" });
  told.receive({ from: "x", members: [lost] }, 0);
  told.remove("x", false);
  const message = told.message();
  const late = gossipOf(member("a"), { known: [member("b")] });
  late.receive(message, 0);
  assert(late.settled.has("x"));
  late.endRemoval("x.2");
  const next = member("x", { nodeID: "x.3", incarnation: 3, status: "joining" });
  late.receive({ from: "x", members: [next] }, 0);
  late.receive(message, 0);
  assertEquals([late.member("x"), late.settled.has("x")], [next, false]);
});

Deno.test("Gossip: of two that tell of a removal the later word of the removed life counts", () => {
  const removal = { ...removing().removed[0]!, incarnation: 5 };
  const gossip = removing();
  gossip.receive({ from: "b", members: [member("b")], removed: [removal] }, 0);
  const old = member("x", { nodeID: "x.0", incarnation: 4 });
  gossip.receive({ from: "b", members: [member("b"), old] }, 0);
  assertEquals(names(gossip), ["a", "b"]);
});

Deno.test("Gossip: a new life that came before the news that the removal of the old one has ended stays", () => {
  const added = member("x", { nodeID: "x.2", incarnation: 2, status: "joining" });
  const late = gossipOf(member("b"), { known: [member("a"), added], settled: ["x"] });
  late.receive(removing().message(), 0);
  assertEquals([late.member("x")?.nodeID, late.settled.has("x")], ["x.2", false]);
});

Deno.test("Gossip: a new life that counted already when the removal of the old one was heard of goes, too", () => {
  const second = member("x", { nodeID: "x.2", incarnation: 2, status: "refilling" });
  const gossip = gossipOf(member("b"), { known: [member("a"), second] });
  gossip.receive(removing({ ended: false }).message(), 0);
  gossip.endRemoval("x.1");
  gossip.receive({ from: "x", members: [second] }, 0);
  assertEquals(gossip.member("x"), undefined);
  const third = member("x", { nodeID: "x.3", status: "joining" });
  const added = gossipOf(third);
  for (const members of [[second], [second, member("c")]]) {
    added.receive({ ...gossip.message(), members }, 0);
  }
  assertEquals(added.ownRemoval, undefined);
  gossip.receive(added.message(), 0);
  assertEquals(gossip.member("x")?.nodeID, "x.3");
  // It is no news any more.
  added.setStatus("refilling");
  gossip.receive(added.message(), 0);
  gossip.receive(removing({ ended: false }).message(), 0);
  gossip.receive({ from: "c", members: [added.self] }, 0);
  assertEquals(gossip.member("x")?.nodeID, "x.3");
});

Deno.test("Gossip: a life that began to count unheard, before it knew of the removal of the one before, goes, too", () => {
  const gossip = gossipOf(member("b"), { known: [member("a"), member("x")] });
  const second = gossipOf(member("x", { nodeID: "x.2", status: "joining" }));
  second.receive(gossip.message(), 0);
  gossip.receive(second.message(), 0);
  assertEquals(gossip.member("x")?.nodeID, "x.2");
  gossip.receive(removing({ ended: false }).message(), 0);
  const joining = gossipOf(second.self);
  second.setStatus("refilling");
  second.receive(gossip.message(), 0);
  assert(second.ownRemoval !== undefined, "it stops");
  gossip.endRemoval("x.1");
  assertEquals(gossip.member("x"), undefined);
  // Had it not begun to count, it would be a new member.
  joining.receive(gossip.message(), 0);
  gossip.receive(joining.message(), 0);
  assertEquals([joining.ownRemoval, gossip.member("x")?.nodeID], [undefined, "x.2"]);
});

Deno.test("Gossip.isKnownBy: who knew a life by what a removal takes back does not know it any more", () => {
  const late = gossipOf(member("b"), { known: [member("a"), member("x")] });
  const added = gossipOf(member("x", { nodeID: "x.2", status: "joining" }));
  added.receive(late.message(), 0);
  late.receive(added.message(), 0);
  const knowing = late.message();
  added.receive(knowing, 0);
  assert(added.isKnownBy("b"));
  // Meanwhile the one before had been started a few times more, unheard by `b`.
  const removed = [removal("x", { incarnation: 5 })];
  const message = { from: "a", members: [member("a"), member("b")], removed };
  for (const one of [late, added]) one.receive(message, 0);
  assertEquals([added.ownRemoval, added.isKnownBy("b")], [undefined, false]);
  late.endRemoval("x.1");
  assertEquals(late.member("x"), undefined);
  added.receive(knowing, 0);
  assert(!added.isKnownBy("b"), "that was before");
  late.receive(added.message(), 0);
  added.receive(late.message(), 0);
  assert(added.isKnownBy("b"));
});

Deno.test("Gossip: what is said late of the removed life is nothing that a new one of its name was", () => {
  const before = gossipOf(member("b"), { known: [member("x")] });
  const lost = member("x", { status: "refilling", heartbeat: 1 });
  before.receive({ from: "x", members: [lost] }, 0);
  const message = before.message();
  assertEquals(message.settled, ["x"]);
  const added = gossipOf(member("x", { nodeID: "x.2", incarnation: 2, status: "joining" }));
  const gossip = removing();
  gossip.receive(added.message(), 0);
  added.receive(gossip.message(), 0);
  for (const one of [gossip, added]) {
    one.receive(message, 0);
    assertEquals([one.member("x")?.nodeID, one.settled.has("x")], ["x.2", false]);
  }
});

Deno.test("Gossip: where two lives of a name are being removed, both are heard, said to be dead, and go", () => {
  const gossip = gossipOf(member("a"), { known: [member("b"), member("x")] });
  gossip.remove("x", false);
  const second = member("x", {
    nodeID: "x.2",
    incarnation: 2,
    removals: { "x.2": "known" },
    status: "refilling",
  });
  const removed = [removal("x", { nodeID: "x.2", incarnation: 2 })];
  const message = { from: "b", members: [member("b"), second], settled: ["x"], removed };
  gossip.receive(message, 0);
  assertEquals(gossip.leaving, [second], "it is waited for");
  gossip.remove("x", true);
  assertEquals(gossip.pending.map(({ nodeID, dead }) => [nodeID, dead]), [
    ["x.1", true],
    ["x.2", true],
  ]);
  gossip.endRemoval("x.1");
  assertEquals([gossip.leaving, gossip.settled.has("x")], [[second], true]);
  gossip.endRemoval("x.2");
  assertEquals([gossip.member("x"), gossip.settled.has("x")], [undefined, false]);
});

Deno.test("Gossip: a node knows at its start whether its life, or a former one that lost its data, was removed", () => {
  const { removed } = removing();
  const started = (self: Partial<ReturnType<typeof member>>, formerIDs: string[] = []) =>
    gossipOf(member("x", self), { removed, formerIDs }).ownRemoval?.nodeID;
  assertEquals(started({}), "x.1");
  assertEquals(started({ nodeID: "x.2", incarnation: 2 }), undefined);
  assertEquals(started({ nodeID: "x.2", incarnation: 2 }, ["x.1"]), "x.1");
  const stages = { "x.1": "done", "gone.1": "done" } as const;
  const pending = removing({ ended: false }).removed;
  const self = member("a", { removals: stages });
  const { removals } = gossipOf(self, { removed: pending, known: [member("x")] }).self;
  assertEquals(removals, { "x.1": "done" }, "of those that have not ended");
});

Deno.test("Gossip: a node that hears of a removal leaves the member out, and passes both on", () => {
  const gossip = removing({ ended: false });
  assertEquals(names(gossip), ["a", "b"]);
  assertEquals(gossip.leaving.map(({ name }) => name), ["x"]);
  const other = gossipOf(member("b"), { known: [member("x")] });
  other.receive(gossip.message(), 0);
  assertEquals(names(other), ["a", "b"]);
  assertEquals(other.removed, gossip.removed);
  const late = gossipOf(member("c"));
  late.receive(other.message(), 0);
  assertEquals(late.leaving.map(({ name }) => name), ["x"], "what it says is waited for");
  gossip.endRemoval("x.1");
  other.receive(gossip.message(), 0);
  assertEquals([other.leaving, other.pending], [[], []]);
  assertEquals(other.member("x"), undefined);
});

Deno.test("Gossip: one that is removed is told so, and what it says is ignored", () => {
  const gossip = removing();
  const removed = gossipOf(member("x"), { known: [member("a"), member("b")] });
  assertEquals(gossip.reactionTo(removed.message()), "ignore");
  assertEquals(removed.ownRemoval, undefined);
  assertEquals(removed.reactionTo(gossip.message()), "merge");
  removed.receive(gossip.message(), 0);
  assertEquals(removed.ownRemoval?.ended, true);
  const leaving = removing({ ended: false });
  assertEquals(leaving.reactionTo(removed.message()), "merge", "its statements are waited for");
});

Deno.test("Gossip: a node that was removed while it was away, and knows nobody any more, hears of it", () => {
  const cluster = gossipOf(member("p"), { removed: removing().removed, known: [member("q")] });
  const removed = gossipOf(member("x"), { known: [member("a"), member("b")] });
  assertEquals(removed.reactionTo(cluster.message()), "merge");
  removed.receive(cluster.message(), 0);
  assert(removed.ownRemoval !== undefined);
});

Deno.test("Gossip.reactionTo: a cluster whose members were all replaced is the same to a node that knows of a removal", () => {
  const cluster = gossipOf(member("p"), { removed: removing().removed });
  const away = gossipOf(member("b"), { known: [member("a"), member("x")] });
  assertEquals(away.reactionTo(cluster.message()), "merge");
  assertEquals(cluster.reactionTo(away.message()), "merge");
  const removed = removing().removed;
  assertEquals(cluster.reactionTo({ from: "q", members: [member("q")], removed }), "merge");
  assertEquals(cluster.reactionTo({ from: "q", members: [member("q")] }), "other_cluster");
});

Deno.test("Gossip: an empty node under the name of a removed one is a new member, and not one of before", () => {
  const gossip = removing();
  const added = gossipOf(member("x", { nodeID: "x.2", status: "joining" }));
  gossip.receive(added.message(), 0);
  assertEquals(names(gossip), ["a", "b"], "its first words do not outrank the removed life");
  added.receive(gossip.message(), 0);
  added.receive({ from: "b", members: [member("b"), member("x")] }, 0);
  gossip.receive(added.message(), 0);
  assertEquals(gossip.member("x")?.nodeID, "x.2");
  assertEquals(gossip.settled.has("x"), false);
  added.receive(gossip.message(), 0);
  assert(added.isKnownBy("a"));
  assertEquals(added.ownRemoval, undefined);
  // It may hear of the removed life first, and of the removal later.
  const other = gossipOf(member("x", { nodeID: "x.3", status: "joining" }));
  other.receive({ from: "b", members: [member("b"), member("x")] }, 0);
  assert(other.settled.has("x"));
  other.receive({ from: "b", members: [member("b")], removed: gossip.removed }, 0);
  assertEquals(other.ownRemoval, undefined);
  assert(!other.settled.has("x"), "the removed life was, and this one is new");
});

Deno.test("Gossip: what is said of a life that is being removed is nothing that a new one of its name was", () => {
  const gossip = removing({ ended: false });
  const lost = member("x", { status: "refilling", heartbeat: 1 });
  gossip.receive({ from: "x", members: [lost] }, 0);
  assert(gossip.settled.has("x"));
  for (const view of [removing({ ended: false }).message(), gossip.message()]) {
    const added = gossipOf(member("x", { nodeID: "x.2", status: "joining" }));
    added.receive(view, 0);
    assert(!added.settled.has("x"));
    assert(!added.isKnownBy(view.from), "it knows the one that is removed");
    assertEquals(added.self.replaces, undefined);
  }
});

Deno.test("Gossip: a node whose removal has ended is still in its own view", () => {
  const removed = gossipOf(member("x"), { known: [member("a")] });
  removed.receive(removing().message(), 0);
  assertEquals(removed.member("x"), removed.self);
});

Deno.test("Gossip: a new life that counts by now is not removed by more news of the removal before it", () => {
  const gossip = removing();
  const added = gossipOf(member("x", { nodeID: "x.2", status: "joining" }));
  added.receive(gossip.message(), 0);
  added.setStatus("normal");
  const removed = gossip.removed.map((one) => ({ ...one, dead: true }));
  added.receive({ from: "b", members: [member("b")], removed }, 0);
  assertEquals(added.ownRemoval, undefined);
});

Deno.test("Gossip.isKnownBy: what the removed life knew says nothing of a new one", () => {
  const gossip = gossipOf(member("a"), { known: [member("b"), member("x")] });
  gossip.receive({ from: "x", members: [member("x"), member("a")] }, 0);
  assert(gossip.isKnownBy("x"));
  gossip.remove("x", false);
  gossip.endRemoval("x.1");
  gossip.receive(gossipOf(member("x", { nodeID: "x.2", incarnation: 2 })).message(), 0);
  assertEquals([gossip.member("x")?.nodeID, gossip.isKnownBy("x")], ["x.2", false]);
});

Deno.test("Gossip: while the removal goes on no other life of that name is taken in", () => {
  const gossip = removing({ ended: false });
  gossip.receive(gossipOf(member("x", { nodeID: "x.2", incarnation: 7 })).message(), 0);
  assertEquals(gossip.member("x")?.nodeID, "x.1");
  // One that took its place before this node knew counts for nothing meanwhile, either.
  const late = gossipOf(member("b"), { known: [member("a"), member("x", { nodeID: "x.2" })] });
  late.receive(gossip.message(), 0);
  assert(late.isFromRemoved("x", "x.2"));
});

Deno.test("Gossip: a life that had taken the place of one that is removed, before it knew, has to go too", () => {
  const replaced = gossipOf(member("x", { nodeID: "x.2" }), { known: [member("a")] });
  replaced.receive(removing().message(), 0);
  assertEquals(replaced.ownRemoval?.nodeID, "x.1");
  const lostData = gossipOf(member("x", { nodeID: "x.2", status: "joining" }), {
    formerIDs: ["x.1"],
  });
  lostData.receive(removing().message(), 0);
  assertEquals(lostData.ownRemoval?.nodeID, "x.1");
});

Deno.test("Gossip: a life that has to go for the removal of another one does not speak louder than that", () => {
  const replaced = gossipOf(member("x", { nodeID: "x.2", incarnation: 2 }), {
    known: [member("a")],
  });
  const message = removing({ ended: false }).message();
  for (const incarnation of [1, 2]) {
    const removed = message.removed!.map((one) => ({ ...one, incarnation }));
    replaced.receive({ ...message, removed }, 0);
    assertEquals([replaced.ownRemoval?.nodeID, replaced.self.incarnation], ["x.1", 2]);
  }
});

Deno.test("Gossip.isFromRemoved: that name, unless the sender says which new life it is", () => {
  const gossip = removing();
  assert(!gossip.isFromRemoved("b", undefined));
  assert(gossip.isFromRemoved("x", undefined));
  assert(gossip.isFromRemoved("x", "x.1"));
  const added = gossipOf(member("x", { nodeID: "x.2", incarnation: 2, status: "joining" }));
  assert(!added.hasNameOfRemoved);
  gossip.receive(added.message(), 0);
  added.receive(gossip.message(), 0);
  assert(added.hasNameOfRemoved);
  assert(!gossip.isFromRemoved("x", "x.2"));
  assert(gossip.isFromRemoved("x", "x.3"), "nobody has told of that");
  assert(gossip.isFromRemoved("x", undefined));
});

Deno.test("Gossip: a seed at the origin of a removed node does not count as a member again", () => {
  const gossip = gossipOf(member("a"), { removed: removing().removed, seeds: [originOf("x")] });
  assertEquals(gossip.unresolvedSeeds, []);
});

Deno.test("Gossip: stages are of removals that have not ended, and a change of them is news", () => {
  const gossip = removing({ ended: false });
  const { version } = gossip;
  gossip.setRemovalStages({ "x.1": "known", "y.1": "done" });
  assertEquals(gossip.self.removals, { "x.1": "known" });
  assert(gossip.version > version);
  const other = gossipOf(member("b"), { known: [member("a"), member("x")] });
  const before = other.version;
  other.receive(gossip.message(), 0);
  assertEquals(other.member("a")?.removals, { "x.1": "known" });
  assert(other.version > before);
  const known = other.version;
  gossip.setRemovalStages({ "x.1": "refilling" });
  other.receive(gossip.message(), 0);
  assert(other.version > known);
  gossip.endRemoval("x.1");
  assertEquals("removals" in gossip.self, false);
});

Deno.test("Gossip.namedBothWays: one that is removed while the cluster is formed does not count", () => {
  const [a, b, x] = ["a", "b", "x"].map((name) =>
    gossipOf(member(name, { status: "joining" }), {
      seeds: ["a", "b", "x", "y", ...(name === "x" ? ["z"] : [])]
        .filter((seed) => seed !== name).map(originOf),
    })
  ) as [Gossip, Gossip, Gossip];
  for (let i = 0; i < 2; i++) {
    for (const one of [a, b, x]) for (const other of [a, b, x]) other.receive(one.message(), 0);
  }
  assertEquals(a.namedBothWays, 2);
  a.remove("x", true);
  assertEquals([a.namedBothWays, a.unresolvedSeeds], [1, ["y", "z"].map(originOf)]);
  a.endRemoval("x.1");
  assertEquals([a.namedBothWays, a.unresolvedSeeds], [1, [originOf("y")]]);
  const added = gossipOf(member("x", { nodeID: "x.2", incarnation: 2, status: "joining" }));
  a.receive(added.message(), 0);
  assertEquals(a.namedBothWays, 1, "the new one has named nobody");
});

Deno.test("Gossip: new nodes hear each other's seeds while the last normal one is being removed as dead", () => {
  for (const dead of [false, true]) {
    const options = { known: [member("x")], removed: [removal("x", { dead })] };
    const self = gossipOf(member("a", { status: "joining" }), options);
    const other = member("b", { status: "joining" });
    self.receive(gossipOf(other, { ...options, seeds: ["http://c:80"] }).message(), 0);
    assertEquals([self.hasHeard("b"), self.unresolvedSeeds], [dead, dead ? ["http://c:80"] : []]);
  }
});
