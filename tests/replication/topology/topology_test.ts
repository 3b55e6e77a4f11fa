import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import { member, removal } from "../../support/members.ts";
import { topologyOf } from "../../support/topologies.ts";

Deno.test("Topology.quorums: with fewer than N members, N is what there is, majorities of it", () => {
  assertEquals([1, 2, 3, 9].map((count) => topologyOf(count).quorums), [
    { n: 1, r: 1, w: 1 },
    { n: 2, r: 2, w: 2 },
    { n: 3, r: 2, w: 2 },
    { n: 3, r: 2, w: 2 },
  ]);
  assertEquals(topologyOf(4, { replication: 5, readQuorum: 3, writeQuorum: 3 }).quorums, {
    n: 4,
    r: 3,
    w: 3,
  });
});

Deno.test("Topology.quorums: with fewer than N members, writes leave out fewer than R", () => {
  const quorums = [1, 2, 3, 4].map((count) =>
    topologyOf(count, { replication: 5, readQuorum: 1, writeQuorum: 5 }).quorums
  );
  assertEquals(quorums, [
    { n: 1, r: 1, w: 1 },
    { n: 2, r: 2, w: 2 },
    { n: 3, r: 2, w: 3 },
    { n: 4, r: 3, w: 4 },
  ]);
});

Deno.test("Topology: a seed that nobody has heard of counts as an owner that never answers", () => {
  const topology = topologyOf(1, { unresolvedSeeds: ["http://a:1", "http://b:1"] });
  assertEquals(topology.quorums, { n: 3, r: 2, w: 2 });
  const owners = topology.ownersOf("k");
  assertEquals(owners.map(({ name }) => name), ["node1", "http://a:1", "http://b:1"]);
  assertEquals(owners.map(({ countsForWrites }) => countsForWrites), [true, false, false]);
  assertEquals(owners.map(({ isSelf }) => isSelf), [true, false, false]);
  assert(!topology.serving);
});

Deno.test("Topology: beyond N, an unplaced seed may own any key: not ready, unless one was normal", () => {
  const options = { unresolvedSeeds: ["http://a:1"] };
  const joining = [1, 2, 3].map((i) => member(`node${i}`, { status: "joining" }));
  const topology = topologyOf(3, { ...options, members: joining });
  const error = assertThrows(() => topology.ownersOf("k"), ConvergeError);
  assertEquals(error.code, "not_ready");
  const refilling = [member("node1", { status: "refilling" }), member("node2"), member("node3")];
  assertThrows(() => topologyOf(0, { ...options, members: refilling }).ownersOf("k"));
  assertEquals(topologyOf(3, options).ownersOf("k").length, 3);
});

Deno.test("Topology: who counts follows the status, who owns does not", () => {
  const members = [
    member("node1"),
    member("node2", { status: "refilling" }),
    member("node3", { status: "joining" }),
  ];
  const topology = topologyOf(3, { members });
  const counts = new Map(
    topology.ownersOf("k").map((owner) => [
      owner.name,
      [owner.countsForWrites, owner.countsForReads, owner.isSelf],
    ]),
  );
  assertEquals(counts.get("node1"), [true, true, true]);
  assertEquals(counts.get("node2"), [true, false, false]);
  assertEquals(counts.get("node3"), [false, false, false]);
  assertEquals(topology.ring.arcs, topologyOf(3).ring.arcs);
  assert(!topology.serving);
});

Deno.test("Topology.serving: enough members count for either quorum, and all owners are known", () => {
  const joining = member("node1", { status: "joining" });
  const members = [joining, ...["node2", "node3", "node4"].map((name) => member(name))];
  assert(topologyOf(4, { members }).serving);
  assert(!topologyOf(4, { members, unresolvedSeeds: ["http://a:1"] }).serving);
  const two = [member("node1"), member("node2"), member("node3", { status: "joining" })];
  for (const [readQuorum, writeQuorum] of [[1, 3], [3, 1]] as const) {
    assert(!topologyOf(3, { members: two, readQuorum, writeQuorum }).serving);
  }
});

Deno.test("Topology.fingerprint: a seed that one node alone waits for makes no other ring", () => {
  const { fingerprint } = topologyOf(2);
  const waiting = topologyOf(2, { unresolvedSeeds: ["http://nowhere:80"] });
  assertEquals(waiting.fingerprint, fingerprint);
  assertEquals(waiting.quorums.n, 3);
});

