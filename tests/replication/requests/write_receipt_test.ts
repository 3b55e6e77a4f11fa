import { assertEquals } from "@std/assert";
import type { WriteAnswer } from "../../../src/replication/quorum/write_core.ts";
import { type WriteFacts, writeReceipt } from "../../../src/replication/requests/write_receipt.ts";
import { type Owner, ownerSet } from "../../../src/replication/topology/owner.ts";
import { member } from "../../support/members.ts";
import { keyOf, record, version } from "../../support/records.ts";

const OWNERS: readonly Owner[] = ["a", "b", "c"].map((name) => ({
  name,
  member: member(name),
  isSelf: name === "a",
  countsForWrites: name !== "c",
  countsForReads: true,
}));
const FACTS: WriteFacts = {
  key: keyOf("k"),
  isDelete: false,
  quorum: 2,
  set: ownerSet(OWNERS),
  state: "failed",
  ms: 1,
  attempts: 1,
  record: record("k", 7),
  stored: 1,
  answers: [],
  answeredMs: undefined,
  hinted: undefined,
};

function receiptOf(facts: Partial<WriteFacts>, { fsynced = true, w = 2 } = {}) {
  const context = { selfName: "a", quorums: () => ({ n: 3, r: 2, w }), fsynced };
  return writeReceipt(context, { ...FACTS, ...facts });
}

Deno.test("writeReceipt: a failed write names who may have it, and is certain only where nobody can", () => {
  const newer = version(9);
  const rows: [
    what: string,
    attempts: number,
    answers: (WriteAnswer | undefined)[],
    mayBeOn: string,
  ][] = [
    ["without a counter nobody was asked", 0, [], ""],
    ["certainly nobody took it", 1, ["refused", "overloaded", newer], ""],
    ["nor below a horizon", 1, ["refused", { horizon: 9 }, "refused"], ""],
    ["one did", 1, ["stored", "refused", "refused"], "a"],
    ["one may", 1, ["refused", "timeout", "refused"], "b"],
    ["one may yet", 1, ["refused", "refused", undefined], "c"],
    ["all may", 1, ["timeout", "stored", undefined], "abc"],
    ["an earlier attempt may have reached any", 2, ["refused", "overloaded", newer], "abc"],
  ];
  for (const [what, attempts, answers, mayBeOn] of rows) {
    const receipt = receiptOf({
      attempts,
      answers,
      ...(attempts === 0 ? { record: undefined } : {}),
    });
    assertEquals(receipt.mayBeOn, [...mayBeOn], what);
    assertEquals(receipt.indeterminate, mayBeOn !== "", what);
    assertEquals(receipt.version, attempts === 0 ? undefined : "7-a.1");
  }
  for (const state of ["stored", "under way"] as const) {
    const { indeterminate, mayBeOn } = receiptOf({
      state,
      answers: ["stored", "stored", "timeout"],
    });
    assertEquals([indeterminate, mayBeOn], [undefined, undefined], state);
  }
});

Deno.test("writeReceipt: strict is a write whose W is that of the cluster at least", () => {
  for (
    const [w, quorum, strict] of [[2, 1, false], [2, 2, true], [2, 3, true], [3, 2, false]] as const
  ) {
    assertEquals(receiptOf({ quorum }, { w }).strict, strict, `${[w, quorum]}`);
  }
});

Deno.test("writeReceipt: of each owner what it said, and nothing that it did not say", () => {
  const answers: WriteAnswer[] = ["stored", version(9, "x.1"), { horizon: 9 }];
  const hinted = [false, false, true];
  const { owners } = receiptOf({ answers, answeredMs: [0, 2, 3], hinted }, { fsynced: false });
  assertEquals(owners, [
    {
      ...{ name: "a", outcome: "stored", version: "7-a.1", ms: 0 },
      ...{ countsForQuorum: true, fsynced: false },
    },
    { name: "b", outcome: "superseded", version: "9-x.1", ms: 2, countsForQuorum: true },
    { name: "c", outcome: "superseded", ms: 3, countsForQuorum: false, hinted: true },
  ]);
  const pending = receiptOf({ answers: [undefined, "timeout", "refused"] });
  assertEquals(pending.owners.map(({ outcome }) => outcome), ["pending", "timeout", "refused"]);
});
