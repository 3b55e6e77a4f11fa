/** A node is started on an old copy of its directory, while the others went on. */
import { assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import {
  MEMBERSHIP_DOCUMENT,
  type SavedMembership,
} from "../../src/replication/gossip/membership_document.ts";
import { LocalState } from "../../src/replication/state/local_state.ts";
import type { MemoryStore } from "../../src/storage/memory_store.ts";
import { InProcessCluster, originOf } from "../support/in_process_cluster.ts";

const QUICK = { config: { tombstoneIntervalMs: 500, antiEntropyIntervalMs: 1_000 } };

/** Stops node 3, takes a copy of its disk, and starts it again, until all have heard of that. */
async function copied(cluster: InProcessCluster): Promise<MemoryStore> {
  cluster.kill(3);
  const copy = await cluster.backup(3);
  await cluster.start(3);
  await cluster.until("its start is known", async () => {
    const views = await Promise.all([1, 2].map((i) => cluster.view(i)));
    return views.every(({ members }) => members[2]!.starts === 2);
  });
  await cluster.ready();
  return copy;
}

/** Starts node 3 on an old copy of its disk. */
async function startOn(cluster: InProcessCluster, copy: MemoryStore): Promise<void> {
  cluster.kill(3);
  cluster.restore(3, copy);
  await cluster.start(3);
}

/** Deletes a key, and waits until its tombstone is collected. */
async function deleteForGood(cluster: InProcessCluster, key: string): Promise<void> {
  await cluster.call(1, "DELETE", `/kv/${key}`);
  await cluster.until("the tombstone is collected", () => cluster.isForgotten(key));
}

Deno.test("old copy: a deleted key whose tombstone was collected meanwhile stays deleted", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    await cluster.put(1, "k", "old");
    await cluster.until("node 3 has it", async () => await cluster.copy(3, "k") !== undefined);
    const copy = await copied(cluster);
    await deleteForGood(cluster, "k");
    await startOn(cluster, copy);
    assertEquals(cluster.node(3).warnings.includes("data.old_copy"), true);
    await cluster.ready();
    await cluster.wait(10_000);
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), undefined);
    assertEquals(await cluster.isForgotten("k"), true);
  }));

Deno.test("old copy: it counts in no read before it has what was acknowledged meanwhile", () =>
  InProcessCluster.run({ config: { hintBytesMax: 0 } }, async (cluster) => {
    const copy = await copied(cluster);
    cluster.kill(2);
    await cluster.put(1, "k", "v"); // on nodes 1 and 3
    await cluster.start(2);
    cluster.kill(1);
    const served = cluster.node(2).process!;
    await startOn(cluster, copy);
    const answer = await served.app.fetch(new Request("http://node2:8080/kv/k"));
    assertNotEquals(answer.status, 404);
  }));

Deno.test("old copy: no version is given out again", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    const copy = await copied(cluster);
    const given = await cluster.put(3, "k", "one");
    await startOn(cluster, copy);
    const again = await cluster.call(3, "PUT", "/kv/k", { body: "two" });
    assertNotEquals(again.headers.get("etag"), given);
    await cluster.ready();
    await cluster.put(3, "k", "three");
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), "three");
  }));

Deno.test("old copy: it is found out at the start, though clients wait for less than an answer takes", () => {
  const config = { ...QUICK.config, requestTimeoutMs: 100 };
  return InProcessCluster.run({ config }, async (cluster) => {
    const copy = await copied(cluster);
    const { nodeID } = cluster.node(3).process!;
    cluster.slow(3, 100);
    await startOn(cluster, copy);
    assertNotEquals(cluster.node(3).process!.nodeID, nodeID);
  });
});

