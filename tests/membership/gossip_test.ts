import { assert, assertEquals } from "@std/assert";
import { MEMBERS_MAX, parseGossipMessage, SEEDS_MAX } from "../../src/membership/gossip_message.ts";
import type { Gossip } from "../../src/membership/gossip.ts";
import { type Member, type MemberStatus, STATEMENT_MAX } from "../../src/membership/member.ts";
import { gossipOf, member, originOf, removal } from "../support/members.ts";

Deno.test("Gossip.receive: entries merge one by one, never a whole view by one timestamp", () => {
  const gossip = gossipOf(member("a"), {
    known: [member("b", { heartbeat: 9 }), member("c", { heartbeat: 1 })],
  });
  gossip.receive({
    from: "c",
    members: [member("b", { heartbeat: 3 }), member("c", { heartbeat: 2 }), member("d")],
  }, 0);
  assertEquals(gossip.members.map(({ name, heartbeat }) => [name, heartbeat]), [
    ["a", 0],
    ["b", 9],
    ["c", 2],
    ["d", 0],
  ]);
});

Deno.test("Gossip.receive: a restarted node is not deaf, whatever heartbeat it had before", () => {
  const other = gossipOf(member("b"), { known: [member("a", { heartbeat: 1e6 })] });
  const restarted = gossipOf(member("a", { starts: 2, incarnation: 2 }));
  other.receive(restarted.message(), 0);
  assertEquals(other.member("a")!.incarnation, 2);
  restarted.receive(other.message(), 0);
  assertEquals(restarted.members.map(({ name }) => name), ["a", "b"]);
  assert(restarted.isKnownBy("b"));
});

Deno.test("Gossip.hasHeard: who has told its seeds itself", () => {
  const joining = { status: "joining" } as const;
  const [a, b, c] = ["a", "b", "c"].map((name) => gossipOf(member(name, joining)));
  b!.receive(c!.message(), 0);
  a!.receive(b!.message(), 0);
  assertEquals(a!.members.map(({ name }) => name), ["a", "b", "c"]);
  assert(a!.hasHeard("b"));
  assert(!a!.hasHeard("c"), "it is known by hearsay");
  a!.receive(c!.message(), 0);
  assert(a!.hasHeard("c"));
});

Deno.test("Gossip.knowsAll: who named all that this joining node knows, until it hears of another", () => {
  const joining = gossipOf(member("a", { status: "joining" }));
  const other = gossipOf(member("b"), { known: [member("a", { status: "joining" })] });
  joining.receive(other.message(), 0);
  assert(joining.knowsAll("b"));
  const third = gossipOf(member("c"), { known: [member("a", { status: "joining" })] });
  joining.receive(third.message(), 0);
  assert(!joining.knowsAll("b"), "it may not know c");
  assert(!joining.knowsAll("c"), "it did not name b");
  other.receive(third.message(), 0);
  joining.receive(other.message(), 0);
  assert(joining.knowsAll("b"));
});

Deno.test("Gossip.knowsAll: what an earlier life knew says nothing of the one that took its place", () => {
  const gossip = gossipOf(member("a", { status: "joining" }));
  const message = { from: "b", members: [gossip.self, member("b")] };
  gossip.receive(message, 0);
  assert(gossip.knowsAll("b"));
  const next = member("b", { nodeID: "b.2", incarnation: 2, status: "joining" });
  gossip.receive({ from: "b", members: [next] }, 0);
  assert(!gossip.knowsAll("b"));
  gossip.receive(message, 0);
  assert(!gossip.knowsAll("b"), "it came late");
  gossip.receive({ from: "b", members: [gossip.self, next] }, 0);
  assert(gossip.knowsAll("b"));
});

Deno.test("Gossip.receive: a wiped node outranks its former life", () => {
  const other = gossipOf(member("b"), { known: [member("a", { incarnation: 7, heartbeat: 50 })] });
  const wiped = gossipOf(member("a", { nodeID: "a.2", status: "joining" }));
  other.receive(wiped.message(), 0);
  assertEquals(other.member("a")!.nodeID, "a.1", "its first words are old news");
  wiped.receive(other.message(), 0);
  assert(!wiped.isKnownBy("b"));
  other.receive(wiped.message(), 0);
  assertEquals(other.member("a")!.nodeID, "a.2");
  wiped.receive(other.message(), 0);
  assert(wiped.isKnownBy("b"));
});

