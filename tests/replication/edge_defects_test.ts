/** Defects at the edges that this store must never have: each test names one. */
import { assert, assertEquals } from "@std/assert";
import { InProcessCluster, type TestNode } from "../support/in_process_cluster.ts";
import { problemOf } from "../support/problems.ts";
import { record } from "../support/records.ts";

Deno.test("one stopped node does not stall the others, nor every request", () =>
  InProcessCluster.run({}, async (cluster) => {
    cluster.pause(3);
    const beginMs = cluster.world.time.nowMs;
    for (let i = 0; i < 100; i++) {
      const startMs = cluster.world.time.nowMs;
      await cluster.put(1 + i % 2, `k${i}`, "v");
      assertEquals(await cluster.get(1 + (i + 1) % 2, `k${i}`), "v");
      assert(cluster.world.time.nowMs - startMs < 150);
    }
    assert(cluster.world.time.nowMs - beginMs < 3_000, "it costs more than a deadline once");
    cluster.resume(3);
    await cluster.until(
      "node3 has caught up",
      async () => (await cluster.copy(3, "k99")) !== undefined,
    );
  }));

Deno.test("a read never is what finds out whether a stopped node is back", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "k", "v");
    cluster.pause(3);
    for (let i = 0; i < 20; i++) await cluster.put(1, `k${i}`, "v");
    await cluster.wait(4_000);
    // Its breaker opens now and then for a probe, at first after fractions of a second.
    for (let i = 0; i < 400; i++) {
      const startMs = cluster.world.time.nowMs;
      await cluster.get(1, "k");
      assert(cluster.world.time.nowMs - startMs < 10, `read ${i} waited`);
      await cluster.wait(25);
    }
  }));

Deno.test("an owner that is heard again is asked again at once, however long it was away", () =>
  InProcessCluster.run({}, async (cluster) => {
    cluster.cutOff(2);
    for (let i = 0; i < 10; i++) {
      await cluster.put(1, `k${i}`, "v");
      await cluster.wait(5_000);
    }
    cluster.heal();
    await cluster.until("node1 hears node2", async () => {
      const { members } = await cluster.view(1);
      return members.find(({ name }) => name === "node2")!.state === "up";
    });
    cluster.cutOff(3);
    await cluster.put(1, "k", "it takes node2");
  }));

Deno.test("a slow owner does not slow a request that has its quorum", () =>
  InProcessCluster.run({}, async (cluster) => {
    cluster.slow(3, 400);
    // Whoever is asked for the first time is not known to be slow yet.
    for (const i of [1, 2]) for (let k = 0; k < 10; k++) await cluster.get(i, `warm${k}`);
    await cluster.wait(2_000);
    for (let i = 0; i < 50; i++) {
      const startMs = cluster.world.time.nowMs;
      await cluster.put(1, `k${i}`, "v");
      await cluster.get(2, `k${i}`);
      // Another owner is asked after 100 ms at the latest; the slow one answers after 800.
      assert(cluster.world.time.nowMs - startMs < 150);
    }
  }));

Deno.test("requests under way have a bound: beyond it 503 with Retry-After, and then all is well again", () =>
  InProcessCluster.run({ config: { inFlightMax: 4 } }, async (cluster) => {
    cluster.cutOff(1);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => cluster.call(1, "PUT", `/kv/k${i}`, { body: "v" })),
    );
    const overloaded = answers.filter((answer) => answer.headers.has("retry-after"));
    assertEquals(overloaded.length, 6);
    for (const answer of overloaded) await problemOf(answer, 503, "overloaded");
    for (const method of ["GET", "DELETE"]) {
      for (let i = 0; i < 6; i++) {
        await problemOf(await cluster.call(1, method, "/kv/k"), 503, "quorum-unreachable");
      }
    }
    cluster.heal();
    await cluster.until("the links are tried again", async () => {
      const answer = await cluster.call(1, "PUT", "/kv/k", { body: "v" });
      await answer.body?.cancel();
      return answer.status === 204;
    });
    assertEquals((await cluster.view(1)).requests.inFlight, 0);
  }));

Deno.test("reads under way have the same bound", () =>
  InProcessCluster.run({ config: { inFlightMax: 4 } }, async (cluster) => {
    await cluster.get(1, "k");
    for (const i of [2, 3]) cluster.slow(i, 300);
    const reads = Array.from({ length: 10 }, (_, i) => cluster.call(1, "GET", `/kv/k${i}`));
    await cluster.wait(100);
    assertEquals((await cluster.view(1)).requests.inFlight, 4);
    const statuses = (await Promise.all(reads)).map(({ status }) => status);
    assertEquals(statuses.toSorted(), [404, 404, 404, 404, ...Array(6).fill(503)]);
    assertEquals((await cluster.view(1)).requests.inFlight, 0);
  }));

