import { assertEquals } from "@std/assert";
import {
  type LifecycleStep,
  type LifecycleView,
  nextStep,
} from "../../src/membership/lifecycle.ts";
import type { MemberStatus } from "../../src/membership/member.ts";
import { majorityOf } from "../../src/membership/quorums.ts";
import { member } from "../support/members.ts";

type Others = Record<string, MemberStatus>;

interface Case extends Partial<Omit<LifecycleView, "self" | "others" | "isKnownBy">> {
  self: MemberStatus;
  others?: Others;
  /** Who is known to know this node. */
  knownBy?: string[];
  step: LifecycleStep;
}

const WAIT: LifecycleStep = { action: "wait", for: [] };
const waitFor = (...names: string[]): LifecycleStep => ({ action: "wait", for: names });
const REFILLING: LifecycleStep = { action: "become", status: "refilling" };
const NORMAL: LifecycleStep = { action: "become", status: "normal" };

function decide({ self, others = {}, knownBy = [], step: _, ...view }: Case): LifecycleStep {
  return nextStep({
    self: member("self", { status: self }),
    others: Object.entries(others).map(([name, status]) => member(name, { status })),
    unresolvedSeeds: 0,
    refusedSeeds: 0,
    namedBothWays: Object.keys(others).length,
    settled: new Set(),
    replication: 3,
    readQuorum: majorityOf(view.replication ?? 3),
    writeQuorum: majorityOf(view.replication ?? 3),
    isKnownBy: (name) => knownBy.includes(name),
    refilledFrom: new Set(),
    ...view,
  });
}

