/** Every checker is shown a history that it must accept and one that it must not. */
import { assert, assertEquals } from "@std/assert";
import { CHECKERS } from "../../src/simulation/checkers/all_checkers.ts";
import { judgeKeys } from "../../src/simulation/checkers/judged_keys.ts";
import {
  checkLinearizability,
  smallestCounterexample,
} from "../../src/simulation/checkers/linearizability.ts";
import { type Evidence, storingId } from "../../src/simulation/evidence/evidence.ts";
import type { Operation } from "../../src/simulation/evidence/history.ts";
import {
  attempt,
  attempts,
  copies,
  copy,
  evidence,
  get,
  operation,
  put,
  remove,
  version,
} from "./evidence_builder.ts";

/** Names of all checkers that object. */
function objections(more: Partial<Evidence>): string[] {
  const judged = evidence(more);
  return Object.entries(CHECKERS).filter(([, check]) => check(judged).length > 0)
    .map(([name]) => name);
}

const ofOperations = (...operations: Operation[]) => objections({ operations });
const UNKNOWN = { outcome: "indeterminate", version: undefined } as unknown as Partial<Operation>;
const FAILED = { outcome: "failed", version: undefined } as unknown as Partial<Operation>;

Deno.test("lost_write: an acked put must be on an owner, or something newer", () => {
  const operations = [put("a", 5, [1, 2])];
  assertEquals(objections({ operations, copies: copies(copy(5), copy(5), copy(5)) }), []);
  assertEquals(objections({ operations, copies: copies(copy(6), copy(6), copy(6)) }), []);
  assertEquals(objections({ operations, copies: copies(copy(4), copy(4), copy(4)) }), [
    "lost_write",
  ]);
  assertEquals(objections({ operations, copies: copies() }), ["lost_write"]);
});

Deno.test("lost_write: a put at a smaller quorum promises less; a collected deletion explains", () => {
  assertEquals(ofOperations(put("a", 5, [1, 2], { full: false })), []);
  assertEquals(ofOperations(put("a", 5, [1, 2]), remove(6, [1, 9], UNKNOWN)), []);
  assertEquals(ofOperations(put("a", 5, [1, 2]), remove(6, [1, 9], FAILED)), ["lost_write"]);
});

Deno.test("resurrected_delete: neither an owner nor a read has the old value", () => {
  const operations = [put("a", 1, [1, 2]), remove(2, [3, 4])];
  assertEquals(objections({ operations, copies: copies(copy(2, true), copy(2, true)) }), []);
  assert(
    objections({ operations, copies: copies(copy(1), copy(1), copy(1)) })
      .includes("resurrected_delete"),
  );
  const late = [...operations, get("a", 1, [5, 6])];
  assert(ofOperations(...late).includes("resurrected_delete"));
  const overlapping = [...operations, get("a", 1, [3, 6])];
  assertEquals(ofOperations(...overlapping), []);
});

Deno.test("resurrected_delete: what was there before a prefix was deleted is not read afterwards", () => {
  const clear = (...span: [number, number]) =>
    operation("delete", span, { via: "clear", status: 200 });
  const before = put("a", 1, [1, 2]);
  assertEquals(ofOperations(before, clear(3, 4), get(null, 2, [5, 6])), []);
  assertEquals(ofOperations(before, clear(3, 4), get("a", 1, [5, 6])), ["resurrected_delete"]);
  assertEquals(ofOperations(before, clear(3, 7), get("a", 1, [5, 6])), []);
  const during = put("a", 1, [1, 4]);
  assertEquals(ofOperations(during, clear(3, 5), get("a", 1, [6, 7])), []);
  assertEquals(ofOperations(before, { ...clear(3, 4), ...UNKNOWN }, get("a", 1, [5, 6])), []);
});

/** Who stored version `counter` of key `k`, each a moment after the other. */
const storedBy = (counter: number, ...nodes: string[]): Evidence["storings"] =>
  new Map([[storingId("k", version(counter)), nodes.map((node, atMs) => ({ node, atMs }))]]);

