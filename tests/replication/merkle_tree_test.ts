import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { leafOf, LeafSet, LEAVES_PER_ARC, MerkleTree } from "../../src/replication/merkle_tree.ts";
import type { StoredRecord } from "../../src/record/record.ts";
import { record } from "../support/records.ts";

/** A tree over two arcs with these records, each in the leaf that its key names. */
function treeOf(records: readonly (readonly [leaf: number, record: StoredRecord])[]): MerkleTree {
  const tree = new MerkleTree(2);
  const leaves = tree.beginRebuild();
  for (const [leaf, stored] of records) if (leaves.has(leaf)) tree.add(leaf, stored);
  return tree;
}

Deno.test("MerkleTree: begins with every leaf marked, a rebuild takes the marks", () => {
  const tree = new MerkleTree(2);
  assertEquals(tree.dirtyCount, 2 * LEAVES_PER_ARC);
  tree.beginRebuild();
  assertEquals(tree.dirtyCount, 0);
  tree.mark(3);
  tree.mark(3);
  assertEquals(tree.dirtyCount, 1);
  const leaves = tree.beginRebuild();
  assert(leaves.has(3) && !leaves.has(2));
  tree.markAll();
  assertEquals(tree.dirtyCount, 2 * LEAVES_PER_ARC);
});

Deno.test("MerkleTree: the order of records does not matter, their versions and leaves do", () => {
  const a = [5, record("a", 1)] as const;
  const b = [5, record("b", 2)] as const;
  assertEquals(treeOf([a, b]).arcHash(0), treeOf([b, a]).arcHash(0));
  assertNotEquals(treeOf([a, b]).arcHash(0), treeOf([a]).arcHash(0));
  assertNotEquals(treeOf([a]).arcHash(0), treeOf([[5, record("a", 2)]]).arcHash(0));
  assertNotEquals(treeOf([a]).arcHash(0), treeOf([[6, a[1]]]).arcHash(0));
  assertNotEquals(treeOf([]).leafHash(5), treeOf([a]).leafHash(5));
  assertEquals(treeOf([]).arcHash(1), treeOf([a, b]).arcHash(1));
});

Deno.test("MerkleTree: a marked leaf that is summed up again is as one summed up once", () => {
  const old = [5, record("a", 1)] as const;
  const other = [6, record("b", 1)] as const;
  const young = [5, record("a", 2)] as const;
  const tree = treeOf([old, other]);
  tree.mark(5);
  const leaves = tree.beginRebuild();
  for (const [leaf, stored] of [young, other]) if (leaves.has(leaf)) tree.add(leaf, stored);
  assertEquals(tree.arcHash(0), treeOf([young, other]).arcHash(0));
});

Deno.test("MerkleTree: different sets of records have different hashes", () => {
  const set = fc.uniqueArray(
    fc.record({ key: fc.nat(30), counter: fc.integer({ min: 1, max: 3 }) }),
    { selector: ({ key }) => key, maxLength: 20 },
  );
  const hashOf = (records: readonly { key: number; counter: number }[]) =>
    treeOf(records.map(({ key, counter }) => [key, record(`k${key}`, counter)] as const))
      .arcHash(0);
  const canonical = (records: readonly { key: number; counter: number }[]) =>
    JSON.stringify(records.toSorted((a, b) => a.key - b.key));
  fc.assert(fc.property(set, set, (a, b) => {
    assertEquals(hashOf(a) === hashOf(b), canonical(a) === canonical(b));
  }));
});

Deno.test("leafOf: every token of an arc has a leaf of that arc", () => {
  fc.assert(
    fc.property(fc.nat(1_000), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (arc, token) => {
      assertEquals(Math.floor(leafOf(arc, token) / LEAVES_PER_ARC), arc);
    }),
  );
});

Deno.test("LeafSet: travels as text; out of range is not in it", () => {
  fc.assert(fc.property(fc.uniqueArray(fc.nat(299)), (leaves) => {
    const set = new LeafSet(300);
    for (const leaf of leaves) set.add(leaf);
    const read = LeafSet.fromText(set.toText());
    for (let leaf = 0; leaf < 320; leaf++) assertEquals(read.has(leaf), leaves.includes(leaf));
  }));
  assertThrows(() => LeafSet.fromText("xyz"), SyntaxError);
});