Deno.test("a write that finds the queues to its owners full is refused for certain, and costs no disk", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (const i of [2, 3]) cluster.pause(i);
    const value = "x".repeat(1024 * 1024);
    const count = 40;
    const answers = await Promise.all(
      Array.from({ length: count }, (_, i) => cluster.call(1, "PUT", `/kv/k${i}`, { body: value })),
    );
    let refused = 0;
    for (const [i, answer] of answers.entries()) {
      const retryAfter = answer.headers.get("retry-after");
      const { status, indeterminate } = await answer.json();
      assertEquals(status, 503);
      if (indeterminate) continue;
      refused++;
      assertEquals(retryAfter, "1");
      assertEquals(await cluster.copy(1, `k${i}`), undefined, `k${i}`);
    }
    assert(refused >= 10, `${refused} of ${count} were refused at once`);
  }));

Deno.test("too few owners are 503 within the deadline for every operation, with each owner's outcome", () =>
  InProcessCluster.run({ config: { requestTimeoutMs: 500 } }, async (cluster) => {
    cluster.pause(2);
    cluster.pause(3);
    for (
      const [method, options] of [["PUT", { body: "v" }], ["GET", {}], ["DELETE", {}]] as const
    ) {
      const startMs = cluster.world.time.nowMs;
      const answer = await cluster.call(1, method, "/kv/k", options);
      const problem = await problemOf(answer, 503, "quorum-unreachable");
      assert(cluster.world.time.nowMs - startMs <= 520);
      assertEquals([problem.required, (problem.owners as unknown[]).length], [2, 3]);
      if (method !== "GET") assertEquals(problem.indeterminate, true);
    }
  }));

Deno.test("work has an end: an idle cluster sends a few messages per interval and no more", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "k", "v");
    await cluster.wait(60_000);
    const before = cluster.world.network.messagesTotal;
    await cluster.wait(60_000);
    const perSecond = (cluster.world.network.messagesTotal - before) / 60;
    assert(perSecond < 20, `${perSecond} messages per second`);
  }));

Deno.test("acked writes survive the death of all nodes at once", () =>
  InProcessCluster.run({}, async (cluster) => {
    const acked: string[] = [];
    const writing = Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        await cluster.put(1 + i % 3, `k${i}`, "v");
        acked.push(`k${i}`);
      }),
    );
    await writing;
    for (const i of [1, 2, 3]) cluster.kill(i);
    for (const i of [1, 2, 3]) await cluster.start(i);
    await cluster.ready();
    for (const key of acked) assertEquals(await cluster.get(2, key), "v");
  }));

/** Counts the scans of a node's store, and those of them that are open. */
function countScans({ memory }: TestNode): { total: number; open: number } {
  const count = { total: 0, open: 0 };
  const scan = memory.scan.bind(memory);
  memory.scan = (...args) => {
    const opened = scan(...args);
    const close = opened.close.bind(opened);
    count.total++;
    count.open++;
    opened.close = () => {
      opened.close = close;
      count.open--;
      close();
    };
    return opened;
  };
  return count;
}

Deno.test("no scan stays open: each holds memory, and files that were replaced", () =>
  InProcessCluster.run({ config: { tombstoneIntervalMs: 500 } }, async (cluster) => {
    const counts = cluster.nodes.map(countScans);
    cluster.kill(3);
    for (let i = 0; i < 20; i++) await cluster.put(1, `k${i}`, "v");
    await cluster.call(1, "DELETE", "/kv/k0");
    await cluster.until("hints are kept", async () => {
      return (await cluster.view(1)).hints.waiting.node3 === 20;
    });
    cluster.kill(1);
    await cluster.start(1); // it looks through its hints, as those of a life before
    await cluster.start(3);
    await cluster.until("the tombstone is gone", async () => {
      const copies = await Promise.all([1, 2, 3].map((i) => cluster.copy(i, "k0")));
      return copies.every((copy) => copy === undefined);
    });
    await cluster.plant(1, record("cold", 500));
    await cluster.until("it has spread", async () => await cluster.copy(2, "cold") !== undefined);
    await (await cluster.call(2, "GET", "/kv?prefix=k")).body?.cancel();
    await cluster.until("none is open", () => counts.every(({ open }) => open === 0));
    for (const { total } of counts) assert(total > 0, "no scan was counted");
  }));
