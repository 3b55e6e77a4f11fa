import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Removal } from "../../../src/membership/removal.ts";
import type { RemovalStage } from "../../../src/membership/removal_stage.ts";
import type { Topology, TopologyOptions } from "../../../src/replication/topology/topology.ts";
import { member, removal } from "../../support/members.ts";
import { topologyOf } from "../../support/topologies.ts";

const REMOVAL: Removal = {
  name: "node5",
  nodeID: "node5.1",
  origin: "http://node5:80",
  incarnation: 1,
  dead: false,
  ended: false,
};

/** `node1` to `node4` while `node5` is being removed. */
function removing(
  stages: readonly (RemovalStage | undefined)[],
  options: Partial<TopologyOptions> = {},
): Topology {
  const members = stages.map((stage, i) =>
    member(`node${i + 1}`, stage === undefined ? {} : { removals: { "node5.1": stage } })
  );
  return topologyOf(0, {
    members,
    settled: ["node1", "node2", "node3", "node4", "node5"],
    pending: [REMOVAL],
    virtualNodes: 8,
    ...options,
  });
}

/** By arc, who counts for writes and for reads. */
function counting(topology: Topology): [string[], string[]][] {
  return topology.ring.arcs.map(({ end }) => {
    const owners = topology.ownersOfToken(end);
    const names = (counts: (owner: typeof owners[number]) => boolean) =>
      owners.filter(counts).map(({ name }) => name).sort();
    return [names((one) => one.countsForWrites), names((one) => one.countsForReads)];
  });
}

Deno.test("Topology: the ring is over the members that are not being removed", () => {
  const topology = removing([undefined, undefined, undefined, undefined]);
  assertEquals(topology.ring.arcs, topologyOf(4, { virtualNodes: 8 }).ring.arcs);
  assertEquals(topology.fingerprint, topologyOf(4, { virtualNodes: 8 }).fingerprint);
});

Deno.test("Topology: two lives of one name that are being removed were one member", () => {
  const second = { ...REMOVAL, nodeID: "node5.2", dead: true };
  const options = { replication: 5, readQuorum: 3, writeQuorum: 3 };
  const { quorums } = removing([undefined, undefined], { ...options, pending: [REMOVAL, second] });
  assertEquals(quorums, { n: 2, r: 2, w: 2 });
});

Deno.test("Topology: an owner that gains an arc counts there for nothing, then for writes, then for both", () => {
  const before = topologyOf(5, { virtualNodes: 8 });
  const none = removing([undefined, undefined, undefined, undefined]);
  const refilling = removing(["refilling", "refilling", "refilling", "refilling"]);
  const done = removing(["done", "done", "done", "done"]);
  let gained = 0;
  none.ring.arcs.forEach(({ end, owners }, i) => {
    const old = before.ownersOfToken(end).map(({ name }) => name);
    const [writes, reads] = counting(none)[i]!;
    assert(writes.every((name) => old.includes(name)), "only owners of both rings count");
    assertEquals(writes, reads);
    gained += 3 - writes.length;
    assertEquals(counting(refilling)[i], [[...owners].sort(), reads]);
    assertEquals(counting(done)[i], [[...owners].sort(), [...owners].sort()]);
  });
  assert(gained > 0);
});

Deno.test("Topology: how far each is decides, not how far this node is", () => {
  const topology = removing(["done", "known", "done", "done"]);
  for (const arc of topology.arcsToTakeOver("node2")) {
    const owner = topology.ownersOfToken(topology.ring.arcs[arc]!.end)
      .find(({ name }) => name === "node2")!;
    assertEquals([owner.gaining, owner.countsForWrites], ["joining", false]);
    assert(!topology.isCompleteAt("node2", arc));
  }
  for (const arc of topology.arcsToTakeOver("node3")) assert(topology.isCompleteAt("node3", arc));
});

Deno.test("Topology: during two removals an owner counts as its earlier stage lets it", () => {
  const second = { ...REMOVAL, name: "node4", nodeID: "node4.1" };
  const members = [1, 2, 3].map((i) => member(`node${i}`, { removals: { "node5.1": "done" } }));
  const topology = removing([], { members, pending: [REMOVAL, second] });
  for (const arc of topology.arcsToTakeOver("node1")) {
    const [owner] = topology.ownersOfToken(topology.ring.arcs[arc]!.end)
      .filter(({ name }) => name === "node1");
    assertEquals(owner!.gaining, "joining");
  }
});

