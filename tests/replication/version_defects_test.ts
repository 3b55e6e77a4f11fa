/** Defects of versions that this store must never have: each test names one. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { InProcessCluster } from "../support/in_process_cluster.ts";
import { problemOf } from "../support/problems.ts";
import { frameOf, record } from "../support/records.ts";

Deno.test("an acked write never loses to an older one: after 50 writes through node1 one through node2 wins everywhere", () =>
  InProcessCluster.run({ nodes: 5 }, async (cluster) => {
    for (let i = 1; i <= 50; i++) await cluster.put(1, "k", `node1 ${i}`);
    await cluster.put(2, "k", "node2");
    for (const i of [1, 2, 3, 4, 5]) assertEquals(await cluster.get(i, "k"), "node2");
    for (const i of cluster.ownersOf("k")) assert((await cluster.copy(i, "k"))!.includes("node2"));
  }));

Deno.test("an acked write never loses to an older one after a restart of all nodes", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (let i = 1; i <= 50; i++) await cluster.put(1, "k", `${i}`);
    for (const i of [1, 2, 3]) cluster.kill(i);
    for (const i of [2, 3, 1]) await cluster.start(i);
    await cluster.ready();
    assertEquals(await cluster.get(3, "k"), "50");
    await cluster.put(2, "k", "after");
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), "after");
  }));

Deno.test("an acked write never loses to one that its coordinator gave out for a key it does not own, and forgot", () =>
  InProcessCluster.run({ nodes: 5 }, async (cluster) => {
    const key = ["a", "b", "c", "d"].find((k) => !cluster.ownersOf(k).includes(1))!;
    const versions: string[] = [];
    for (let life = 0; life < 3; life++) {
      // Its own store has no record of what it gave out, only the reservation.
      versions.push(await cluster.put(1, key, `life ${life}`));
      cluster.kill(1);
      await cluster.start(1);
      await cluster.ready();
    }
    assertEquals(new Set(versions).size, 3);
    assertEquals(await cluster.get(2, key), "life 2");
  }));

Deno.test("one version never has two values: a wiped node gets a new node ID", () =>
  InProcessCluster.run({}, async (cluster) => {
    const before = await cluster.put(1, "k", "before");
    cluster.kill(1);
    cluster.wipe(1);
    await cluster.start(1);
    await cluster.ready();
    const after = await cluster.put(1, "k", "after");
    assertNotEquals(after.split("-")[1], before.split("-")[1]);
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), "after");
  }));

Deno.test("a message for the life before is not taken by a wiped node", () =>
  InProcessCluster.run({}, async (cluster) => {
    const headers = { "converge-to": cluster.node(2).process!.nodeID };
    cluster.kill(2);
    cluster.wipe(2);
    await cluster.start(2);
    const body = record("late", 1).frame.slice();
    const answer = await cluster.call(2, "POST", "/internal/kv", { headers, body });
    await problemOf(answer, 421, "misdirected");
    assertEquals(await cluster.copy(2, "late"), undefined);
  }));

Deno.test("a counter past 2^52 in a record poisons no counter and is not stored", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (const counter of ["4503599627370497", "9007199254740993", "1e308"]) {
      const body = frameOf(`{"k":"k","v":"v","c":${counter},"n":"x.1"}`).slice();
      const answer = await cluster.call(1, "POST", "/internal/kv", { body });
      await problemOf(answer, 400, "corrupt-message");
    }
    assertEquals(await cluster.copy(1, "k"), undefined);
    assertEquals((await cluster.put(1, "k", "v")).slice(0, 3), '"1-');
  }));

Deno.test("a counter that came with a record is never given out again, for any key", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.plant(1, record("other", 900, { nodeID: "x.1" }));
    assertEquals((await cluster.put(1, "k", "v")).slice(0, 5), '"901-');
  }));

Deno.test("a record that arrives late never shadows a newer one", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.plant(1, record("k", 9, { nodeID: "x.1", value: "new" }));
    const body = record("k", 8, { nodeID: "x.1", value: "old" }).frame.slice();
    const answer = await cluster.call(1, "POST", "/internal/kv", { body });
    assertEquals(await answer.text(), "superseded 9-x.1\n");
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), "new");
  }));
