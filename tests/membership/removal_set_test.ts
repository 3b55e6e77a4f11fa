import { assert, assertEquals } from "@std/assert";
import { REMOVALS_MAX } from "../../src/membership/removal.ts";
import { RemovalSet } from "../../src/membership/removal_set.ts";
import { member, removal } from "../support/members.ts";

Deno.test("RemovalSet.merge: nothing of a removal is ever taken back, whatever is heard first", () => {
  const dead = removal("x", { dead: true });
  const ended = removal("x", { ended: true, incarnation: 4 });
  const both = removal("x", { dead: true, ended: true, incarnation: 4 });
  const known = new RemovalSet([dead]);
  assertEquals(known.merge(ended), { removal: both, isNew: false, hasJustEnded: true });
  for (const old of [dead, ended, both]) assertEquals(known.merge(old), undefined);
  const other = new RemovalSet();
  assertEquals(other.merge(ended), { removal: ended, isNew: true, hasJustEnded: true });
  assertEquals(other.merge(dead), { removal: both, isNew: false, hasJustEnded: false });
  assertEquals([known.all, other.all], [[both], [both]]);
});

Deno.test("RemovalSet.merge: removals have a bound, and what is known goes on being merged", () => {
  const known = new RemovalSet(
    Array.from({ length: REMOVALS_MAX }, (_, i) => removal(`x${i}`)),
  );
  assertEquals(known.merge(removal("y")), undefined);
  assertEquals(known.get("y.1"), undefined);
  assert(known.merge(removal("x0", { ended: true }))?.hasJustEnded);
});

Deno.test("RemovalSet.isOfRemovedLife: that life whatever it says, and lives before it; none that outranks it", () => {
  const known = new RemovalSet([removal("x", { incarnation: 4 })]);
  assert(known.isOfRemovedLife(member("x", { incarnation: 9 })));
  assert(known.isOfRemovedLife(member("x", { nodeID: "x.0", incarnation: 4 })));
  assert(!known.isOfRemovedLife(member("x", { nodeID: "x.2", incarnation: 5 })));
  assert(!known.isOfRemovedLife(member("y", { incarnation: 1 })));
});

Deno.test("RemovalSet: lives that the removed one had replaced are removed, too, whoever tells of them", () => {
  const [a, b] = [{ replaced: ["x.a"] }, { replaced: ["x.b"], ended: true }];
  const known = new RemovalSet([removal("x", a)]);
  const both = removal("x", { replaced: ["x.a", "x.b"], ended: true });
  assertEquals(known.merge(removal("x", b))?.removal, both);
  for (const old of [removal("x"), removal("x", a), both]) {
    assertEquals(known.merge(old), undefined);
  }
  const other = new RemovalSet([removal("x", b)]);
  assertEquals(other.merge(removal("x", a))?.removal, both);
  for (const nodeID of ["x.a", "x.b"]) {
    assert(!known.admits(member("x", { nodeID, incarnation: 9 })), nodeID);
  }
  assert(known.admits(member("x", { nodeID: "x.c", incarnation: 9 })));
});

Deno.test("RemovalSet.admits: while a removal goes on that life alone, and once it has ended another", () => {
  const [life, next] = [member("x"), member("x", { nodeID: "x.2", incarnation: 2 })];
  const known = new RemovalSet([removal("x")]);
  assertEquals([known.admits(life), known.admits(next)], [true, false]);
  known.merge(removal("x", { ended: true }));
  assertEquals([known.admits(life), known.admits(next)], [false, true]);
});
