import { assertEquals } from "@std/assert";
import { type ReadFacts, readReceipt } from "../../../src/replication/requests/read_receipt.ts";
import { type Owner, ownerSet } from "../../../src/replication/topology/owner.ts";
import { member } from "../../support/members.ts";
import { keyOf, record } from "../../support/records.ts";

const OWNERS: readonly Owner[] = ["a", "b", "c", "d", "e"].map((name) => ({
  name,
  member: member(name),
  isSelf: name === "a",
  countsForWrites: true,
  countsForReads: name !== "e",
}));
const NEWEST = record("k", 7);
const FACTS: ReadFacts = {
  key: keyOf("k"),
  quorum: 2,
  set: ownerSet(OWNERS),
  state: "answered",
  ms: 1,
  wallMs: 1_000,
  newest: NEWEST,
  newestOwner: 0,
  answers: [NEWEST, "absent", undefined, undefined, record("k", 3, { value: undefined })],
  answeredMs: Object.assign(new Array<number>(5), { 0: 9, 1: 2, 4: 4 }),
  from: ["memtable"],
  repaired: [false, true],
  wasAsked: (slot) => slot !== 3,
};

function receiptOf(facts: Partial<ReadFacts>, quorums = { n: 5, r: 3, w: 3 }) {
  return readReceipt({ selfName: "a", quorums: () => quorums }, { ...FACTS, ...facts });
}

Deno.test("readReceipt: strict is a read whose R meets every write, and every other such read", () => {
  const rows: [n: number, w: number, quorum: number, strict: boolean][] = [
    ...[[1, 1, 1, true], [2, 2, 1, false], [2, 2, 2, true]] as const,
    ...[[3, 2, 1, false], [3, 2, 2, true], [3, 2, 3, true]] as const,
    // R + W > N, but two such reads need not meet.
    ...[[3, 3, 1, false], [5, 4, 2, false], [4, 3, 2, false], [4, 3, 3, true]] as const,
  ].map((row) => [...row]);
  for (const [n, w, quorum, strict] of rows) {
    assertEquals(receiptOf({ quorum }, { n, r: quorum, w }).strict, strict, `${[n, w, quorum]}`);
  }
});

Deno.test("readReceipt: of each owner what it said, and nothing that it did not say", () => {
  assertEquals(receiptOf({}).owners, [
    {
      ...{ name: "a", outcome: "found", version: "7-a.1", ms: 0 }, // its own took no time
      ...{ countsForQuorum: true, from: "memtable" },
    },
    { name: "b", outcome: "absent", ms: 2, countsForQuorum: true, repaired: true },
    { name: "c", outcome: "pending", countsForQuorum: true },
    { name: "d", outcome: "not asked", countsForQuorum: true },
    { name: "e", outcome: "deleted", version: "3-a.1", ms: 4, countsForQuorum: false },
  ]);
});

Deno.test("readReceipt: why it was answered so", () => {
  const newest = "a has the newest version among the owners that answered";
  const expiring = record("k", 7, { expiresAtMs: 1_000 });
  const rows: [facts: Partial<ReadFacts>, why: string][] = [
    [{}, newest],
    [{ newest: record("k", 7, { value: undefined }) }, `${newest}: the key was deleted`],
    [{ newest: expiring, wallMs: 999 }, newest],
    [{ newest: expiring }, `${newest}: the value has expired`],
    [{ newest: undefined, newestOwner: undefined }, "no owner that answered has the key"],
    [{ state: "failed" }, "fewer than 2 owners that count answered, or took the repair"],
  ];
  for (const [facts, why] of rows) assertEquals(receiptOf(facts).why, why);
});
