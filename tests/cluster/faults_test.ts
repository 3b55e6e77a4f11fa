/**
 * Strategy: real nodes under a load of writes lose one of them to a signal, each in turn.
 * Invariants: no acknowledged write is lost; writes go on; whoever was away catches up by itself.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { keyFromText } from "../../src/record/key.ts";
import { encodeRecord } from "../../src/record/record_line.ts";
import { withoutRoom } from "../../src/storage/wal_reader.ts";
import { TestCluster, type TestNode } from "./harness.ts";
import { agreement, Load, lostThrough } from "./load.ts";

/** Acknowledged writes before, during and after the fault, for each node. */
const ACKS_PER_PHASE = 300;

async function underLoad(
  cluster: TestCluster,
  fault: { begin(victim: TestNode): Promise<void> | void; end(victim: TestNode): Promise<void> },
): Promise<void> {
  for (const victim of cluster.nodes) {
    const others = cluster.nodes.filter((node) => node !== victim);
    let targets = cluster.nodes;
    const load = new Load(() => targets);
    const moreAcks = async (when: string) => {
      const goal = load.acks + ACKS_PER_PHASE;
      await cluster.until(`writes go on ${when} (${victim.name})`, () => load.acks >= goal);
    };
    try {
      await moreAcks("before");
      await fault.begin(victim);
      targets = others; // as a client that fails over
      await moreAcks("during the fault");
      await fault.end(victim);
      targets = cluster.nodes;
      await moreAcks("after it");
    } finally {
      await load.stop();
    }
    await cluster.ready();
    for (const node of cluster.nodes) assertEquals(await lostThrough(node, load), []);
    await agreement(cluster, load.acked.keys());
  }
}

Deno.test("cluster: SIGKILL of any one node under load loses no acked write", async () => {
  await using cluster = await TestCluster.start(3);
  await underLoad(cluster, {
    begin: (victim) => victim.kill(),
    end: (victim) => victim.start(),
  });
});

Deno.test("cluster: SIGSTOP of any one node under load loses no acked write", async () => {
  await using cluster = await TestCluster.start(3);
  await underLoad(cluster, {
    begin: (victim) => victim.process?.signal("SIGSTOP"),
    end: (victim) => {
      victim.process?.signal("SIGCONT");
      return Promise.resolve();
    },
  });
});

Deno.test("cluster: acked writes survive kill -9 of all nodes", async () => {
  await using cluster = await TestCluster.start(3);
  const load = new Load(() => cluster.nodes);
  await cluster.until("a thousand writes are acked", () => load.acks >= 1_000);
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  await load.stop();
  await Promise.all(cluster.nodes.map((node) => node.start()));
  await cluster.ready();
  for (const node of cluster.nodes) assertEquals(await lostThrough(node, load), []);
  await agreement(cluster, load.acked.keys());
});

Deno.test("cluster: a wiped node is refilled, also with keys that nobody reads", async () => {
  await using cluster = await TestCluster.start(3, { args: ["--request-timeout", "3s"] });
  const [node1, node2, node3] = cluster.three;
  const load = new Load(() => cluster.nodes);
  await cluster.until("some hundred writes are acked", () => load.acks >= 500);
  await load.stop();
  await agreement(cluster, load.acked.keys());

  await node2.kill();
  await Deno.remove(node2.directory, { recursive: true });
  await node1.put("meanwhile", "written");
  await node2.start();
  await cluster.until("node2 is ready", () => node2.isReady());
  await agreement(cluster, [...load.acked.keys(), "meanwhile"]);

  // node2 is as good as any other owner now: the writes survive the loss of node1's disk too.
  await node1.kill();
  for (const node of [node2, node3]) assertEquals(await lostThrough(node, load), []);
  assertEquals(await node2.get("meanwhile"), "written");
});

Deno.test("cluster: a torn log line neither hangs nor kills the node", async () => {
  await using cluster = await TestCluster.start(3);
  const [node1, node2] = cluster.three;
  for (let i = 0; i < 20; i++) await node1.put(`k${i}`, `v${i}`);
  await agreement(cluster, ["k19"]);
  await node2.kill();
  // What a power cut leaves of a line that was being written: its first half.
  const { path, bytes, lastLine } = await newestLog(node2);
  const half = lastLine.subarray(0, Math.floor(lastLine.byteLength / 2));
  await Deno.writeFile(path, concat(concat(bytes, half), ROOM));
  await node2.start();
  await cluster.until("node2 is ready", () => node2.isReady());
  for (let i = 0; i < 20; i++) assertEquals(await node2.get(`k${i}`), `v${i}`);
  await node2.put("k19", "goes on");
  assertEquals(await node1.get("k19"), "goes on");
});

