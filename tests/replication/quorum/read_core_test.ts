import { assertEquals } from "@std/assert";
import {
  type ReadAnswer,
  ReadCore,
  type ReadDecision,
} from "../../../src/replication/quorum/read_core.ts";
import { version } from "../../support/records.ts";

const V1 = version(1);
const V2 = version(2);
const V3 = version(3);
const ALL = [true, true, true];

interface Case {
  counts: boolean[];
  r: number;
  answers: [owner: number, answer: ReadAnswer][];
  decision: ReadDecision;
}

const TABLE: Record<string, Case> = {
  "waits for R": { counts: ALL, r: 2, answers: [[0, V1]], decision: { action: "wait" } },
  "one owner that lacks the key is no quorum": {
    counts: ALL,
    r: 2,
    answers: [[0, "absent"]],
    decision: { action: "wait" },
  },
  "R equal answers": {
    counts: ALL,
    r: 2,
    answers: [[0, V1], [2, V1]],
    decision: { action: "done", from: 0 },
  },
  "absent is an answer": {
    counts: ALL,
    r: 2,
    answers: [[0, "absent"], [1, "absent"]],
    decision: { action: "done", from: undefined },
  },
  "absent and a version: repaired before it is answered": {
    counts: ALL,
    r: 2,
    answers: [[0, "absent"], [1, V1]],
    decision: { action: "repair", owners: [0] },
  },
  "the newest wins, the stale one is repaired": {
    counts: ALL,
    r: 2,
    answers: [[0, V1], [1, V2]],
    decision: { action: "repair", owners: [0] },
  },
  "an owner that does not count makes no quorum": {
    counts: [true, true, false],
    r: 2,
    answers: [[0, V1], [2, V1]],
    decision: { action: "wait" },
  },
  "but its newer version is not overlooked": {
    counts: [true, true, false],
    r: 2,
    answers: [[0, V1], [1, V1], [2, V2]],
    decision: { action: "repair", owners: [0, 1] },
  },
  "nor where it lacks the key": {
    counts: [true, true, false],
    r: 2,
    answers: [[0, "absent"], [2, "absent"]],
    decision: { action: "wait" },
  },
  "nor in the place of one that refuses": {
    counts: [true, true, false],
    r: 2,
    answers: [[0, "refused"], [1, "absent"], [2, "absent"]],
    decision: { action: "failed" },
  },
  "the first version of an owner stands": {
    counts: ALL,
    r: 2,
    answers: [[0, V2], [0, V1], [0, "timeout"], [1, V2]],
    decision: { action: "done", from: 0 },
  },
  "so does its word that it lacks the key": {
    counts: ALL,
    r: 2,
    answers: [[0, "absent"], [0, V1], [1, "absent"]],
    decision: { action: "done", from: undefined },
  },
  "R out of reach": {
    counts: ALL,
    r: 2,
    answers: [[0, V1], [1, "refused"], [2, "timeout"]],
    decision: { action: "failed" },
  },
  "a late answer still helps": {
    counts: ALL,
    r: 2,
    answers: [[0, V1], [1, "timeout"], [2, "timeout"], [2, V1]],
    decision: { action: "done", from: 0 },
  },
};

for (const [name, { counts, r, answers, decision }] of Object.entries(TABLE)) {
  Deno.test(`ReadCore: ${name}`, () => {
    const core = new ReadCore(counts, r);
    for (const [owner, answer] of answers) core.answer(owner, answer);
    assertEquals(core.decide(), decision);
  });
}

/** Owner 0 is behind, owner 1 has version 2, and the repair of owner 0 is on its way. */
function repairing(): ReadCore {
  const core = new ReadCore(ALL, 2);
  core.answer(0, V1);
  core.answer(1, V2);
  assertEquals(core.decide(), { action: "repair", owners: [0] });
  assertEquals(core.decide(), { action: "wait" }, "a repair is handed out once");
  return core;
}

Deno.test("ReadCore: answers once the repair is on R owners", () => {
  const core = repairing();
  core.repaired(0, V2, V2);
  assertEquals(core.decide(), { action: "done", from: 1 });
});

Deno.test("ReadCore: an owner that meanwhile holds something newer is as good", () => {
  const core = repairing();
  core.repaired(0, V2, V3);
  assertEquals(core.decide(), { action: "done", from: 1 });
});

Deno.test("ReadCore: a failed repair waits for who has not answered, then fails", () => {
  const core = repairing();
  core.repaired(0, V2, undefined);
  assertEquals(core.decide(), { action: "wait" });
  core.answer(2, "refused");
  assertEquals(core.decide(), { action: "failed" });
});

Deno.test("ReadCore: a repair with what is no longer the newest holds up no newer version", () => {
  const core = repairing();
  core.answer(2, V3);
  assertEquals(core.decide(), { action: "repair", owners: [0, 1] });
  core.repaired(0, V2, V2); // the first repair, of version 2
  assertEquals(core.decide(), { action: "wait" });
  core.repaired(1, V3, undefined);
  core.repaired(0, V3, V3);
  assertEquals(core.decide(), { action: "done", from: 2 });
});

Deno.test("ReadCore: of two repairs the newer one decides, whichever is answered last", () => {
  const both = () => {
    const core = repairing();
    core.answer(2, V3);
    assertEquals(core.decide(), { action: "repair", owners: [0, 1] });
    core.repaired(1, V3, undefined);
    return core;
  };
  const stored = both();
  stored.repaired(0, V3, V3);
  stored.repaired(0, V2, V2);
  assertEquals(stored.decide(), { action: "done", from: 2 });
  const lost = both();
  lost.repaired(0, V2, undefined);
  assertEquals(lost.decide(), { action: "wait" }, "the newer one is still on its way");
  lost.repaired(0, V3, V3);
  assertEquals(lost.decide(), { action: "done", from: 2 });
});

Deno.test("ReadCore: the version of an owner that does not count is repaired onto R that do", () => {
  const core = new ReadCore([true, true, false], 2);
  core.answer(0, V1);
  core.answer(1, "absent");
  core.answer(2, V1);
  assertEquals(core.decide(), { action: "repair", owners: [1] });
  core.repaired(1, V1, undefined);
  assertEquals(core.decide(), { action: "failed" });
});

Deno.test("ReadCore: an owner that did not take one version may take the next", () => {
  const core = repairing();
  core.repaired(0, V2, undefined);
  core.answer(2, V3);
  assertEquals(core.decide(), { action: "repair", owners: [0, 1] });
  core.repaired(1, V3, undefined);
  assertEquals(core.decide(), { action: "wait" });
  core.repaired(0, V3, V3);
  assertEquals(core.decide(), { action: "done", from: 2 });
});