Deno.test("Topology.quorums: as large as with the one that leaves, until it is no member any more", () => {
  const options = { virtualNodes: 8, replication: 3, readQuorum: 1, writeQuorum: 3 };
  for (const stage of [undefined, "known", "done"] as const) {
    assertEquals(
      removing([stage, stage], options).quorums,
      { n: 2, r: 1, w: 3 },
      "no w is reached",
    );
    assertEquals(removing([stage]).quorums, { n: 1, r: 2, w: 2 });
  }
  const members = [member("node1"), member("node2")];
  assertEquals(removing([], { ...options, members, pending: [] }).quorums, { n: 2, r: 2, w: 2 });
});

Deno.test("Topology.arcsToTakeOver: all where read quorums shrink, else those that are gained", () => {
  const arcsOf = (members: number, quorums: Partial<TopologyOptions>) => {
    const stages = Array.from({ length: members }, () => "refilling" as const);
    const topology = removing(stages, quorums);
    const all = topology.ring.arcs.length;
    return { taken: topology.arcsToTakeOver("node2").length, all };
  };
  const five = { replication: 5, readQuorum: 3, writeQuorum: 3 };
  const shrinking = arcsOf(3, five);
  assertEquals(shrinking.taken, shrinking.all, "three of four were asked, two of three are");
  assertEquals(arcsOf(4, five).taken, 0, "three of five, and three of four");
  const gained = arcsOf(4, {});
  assert(gained.taken > 0 && gained.taken < gained.all);
});

Deno.test("Topology: the one that is being removed owns nothing and serves nobody", () => {
  const topology = removing(["known", "known", "known", "known"], { selfName: "node5" });
  assert(!topology.serving);
  const error = assertThrows(() => topology.ownersOf("k"), ConvergeError, "is being removed");
  assertEquals(error.code, "not_ready");
});

Deno.test("FormerRings.before: with the one that leaves, so that it is asked for what it owned", () => {
  const topology = removing(["known", "known", "known", "known"]);
  const before = topologyOf(5, { virtualNodes: 8 }).ring;
  assertEquals(topology.former.before([]).arcs, before.arcs);
  const joiners = ["node6", "node7"].map((name) => member(name, { status: "joining" }));
  const members = [...topology.members, ...joiners];
  const joining = removing([], { members });
  assertEquals(joining.former.before([]).arcs, before.arcs);
  for (const name of ["node6", "node7"]) {
    assertEquals(joining.former.before([name]).names.at(-1), name, "somebody knows that it was");
  }
  const settled = ["node1", "node2", "node3", "node4"];
  assertEquals(removing([], { members, settled }).former.before([]).arcs, before.arcs);
});

Deno.test("FormerRings.before: of few that remain with one that joins it has N owners, as before", () => {
  const members = [member("node1"), member("node2", { status: "joining" })];
  const pending = [REMOVAL, { ...REMOVAL, name: "node4", nodeID: "node4.1" }];
  const topology = removing([], { members, pending, settled: ["node1"] });
  assertEquals(topology.quorums.n, 2);
  const { arcs } = topology.former.before([]);
  assert(arcs.every(({ owners }) => owners.length === 3));
});

Deno.test("FormerRings.allBefore: with those that leave and without, as others know who is settled", () => {
  const joiner = member("node6", { status: "joining" });
  const members = [...[1, 2, 3, 4].map((i) => member(`node${i}`)), joiner];
  const topology = removing([], { members });
  for (const settled of [[], ["node6"], []]) {
    const [before, remaining] = topology.former.allBefore(settled);
    const names = ["node1", "node2", "node3", "node4", ...settled];
    assertEquals(remaining!.names, names);
    assertEquals(before!.names.toSorted(), [...names, "node5"].sort());
  }
});

Deno.test("Topology.arcsOnceSharedBy: arcs that a member owns now, and no others", () => {
  const topology = removing(["known", "known", "known", "known"]);
  const arcs = topology.arcsOnceSharedBy("node1", "node5");
  assert(arcs.length > 0);
  assert(arcs.every((arc) => topology.ring.arcs[arc]!.owners.includes("node1")));
});

Deno.test("Topology: where so few are left that all own everything, nobody gains anything", () => {
  const topology = removing(["known", "known"]);
  assertEquals(topology.quorums.n, 2);
  for (const name of ["node1", "node2"]) {
    assertEquals(topology.arcsToTakeOver(name), []);
    const isNew = topology.isNewTo(name, ["node5"]);
    assert(topology.ring.arcs.every(({ end }) => !isNew(end)));
  }
});