Deno.test("unbacked_ack: W nodes had stored what was acked, when it was", () => {
  const judge = (operation: Operation, ...nodes: string[]) =>
    objections({ operations: [operation], leastW: 2, storings: storedBy(5, ...nodes) })
      .filter((name) => name !== "lost_write");
  const written = put("a", 5, [0, 1]);
  assertEquals(judge(written, "n1", "n2"), []);
  assertEquals(judge(written, "n1", "n1"), ["unbacked_ack"]);
  assertEquals(judge(written, "n1", "n1", "n2"), ["unbacked_ack"], "too late");
  assertEquals(judge({ ...written, quorum: 1 }, "n1"), []);
  assertEquals(judge({ ...written, quorum: 3 }, "n1", "n2"), ["unbacked_ack"]);
  assertEquals(judge({ ...written, ...UNKNOWN }, "n1"), []);
});

Deno.test("dishonest_failure: what failed was first stored where it is said that it may be", () => {
  const judge = (owners: string[], ...nodes: string[]) =>
    objections({
      operations: [operation("put", [0, 1], {
        ...UNKNOWN,
        mayBeOn: { owners, version: version(5) },
      })],
      storings: storedBy(5, ...nodes),
    });
  assertEquals(judge(["n1"]), []);
  assertEquals(judge(["n1"], "n1", "n2"), []);
  assertEquals(judge(["n1"], "n2", "n1"), ["dishonest_failure"]);
  assertEquals(judge([], "n1"), ["dishonest_failure"]);
});

Deno.test("dishonest_failure: one that died may have found in its log what others have from it", () => {
  const judge = (node: string, fromMs: number, toMs = Infinity) =>
    objections({
      operations: [operation("put", [5, 6], {
        ...UNKNOWN,
        mayBeOn: { owners: ["n1"], version: version(5) },
      })],
      storings: new Map([[storingId("k", version(5)), [{ node: "n2", atMs: 20 }]]]),
      disturbances: [{ node, fromMs, toMs }],
    });
  assertEquals(judge("n1", 7), []);
  assertEquals(judge("n1", 1, 30), []);
  assertEquals(judge("n1", 1, 4), ["dishonest_failure"], "before");
  assertEquals(judge("n1", 21), ["dishonest_failure"], "after");
  assertEquals(judge("n3", 7), ["dishonest_failure"], "another one");
});

Deno.test("losing_write: a later acked write has the newer version", () => {
  const kept = { copies: copies(copy(9), copy(9), copy(9)) };
  const judge = (...operations: Operation[]) => objections({ operations, ...kept });
  assertEquals(judge(put("a", 1, [1, 2]), put("b", 2, [3, 4])), []);
  assertEquals(judge(put("a", 2, [1, 2]), put("b", 1, [3, 4])), ["losing_write"]);
  assertEquals(judge(put("a", 2, [1, 4]), put("b", 1, [3, 5])), []);
  assertEquals(judge(put("a", 2, [1, 2]), put("b", 1, [3, 4], { full: false })), []);
});

Deno.test("stale_read: a read sees what was acked before it began", () => {
  const kept = { copies: copies(copy(9), copy(9), copy(9)) };
  const judge = (...operations: Operation[]) => objections({ operations, ...kept });
  const writes = [put("a", 1, [1, 2]), put("b", 2, [3, 6])];
  assertEquals(judge(...writes, get("a", 1, [4, 5])), []);
  assertEquals(judge(...writes, get("b", 2, [4, 5])), []);
  assertEquals(judge(...writes, get("a", 1, [7, 8])), ["stale_read"]);
  assertEquals(judge(...writes, get("a", 1, [7, 8], { full: false })), []);
  assertEquals(judge(...writes, get(null, 0, [7, 8])), ["stale_read"]);
  assertEquals(judge(...writes, remove(3, [4, 20], UNKNOWN), get(null, 0, [7, 8])), []);
});

Deno.test("backward_read: reads that follow each other never see older state", () => {
  const kept = { copies: copies(copy(9), copy(9), copy(9)) };
  const judge = (...operations: Operation[]) => objections({ operations, ...kept });
  const writes = [put("a", 1, [1, 2]), put("b", 2, [3, 50])];
  assertEquals(judge(...writes, get("a", 1, [4, 5]), get("b", 2, [6, 7])), []);
  assertEquals(judge(...writes, get("b", 2, [4, 5]), get("a", 1, [6, 7])), ["backward_read"]);
  assertEquals(judge(...writes, get("b", 2, [4, 7]), get("a", 1, [6, 8])), []);
  const deleted = [put("a", 1, [1, 2]), remove(2, [3, 50])];
  assertEquals(judge(...deleted, get("a", 1, [4, 5]), get(null, 0, [6, 7])), []);
  assertEquals(judge(...deleted, get(null, 0, [4, 5]), get("a", 1, [6, 7])), ["backward_read"]);
});