Deno.test("Gossip.isKnownBy: what an earlier life knew says nothing of the one that took its place", () => {
  const gossip = gossipOf(member("a", { status: "joining" }));
  const message = { from: "b", members: [gossip.self, member("b")] };
  gossip.receive(message, 0);
  assert(gossip.isKnownBy("b"));
  const { version } = gossip;
  const next = member("b", { nodeID: "b.2", incarnation: 2, status: "joining" });
  gossip.receive({ from: "c", members: [next, member("c")] }, 0);
  assert(!gossip.isKnownBy("b"));
  assert(gossip.version > version);
  gossip.receive(message, 0); // it came late
  assert(!gossip.isKnownBy("b"));
  gossip.receive({ from: "b", members: [gossip.self, next] }, 0);
  assert(gossip.isKnownBy("b"));
});

Deno.test("Gossip.receive: equal incarnations of two lives: the living one speaks louder", () => {
  const wiped = gossipOf(member("a", { nodeID: "a.2", heartbeat: 900 }));
  const former = member("a", { heartbeat: 901 });
  wiped.receive({ from: "b", members: [member("b")] }, 0);
  const { version } = wiped;
  wiped.receive({ from: "b", members: [former, member("b")] }, 0);
  assert(wiped.self.incarnation > former.incarnation);
  assert(wiped.version > version, "it is kept on disk, and said at once");
});

Deno.test("Gossip.receive: an incarnation at its bound does not make the node unheard", () => {
  const poisoned = member("a", { nodeID: "a.9", incarnation: 2 ** 52, heartbeat: 3 });
  const gossip = gossipOf(member("a"));
  gossip.receive({ from: "b", members: [poisoned, member("b")] }, 0);
  const message = JSON.parse(JSON.stringify(gossip.message()));
  const hopeless = gossipOf(member("a"));
  hopeless.receive({ from: "b", members: [{ ...poisoned, heartbeat: 2 ** 52 }, member("b")] }, 0);
  hopeless.tick(0);
  parseGossipMessage(JSON.parse(JSON.stringify(hopeless.message()))); // with all that is in it
  const other = gossipOf(member("b"), { known: [poisoned] });
  other.receive(parseGossipMessage(message), 0);
  assertEquals(other.member("a")!.nodeID, "a.1");
});

Deno.test("Gossip.receive: news of this very life changes nothing", () => {
  const gossip = gossipOf(member("a", { heartbeat: 5 }));
  const { version } = gossip;
  gossip.receive({ from: "a", members: [member("a", { heartbeat: 5 })] }, 0);
  assertEquals([gossip.version, gossip.self.incarnation], [version, 1]);
});

Deno.test("Gossip.version: grows with what matters for ownership, not with heartbeats", () => {
  const gossip = gossipOf(member("a"));
  const change = (changes: Parameters<typeof member>[1]) => {
    const before = gossip.version;
    gossip.receive({ from: "b", members: [member("b", changes)] }, 0);
    return gossip.version > before;
  };
  assert(change({}));
  assert(!change({ heartbeat: 1 }));
  assert(change({ heartbeat: 2, status: "refilling" }));
  assert(change({ heartbeat: 3, status: "refilling", origin: "http://elsewhere:80" }));
  assert(change({ incarnation: 2 }));
  assert(change({ incarnation: 3 }));
  assert(!change({ incarnation: 1, heartbeat: 99, status: "joining" }));
});

Deno.test("Gossip.isOldCopy: others heard of a later start of the same directory, or of another life of it", () => {
  const isOldCopy = (starts: number, heard: Parameters<typeof member>[1]) => {
    const gossip = gossipOf(member("a", { starts, incarnation: 3, heartbeat: 2 }));
    gossip.receive({ from: "b", members: [member("a", heard)] }, 0);
    return gossip.isOldCopy;
  };
  const earlier = { starts: 1, incarnation: 9, heartbeat: 99 };
  assert(!isOldCopy(2, earlier), "an incarnation that was raised and not saved");
  assert(!isOldCopy(2, { ...earlier, starts: 3, nodeID: "a.2" }), "another directory");
  assert(!isOldCopy(2, { starts: 2, incarnation: 3, heartbeat: 2 }), "what it said itself");
  assert(isOldCopy(2, { starts: 3 }));
  assert(isOldCopy(2, { starts: 2, incarnation: 3, heartbeat: 99 }), "what it never said");
});

Deno.test("Gossip.isOldCopy: others have heard of another start of the same number, and go on saying so", () => {
  const other = gossipOf(member("b"));
  const start = { starts: 2, incarnation: 2 };
  other.receive(gossipOf(member("a", { ...start, startTag: "11111111" })).message(), 0);
  const copied = gossipOf(member("a", { ...start, startTag: "22222222", heartbeat: 50 }));
  other.receive(copied.message(), 0);
  assertEquals(other.member("a")!.startTag, "11111111");
  copied.receive(other.message(), 0);
  assert(copied.isOldCopy);
});

