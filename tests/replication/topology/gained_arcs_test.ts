import { assert, assertEquals } from "@std/assert";
import { arcsOnceOwnedBy, newOwnersByArc } from "../../../src/replication/topology/gained_arcs.ts";
import { HashRing } from "../../../src/ring/hash_ring.ts";

const NAMES = ["a", "b", "c", "d", "e"];

function ringOf(names: readonly string[]): HashRing {
  return new HashRing(names, { tokensPerNode: 8, owners: 3 });
}

Deno.test("newOwnersByArc: an owner is new on an arc if some token of it had other owners before", () => {
  const before = ringOf(NAMES);
  const now = ringOf(NAMES.filter((name) => name !== "c"));
  const gained = newOwnersByArc(now, before);
  let many = 0;
  for (const { index, end, owners } of now.arcs) {
    // The parts of the arc end where the old ring had tokens in it, the last of them at its own end.
    const begin = now.arcs.at(index - 1)!.end;
    const parts = before.arcs.filter((arc) =>
      index === 0 ? arc.end > begin || arc.end <= end : arc.end > begin && arc.end <= end
    );
    const expected = owners.filter((name) => parts.some((part) => !part.owners.includes(name)));
    assertEquals([...gained[index]!].sort(), expected.sort());
    many += expected.length;
  }
  assert(many > 0);
});

Deno.test("newOwnersByArc: where all own everything nobody gains anything", () => {
  const gained = newOwnersByArc(ringOf(["a", "b"]), ringOf(["a", "b", "c"]));
  assert(gained.every((names) => names.size === 0));
});

Deno.test("newOwnersByArc, arcsOnceOwnedBy: where nobody stays there are no arcs", () => {
  assertEquals(newOwnersByArc(ringOf([]), ringOf(["a"])), []);
  assertEquals(arcsOnceOwnedBy("a", ringOf([]), ringOf(["a"])), []);
});

Deno.test("arcsOnceOwnedBy: every arc of which the one that is gone owned some part", () => {
  const before = ringOf(NAMES);
  const now = ringOf(NAMES.filter((name) => name !== "c"));
  const once = arcsOnceOwnedBy("c", now, before);
  for (const { index } of now.arcs) {
    const parts = before.arcs.filter(({ end }) => now.arcOf(end)!.index === index);
    assertEquals(once[index], parts.some(({ owners }) => owners.includes("c")));
  }
  assert(once.includes(false));
  const gained = newOwnersByArc(now, before);
  gained.forEach((names, arc) => assert(names.size === 0 || once[arc], "nobody gains elsewhere"));
});