Deno.test("backward_read: reads that need not share an owner may, but never behind what was acked", () => {
  const operations = [
    put("a", 1, [1, 2]),
    put("b", 2, [3, 50]),
    get("b", 2, [4, 5]),
    get("a", 1, [6, 7]),
  ];
  const kept = { copies: copies(copy(9), copy(9), copy(9)), readsMeet: false };
  assertEquals(objections({ operations, ...kept }), []);
  const later = [...operations, get("a", 1, [51, 52])];
  assertEquals(objections({ operations: later, ...kept }), ["stale_read"]);
});

Deno.test("backward_read: a delete that is tried again under a newer version may be seen as the first", () => {
  const kept = { copies: copies(copy(9), copy(9), copy(9)) };
  const judge = (...operations: Operation[]) => objections({ operations, ...kept });
  const before = put("a", 1, [1, 2]);
  // It was 2 at first, when it was seen, and 4 after 3 had come.
  const writes = [before, remove(4, [3, 50]), put("b", 3, [6, 7])];
  assertEquals(judge(...writes, get(null, 0, [4, 5]), get("b", 3, [8, 9])), []);
  assertEquals(judge(...writes, get(null, 0, [4, 5]), get("a", 1, [8, 9])), [
    "stale_read",
    "backward_read",
  ]);
  // Once it is acked, it is 4.
  const late = [before, remove(4, [3, 5]), put("b", 3, [3, 50])];
  assertEquals(judge(...late, get(null, 0, [6, 7]), get("b", 3, [8, 9])), [
    "resurrected_delete",
    "stale_read",
    "backward_read",
  ]);
});

/** A put that was seen under 1, met 2, and was tried again under 4. */
const triedAgain = [
  put("a", 4, [1, 9]),
  get("a", 1, [3, 4]),
  put("b", 2, [5, 6]),
  get("b", 2, [7, 8]),
  get("a", 4, [10, 11]),
];
const triesOfIt = [attempt(1, 2), attempt(2, 6), attempt(4, 9)];
/** A read that met what was there before 2 at one owner, and at another one the later 1. */
const overtaken = [
  get("a", 1, [1, 6]),
  put("b", 2, [2, 3]),
  put("a", 1, [4, 9], UNKNOWN),
  get("b", 2, [7, 8]),
];
const triesUnderIt = [attempt(2, 3), attempt(1, 6)];

Deno.test("unordered_history: each attempt of a write may have been read, a late one by who began before", () => {
  const kept = { copies: copies(copy(9), copy(9), copy(9)) };
  const judge = (operations: Operation[], ...tried: Parameters<typeof attempts>) =>
    objections({ operations, attempts: attempts(...tried), ...kept });
  assertEquals(checkLinearizability(triedAgain), "not linearizable");
  assertEquals(judge(triedAgain, ...triesOfIt), []);
  assertEquals(judge(triedAgain, ...triesOfIt.slice(1)), ["unordered_history"], "no first attempt");
  assertEquals(checkLinearizability(overtaken), "not linearizable");
  assertEquals(judge(overtaken, ...triesUnderIt), []);
  const later = [get("a", 1, [4, 6]), ...overtaken.slice(1)];
  assertEquals(judge(later, ...triesUnderIt), ["stale_read", "unordered_history"]);
  const smaller = [get("a", 1, [4, 6], { full: false }), ...overtaken.slice(1)];
  assertEquals(judge(smaller, ...triesUnderIt), []);
});