Deno.test("old copy: where nobody could tell at the start it stops when it hears, and is filled after that", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    const copy = await copied(cluster);
    await cluster.put(1, "k", "v");
    await cluster.wait(5_000);
    cluster.kill(3);
    cluster.restore(3, copy);
    cluster.cutOff(3);
    await cluster.start(3);
    cluster.heal();
    const error = await cluster.node(3).process!.failed;
    assertEquals(error.code, "old_copy");
    cluster.kill(3);
    await cluster.start(3);
    await cluster.ready();
    assertStringIncludes(await cluster.copy(3, "k") ?? "nothing", `"v":"v"`);
  }));

Deno.test("old copy: one that joins takes nothing from it that was deleted", () =>
  InProcessCluster.run({ ...QUICK, nodes: 4, start: [1, 2, 3] }, async (cluster) => {
    const isLost = (key: string) => !cluster.ownersOf(key).includes(3);
    const key = Array.from({ length: 100 }, (_, i) => `k${i}`).find(isLost)!;
    for (const i of [1, 2, 3]) cluster.node(i).config.peers = [1, 2, 3].map(originOf);
    for (const i of [1, 2, 3]) cluster.kill(i);
    for (const i of [1, 2, 3]) await cluster.start(i);
    await cluster.ready();
    await cluster.put(1, key, "old");
    await cluster.until("node 3 has it", async () => await cluster.copy(3, key) !== undefined);
    const copy = await copied(cluster);
    await deleteForGood(cluster, key);
    cluster.kill(3);
    cluster.restore(3, copy);
    cluster.slow(4, 400);
    await cluster.start(4);
    await cluster.until(
      "the others know of it",
      async () =>
        (await Promise.all([1, 2].map((i) => cluster.view(i))))
          .every(({ members }) => members.length === 4),
    );
    await cluster.start(3);
    await cluster.ready();
    for (const i of [1, 2, 3, 4]) assertEquals(await cluster.get(i, key), undefined);
  }));

/** Why node 3 stops by itself: from there on nothing of it runs. */
async function codeOfStop(cluster: InProcessCluster): Promise<string | undefined> {
  let code: string | undefined;
  void cluster.node(3).process!.failed.then((error) => {
    code = error.code;
    cluster.kill(3);
  });
  await cluster.until("it stops", () => code !== undefined);
  return code;
}

Deno.test("old copy: one that is put back while all are down is found out when they are back", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    const copy = await copied(cluster);
    const given = await cluster.put(3, "k", "v");
    for (const i of [1, 2, 3]) cluster.kill(i);
    cluster.restore(3, copy);
    await cluster.start(3); // nobody is there to be asked, and its count of starts is right again
    await cluster.wait(3_000);
    for (const i of [1, 2]) await cluster.start(i);
    assertEquals(await codeOfStop(cluster), "old_copy");
    await cluster.start(3);
    await cluster.ready();
    assertEquals(await cluster.get(3, "k"), "v");
    assertNotEquals((await cluster.put(3, "k", "w")).split("-")[1], given.split("-")[1]);
  }));

/** Empties the disks of nodes 1 and 2, one after the other. */
async function replaceBothOthers(cluster: InProcessCluster): Promise<void> {
  for (const i of [1, 2]) {
    cluster.kill(i);
    cluster.wipe(i);
    await cluster.start(i);
    await cluster.ready();
  }
}

Deno.test("old copy: one from before both others lost their disks is filled, too", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    await cluster.put(1, "k", "v");
    const copy = await copied(cluster);
    await replaceBothOthers(cluster);
    await startOn(cluster, copy);
    await cluster.ready();
    assertEquals(await cluster.get(3, "k"), "v");
  }));

Deno.test("old copy: so is one that loses data more than once before it meets them", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    await cluster.put(1, "k", "v");
    const copy = await copied(cluster);
    await replaceBothOthers(cluster);
    cluster.cutOff(3);
    for (let loss = 1; loss <= 3; loss++) {
      cluster.node(3).lastLoss = loss;
      await startOn(cluster, loss === 1 ? copy : cluster.node(3).memory);
    }
    cluster.heal();
    await cluster.ready();
    assertEquals(await cluster.get(3, "k"), "v");
  }));

