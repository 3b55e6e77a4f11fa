/** Defects of quorums that this store must never have: each test names one. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { OwnerReceipt, Receipt } from "../../src/replication/requests/receipt.ts";
import { type ClusterOptions, InProcessCluster } from "../support/in_process_cluster.ts";
import { problemOf } from "../support/problems.ts";
import { record } from "../support/records.ts";

/** Nothing mends what a test has put out of order. */
const UNHEALED: ClusterOptions["config"] = { antiEntropyIntervalMs: 1e9, hintBytesMax: 0 };

async function failedPut(cluster: InProcessCluster, i: number, key: string) {
  const startMs = cluster.world.time.nowMs;
  const answer = await cluster.call(i, "PUT", `/kv/${key}`, { body: "v" });
  const problem = await problemOf(answer, 503, "quorum-unreachable");
  assert(cluster.world.time.nowMs - startMs <= 2_050, "not within the deadline");
  return problem as unknown as Receipt;
}

Deno.test("hints and fallbacks count towards no quorum: only owners do", () =>
  InProcessCluster.run({ nodes: 5 }, async (cluster) => {
    const [first, second] = cluster.ownersOf("k");
    const others = [1, 2, 3, 4, 5].filter((i) => !cluster.ownersOf("k").includes(i));
    cluster.cutOff(first!);
    cluster.cutOff(second!);
    for (const i of others) {
      const problem = await failedPut(cluster, i, "k");
      assertEquals(problem.required, 2);
      assertEquals(problem.owners.length, 3);
      assertEquals(problem.owners.filter(({ outcome }) => outcome === "stored").length, 1);
    }
  }));

Deno.test("a node's own copy is counted once: two of three cut off is no write quorum, nor a read quorum", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "k", "v");
    cluster.cutOff(1);
    const problem = await failedPut(cluster, 1, "k");
    assertEquals(problem.quorums, { n: 3, r: 2, w: 2 });
    await problemOf(await cluster.call(1, "GET", "/kv/k"), 503, "quorum-unreachable");
    assertEquals(await cluster.get(2, "k"), "v");
  }));

Deno.test("virtual nodes are not counted as distinct owners: every key is on N nodes, W of them ack", () =>
  InProcessCluster.run({ nodes: 5, config: UNHEALED }, async (cluster) => {
    for (let i = 0; i < 40; i++) {
      const answer = await cluster.call(1, "PUT", `/kv/k${i}?explain=1`, { body: "v" });
      const { owners }: { owners: OwnerReceipt[] } = await answer.json();
      assertEquals(new Set(owners.map(({ name }) => name)).size, 3, `k${i}`);
      const copies = await Promise.all([1, 2, 3, 4, 5].map((node) => cluster.copy(node, `k${i}`)));
      assertEquals(copies.filter((copy) => copy !== undefined).length, 3, `k${i}`);
    }
  }));

Deno.test("a stale rejection is no ack: the write is tried again past what was seen", () =>
  InProcessCluster.run({ config: UNHEALED }, async (cluster) => {
    for (const i of [2, 3]) await cluster.plant(i, record("k", 900, { nodeID: "x.1" }));
    const answer = await cluster.call(1, "PUT", "/kv/k?explain=1", { body: "acked" });
    const receipt: Receipt = await answer.json();
    assertEquals([receipt.result, receipt.attempts], ["stored", 2]);
    assert(Number(receipt.version!.split("-")[0]) > 900);
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), "acked");
  }));

Deno.test("requests to the other owners are not cancelled once W is reached", () =>
  InProcessCluster.run({ config: UNHEALED }, async (cluster) => {
    cluster.slow(3, 300);
    const startMs = cluster.world.time.nowMs;
    await cluster.put(1, "k", "v");
    assert(cluster.world.time.nowMs - startMs < 100, "waited for the slow owner");
    assertEquals(await cluster.copy(3, "k"), undefined);
    await cluster.wait(1_000);
    assertStringIncludes((await cluster.copy(3, "k"))!, '"v":"v"');
  }));

Deno.test("a read after a partial write does not go back in time", () =>
  InProcessCluster.run({ config: UNHEALED }, async (cluster) => {
    await cluster.put(1, "k", "old");
    // A write that reached one owner only, its coordinator gone.
    await cluster.plant(3, record("k", 500, { nodeID: "x.1", value: "new" }));
    assertEquals(await cluster.get(3, "k"), "new");
    cluster.cutOff(3);
    for (const i of [1, 2]) assertEquals(await cluster.get(i, "k"), "new");
  }));

Deno.test("a read whose repair does not arrive answers nothing rather than go back in time later", () =>
  InProcessCluster.run({ config: UNHEALED }, async (cluster) => {
    for (const i of [1, 2]) await cluster.plant(i, record("k", 1, { nodeID: "x.1", value: "old" }));
    await cluster.plant(3, record("k", 5, { nodeID: "x.1", value: "new" }));
    // The others answer reads but take no writes.
    for (const i of [1, 2]) {
      const { origin, life, process } = cluster.node(i);
      cluster.world.network.listen(
        origin,
        life!,
        (request) =>
          request.url.endsWith("/internal/kv")
            ? new Response(null, { status: 500 })
            : process!.app.fetch(request),
      );
    }
    await problemOf(await cluster.call(3, "GET", "/kv/k"), 503, "quorum-unreachable");
    cluster.cutOff(3);
    for (const i of [1, 2]) assertEquals(await cluster.get(i, "k"), "old");
  }));

