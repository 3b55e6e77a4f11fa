import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  leafOf,
  LeafSet,
  LEAVES_PER_ARC,
  MerkleTree,
} from "../../../src/replication/convergence/merkle_tree.ts";
import type { StoredRecord } from "../../../src/record/record.ts";
import { tokenOf } from "../../../src/ring/token.ts";
import { record } from "../../support/records.ts";

/** A tree over two arcs with these records, each in the leaf that its key names. */
function treeOf(records: readonly (readonly [leaf: number, record: StoredRecord])[]): MerkleTree {
  const tree = new MerkleTree(2);
  for (const [leaf, stored] of records) tree.add(leaf, stored);
  return tree;
}

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

Deno.test("MerkleTree: a record that is replaced leaves no trace", () => {
  const old = record("a", 1);
  const young = record("a", 2);
  const other = [6, record("b", 1)] as const;
  const tree = treeOf([[5, old], other]);
  tree.remove(5, old);
  tree.add(5, young);
  assert(tree.equals(treeOf([[5, young], other])));
  assert(!tree.equals(treeOf([[5, old], other])));
  tree.remove(5, young);
  assertEquals(tree.leafHash(5), treeOf([]).leafHash(5));
});

Deno.test("MerkleTree: either half of a hash tells records apart", () => {
  const halves = (stored: StoredRecord) => {
    const hash = treeOf([[5, stored]]).leafHash(5);
    return [hash.slice(0, 8), hash.slice(8)];
  };
  const [high, low] = halves(record("a", 1));
  for (const other of [record("a", 2), record("b", 1), record("a", 2 ** 40)]) {
    const [otherHigh, otherLow] = halves(other);
    assertNotEquals(high, otherHigh);
    assertNotEquals(low, otherLow);
  }
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

Deno.test("leafOf: the tokens of an arc are spread over all of its leaves", () => {
  const leaves = Array.from({ length: 1_000 }, (_, i) => leafOf(7, tokenOf(`key${i}`)));
  assertEquals(new Set(leaves).size, LEAVES_PER_ARC);
});

Deno.test("LeafSet: one that is added twice is in it once; a text makes no larger one than there can be", () => {
  const set = new LeafSet(64);
  for (let i = 0; i < 2; i++) set.add(5);
  assertEquals(set.size, 1);
  assertEquals(LeafSet.fromText("999999999:").leafCount, 2 ** 26);
});

Deno.test("LeafSet: travels as text; out of range is not in it", () => {
  fc.assert(fc.property(fc.uniqueArray(fc.nat(299)), (leaves) => {
    const set = new LeafSet(300);
    for (const leaf of leaves) set.add(leaf);
    const read = LeafSet.fromText(set.toText());
    assertEquals(read.size, leaves.length);
    for (let leaf = 0; leaf < 320; leaf++) assertEquals(read.has(leaf), leaves.includes(leaf));
  }));
  for (const text of ["xyz", "8:8", "8:1,", "8:1,,2", "8:-1", "1e3:1"]) {
    assertThrows(() => LeafSet.fromText(text), SyntaxError);
  }
});

Deno.test("LeafSet: few leaves are a short text, however many there could be", () => {
  const set = new LeafSet(100_000);
  for (let i = 0; i < 10; i++) set.add(i * 9_999);
  assert(set.toText().length < 80, set.toText());
});