Deno.test("Gossip.isOldCopy: an old copy does not outrank the life whose directory it is of", () => {
  const copied = gossipOf(member("a", { starts: 2, incarnation: 2 }));
  const later = member("a", {
    starts: 3,
    incarnation: 3,
    replaces: [{ nodeID: "a.0", starts: 1 }],
  });
  const { incarnation, replaces } = copied.self;
  copied.receive({ from: "b", members: [later, member("b")] }, 0);
  assert(copied.isOldCopy);
  assertEquals([copied.self.incarnation, copied.self.replaces], [incarnation, replaces]);
  assert(!copied.isKnownBy("b"), "b knows the later one");
});

Deno.test("Gossip.isOldCopy: earlier versions say nothing of tags, and are believed", () => {
  const other = gossipOf(member("b"));
  const start = { starts: 2, incarnation: 2 };
  other.receive(gossipOf(member("a", start)).message(), 0);
  const self = gossipOf(member("a", { ...start, startTag: "22222222", heartbeat: 50 }));
  self.receive(other.message(), 0);
  assert(!self.isOldCopy);
  other.receive(self.message(), 0);
  assertEquals(other.member("a")!.startTag, "22222222");
});

Deno.test("Gossip.isOldCopy: of two that run on copies of one directory and hear each other one stops", () => {
  const start = { starts: 2, incarnation: 2 };
  const [one, two] = ["11111111", "22222222"].map((startTag) =>
    gossipOf(member("a", { ...start, startTag }))
  );
  for (let round = 0; round < 3; round++) one!.tick(0);
  one!.receive(two!.message(), 0);
  two!.receive(one!.message(), 0);
  assertEquals([one!.isOldCopy, two!.isOldCopy], [false, true]);
});

/** Life `a.2` of node `a`, which has heard of life `a.1` from `b`, who knows it since. */
function replacement(lost: Partial<Member> = {}): { replacing: Gossip; other: Gossip } {
  const other = gossipOf(member("b"), { known: [member("a", { starts: 3, ...lost })] });
  const replacing = gossipOf(member("a", { nodeID: "a.2", status: "joining" }));
  replacing.receive(other.message(), 0);
  other.receive(replacing.message(), 0);
  assertEquals(other.member("a")!.nodeID, "a.2");
  return { replacing, other };
}

Deno.test("Gossip.isOldCopy: a life is started again whose place another one has taken", () => {
  // It had been started, or had outranked others, more often than anybody heard.
  for (const incarnation of [4, 99]) {
    const { other } = replacement();
    const found = gossipOf(member("a", { starts: 4, incarnation }));
    other.receive(found.message(), 0);
    assertEquals(other.member("a")!.nodeID, "a.2");
    found.receive(other.message(), 0);
    assert(found.isOldCopy);
  }
});

Deno.test("Gossip.isOldCopy: so is one that is older than what others had heard of it", () => {
  const { other } = replacement();
  const found = gossipOf(member("a", { starts: 2, incarnation: 2 }));
  found.receive(other.message(), 0);
  assert(found.isOldCopy);
});

Deno.test("Gossip.isOldCopy: so is one that was started as often as others had heard of it", () => {
  const { other } = replacement({ startTag: "11111111" });
  const found = gossipOf(member("a", { starts: 3, startTag: "22222222" }));
  found.receive(other.message(), 0);
  assert(found.isOldCopy);
});

Deno.test("Gossip.isOldCopy: not one that has been running all the time: see Gossip.twin", () => {
  const { other } = replacement({ startTag: "11111111" });
  const running = gossipOf(member("a", { starts: 3, startTag: "11111111" }));
  running.receive(other.message(), 0);
  assert(!running.isOldCopy);
  other.receive(running.message(), 0);
  assertEquals(other.member("a")!.nodeID, "a.1");
});

Deno.test("Gossip: who takes the place of a life tells of those whose place that one had taken", () => {
  const { other } = replacement();
  const third = gossipOf(member("a", { nodeID: "a.3", status: "joining" }));
  third.receive(other.message(), 0);
  assertEquals(third.self.replaces?.map(({ nodeID }) => nodeID), ["a.1", "a.2"]);
});

