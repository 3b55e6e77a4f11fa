import { assert, assertEquals } from "@std/assert";
import { InProcessCluster } from "../support/in_process_cluster.ts";

Deno.test("/cluster: members, states, ownership and quorums", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const view = await cluster.view(2);
    assertEquals([view.self, view.ready, view.quorums], ["node2", true, { n: 3, r: 2, w: 2 }]);
    assertEquals(view.members.map(({ name, state, status }) => [name, state, status]), [
      ["node1", "up", "normal"],
      ["node2", "up", "normal"],
      ["node3", "up", "normal"],
    ]);
    const total = view.members.reduce((sum, { ownership }) => sum + ownership, 0);
    assert(Math.abs(total - 1) < 1e-9);
    assertEquals(view.unresolvedSeeds, []);
  });
});

Deno.test("/readyz: 503 until the cluster can serve; /healthz: 200 as soon as the process runs", async () => {
  await InProcessCluster.run({ start: [1] }, async (cluster) => {
    await cluster.wait(5_000);
    const ready = await cluster.call(1, "GET", "/readyz");
    assertEquals([ready.status, (await ready.json()).ready], [503, false]);
    assertEquals((await cluster.call(1, "GET", "/healthz")).status, 200);
    await cluster.start(2);
    await cluster.ready([1, 2]);
  });
});

Deno.test("/cluster: a silent member becomes suspect, then down, and up again when heard", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const stateOf3 = async () => (await cluster.view(1)).members[2]!.state;
    const states: string[] = [await stateOf3()];
    cluster.pause(3);
    for (let i = 0; i < 100; i++) {
      await cluster.wait(500);
      const state = await stateOf3();
      if (state !== states.at(-1)) states.push(state);
    }
    cluster.resume(3);
    await cluster.until("node3 is up", async () => (await stateOf3()) === "up");
    assertEquals(states, ["up", "suspect", "down"]);
  });
});