Deno.test("Topology: one that joins and gains counts for nothing, however far it is", () => {
  const plain = removing(["refilling", "refilling", "refilling", "refilling"]);
  const removals = { "node5.1": "refilling" } as const;
  const joiner = member("node6", { status: "joining", removals });
  const topology = removing([], { members: [...plain.members, joiner] });
  const arcs = topology.arcsToTakeOver("node6");
  assert(arcs.length > 0);
  for (const arc of arcs) {
    const owners = topology.ownersOfToken(topology.ring.arcs[arc]!.end);
    assert(!owners.find(({ name }) => name === "node6")!.countsForWrites);
  }
});

Deno.test("Topology.isNewTo: exactly the tokens that a member did not own by any ring of before", () => {
  const topology = removing(["known", "known", "known", "known"]);
  const before = topologyOf(5, { virtualNodes: 8 }).ring;
  const isNew = topology.isNewTo("node1", ["node5"]);
  for (const arc of [...before.arcs, ...topology.ring.arcs]) {
    const owns = topology.ring.arcOf(arc.end)!.owners.includes("node1");
    const owned = before.arcOf(arc.end)!.owners.includes("node1");
    assertEquals(isNew(arc.end), owns && !owned);
  }
});

Deno.test("Topology.isNewTo: not what a member owned before another joined, that is not settled", () => {
  const joiner = member("node6", { status: "joining" });
  const plain = removing(["known", "known", "known", "known"]);
  const topology = removing([], { members: [...plain.members, joiner] });
  const withoutJoiner = topologyOf(5, { virtualNodes: 8 }).ring;
  let former = 0;
  const isNew = topology.isNewTo("node1", ["node5"]);
  for (const { end } of topology.ring.arcs) {
    if (!withoutJoiner.arcOf(end)!.owners.includes("node1")) continue;
    assert(!isNew(end));
    former++;
  }
  assert(former > 0);
  const owned = topologyOf(0, { members: [...topology.members, member("node5")], virtualNodes: 8 });
  const isNewToJoiner = topology.isNewTo("node6", ["node5"]);
  for (const { end, owners } of owned.ring.arcs) {
    if (owners.includes("node6")) assert(!isNewToJoiner(end), "it owned that while it joined");
  }
  const neverNormal = removing(["known", "known", "known", "known"], {
    settled: ["node1", "node2", "node3", "node4"],
  });
  const isNewNow = neverNormal.isNewTo("node1", ["node5"]);
  assert(neverNormal.ring.arcs.every(({ end }) => !isNewNow(end)), "node5 never had their data");
});

Deno.test("Topology.leftovers: until a member has cleared them away", () => {
  assertNotEquals(removing(["known", "known", "known", "known"]).leftovers(), undefined);
  assertNotEquals(removing([undefined, "known", "known", "known"]).leftovers(), undefined);
  assertEquals(removing(["refilling", "known", "known", "known"]).leftovers(), undefined);
  assertEquals(topologyOf(4).leftovers(), undefined);
});

Deno.test("Topology.leftovers: not what a member counts for since an earlier removal that goes on", () => {
  const second = { ...REMOVAL, name: "node4", nodeID: "node4.1", dead: true };
  const removals = { "node5.1": "done", "node4.1": "known" } as const;
  const members = [1, 2, 3, 6].map((i) => member(`node${i}`, { removals }));
  const settled = [1, 2, 3, 4, 5, 6].map((i) => `node${i}`);
  const topology = removing([], { members, settled, pending: [REMOVAL, second] });
  const isLeftover = topology.leftovers()!;
  const isNew = topology.isNewTo("node1", ["node5", "node4"]);
  const before = topologyOf(0, { members: [...members, member("node4")], virtualNodes: 8 });
  const all = topologyOf(6, { virtualNodes: 8 }).ring;
  let taken = 0;
  for (const { end } of all.arcs) {
    if (!isNew(end) || !before.ring.arcOf(end)!.owners.includes("node1")) continue;
    assert(!isLeftover(end), "it is shown to whom takes over what the second one had");
    taken++;
  }
  assert(taken > 0);
  assert(all.arcs.some(({ end }) => isLeftover(end)));
});

Deno.test("Topology.isLastHolder: who is being removed still has what it owned, unless it is dead, or lost data", () => {
  for (const dead of [false, true]) {
    const pending = [removal("node2", { dead }), removal("node3", { dead })];
    for (const status of ["normal", "refilling"] as const) {
      const members = [member("node1"), member("node4", { status })];
      const settled = ["node1", "node2", "node3", "node4"];
      // Of some arcs the three first were the owners.
      assertEquals(topologyOf(0, { pending, members, settled }).isLastHolder, dead);
      const sources: string[] = []; // they lost data themselves
      assertEquals(topologyOf(0, { pending, members, settled, sources }).isLastHolder, true);
    }
  }
});