Deno.test("Gossip: of a life whose place it has taken a node tells the last start, which is news", () => {
  const { replacing, other } = replacement();
  const versions = [replacing.version, other.version];
  const hear = (starts: number) => {
    const former = member("a", { starts, incarnation: 0 });
    replacing.receive({ from: "b", members: [former] }, 0);
    other.receive(replacing.message(), 0);
  };
  hear(2);
  assertEquals(replacing.self.replaces, [{ nodeID: "a.1", starts: 3 }]);
  assertEquals([replacing.version, other.version], versions);
  hear(4);
  assertEquals(replacing.self.replaces, [{ nodeID: "a.1", starts: 4 }]);
  const news = [replacing.version, other.version].map((version, i) => version > versions[i]!);
  assertEquals(news, [true, true], "both keep it on disk");
});

Deno.test("Gossip: of many lives the last are told of, and hearing of all again is no news", () => {
  const nodeIDs = Array.from({ length: 20 }, (_, i) => `a.${i}`);
  const replaces = nodeIDs.slice(0, 16).map((nodeID) => ({ nodeID, starts: 1 }));
  const gossip = gossipOf(member("a", { nodeID: "a.new", replaces: [] }));
  for (const nodeID of nodeIDs) {
    gossip.receive({ from: "b", members: [member("a", { nodeID })] }, 0);
  }
  assertEquals(gossip.self.replaces?.map(({ nodeID }) => nodeID), nodeIDs.slice(-16));
  const { version } = gossip;
  const passedOn = member("a", { nodeID: "a.new", replaces });
  gossip.receive({ from: "b", members: [passedOn, member("b")] }, 0);
  gossip.receive({ from: "b", members: [passedOn, member("b")] }, 0);
  assertEquals(gossip.self.replaces?.map(({ nodeID }) => nodeID), nodeIDs.slice(-16));
  assert(gossip.version <= version + 2, "to hear that b knows it is news");
});

Deno.test("Gossip: what this node once said of replaced lives in another order is no news", () => {
  const [first, second] = ["a.1", "a.2"].map((nodeID) => ({ nodeID, starts: 1 }));
  const gossip = gossipOf(member("a", { nodeID: "a.new", replaces: [] }));
  const hear = (life: Partial<Member>) =>
    gossip.receive({ from: "b", members: [member("a", life), member("b")] }, 0);
  // The later one is heard of before the one whose place it had taken, and tells of that at last.
  hear(second!);
  hear(first!);
  const before = gossip.self;
  hear({ ...second!, replaces: [first!], incarnation: 2 });
  hear(before);
  const { version, self } = gossip;
  for (const passedOn of [{ ...before, replaces: [first!, second!] }, before]) hear(passedOn);
  assertEquals([gossip.version, gossip.self], [version, self]);
});

Deno.test("Gossip.twin: another life that answers is alive, and only one of the two ends", () => {
  const third = gossipOf(member("b"));
  const [one, two] = ["a.1", "a.2"].map((nodeID) => gossipOf(member("a", { nodeID })));
  const lives = [one!, two!];
  for (let round = 0; round < 20; round++) {
    for (const life of lives.filter(({ twin }) => twin === undefined)) {
      life.tick(0);
      third.receive(life.message(), 0);
      life.receive(third.message(), 0);
    }
  }
  const [ended] = lives.filter(({ twin }) => twin !== undefined);
  assertEquals(lives.filter(({ twin }) => twin !== undefined).length, 1);
  const [remaining] = lives.filter((life) => life !== ended);
  assertEquals(ended!.twin!.nodeID, remaining!.self.nodeID);
  assertEquals(third.member("a")!.nodeID, remaining!.self.nodeID);
  assert(ended!.self.incarnation < remaining!.self.incarnation, "it leaves it the last word");
});

Deno.test("Gossip.twin: a life of which two remember different words of one start is no twin", () => {
  const wiped = gossipOf(member("a", { nodeID: "a.2" }));
  for (const [from, incarnation] of [["b", 5], ["c", 9]] as const) {
    wiped.receive({ from, members: [member("a", { incarnation }), member(from)] }, 0);
  }
  assertEquals(wiped.twin, undefined);
});

Deno.test("Gossip.twin: a life of an earlier version may have been started often, and is no twin", () => {
  const wiped = gossipOf(member("a", { nodeID: "a.2" }));
  for (const incarnation of [5, 9, 14, 20]) {
    const former = member("a", { starts: 0, incarnation });
    wiped.receive({ from: "b", members: [former, member("b")] }, 0);
  }
  assertEquals([wiped.twin, wiped.self.incarnation], [undefined, 21]);
});

