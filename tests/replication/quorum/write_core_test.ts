import { assertEquals } from "@std/assert";
import {
  type WriteAnswer,
  WriteCore,
  type WriteDecision,
} from "../../../src/replication/quorum/write_core.ts";
import { version } from "../../support/records.ts";

interface Case {
  counts: boolean[];
  w: number;
  answers: [owner: number, answer: WriteAnswer][];
  decision: WriteDecision;
}

const NEWER = version(9);
const ALL = [true, true, true];

const TABLE: Record<string, Case> = {
  "waits while W can be reached": { counts: ALL, w: 2, answers: [[0, "stored"]], decision: "wait" },
  "acked at W": { counts: ALL, w: 2, answers: [[0, "stored"], [2, "stored"]], decision: "acked" },
  "own copy counted twice is one owner": {
    counts: ALL,
    w: 2,
    answers: [[0, "stored"], [0, "stored"], [0, "stored"]],
    decision: "wait",
  },
  "a stale rejection is no ack": {
    counts: ALL,
    w: 2,
    answers: [[0, "stored"], [1, NEWER]],
    decision: "wait",
  },
  "superseded by a quorum: retry past it": {
    counts: ALL,
    w: 2,
    answers: [[0, "stored"], [1, NEWER], [2, NEWER]],
    decision: "retry",
  },
  "superseded while another may still store it: retry at once": {
    counts: ALL,
    w: 2,
    answers: [[0, "refused"], [1, NEWER]],
    decision: "retry",
  },
  "a retry that cannot help is not asked for": {
    counts: ALL,
    w: 2,
    answers: [[0, "refused"], [1, NEWER], [2, "timeout"]],
    decision: "failed",
  },
  "an owner that does not count is no ack": {
    counts: [true, true, false],
    w: 2,
    answers: [[0, "stored"], [2, "stored"]],
    decision: "wait",
  },
  "superseded on one that does not count is no reason to retry": {
    counts: [true, true, false],
    w: 2,
    answers: [[0, "stored"], [1, "timeout"], [2, NEWER]],
    decision: "failed",
  },
  "too few that count fail at once": {
    counts: [true, false, false],
    w: 2,
    answers: [],
    decision: "failed",
  },
  "what really happened may follow a time-out": {
    counts: ALL,
    w: 2,
    answers: [[0, "stored"], [1, "timeout"], [2, "timeout"], [1, "stored"]],
    decision: "acked",
  },
  "overloaded and refused cannot become stored": {
    counts: ALL,
    w: 2,
    answers: [[0, "overloaded"], [1, "refused"], [0, "stored"], [1, "stored"], [2, "stored"]],
    decision: "failed",
  },
};

for (const [name, { counts, w, answers, decision }] of Object.entries(TABLE)) {
  Deno.test(`WriteCore: ${name}`, () => {
    const core = new WriteCore(counts, w);
    for (const [owner, answer] of answers) core.answer(owner, answer);
    assertEquals(core.decision, decision);
  });
}

Deno.test("WriteCore.counterSeen: the highest for which an owner did not take the record", () => {
  const core = new WriteCore([true, true, false], 2);
  core.answer(0, version(5));
  core.answer(2, NEWER);
  core.answer(1, { horizon: 7 });
  assertEquals([core.counterSeen, core.complete], [9, true]);
});