Deno.test("Topology.fingerprint: the same ring on every node, another for every other ring", () => {
  const { fingerprint } = topologyOf(3);
  assertEquals(topologyOf(3, { selfName: "node2" }).fingerprint, fingerprint);
  const joining = [1, 2, 3].map((i) => member(`node${i}`, { status: "joining" }));
  assertEquals(topologyOf(3, { members: joining }).fingerprint, fingerprint);
  const others = [
    topologyOf(4),
    topologyOf(2),
    topologyOf(3, { virtualNodes: 99 }),
    topologyOf(3, { replication: 2 }),
  ];
  for (const other of others) {
    assert(other.fingerprint !== fingerprint);
  }
});

Deno.test("Topology.isLastHolder: while nobody else who owns some keys has all of them", () => {
  const others = (...statuses: ("joining" | "refilling" | "normal")[]) => [
    member("node1"),
    ...statuses.map((status, i) => member(`node${i + 2}`, { status })),
  ];
  const settled = ["node1"];
  const isLast = (members: ReturnType<typeof others>, options = {}) =>
    topologyOf(0, { members, ...options }).isLastHolder;
  assertEquals(isLast(others()), true);
  assertEquals(isLast(others("normal", "normal"), { replication: 1, readQuorum: 1 }), true);
  assertEquals(isLast(others("joining", "refilling"), { settled }), true, "they came to join it");
  assertEquals(isLast(others("refilling", "refilling"), { settled: ["node1", "node2"] }), true);
  assertEquals(isLast(others("refilling", "normal")), false);
  assertEquals(isLast(others("normal", "joining")), false, "who joins changes nothing of that");
  const five = others("refilling", "refilling", "normal", "normal");
  const all = five.map(({ name }) => name);
  assertEquals(isLast(five, { settled: all }), true, "of some arcs the three first are the owners");
  assertEquals(isLast(five, { settled: all, replication: 4 }), false);
  const [self, ...rest] = others("normal", "normal");
  const filled = [{ ...self!, status: "refilling" as const }, ...rest];
  const joined = { replication: 1, readQuorum: 1, settled: ["node2", "node3"] };
  assertEquals(isLast(filled, joined), true, "it has what it took while it was filled");
  const fresh = five.map((one) => ({ ...one, status: "refilling" as const }));
  assertEquals(isLast(fresh, { settled: [] }), false, "nobody had anything before");
});

Deno.test("Topology.isLastHolder: not for what others own, who have lost it", () => {
  const options = { virtualNodes: 1 };
  const owners = topologyOf(6, options).ring.arcs.map((arc) => arc.owners);
  const whole = new Set(["node1"]);
  for (const [first, second, third] of owners) {
    if (first === "node1") whole.add(second!);
    if (third === "node1") whole.add(second!);
  }
  assert(owners.some((names) => !names.some((name) => whole.has(name))));
  const members = topologyOf(6).members.map((one) =>
    whole.has(one.name) ? one : { ...one, status: "refilling" as const }
  );
  const settled = members.map(({ name }) => name);
  assertEquals(topologyOf(0, { ...options, members, settled }).isLastHolder, false);
});

Deno.test("FormerRings.toFill: those that count, alone and with the one that is filled", () => {
  const topology = topologyOf(5, { settled: ["node1"] });
  const namesOf = (name: string, settled: string[]) =>
    topology.former.toFill(name, settled).map(({ names }) => names);
  assertEquals(namesOf("node3", []), [["node1"], ["node1", "node3"]]);
  assertEquals(namesOf("node3", ["node2"]), [["node1", "node2"], ["node1", "node2", "node3"]]);
  assertEquals(namesOf("node2", ["node2"]), [["node1", "node2"]], "it lost its disk");
});

Deno.test("FormerRings.toFill: rings are made once for all pages", () => {
  for (const pending of [[], [removal("node6")]]) {
    const topology = topologyOf(5, { settled: ["node1"], pending });
    const first = topology.former.toFill("node3", ["node2"]);
    assertStrictEquals(topology.former.toFill("node3", ["node2"]), first);
    for (const [name, settled] of [["node4", ["node2"]], ["node3", ["node4"]]] as const) {
      assertNotEquals(
        topology.former.toFill(name, settled).map(({ names }) => names),
        first.map(({ names }) => names),
      );
    }
  }
});