Deno.test("Gossip.twin: a dead life of many starts, as different members remember it, is no twin", () => {
  const wiped = gossipOf(member("a", { nodeID: "a.2" }));
  for (let starts = 1; starts <= 20; starts++) {
    const former = member("a", { starts, incarnation: 3 * starts });
    for (let copy = 0; copy < 5; copy++) {
      wiped.receive({ from: `b${copy}`, members: [former, member(`b${copy}`)] }, 0);
    }
  }
  assertEquals(wiped.twin, undefined);
  assert(wiped.self.incarnation > 60);
});

Deno.test("Gossip.twin: one statement at the bound, repeated by those who have it, is no twin", () => {
  const gossip = gossipOf(member("a", { nodeID: "a.2" }));
  const forged = member("a", { incarnation: STATEMENT_MAX });
  for (let i = 0; i < 10; i++) gossip.receive({ from: "b", members: [forged, member("b")] }, 0);
  assertEquals(gossip.twin, undefined);
});

Deno.test("Gossip.reactionTo: of two nodes with other options the new one stops, and is not taken in", () => {
  const reaction = (status: MemberStatus, sender: MemberStatus, known: MemberStatus) => {
    const gossip = gossipOf(member("a", { status }), {
      shared: { replication: 5, readQuorum: 3, writeQuorum: 3, virtualNodes: 100 },
      known: [member("c", { status: known })],
    });
    const other = gossipOf(member("b", { status: sender }), {
      known: [member("c", { status: known })],
    });
    return gossip.reactionTo(other.message());
  };
  assertEquals(reaction("joining", "normal", "normal"), "stop");
  assertEquals(reaction("refilling", "normal", "normal"), "stop");
  assertEquals(reaction("joining", "joining", "joining"), "stop", "nobody knows who is right");
  assertEquals(reaction("refilling", "joining", "normal"), "ignore");
  assertEquals(reaction("normal", "joining", "normal"), "ignore");
  assertEquals(reaction("normal", "normal", "normal"), "merge", "they know each other");
  const shared = { replication: 3, readQuorum: 2, writeQuorum: 2, virtualNodes: 64 };
  const joining = (options: typeof shared) =>
    gossipOf(member("a", { status: "joining" }), { shared: options });
  for (const field of Object.keys(shared) as (keyof typeof shared)[]) {
    const other = gossipOf(member("b"), { shared: { ...shared, [field]: 1 } });
    assertEquals(joining(shared).reactionTo(other.message()), "stop", field);
  }
  assertEquals(joining(shared).reactionTo(gossipOf(member("b"), { shared }).message()), "merge");
});

Deno.test("Gossip.reactionTo: two clusters stay two, of equal names or others, whoever spoke to both", () => {
  const cluster = (tag: string, names: string[]) => {
    const [self, ...known] = names.map((name) => member(name, { nodeID: `${name}.${tag}` }));
    return gossipOf(self!, { known });
  };
  const one = cluster("1", ["a", "b", "c"]);
  assertEquals(one.reactionTo(cluster("2", ["a", "b", "c"]).message()), "other_cluster");
  assertEquals(one.reactionTo(cluster("2", ["d", "e"]).message()), "other_cluster");
  const between = gossipOf(member("j", { status: "joining" }));
  const two = cluster("2", ["d", "e"]);
  for (const either of [one, two]) {
    assertEquals(either.reactionTo(between.message()), "merge");
    either.receive(between.message(), 0);
  }
  assertEquals(between.reactionTo(one.message()), "merge");
  between.receive(one.message(), 0);
  assertEquals(between.reactionTo(two.message()), "other_cluster");
  assertEquals(two.reactionTo(between.message()), "other_cluster");
});

Deno.test("Gossip.reactionTo: another cluster's options stop no member that is being refilled", () => {
  // Somebody of another cluster may listen now where a member was that has moved.
  const shared = { replication: 5, readQuorum: 3, writeQuorum: 3, virtualNodes: 64 };
  const other = gossipOf(member("d"), { shared });
  const refilled = gossipOf(member("a", { status: "refilling" }), { known: [member("b")] });
  assertEquals(refilled.reactionTo(other.message()), "other_cluster");
});

