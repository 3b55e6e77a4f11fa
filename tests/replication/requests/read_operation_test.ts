/** When a read waits, for whom, and how long. */
import { assert, assertEquals } from "@std/assert";
import { InProcessCluster } from "../../support/in_process_cluster.ts";
import { problemOf } from "../../support/problems.ts";
import { record } from "../../support/records.ts";

/** Counts the questions that a node is asked. */
function countQuestions(cluster: InProcessCluster, nodes: readonly number[]): () => number {
  let questions = 0;
  for (const i of nodes) {
    const { origin, life, process } = cluster.node(i);
    cluster.world.network.listen(origin, life!, async (request) => {
      if (request.url.endsWith("/internal/read")) {
        questions += (await request.clone().text()).trimEnd().split("\n").length;
      }
      return process!.app.fetch(request);
    });
  }
  return () => questions;
}

Deno.test("a read for which this node's own copy is enough is answered in the same turn", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "k", "v");
    const { app } = cluster.node(1).process!;
    const answer = app.fetch(new Request("http://x/kv/k?r=1"));
    assert(!(answer instanceof Promise), "it waited");
    assertEquals(await answer.text(), "v");
    const missing = app.fetch(new Request("http://x/kv/none?r=1"));
    assert(!(missing instanceof Promise), "it waited");
    await problemOf(missing, 404, "not-found");
  }));

Deno.test("reads that wait for nobody do not make others count as late", () =>
  InProcessCluster.run({ config: { requestTimeoutMs: 5_000 } }, async (cluster) => {
    const questions = countQuestions(cluster, [2, 3]);
    for (const i of [2, 3]) cluster.slow(i, 20);
    for (let i = 0; i < 6_000; i++) await cluster.get(1, "k?r=1");
    assertEquals(questions(), 0);
    await Promise.all(Array.from({ length: 50 }, (_, i) => cluster.get(1, `k${i}`)));
    assertEquals(questions(), 50);
  }));

Deno.test("where one owner refuses another is asked at once, however many reads that is true for", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "k", "v");
    cluster.slow(3, 2); // node2 is the one to ask
    const { origin, life, process } = cluster.node(2);
    let refused = 0;
    cluster.world.network.listen(origin, life!, (request) => {
      if (!request.url.endsWith("/internal/read")) return process!.app.fetch(request);
      refused++;
      return new Response(null, { status: 503 });
    });
    // More than there are hedges to spend.
    for (let i = 0; i < 500; i++) assertEquals(await cluster.get(1, "k"), "v");
    assert(refused >= 400, `${refused} questions were refused`);
  }));

Deno.test("where one owner does not take a repair another is asked at once, as where it refuses to answer", () =>
  InProcessCluster.run({ config: { antiEntropyIntervalMs: 1e9 } }, async (cluster) => {
    cluster.slow(3, 2); // node2 is the one to ask
    const reads = 500; // more than there are hedges to spend
    const keys = Array.from({ length: reads }, (_, i) => `k${i}`);
    for (const i of [1, 3]) {
      await Promise.all(keys.map((key) => cluster.plant(i, record(key, 1, { value: "v" }))));
    }
    const { origin, life, process } = cluster.node(2);
    cluster.world.network.listen(origin, life!, (request) => {
      const isWrite = request.url.endsWith("/internal/kv");
      return isWrite ? new Response(null, { status: 507 }) : process!.app.fetch(request);
    });
    for (const key of keys) assertEquals(await cluster.get(1, key), "v");
    assertEquals(await cluster.copy(2, keys[0]!), undefined);
  }));

Deno.test("another owner is asked once a read is late beside those of late", () =>
  InProcessCluster.run({}, async (cluster) => {
    cluster.slow(3, 2); // node2 is the one to ask
    const readMs = async () => {
      const startMs = cluster.world.time.nowMs;
      await cluster.get(1, "k");
      return cluster.world.time.nowMs - startMs;
    };
    for (let i = 0; i < 40; i++) await Promise.all(Array.from({ length: 50 }, readMs));
    cluster.slow(2, 400);
    const tookMs = await readMs();
    assert(tookMs >= 10 && tookMs < 60, `${tookMs} ms; it was asked after the upper bound`);
  }));

Deno.test("a read's deadline counts from its start, also where it is shorter than the wait for late answers", () =>
  InProcessCluster.run({ config: { requestTimeoutMs: 60 } }, async (cluster) => {
    for (const i of [2, 3]) cluster.slow(i, 10_000);
    const startMs = cluster.world.time.nowMs;
    await problemOf(await cluster.call(1, "GET", "/kv/k"), 503, "quorum-unreachable");
    const tookMs = cluster.world.time.nowMs - startMs;
    assert(tookMs >= 60 && tookMs <= 75, `${tookMs} ms`);
  }));