const TABLE: Record<string, Case> = {
  "a node alone is normal at once": { self: "joining", step: NORMAL },
  "a node alone that lost data has nobody to refill from": { self: "refilling", step: NORMAL },
  "normal stays normal": { self: "normal", others: { b: "joining" }, step: WAIT },
  "with seeds not heard of it waits": { self: "joining", unresolvedSeeds: 2, step: WAIT },
  "nobody knows it yet": {
    self: "joining",
    others: { b: "normal", c: "normal" },
    step: waitFor("b", "c"),
  },
  "up to N members: known by a majority of the others": {
    self: "joining",
    others: { b: "normal", c: "normal", d: "normal" },
    knownBy: ["b", "c"],
    replication: 5,
    step: REFILLING,
  },
  "up to N members: known by half of the others, since the other half may know another that joins":
    {
      self: "joining",
      others: { b: "normal", c: "normal" },
      knownBy: ["b"],
      step: waitFor("c"),
    },
  "up to N members: known by all who answer, where nobody listens at a seed": {
    self: "joining",
    others: { b: "normal" },
    knownBy: ["b"],
    unresolvedSeeds: 1,
    refusedSeeds: 1,
    step: REFILLING,
  },
  "up to N members, beside another that joins: not before all know both": {
    self: "joining",
    others: { b: "normal", c: "normal", d: "refilling" },
    knownBy: ["b", "c", "d"],
    knowsAll: (name) => name !== "c",
    replication: 5,
    step: waitFor("c"),
  },
  "up to N members, beside another that joins: all know both": {
    self: "joining",
    others: { b: "normal", c: "normal", d: "refilling" },
    knownBy: ["b", "c", "d"],
    knowsAll: () => true,
    replication: 5,
    step: REFILLING,
  },
  "a new node among more than N waits for those that were being filled when it began to count": {
    self: "refilling",
    others: { b: "normal", c: "normal", d: "refilling" },
    knownBy: ["b", "c"],
    refilledFrom: new Set(["b", "c"]),
    earlier: new Set(["d.1"]),
    step: waitFor("d"),
  },
  "not for those that began after it, be it as another life, or lost data": {
    self: "refilling",
    others: { b: "normal", c: "normal", d: "refilling", e: "refilling", f: "joining" },
    knownBy: ["b", "c"],
    refilledFrom: new Set(["b", "c"]),
    earlier: new Set(["d.0", "e.1", "f.1"]),
    settled: new Set(["e"]),
    step: NORMAL,
  },
  "nor where all own everything": {
    self: "refilling",
    others: { b: "normal", d: "refilling" },
    knownBy: ["b"],
    refilledFrom: new Set(["b"]),
    earlier: new Set(["d.1"]),
    step: NORMAL,
  },
  "while somebody may go by the ring with a member that is removed, a new name waits": {
    self: "joining",
    others: { b: "normal", c: "normal" },
    knownBy: ["b", "c"],
    removals: { sources: [], areKnownByAll: false },
    step: WAIT,
  },
  "while a member is removed all must know a new name, up to N members too": {
    self: "joining",
    others: { b: "normal", c: "normal" },
    knownBy: ["b"],
    removals: { sources: [], areKnownByAll: true },
    step: waitFor("c"),
  },
  "while a member is removed one that was on the ring before goes on": {
    self: "joining",
    others: { b: "normal", c: "normal" },
    knownBy: ["b"],
    settled: new Set(["self"]),
    removals: { sources: [], areKnownByAll: false },
    step: REFILLING,
  },
  "one that is being removed is a source, and where it is the only other one": {
    self: "refilling",
    removals: { sources: ["x"], areKnownByAll: true },
    step: { action: "refill", from: ["x"] },
  },
  "seeds count as members for the majority": {
    self: "joining",
    others: { b: "normal" },
    unresolvedSeeds: 3,
    knownBy: ["b"],
    replication: 5,
    step: WAIT,
  },
  "up to N members, and another joins too: known by all": {
    self: "joining",
    others: { b: "normal", c: "normal", d: "joining" },
    knownBy: ["b", "c"],
    replication: 5,
    step: waitFor("d"),
  },
  "one that makes N full, where R is no majority: known by all": {
    self: "joining",
    others: { b: "normal", c: "normal" },
    knownBy: ["b"],
    readQuorum: 1,
    step: waitFor("c"),
  },
  "beyond N members a new name must be known by all": {
    self: "joining",
    others: { b: "normal", c: "normal", d: "normal" },
    knownBy: ["b", "c"],
    step: waitFor("d"),
  },
  "beyond N members, known by all": {
    self: "joining",
    others: { b: "normal", c: "normal", d: "normal" },
    knownBy: ["b", "c", "d"],
    step: REFILLING,
  },
  "beyond N members an old name needs a majority only: the ring stays": {
    self: "joining",
    others: { b: "normal", c: "normal", d: "normal" },
    knownBy: ["b", "c"],
    settled: new Set(["self"]),
    step: REFILLING,
  },
  "so does one that was normal once, of whose earlier life nobody tells any more": {
    self: "joining",
    others: { b: "normal", c: "normal", d: "normal" },
    knownBy: ["b", "c"],
    settled: new Set(["self", "b", "c", "d"]),
    step: REFILLING,
  },
  "a name that was never normal is as a new one, though a life of it lost its disk": {
    self: "joining",
    others: { b: "normal", c: "normal", d: "normal" },
    knownBy: ["b", "c"],
    step: waitFor("d"),
  },
  "as a new one it waits for those that came meanwhile, too": {
    self: "refilling",
    others: { b: "normal", c: "normal" },
    knownBy: ["b"],
    refilledFrom: new Set(["b", "c"]),
    step: waitFor("c"),
  },
  "beyond N members, all new, with seeds unheard: the ring is not known": {
    self: "joining",
    others: { b: "joining", c: "joining", d: "joining" },
    knownBy: ["b", "c", "d"],
    unresolvedSeeds: 1,
    step: WAIT,
  },
  "beyond N members, all new, and nobody listens at a seed: the ring is not known": {
    self: "joining",
    others: { b: "joining", c: "joining", d: "joining" },
    knownBy: ["b", "c", "d"],
    unresolvedSeeds: 1,
    refusedSeeds: 1,
    step: WAIT,
  },
  "refill from every normal member": {
    self: "refilling",
    others: { b: "normal", c: "normal", d: "refilling" },
    step: { action: "refill", from: ["b", "c"] },
  },
  "refill from those that are left": {
    self: "refilling",
    others: { b: "normal", c: "normal" },
    refilledFrom: new Set(["b"]),
    step: { action: "refill", from: ["c"] },
  },
  "all taken": {
    self: "refilling",
    others: { b: "normal", c: "normal" },
    knownBy: ["b", "c"],
    refilledFrom: new Set(["b", "c"]),
    step: NORMAL,
  },
  "all taken, but one may forget it: with the next that joins that one would miss two": {
    self: "refilling",
    others: { b: "normal", c: "normal" },
    knownBy: ["b"],
    refilledFrom: new Set(["b", "c"]),
    step: waitFor("c"),
  },
  "all taken by one whose name all know": {
    self: "refilling",
    others: { b: "normal", c: "normal" },
    refilledFrom: new Set(["b", "c"]),
    settled: new Set(["self", "b", "c"]),
    step: NORMAL,
  },
  "not where its earlier life was being filled: a majority knew that one": {
    self: "refilling",
    others: { b: "normal", c: "normal" },
    knownBy: ["b"],
    refilledFrom: new Set(["b", "c"]),
    step: waitFor("c"),
  },
  "forming: nobody is normal and everybody is here": {
    self: "refilling",
    others: { b: "refilling", c: "joining" },
    step: NORMAL,
  },
  "forming: a majority is new and nobody listens at the rest": {
    self: "refilling",
    others: { b: "refilling" },
    unresolvedSeeds: 1,
    refusedSeeds: 1,
    step: NORMAL,
  },
  "not forming: W - 1 disks may be lost at once, and are not more than that": {
    self: "refilling",
    others: { b: "refilling" },
    unresolvedSeeds: 1,
    refusedSeeds: 1,
    writeQuorum: 3,
    step: WAIT,
  },
  "not forming: a silent seed may know better": {
    self: "refilling",
    others: { b: "refilling" },
    unresolvedSeeds: 1,
    refusedSeeds: 0,
    step: WAIT,
  },
  "not forming: no majority is here": {
    self: "refilling",
    unresolvedSeeds: 2,
    refusedSeeds: 2,
    step: WAIT,
  },
  "not forming: W are here, and no majority": {
    self: "refilling",
    others: { b: "refilling", c: "refilling" },
    unresolvedSeeds: 4,
    refusedSeeds: 4,
    step: WAIT,
  },
  "not forming: who is told of this node may have come to join it": {
    self: "joining",
    others: { b: "joining" },
    knownBy: ["b"],
    namedBothWays: 0,
    unresolvedSeeds: 1,
    refusedSeeds: 1,
    step: WAIT,
  },
  "forming: all that were named are here": {
    self: "joining",
    others: { b: "joining" },
    knownBy: ["b"],
    namedBothWays: 0,
    step: REFILLING,
  },
  "lost data: what a member that joins acked may be nowhere else": {
    self: "refilling",
    others: { b: "normal", c: "refilling" },
    refilledFrom: new Set(["b"]),
    settled: new Set(["self", "b"]),
    step: waitFor("c"),
  },
  "lost data: what is left of it is given to none that joins": {
    self: "refilling",
    others: { b: "normal", c: "joining" },
    settled: new Set(["self", "b"]),
    knownBy: ["b", "c"],
    refilledFrom: new Set(["b"]),
    hasLeftovers: true,
    step: waitFor("c"),
  },
  "lost data: where nothing is left of it none that is not filled yet is waited for": {
    self: "refilling",
    others: { b: "normal", c: "joining" },
    settled: new Set(["self", "b"]),
    knownBy: ["b", "c"],
    refilledFrom: new Set(["b"]),
    step: NORMAL,
  },
  "lost data: one that joins, and does not know this life, may count by now": {
    self: "refilling",
    others: { b: "normal", c: "joining" },
    settled: new Set(["self", "b"]),
    knownBy: ["b"],
    refilledFrom: new Set(["b"]),
    step: waitFor("c"),
  },
  "lost data before it was normal: who else joins has to know this life first": {
    self: "joining",
    others: { b: "normal", c: "joining" },
    knownBy: ["b"],
    step: waitFor("c"),
  },
  "lost data: nobody waits for another that lost data": {
    self: "refilling",
    others: { b: "normal", c: "refilling" },
    refilledFrom: new Set(["b"]),
    settled: new Set(["self", "b", "c"]),
    step: NORMAL,
  },
  "who joins waits for no other that joins": {
    self: "refilling",
    others: { b: "normal", c: "refilling" },
    knownBy: ["b"],
    refilledFrom: new Set(["b"]),
    settled: new Set(["b"]),
    step: NORMAL,
  },
  "new nodes form no cluster with one that is known by hearsay: it may have come to join another": {
    self: "joining",
    others: { b: "joining", c: "joining" },
    knownBy: ["b"],
    hasHeard: (name) => name !== "c",
    step: waitFor("c"),
  },
  "new nodes that all have heard form a cluster": {
    self: "joining",
    others: { b: "joining", c: "joining" },
    knownBy: ["b"],
    hasHeard: () => true,
    step: REFILLING,
  },
  "a normal member to refill from ends forming": {
    self: "refilling",
    others: { b: "normal", c: "refilling" },
    step: { action: "refill", from: ["b"] },
  },
};

for (const [name, row] of Object.entries(TABLE)) {
  Deno.test(`nextStep: ${name}`, () => assertEquals(decide(row), row.step));
}