Deno.test("Gossip.reactionTo: views of one cluster, as it forms and as disks are replaced", () => {
  const status = "joining" as const;
  const first = gossipOf(member("a"), { known: [member("b", { status })] });
  const second = gossipOf(member("b"), { known: [member("a", { status })] });
  assertEquals(first.reactionTo(second.message()), "merge", "each knows itself only to be normal");
  const away = gossipOf(member("c"), { known: [member("a"), member("b")] });
  const others = gossipOf(member("a", { nodeID: "a.2" }), {
    known: [member("b", { nodeID: "b.2" }), member("c")],
  });
  assertEquals(away.reactionTo(others.message()), "merge", "both others were replaced");
  assertEquals(others.reactionTo(away.message()), "merge");
  // All that it remembers have been replaced; they remember what it was.
  const empty = gossipOf(member("a", { nodeID: "a.2", status: "refilling" }), {
    formerIDs: ["a.1"],
    known: [member("b")],
  });
  const now = gossipOf(member("b", { nodeID: "b.2" }), { known: [member("a")] });
  assertEquals(empty.reactionTo(now.message()), "merge");
  // One that joined has been filled since, and is all that both know.
  const joined = { from: "j", members: [member("j")] };
  assertEquals(
    gossipOf(member("a"), { known: [member("j", { status })] }).reactionTo(joined),
    "merge",
  );
  // All were replaced, and the disk that one of them lost is found.
  const start = { starts: 1, startTag: "00000001" };
  const replaces = [{ nodeID: "a.1", ...start }];
  const found = gossipOf(member("a", { nodeID: "a.1", ...start }), { known: [member("b")] });
  for (const [by, reaction] of [["normal", "merge"], ["refilling", "other_cluster"]] as const) {
    const anew = gossipOf(member("b", { nodeID: "b.2" }), {
      known: [member("a", { nodeID: "a.2", status: by, replaces })],
    });
    assertEquals(found.reactionTo(anew.message()), reaction, by);
    assertEquals(anew.reactionTo(found.message()), reaction, by);
  }
});

Deno.test("Gossip.reactionTo: that a former life of this node came to join proves no cluster", () => {
  const empty = gossipOf(member("a", { nodeID: "a.2", status: "refilling" }), {
    formerIDs: ["a.1"],
    known: [member("b")],
  });
  const members = [member("d"), member("a", { status: "joining" })];
  assertEquals(empty.reactionTo({ from: "d", members }), "other_cluster");
});

Deno.test("Gossip.setStatus: others take the new status", () => {
  const gossip = gossipOf(member("a", { status: "joining" }));
  const other = gossipOf(member("b"));
  other.receive(gossip.message(), 0);
  gossip.setStatus("normal");
  other.receive(gossip.message(), 0);
  assertEquals(other.member("a")!.status, "normal");
});

Deno.test("Gossip.message: where nobody is normal the cluster is still being formed", () => {
  const known = [member("b", { status: "refilling" })];
  const gossip = gossipOf(member("a", { status: "joining" }), { known, seeds: [originOf("c")] });
  assertEquals(gossip.message().seeds, [originOf("c")]);
  const { version } = gossip;
  gossip.setStatus("normal");
  assert(gossip.version > version);
  assertEquals("seeds" in gossip.message(), false);
});

Deno.test("Gossip.settled: who was normal once, whatever became of it, this node itself included", () => {
  const wiped = gossipOf(member("a", { nodeID: "a.2", status: "joining" }), {
    known: [member("b")],
    settled: ["c"],
  });
  assertEquals([...wiped.settled].sort(), ["b", "c"]);
  wiped.receive({ from: "b", members: [member("a"), member("d", { status: "joining" })] }, 0);
  assertEquals([...wiped.settled].sort(), ["a", "b", "c"]);
  const lost = member("b", { nodeID: "b.2", incarnation: 2, status: "refilling" });
  wiped.receive({ from: "b", members: [lost, member("d", { heartbeat: 1 })] }, 0);
  assertEquals([...wiped.settled].sort(), ["a", "b", "c", "d"]);
});

Deno.test("Gossip.tick: some members, the silent ones not left out, and all unknown seeds", () => {
  const known = Array.from({ length: 9 }, (_, i) => member(`m${i}`));
  const seeds = [originOf("a"), "http://seed1:80", "http://seed2:80", originOf("m0")];
  const gossip = gossipOf(member("a"), { known, seeds });
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const { origins } = gossip.tick(0);
    assertEquals(new Set(origins).size, origins.length);
    assert(origins.includes("http://seed1:80") && origins.includes("http://seed2:80"));
    assert(!origins.includes(originOf("a")), "not to itself");
    assertEquals(origins.length, 5);
    for (const origin of origins) seen.add(origin);
  }
  assertEquals(seen.size, 11);
  assertEquals(gossip.self.heartbeat, 100);
});