Deno.test("unordered_history: an acked write is newer than what was read before it", () => {
  const kept = { copies: copies(copy(9), copy(9), copy(9)) };
  const judge = (acked: number, last: Operation, more: Partial<Operation> = {}) =>
    objections({
      operations: [
        put("a", 5, [1, 99], UNKNOWN),
        get("a", 5, [3, 4]),
        put("b", acked, [6, 8], more),
        last,
      ],
      attempts: attempts(attempt(5, 2), attempt(acked, 7)),
      ...kept,
    });
  assertEquals(judge(6, get("b", 6, [9, 10])), []);
  // No other checker looks at a read and a write after it: nobody had acknowledged what was read.
  assertEquals(judge(4, get("a", 5, [9, 10])), ["unordered_history"]);
  assertEquals(judge(4, get("a", 5, [9, 10]), { full: false }), []);
  assertEquals(judge(4, get("a", 5, [9, 10]), UNKNOWN), []);
});

Deno.test("unordered_history: absence takes a tombstone that some node was told of, or time", () => {
  const kept = { copies: copies(copy(9), copy(9), copy(9)) };
  const judge = (operations: Operation[], ...tried: Parameters<typeof attempts>) =>
    objections({ operations, attempts: attempts(...tried), ...kept });
  const puts = [put("a", 1, [1, 3]), put("b", 4, [6, 8])];
  const told = [attempt(1, 2), attempt(4, 7)];
  const absent = get(null, 0, [4, 5]);
  // Under 3 it met 4, and was tried again.
  const deletion = remove(5, [3, 20]);
  const reads = [absent, get("b", 4, [9, 10]), get(null, 0, [21, 22])];
  const history = [...puts, deletion, ...reads];
  assertEquals(checkLinearizability(history), "not linearizable");
  assertEquals(judge(history, ...told, attempt(3, 4, true), attempt(5, 11, true)), []);
  assertEquals(judge(history, ...told, attempt(5, 11, true)), ["unordered_history"]);
  assertEquals(judge([...puts, absent], ...told), ["stale_read", "unordered_history"]);
  const clear = operation("delete", [4, 6], { via: "clear" });
  assertEquals(judge([...puts, clear, absent], ...told, attempt(2, 4, true)), []);
  const cleared = [put("a", 1, [1, 3]), clear, get("a", 1, [7, 9])];
  assertEquals(judge(cleared, attempt(1, 2), attempt(2, 4, true)), [
    "resurrected_delete",
    "unordered_history",
  ]);
  const short = [put("a", 1, [1, 3], { ttlMs: 1 }), put("b", 4, [6, 8])];
  assertEquals(judge([...short, absent], ...told), []);
});

Deno.test("unordered_history: says nothing where two reads may share no owner", () => {
  const operations = triedAgain;
  const tried = attempts(attempt(2, 6), attempt(4, 9));
  const kept = { copies: copies(copy(9), copy(9), copy(9)) };
  assertEquals(objections({ operations, attempts: tried, readsMeet: false, ...kept }), []);
});

Deno.test("judgeKeys: says why a key is not linearizable", () => {
  const judge = (operations: Operation[], ...tried: Parameters<typeof attempts>) =>
    judgeKeys(evidence({ operations, attempts: attempts(...tried) })).notLinearizable;
  assertEquals(judge([put("a", 1, [1, 3]), get("a", 1, [4, 5])], attempt(1, 2)), []);
  assertEquals(judge(triedAgain, ...triesOfIt), [{ key: "k", cause: "tried again" }]);
  assertEquals(judge(overtaken, ...triesUnderIt), [{ key: "k", cause: "overtaken" }]);
});

Deno.test("shared_version: one version, one content", () => {
  const sighting = (content: string, counter: number) => ({
    ...version(counter),
    key: "k",
    content,
    where: "test",
  });
  assertEquals(objections({ sightings: [sighting("a", 1), sighting("b", 2)] }), []);
  assertEquals(objections({ sightings: [sighting("a", 1), sighting("b", 1)] }), [
    "shared_version",
  ]);
});

Deno.test("phantom_value: what is read was written, before, and not refused", () => {
  const kept = { copies: copies(copy(9), copy(9), copy(9)) };
  const judge = (...operations: Operation[]) => objections({ operations, ...kept });
  assertEquals(judge(put("a", 1, [1, 9], UNKNOWN), get("a", 1, [2, 3])), []);
  assertEquals(judge(get("a", 1, [2, 3])), ["phantom_value"]);
  assertEquals(judge(put("a", 1, [1, 2], FAILED), get("a", 1, [3, 4])), ["phantom_value"]);
  assertEquals(judge(put("a", 1, [5, 6]), get("a", 1, [3, 4])), ["phantom_value"]);
});