Deno.test("cluster: damage in the middle of the log stops the node with one clear line", async () => {
  await using cluster = await TestCluster.start(3);
  const [node1, node2] = cluster.three;
  for (let i = 0; i < 20; i++) await node1.put(`k${i}`, `v${i}`);
  await agreement(cluster, ["k19"]);
  await node2.kill();
  const { path, bytes } = await newestLog(node2);
  const middle = Math.floor(bytes.byteLength / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await Deno.writeFile(path, bytes);
  await assertRejects(() => node2.start(), Error, "node2 has ended");
  const { code, stderr } = await (node2.process ?? fail()).end();
  assertEquals(code, 1);
  const lines = stderr.trim().split("\n").filter((line) => line.startsWith("converge: "));
  assertEquals(lines.length, 1, stderr);
  assert(/\.log/.test(lines.join()) && /\d+/.test(lines.join()), stderr);
  assert(!stderr.includes("    at "), stderr); // no stack trace
});

Deno.test("cluster: a damaged table neither hangs nor kills the node, and is made whole", async () => {
  await using cluster = await TestCluster.start(3, { args: ["--memtable", "64KiB"] });
  const [node1, node2] = cluster.three;
  const value = "x".repeat(1_000);
  const keys = Array.from({ length: 300 }, (_, i) => `k${i}`);
  await Promise.all(keys.map((key) => node1.put(key, key + value)));
  await agreement(cluster, keys);
  await untilFlushed(cluster, node2);
  await node2.kill();
  const sizeOf = (path: string) => Deno.statSync(path).size;
  const [table] = tablesOf(node2).sort((a, b) => sizeOf(b) - sizeOf(a)); // the one with the values
  assert(table !== undefined);
  const bytes = await Deno.readFile(table);
  const middle = Math.floor(bytes.byteLength / 3);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await Deno.writeFile(table, bytes);
  await node2.start();
  for (const key of keys) assertEquals(await node2.get(key), key + value);
  await agreement(cluster, keys);
});

Deno.test("cluster: an old version arriving after a flush does not shadow the newer one", async () => {
  await using cluster = await TestCluster.start(3, { args: ["--memtable", "64KiB"] });
  const [node1] = cluster.three;
  await node1.put("k", "old");
  await node1.put("k", "new");
  const filler = "x".repeat(1_000);
  await Promise.all(Array.from({ length: 300 }, (_, i) => node1.put(`f${i}`, filler)));
  for (const node of cluster.nodes) {
    await untilFlushed(cluster, node);
    const { frame } = encodeRecord({
      key: keyFromText("k"),
      value: new TextEncoder().encode("late"),
      counter: 1,
      nodeID: "node9.0123abcd",
    });
    const body = new Uint8Array(frame);
    const answer = await node.fetch("/internal/kv", { method: "POST", body });
    assertEquals(answer.status, 200, answer.text);
    assert(answer.text.startsWith("superseded "), answer.text);
    assertEquals((await node.ownCopy("k"))?.v, "new");
  }
  for (const node of cluster.nodes) {
    await node.kill();
    await node.start();
  }
  await cluster.ready();
  for (const node of cluster.nodes) assertEquals(await node.get("k"), "new");
});

/** Memory is written to a table when there is too much of it and more comes: this brings more. */
async function untilFlushed(cluster: TestCluster, node: TestNode): Promise<void> {
  let more = 0;
  await cluster.until(`${node.name} has a table`, async () => {
    await node.put(`more-${more++}`, "x".repeat(1_000));
    return tablesOf(node).length > 0;
  });
}

/** What is left of the room ahead of a log. */
const ROOM = new Uint8Array(1_000);

async function newestLog(
  node: TestNode,
): Promise<{ path: string; bytes: Uint8Array; lastLine: Uint8Array }> {
  const path = filesOf(node.directory).filter((name) => name.endsWith(".log")).sort().at(-1);
  assert(path !== undefined, filesOf(node.directory).join(" "));
  const bytes = withoutRoom(await Deno.readFile(path));
  const lastLine = bytes.slice(bytes.lastIndexOf(10, bytes.byteLength - 2) + 1);
  return { path, bytes, lastLine };
}

function tablesOf(node: TestNode): string[] {
  return filesOf(node.directory).filter((path) => path.endsWith(".sst")).sort();
}

function filesOf(directory: string): string[] {
  return [...Deno.readDirSync(directory)].flatMap((entry) =>
    entry.isDirectory ? filesOf(`${directory}/${entry.name}`) : [`${directory}/${entry.name}`]
  );
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.byteLength + b.byteLength);
  whole.set(a);
  whole.set(b, a.byteLength);
  return whole;
}

function fail(): never {
  throw new Error("the process was never started");
}