Deno.test("Gossip.tick: a seed that a member has left is asked again while one is silent, one in each round", () => {
  const left = ["http://left1:80", "http://left2:80"];
  const gossip = gossipOf(member("a"), { known: [member("b")], seeds: [...left, originOf("b")] });
  for (const seed of left) gossip.receive({ from: "b", members: [member("b")] }, 0, seed);
  assertEquals(gossip.unresolvedSeeds, []);
  const seen = new Set<string>();
  for (let i = 0; i < 50; i++) {
    assertEquals(gossip.tick(0).origins, [originOf("b")], "nobody is missed");
    const { origins } = gossip.tick(10_000);
    assertEquals(origins.length, 2);
    for (const origin of origins) seen.add(origin);
  }
  assertEquals(seen, new Set([originOf("b"), ...left]));
});

Deno.test("Gossip.tick: the address of a removed member is asked while another one is silent", () => {
  const taken = "http://x:80";
  const removed = [removal("x", { origin: taken, ended: true })];
  const gossip = gossipOf(member("a"), { known: [member("b")], seeds: [taken], removed });
  gossip.heard("b", 0);
  assertEquals([gossip.unresolvedSeeds, gossip.tick(0).origins], [[], [originOf("b")]]);
  assertEquals(gossip.tick(10_000).origins, [originOf("b"), taken]);
});

Deno.test("Gossip.unresolvedSeeds: known by origin, or by who answers there", () => {
  const gossip = gossipOf(member("a"), {
    seeds: ["http://b:80", "http://alias:80", "http://c:80"],
  });
  assertEquals(gossip.unresolvedSeeds.length, 3);
  gossip.receive({ from: "b", members: [member("b")] }, 0, "http://alias:80");
  assertEquals(gossip.unresolvedSeeds, ["http://c:80"]);
  gossip.receive({ from: "a", members: [gossip.self] }, 0, "http://c:80");
  assertEquals(gossip.unresolvedSeeds, [], "a seed may turn out to be this node itself");
  const resolved = [["http://alias:80", "b"], ["http://c:80", "a"]] as [string, string][];
  assertEquals([...gossip.resolvedSeeds], resolved);
  gossip.receive({ from: "b", members: [member("b")] }, 0, "http://no-seed:80");
  assertEquals([...gossip.resolvedSeeds], resolved);
  const { version } = gossip;
  gossip.receive({ from: "b", members: [member("b")] }, 0, "http://c:80");
  assertEquals(gossip.resolvedSeeds.get("http://c:80"), "b");
  assert(gossip.version > version, "that somebody else answers there now is kept on disk");
});

Deno.test("Gossip.receive: who is not in the view that it sends is no member, and decides nothing", () => {
  const seeds = ["http://c:80"];
  const gossip = gossipOf(member("a", { status: "joining" }), { seeds });
  const view = { members: [member("b", { status: "joining" as const })], seeds: ["http://d:80"] };
  gossip.receive({ ...view, from: "stranger" }, 1_000, "http://c:80");
  assertEquals(gossip.unresolvedSeeds, seeds);
  assertEquals(gossip.silenceMs("stranger", 1_000), Infinity);
});

Deno.test("Gossip.message: of many seeds some are told of, no more than others take", () => {
  const names = Array.from({ length: SEEDS_MAX + 2 }, (_, i) => `m${i}`);
  const seeds = names.map(originOf);
  const joining = member("a", { status: "joining" });
  const known = names.map((name) => member(name, { status: "joining" }));
  for (const gossip of [gossipOf(joining, { seeds }), gossipOf(joining, { seeds, known })]) {
    const { seeds, named } = parseGossipMessage(JSON.parse(JSON.stringify(gossip.message())));
    assertEquals(seeds!.length + named!.length, SEEDS_MAX);
  }
});

Deno.test("Gossip.livenessOf: whoever sends is heard, so is whoever is talked about", () => {
  const gossip = gossipOf(member("a"));
  gossip.receive({ from: "b", members: [member("b"), member("c")] }, 1_000);
  assertEquals([gossip.livenessOf("a", 9e9), gossip.livenessOf("b", 1_500)], ["up", "up"]);
  assertEquals(gossip.livenessOf("c", 9e9), "down");
  gossip.heard("c", 9e9);
  gossip.heard("stranger", 9e9);
  assertEquals(gossip.livenessOf("c", 9e9), "up");
  assertEquals(gossip.livenessOf("stranger", 9e9), "down");
});

Deno.test("Gossip.receive: members have a bound", () => {
  const gossip = gossipOf(member("a"));
  for (const part of [0, 1]) {
    const members = Array.from({ length: MEMBERS_MAX }, (_, i) => member(`m${part}-${i}`));
    gossip.receive({ from: "b", members }, 0);
  }
  assertEquals(gossip.members.length, MEMBERS_MAX);
});