Deno.test("stale_read: absence is explained by a value whose time may be over", () => {
  const kept = { copies: copies(copy(9), copy(9), copy(9)) };
  const judge = (...operations: Operation[]) => objections({ operations, ...kept });
  const brief = put("a", 1, [1, 2], { ttlMs: 10 });
  assertEquals(judge(brief, get(null, 0, [11, 12])), []);
  assertEquals(judge(brief, get(null, 0, [9, 10])), ["stale_read"]);
  assertEquals(judge(brief, get(null, 0, [9, 10], { node: "fast" })), ["stale_read"]);
  const wall = (node: string | undefined, lowMs: number, highMs: number) =>
    node === "fast" ? { lowMs: lowMs + 5, highMs: highMs + 5 } : { lowMs, highMs };
  const skewed = [brief, get(null, 0, [9, 10], { node: "fast" })];
  assertEquals(objections({ operations: skewed, ...kept, wall }), []);
  const newer = [brief, put("b", 2, [3, 4]), get(null, 0, [20, 21])];
  assertEquals(judge(...newer), ["stale_read"]);
});

Deno.test("expired_value: is not read where the clock says that its time is over", () => {
  const kept = { copies: copies(copy(9), copy(9), copy(9)) };
  const judge = (...operations: Operation[]) => objections({ operations, ...kept });
  const brief = put("a", 1, [1, 2], { ttlMs: 10 });
  assertEquals(judge(brief, get("a", 1, [11, 13])), []);
  assertEquals(judge(brief, get("a", 1, [12, 13])), ["expired_value"]);
  assertEquals(judge({ ...brief, ...UNKNOWN }, get("a", 1, [12, 13])), []);
});

Deno.test("lost_write, diverged_owners: what expired long ago may be collected", () => {
  const operations = [put("a", 5, [1, 2], { ttlMs: 10 })];
  const wallTo = (highMs: number) => () => ({ lowMs: 1, highMs });
  assertEquals(objections({ operations, wall: wallTo(60_010) }), ["lost_write"]);
  assertEquals(objections({ operations, wall: wallTo(60_011) }), []);
  const brief = { ...copy(5), expiresAtMs: 11 };
  const held = copies(brief, brief, undefined);
  assertEquals(objections({ copies: held, wall: wallTo(60_010) }), ["diverged_owners"]);
  assertEquals(objections({ copies: held, wall: wallTo(60_011) }), []);
});

Deno.test("missed_deadline: a batch may take a deadline for each operation on one key", () => {
  assertEquals(ofOperations(get(null, 0, [0, 200], { via: "batch", deadlines: 2 })), []);
  assertEquals(ofOperations(get(null, 0, [0, 201], { via: "batch", deadlines: 2 })), [
    "missed_deadline",
  ]);
});

Deno.test("diverged_owners: owners hold equal records; others do not count", () => {
  assertEquals(objections({ copies: copies(copy(1), copy(1), copy(1)) }), []);
  assertEquals(objections({ copies: copies(copy(1), copy(1), copy(2)) }), ["diverged_owners"]);
  assertEquals(objections({ copies: copies(copy(1), copy(1)) }), ["diverged_owners"]);
  assertEquals(objections({ copies: copies(copy(1), copy(1), copy(1, false, 7)) }), [
    "diverged_owners",
  ]);
  assertEquals(objections({ copies: copies(copy(1, true), undefined, copy(1, true)) }), []);
  assertEquals(
    objections({
      copies: copies(copy(1), copy(1), copy(1), copy(0)),
    }),
    [],
  );
});

Deno.test("missed_deadline: late answers are excused by a disturbed coordinator only", () => {
  const operations = [get(null, 0, [0, 101])];
  assertEquals(ofOperations(get(null, 0, [0, 100])), []);
  assertEquals(ofOperations(...operations), ["missed_deadline"]);
  const disturbances = [{ node: "n1", fromMs: 90, toMs: 120 }];
  assertEquals(objections({ operations, disturbances }), []);
  assertEquals(objections({ operations, disturbances: [{ node: "n2", fromMs: 0, toMs: 200 }] }), [
    "missed_deadline",
  ]);
  const never = { endMs: Infinity, end: Infinity, outcome: "indeterminate" } as const;
  assertEquals(ofOperations(get(null, 0, [0, 1], never)), ["missed_deadline"]);
});

