import { assert, assertEquals } from "@std/assert";
import { HashRing } from "../../src/ring/hash_ring.ts";
import { TOKEN_END, tokenOf } from "../../src/ring/token.ts";

const OPTIONS = { tokensPerNode: 100, owners: 3 };

function ringOf(count: number, options = OPTIONS): HashRing {
  return new HashRing(Array.from({ length: count }, (_, i) => `node${i + 1}`), options);
}

function ownersOf(ring: HashRing, key: string): readonly string[] {
  return ring.arcOf(tokenOf(key))!.owners;
}

Deno.test("HashRing: 100 tokens of each node, in order", () => {
  const { arcs } = ringOf(5);
  assertEquals(arcs.length, 500);
  for (let i = 1; i < arcs.length; i++) assert(arcs[i - 1]!.end < arcs[i]!.end);
  for (const node of ringOf(5).names) {
    assertEquals(arcs.filter(({ owners }) => owners[0] === node).length, 100);
  }
});

Deno.test("HashRing: owners of known keys, pinned: a release that moves them loses data", () => {
  assertEquals(ownersOf(ringOf(3), "greeting"), ["node3", "node1", "node2"]);
  assertEquals(ownersOf(ringOf(3), "\xff"), ["node2", "node1", "node3"]);
  assertEquals(ownersOf(ringOf(5), "greeting"), ["node3", "node1", "node5"]);
  assertEquals(ownersOf(ringOf(10), "greeting"), ["node6", "node10", "node3"]);
});

Deno.test("HashRing: each key has N distinct owners, vnodes not counted as nodes", () => {
  for (const { owners } of ringOf(5).arcs) {
    assertEquals(owners.length, 3);
    assertEquals(new Set(owners).size, 3);
  }
});

Deno.test("HashRing: fewer nodes than N own everything, an empty ring nothing", () => {
  for (const { owners } of ringOf(2).arcs) assertEquals([...owners].sort(), ["node1", "node2"]);
  assertEquals(ringOf(1, { tokensPerNode: 1, owners: 3 }).ownership().get("node1"), 1);
  assertEquals(ringOf(0).arcOf(0n), undefined);
  assertEquals(ringOf(0).ownership(), new Map());
});

Deno.test("HashRing.ownership: a node alone owns all of the ring, and no more", () => {
  for (const name of ["solo", "node1", "node2", "node3", "a", "b"]) {
    assertEquals(new HashRing([name], OPTIONS).ownership(), new Map([[name, 1]]));
  }
});

Deno.test("HashRing: depends on the set of names only", () => {
  const a = new HashRing(["x", "y", "z"], OPTIONS);
  const b = new HashRing(["z", "x", "y", "x"], OPTIONS);
  assertEquals([a.names, a.arcs], [b.names, b.arcs]);
});

Deno.test("HashRing.arcOf: the first token at or after, wrapping around", () => {
  const ring = ringOf(3);
  const { arcs } = ring;
  for (const i of [0, 1, 150, 299]) {
    assertEquals(ring.arcOf(arcs[i]!.end)!.index, i);
    assertEquals(ring.arcOf(arcs[i]!.end - 1n)!.index, i);
    assertEquals(ring.arcOf((arcs[i]!.end + 1n) % TOKEN_END)!.index, (i + 1) % 300);
  }
  assertEquals(ring.arcOf(0n)!.index, 0);
  assertEquals(ring.arcOf(TOKEN_END - 1n)!.index, 0);
});

Deno.test("HashRing: the load is balanced to a quarter, the shares are those of real keys", () => {
  const ring = ringOf(5);
  const counts = new Map(ring.names.map((name) => [name, 0]));
  for (let i = 0; i < 20_000; i++) {
    const first = ownersOf(ring, `key-${i}`)[0]!;
    counts.set(first, counts.get(first)! + 1);
  }
  let total = 0;
  for (const [name, share] of ring.ownership()) {
    total += share;
    assert(Math.abs(share * 5 - 1) < 0.25, `${name} has ${share}`);
    assert(Math.abs(counts.get(name)! / 20_000 - share) < 0.02, `${name}: ${counts.get(name)}`);
  }
  assert(Math.abs(total - 1) < 1e-9);
});

Deno.test("HashRing: a new node takes over its share and moves nothing else", () => {
  const before = ringOf(5);
  const after = ringOf(6);
  let moved = 0;
  for (let i = 0; i < 10_000; i++) {
    const was = ownersOf(before, `key-${i}`);
    const is = ownersOf(after, `key-${i}`);
    const came = is.filter((name) => !was.includes(name));
    assert(came.every((name) => name === "node6"), `${was} -> ${is}`);
    assertEquals(is.filter((name) => name !== "node6"), was.slice(0, 3 - came.length));
    moved += came.length;
  }
  // Of 30,000 copies a sixth.
  assert(Math.abs(moved / 30_000 - 1 / 6) < 0.03, `${moved} copies moved`);
});