Deno.test("old copy: one from before the others moved to other addresses asks those that --peers names", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    const copy = await copied(cluster);
    const { nodeID } = cluster.node(3).process!;
    const state = new LocalState(copy);
    const saved = state.read<SavedMembership>(MEMBERSHIP_DOCUMENT)!;
    const members = saved.members.map((member) => ({ ...member, origin: "http://gone:8080" }));
    await state.write(MEMBERSHIP_DOCUMENT, { ...saved, members });
    await startOn(cluster, copy);
    assertNotEquals(cluster.node(3).process!.nodeID, nodeID);
    await cluster.ready();
  }));

/** Node 3 loses its disk, and is filled anew: the disk that it lost. */
async function lostDisk(cluster: InProcessCluster): Promise<MemoryStore> {
  cluster.kill(3);
  const lost = await cluster.backup(3);
  cluster.wipe(3);
  await cluster.start(3);
  await cluster.ready();
  return lost;
}

Deno.test("old copy: a disk that was lost and is found again brings back nothing that was deleted", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    await cluster.put(1, "k", "old");
    await cluster.until("node 3 has it", async () => await cluster.copy(3, "k") !== undefined);
    const lost = await lostDisk(cluster);
    await deleteForGood(cluster, "k");
    await startOn(cluster, lost);
    await cluster.ready();
    await cluster.wait(10_000);
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), undefined);
    assertEquals(await cluster.isForgotten("k"), true);
  }));

Deno.test("old copy: a disk that is found again counts in no read before it is filled", () =>
  InProcessCluster.run({ config: { hintBytesMax: 0 } }, async (cluster) => {
    const lost = await lostDisk(cluster);
    cluster.kill(2);
    await cluster.put(1, "k", "v"); // on nodes 1 and 3
    await cluster.start(2);
    cluster.kill(1);
    await startOn(cluster, lost);
    await cluster.wait(5_000); // until node 2 knows who it is now
    assertEquals((await cluster.call(2, "GET", "/kv/k")).status, 503);
  }));

Deno.test("old copy: a disk that is found again while all are down stops when they are back", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    await cluster.put(1, "k", "old");
    await cluster.until("node 3 has it", async () => await cluster.copy(3, "k") !== undefined);
    const lost = await lostDisk(cluster);
    await deleteForGood(cluster, "k");
    for (const i of [1, 2, 3]) cluster.kill(i);
    cluster.restore(3, lost);
    // Often enough to outrank the one that took its place.
    for (let starts = 0; starts < 5; starts++) {
      await cluster.start(3);
      await cluster.wait(1_000);
      if (starts < 4) cluster.kill(3);
    }
    for (const i of [1, 2]) await cluster.start(i);
    assertEquals(await codeOfStop(cluster), "old_copy");
    await cluster.start(3);
    await cluster.ready();
    await cluster.wait(10_000);
    assertEquals(await cluster.isForgotten("k"), true);
  }));

Deno.test("old copy: a disk that is found again once all others were replaced, too, is of this cluster", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    await cluster.put(1, "k", "old");
    const lost = await lostDisk(cluster);
    await replaceBothOthers(cluster);
    await cluster.put(1, "k", "new");
    await startOn(cluster, lost);
    await cluster.ready();
    assertEquals(await cluster.get(3, "k"), "new");
  }));

Deno.test("old copy: so it is where it could ask nobody, and it stops as soon as it hears", () =>
  InProcessCluster.run(QUICK, async (cluster) => {
    const lost = await lostDisk(cluster);
    await replaceBothOthers(cluster);
    cluster.kill(3);
    cluster.restore(3, lost);
    cluster.cutOff(3);
    await cluster.start(3);
    cluster.heal();
    assertEquals(await codeOfStop(cluster), "old_copy");
  }));
