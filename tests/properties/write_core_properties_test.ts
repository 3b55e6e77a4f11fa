/**
 * Strategy: one to five owners, of whom some do not count, any W, and every kind of answer in any
 * order, owners answering late, twice, or never; a model looks at the answers as a whole after each.
 *
 * Invariants:
 * - `acked` exactly when W distinct owners that count have said `stored`; it stays so;
 * - a superseded answer is never part of an ack;
 * - `retry` only if the owners that superseded could make up W with those that stored it;
 * - `wait` only while owners that count and have not answered could still make up W;
 * - when every owner has answered, the decision is not `wait`;
 * - `counterSeen` is the highest counter among the answers that stand.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type WriteAnswer,
  WriteCore,
  type WriteDecision,
} from "../../src/replication/quorum/write_core.ts";

const answer: fc.Arbitrary<WriteAnswer> = fc.oneof(
  { weight: 4, arbitrary: fc.constant("stored" as const) },
  { weight: 2, arbitrary: fc.constant("timeout" as const) },
  fc.constantFrom("refused" as const, "overloaded" as const),
  {
    weight: 2,
    arbitrary: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.boolean()).map(([counter, fenced]) =>
      fenced ? { horizon: counter } : { counter, nodeID: "z.1" }
    ),
  },
);

const scenario = fc.integer({ min: 1, max: 5 }).chain((n) =>
  fc.record({
    counts: fc.array(fc.boolean(), { minLength: n, maxLength: n }),
    quorum: fc.integer({ min: 1, max: n }),
    events: fc.array(fc.tuple(fc.nat(n - 1), answer), { maxLength: 3 * n }),
  })
);

/** The answers that stand: of each owner the first one, a time-out giving way to any other. */
function standing(
  events: readonly (readonly [number, WriteAnswer])[],
): Map<number, WriteAnswer> {
  const answers = new Map<number, WriteAnswer>();
  for (const [owner, given] of events) {
    const before = answers.get(owner);
    if (before === undefined || before === "timeout") answers.set(owner, given);
  }
  return answers;
}

function counterOf(answer: WriteAnswer): number {
  if (typeof answer !== "object") return 0;
  return "horizon" in answer ? answer.horizon : answer.counter;
}

function expected(
  counts: readonly boolean[],
  quorum: number,
  answers: Map<number, WriteAnswer>,
): WriteDecision {
  const those = (holds: (answer: WriteAnswer | undefined) => boolean) =>
    counts.filter((countsHere, owner) => countsHere && holds(answers.get(owner))).length;
  const stored = those((a) => a === "stored");
  const waiting = those((a) => a === undefined);
  const superseded = those((a) => typeof a === "object");
  if (stored >= quorum) return "acked";
  if (stored + waiting >= quorum) return "wait";
  return stored + waiting + superseded >= quorum ? "retry" : "failed";
}

Deno.test("WriteCore: every order of answers, time-outs and errors for up to five owners", () => {
  fc.assert(
    fc.property(scenario, ({ counts, quorum, events }) => {
      const core = new WriteCore(counts, quorum);
      let acked = false;
      for (let i = 0; i <= events.length; i++) {
        const answers = standing(events.slice(0, i));
        assertEquals(core.decision, expected(counts, quorum, answers));
        if (acked) assertEquals(core.decision, "acked");
        acked ||= core.decision === "acked";
        assertEquals(core.complete, answers.size === counts.length);
        if (core.complete) assert(core.decision !== "wait");
        assertEquals(core.counterSeen, Math.max(0, ...[...answers.values()].map(counterOf)));
        if (i < events.length) core.answer(...events[i]!);
      }
    }),
    { numRuns: 3_000 },
  );
});