Deno.test("an old repair does not overwrite a newer record", () =>
  InProcessCluster.run({ config: UNHEALED }, async (cluster) => {
    await cluster.plant(1, record("k", 5, { nodeID: "x.1", value: "middle" }));
    cluster.slow(2, 20);
    const read = cluster.get(1, "k"); // repairs the others with version 5
    await cluster.wait(30);
    for (const i of [2, 3]) {
      await cluster.plant(i, record("k", 9, { nodeID: "x.1", value: "newest" }));
    }
    await read;
    await cluster.wait(1_000);
    for (const i of [2, 3]) assertStringIncludes((await cluster.copy(i, "k"))!, "newest");
  }));

Deno.test("a failed write is not reported as certain: it says where the value may be", () =>
  InProcessCluster.run({ config: UNHEALED }, async (cluster) => {
    cluster.cutOff(1);
    const problem = await failedPut(cluster, 1, "k");
    assertEquals(problem.indeterminate, true);
    const outcomes = new Map(problem.owners.map((o: OwnerReceipt) => [o.name, o.outcome]));
    assertEquals(outcomes.get("node1"), "stored");
    for (const name of ["node2", "node3"]) {
      assert(["timeout", "refused"].includes(outcomes.get(name)!), outcomes.get(name));
    }
    cluster.heal();
    await cluster.until(
      "the links are tried again",
      async () => (await cluster.call(1, "GET", "/kv/k")).status === 200,
    );
    assertEquals(await cluster.get(2, "k"), "v", "it was stored after all, and is now seen");
  }));

Deno.test("what was refused for certain is never seen: a failed write leaves no hints", () =>
  InProcessCluster.run({ nodes: 4, config: { antiEntropyIntervalMs: 1e9 } }, async (cluster) => {
    const owners = cluster.ownersOf("k");
    const stranger = [1, 2, 3, 4].find((i) => !owners.includes(i))!;
    for (const i of owners) cluster.kill(i);
    const problem = await failedPut(cluster, stranger, "k?explain=1");
    assertEquals([problem.indeterminate, problem.mayBeOn], [false, []]);
    for (const i of owners) await cluster.start(i);
    await cluster.ready();
    await cluster.wait(20_000);
    assertEquals(await cluster.get(stranger, "k"), undefined);
  }));

Deno.test("an answer that is no answer is no ack", () =>
  InProcessCluster.run({ config: UNHEALED }, async (cluster) => {
    for (const i of [2, 3]) {
      const { origin, life } = cluster.node(i);
      cluster.world.network.listen(origin, life!, () => new Response("stored\nstored\nstored\n"));
    }
    const problem = await failedPut(cluster, 1, "k");
    assertEquals(problem.owners.filter(({ outcome }) => outcome === "stored").length, 1);
  }));

Deno.test("a write that one owner stored is not called overloaded because a node that joins refused it", () => {
  const members = [1, 2, 3, 4];
  const options = {
    nodes: 5,
    start: members,
    seedsOf: (i: number) => members.filter((other) => other !== i),
  };
  return InProcessCluster.run(options, async (cluster) => {
    await cluster.ready();
    cluster.kill(4);
    await cluster.start(5);
    await cluster.until("all know the one that joins", async () => {
      const views = await Promise.all([1, 2, 3].map((i) => cluster.view(i)));
      return views.every(({ members }) => members.length === 5);
    });
    const key = Array.from({ length: 99 }, (_, i) => `k${i}`).find((key) =>
      [4, 5].every((i) => cluster.ownersOf(key).includes(i))
    )!;
    const answer = await cluster.call(1, "PUT", `/kv/${key}?explain=1`, { body: "v" });
    const problem = await problemOf(answer, 503, "quorum-unreachable") as unknown as Receipt;
    assertEquals(problem.owners.map(({ outcome }) => outcome).sort(), [
      "overloaded",
      "refused",
      "stored",
    ]);
    assertEquals(problem.indeterminate, true);
  });
});

/** Has a node take the first batch of records only. */
function takeOneBatch(cluster: InProcessCluster, i: number): void {
  const { origin, life, process } = cluster.node(i);
  let batches = 0;
  cluster.world.network.listen(origin, life!, (request) => {
    const isRefused = request.url.endsWith("/internal/kv") && batches++ > 0;
    return isRefused ? new Response(null, { status: 421 }) : process!.app.fetch(request);
  });
}

for (const takers of [1, 0]) {
  Deno.test(`an ack of an earlier attempt is none of the next one, and not forgotten: ${takers} take that`, () =>
    InProcessCluster.run({ nodes: 4, config: UNHEALED }, async (cluster) => {
      const owners = cluster.ownersOf("k");
      const stranger = [1, 2, 3, 4].find((i) => !owners.includes(i))!;
      const late = owners[2]!;
      // Superseded by two, the write is tried again while the third is still to store the first one.
      for (const i of owners.slice(0, 2)) await cluster.plant(i, record("k", 900));
      for (const i of owners.slice(takers)) takeOneBatch(cluster, i);
      cluster.slow(late, 300);
      const { attempts, indeterminate, mayBeOn } = await failedPut(
        cluster,
        stranger,
        "k?explain=1",
      );
      assertEquals([attempts, indeterminate], [2, true]);
      assertEquals(mayBeOn!.toSorted(), owners.map((i) => `node${i}`).sort());
      assertStringIncludes((await cluster.copy(late, "k"))!, '"v":"v"');
    }));
}