Deno.test("broken_promise, exceeded_bound, split_membership, kept_leftover, unexpected_error report", () => {
  assertEquals(
    objections({
      brokenPromises: [{ ...version(3), node: "n1", key: "k", foundVersion: undefined }],
    }),
    ["broken_promise"],
  );
  const measurement = { node: "n1", what: "timers", value: 5, bound: 5, atMs: 1 };
  assertEquals(objections({ measurements: [measurement] }), []);
  assertEquals(objections({ measurements: [{ ...measurement, value: 6 }] }), ["exceeded_bound"]);
  const view = (node: string, ...members: string[]) => ({ node, members });
  assertEquals(objections({ views: [view("n1", "a", "b"), view("n2", "b", "a")] }), []);
  assertEquals(objections({ views: [view("n1", "a", "b"), view("n2", "a")] }), [
    "split_membership",
  ]);
  const leftovers = [{ node: "n1", what: "a tombstone", keys: ["k"] }];
  assertEquals(objections({ leftovers }), ["kept_leftover"]);
  assertEquals(objections({ errors: [{ where: "n1", message: "500" }] }), ["unexpected_error"]);
});

Deno.test("checkLinearizability: accepts concurrency, late effects and writes that never happen", () => {
  const judge = (...operations: Operation[]) => checkLinearizability(operations);
  assertEquals(judge(), "linearizable");
  const writes = [put("a", 1, [1, 10]), put("b", 2, [2, 11])];
  assertEquals(
    judge(...writes, get("b", 2, [3, 4]), get("a", 1, [12, 13])),
    "linearizable",
  );
  assertEquals(judge(put("a", 1, [1, 2], UNKNOWN), get(null, 0, [3, 4])), "linearizable");
  assertEquals(
    judge(put("a", 1, [1, 2], UNKNOWN), get(null, 0, [3, 4]), get("a", 1, [5, 6])),
    "linearizable",
  );
  assertEquals(judge(put("a", 1, [1, 2], FAILED), get(null, 0, [3, 4])), "linearizable");
});

Deno.test("checkLinearizability: rejects stale, flickering and phantom reads", () => {
  const judge = (...operations: Operation[]) => checkLinearizability(operations);
  const writes = [put("a", 1, [1, 2]), put("b", 2, [3, 4])];
  assertEquals(judge(...writes, get("a", 1, [5, 6])), "not linearizable");
  const open = [put("a", 1, [1, 2]), put("b", 2, [3, 50])];
  assertEquals(
    judge(...open, get("b", 2, [5, 6]), get("a", 1, [7, 8])),
    "not linearizable",
  );
  assertEquals(judge(get("x", 1, [1, 2])), "not linearizable");
  assertEquals(checkLinearizability(open, 1), "unknown");
});

Deno.test("smallestCounterexample: keeps only what is needed", () => {
  const stale = [put("a", 1, [1, 2]), put("b", 2, [3, 4]), get("a", 1, [5, 6])];
  const noise = [put("c", 0, [-4, -3]), get("c", 0, [-2, -1]), get("b", 2, [20, 21])];
  assertEquals(smallestCounterexample([...noise, ...stale]), stale);
  // The read that needs "c" began before it: "c" can go in a second round only.
  const early = [get("c", 0, [-9, -1]), put("c", 0, [-8, -3])];
  assertEquals(smallestCounterexample([...early, ...stale]), stale);
});

Deno.test("smallestCounterexample: leaves out no deletion that may be what a read found", () => {
  // Seen before "b" and after it. Without the deletion, "a" would be lost for no reason.
  const deleted = [
    put("a", 1, [1, 2]),
    remove(9, [3, 20]),
    get(null, 0, [4, 5]),
    put("b", 5, [6, 7]),
    get(null, 0, [21, 22]),
  ];
  assertEquals(smallestCounterexample(deleted), deleted);
  // What was deleted before "a" was put is no longer found.
  const earlier = [put("z", 1, [-9, -8]), remove(2, [-7, -6])];
  assertEquals(smallestCounterexample([...earlier, ...deleted]), deleted);
});