Deno.test("Gossip: while a cluster forms, each waits for the seeds of the others, too", () => {
  const gone = "http://gone:8080";
  const told = gossipOf(member("a", { status: "joining" }), { seeds: [gone, originOf("b")] });
  const other = gossipOf(member("b", { status: "joining" }));
  other.receive(told.message(), 0);
  assertEquals(other.unresolvedSeeds, [gone], "not that of its own");
  assert(other.tick(0).origins.includes(gone));
  // The one that was told of it has heard under it: another name of a member.
  const c = member("c", { status: "joining" });
  told.receive({ from: "c", members: [c] }, 0);
  other.receive(told.message(), 0);
  const versions = [told.version, other.version];
  told.receive({ from: "c", members: [c] }, 0, gone);
  other.receive(told.message(), 0);
  assertEquals(other.unresolvedSeeds, []);
  assertEquals([told.version, other.version], versions.map((version) => version + 1), "it is news");
  // Where somebody serves, nothing is being formed.
  const late = gossipOf(member("d", { status: "joining" }), { seeds: [gone] });
  other.receive(late.message(), 0);
  assertEquals(other.unresolvedSeeds, [gone]);
  other.receive({ from: "e", members: [member("e", { status: "normal" })] }, 0);
  assertEquals(other.unresolvedSeeds, []);
});

Deno.test("Gossip: while a cluster forms, a seed of another one is found by whoever asks there", () => {
  const alias = "http://alias:80";
  const told = gossipOf(member("a", { status: "joining" }), { seeds: [alias] });
  const other = gossipOf(member("b", { status: "joining" }));
  other.receive(told.message(), 0);
  assertEquals(other.unresolvedSeeds, [alias]);
  other.receive({ from: "c", members: [member("c", { status: "joining" })] }, 0, alias);
  assertEquals(other.unresolvedSeeds, []);
});

Deno.test("Gossip.namedBothWays: new nodes that have each other among their seeds", () => {
  const alias = "http://other-name-of-b:80";
  const a = gossipOf(member("a", { status: "joining" }), { seeds: [alias, originOf("c")] });
  const b = gossipOf(member("b", { status: "joining" }), { seeds: [originOf("a")] });
  const c = gossipOf(member("c", { status: "joining" }), { seeds: [originOf("b")] });
  a.receive(b.message(), 0, alias);
  a.receive(c.message(), 0);
  assertEquals(a.namedBothWays, 0, "b has not heard yet who is under its seed");
  b.receive(a.message(), 0);
  a.receive(parseGossipMessage(JSON.parse(JSON.stringify(b.message()))), 0);
  c.receive(a.message(), 0);
  a.receive(c.message(), 0);
  assertEquals([a, b, c].map((gossip) => gossip.namedBothWays), [1, 1, 0]);
});

Deno.test("Gossip.settled: whoever was normal once is told of, though it is not any more", () => {
  const knows = gossipOf(member("a"), { known: [member("b")] });
  const lost = member("b", { nodeID: "b.2", incarnation: 2, status: "joining" });
  knows.receive({ from: "b", members: [lost] }, 0);
  const told = gossipOf(member("c", { status: "joining" }));
  told.receive({ from: "b", members: [lost] }, 0);
  assertEquals([...told.settled], []);
  told.receive(parseGossipMessage(JSON.parse(JSON.stringify(knows.message()))), 0);
  assertEquals([...told.settled].sort(), ["a", "b"]);
  const unknown = { from: "a", members: [member("a")], settled: ["x"] };
  told.receive(unknown, 0);
  assertEquals([...told.settled].sort(), ["a", "b"], "nobody knows that one");
});

Deno.test("Gossip.isUnknown: until a member that counts says that it knows a new node", () => {
  const gossip = gossipOf(member("a", { status: "joining" }));
  const hear = (from: string, ...members: Member[]) => gossip.receive({ from, members }, 0);
  const [b, c] = [member("b"), member("c", { status: "joining" })];
  assertEquals(gossip.isUnknown, false, "there is none");
  hear("b", b, c);
  hear("c", b, c, gossip.self);
  assertEquals(gossip.isUnknown, true);
  hear("b", b, c, gossip.self);
  assertEquals(gossip.isUnknown, false);
  const refilling = gossipOf(member("a", { status: "refilling" }), { known: [b] });
  assertEquals(refilling.isUnknown, false, "all knew it once");
});
