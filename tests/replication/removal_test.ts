/** Members are removed from running clusters: nothing is lost, nothing comes back. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import type { RemovalProgress } from "../../src/http/cluster_view.ts";
import { PeerLink } from "../../src/replication/peers/peer_link.ts";
import { Topology } from "../../src/replication/topology/topology.ts";
import { META } from "../../src/storage/store.ts";
import { ForgetfulStore } from "../support/forgetful_store.ts";
import { InProcessCluster, originOf } from "../support/in_process_cluster.ts";
import { problemOf } from "../support/problems.ts";
import { record } from "../support/records.ts";

const KEYS = Array.from({ length: 40 }, (_, i) => `k${i}`);

async function ask(cluster: InProcessCluster, i: number, body: unknown): Promise<Response> {
  return await cluster.call(i, "POST", "/cluster/removals", { body: JSON.stringify(body) });
}

/** Begins a removal at a node, which must take it on. */
async function remove(
  cluster: InProcessCluster,
  at: number,
  i: number,
  dead = false,
): Promise<RemovalProgress> {
  const response = await ask(cluster, at, { name: `node${i}`, ...(dead ? { dead } : {}) });
  assertEquals(response.status, 202, await response.clone().text());
  return await response.json();
}

/** Waits until nodes know of no other members than themselves, and of no removal under way. */
async function untilOnly(cluster: InProcessCluster, ...numbers: number[]): Promise<void> {
  await cluster.until(`only ${numbers} are members`, async () => {
    for (const i of numbers) {
      const { members, removals } = await cluster.view(i);
      const names = members.map(({ name }) => Number(name.slice(4)));
      if (removals.length > 0 || names.join() !== numbers.join()) return false;
    }
    return true;
  });
}

async function untilDown(cluster: InProcessCluster, at: number, i: number): Promise<void> {
  await cluster.until(
    `node${i} is down`,
    async () =>
      (await cluster.view(at)).members.find(({ name }) => name === `node${i}`)!.state === "down",
  );
}

async function putAll(cluster: InProcessCluster): Promise<void> {
  for (const key of KEYS) await cluster.put(1, key, `v-${key}`);
}

/** Every owner holds every key, and nobody is needed besides them. */
async function checkAll(cluster: InProcessCluster, numbers: number[]): Promise<void> {
  for (const key of KEYS) {
    for (const i of numbers) assertEquals(await cluster.get(i, key), `v-${key}`);
    for (const owner of cluster.ownersOf(key, numbers)) {
      assert(await cluster.copy(owner, key) !== undefined, `node${owner} lacks ${key}`);
    }
  }
}

Deno.test("a live member is removed: the others take over what they gain, it ends and stays out", () =>
  InProcessCluster.run({ nodes: 5 }, async (cluster) => {
    await putAll(cluster);
    const { failed } = cluster.node(5).process!;
    await remove(cluster, 1, 5);
    const error = await failed as ConvergeError;
    assertEquals([error.code, error.details], ["removed", { asAsked: true }]);
    cluster.kill(5);
    await untilOnly(cluster, 1, 2, 3, 4);
    await checkAll(cluster, [1, 2, 3, 4]);
    const again = await assertRejects(() => cluster.start(5), ConvergeError);
    assertEquals(again.code, "removed");
    for (const i of [1, 2, 3, 4]) cluster.kill(i);
    for (const i of [1, 2, 3, 4]) await cluster.start(i);
    await cluster.ready([1, 2, 3, 4]);
    await untilOnly(cluster, 1, 2, 3, 4);
    await checkAll(cluster, [1, 2, 3, 4]);
  }));

Deno.test("what only the leaving member and one other have is on all owners in the end", () =>
  InProcessCluster.run({ nodes: 3 }, async (cluster) => {
    cluster.cutOff(2);
    await cluster.put(1, "k", "v");
    assertEquals(await cluster.copy(2, "k"), undefined);
    cluster.heal();
    // The other one loses its disk while the one that has the value is leaving.
    await remove(cluster, 2, 3);
    cluster.kill(1);
    cluster.wipe(1);
    await cluster.start(1);
    await untilOnly(cluster, 1, 2);
    for (const i of [1, 2]) {
      assertEquals(await cluster.get(i, "k"), "v");
      assert(await cluster.copy(i, "k") !== undefined);
    }
    assertEquals((await cluster.view(1)).quorums, { n: 2, r: 2, w: 2 });
  }));

Deno.test("a dead member is dropped, and one that shows up again afterwards stops", () =>
  InProcessCluster.run({ nodes: 5 }, async (cluster) => {
    await putAll(cluster);
    cluster.kill(5);
    await problemOf(await ask(cluster, 1, { name: "node5", dead: true }), 409, "not-removable");
    await untilDown(cluster, 1, 5);
    await remove(cluster, 1, 5, true);
    await untilOnly(cluster, 1, 2, 3, 4);
    await checkAll(cluster, [1, 2, 3, 4]);
    const error = await assertRejects(() => cluster.start(5), ConvergeError);
    assertEquals(error.code, "removed");
  }));

Deno.test("a member that hears at its start that it was removed stays out when nobody can be asked", () =>
  InProcessCluster.run({ nodes: 4 }, async (cluster) => {
    cluster.kill(4);
    await untilDown(cluster, 1, 4);
    await remove(cluster, 1, 4, true);
    await untilOnly(cluster, 1, 2, 3);
    for (const isAlone of [false, true]) {
      if (isAlone) cluster.cutOff(4);
      const error = await assertRejects(() => cluster.start(4), ConvergeError);
      assertEquals(error.code, "removed");
    }
  }));

Deno.test("a disk that a removed member had lost before stays out, too, however often it was started", () =>
  InProcessCluster.run({ nodes: 4 }, async (cluster) => {
    cluster.kill(4);
    const lost = await cluster.backup(4);
    cluster.wipe(4);
    await cluster.start(4);
    await cluster.ready();
    cluster.kill(4);
    await untilDown(cluster, 1, 4);
    await remove(cluster, 1, 4, true);
    await untilOnly(cluster, 1, 2, 3);
    cluster.restore(4, lost);
    cluster.cutOff(4);
    for (let starts = 0; starts < 5; starts++) {
      await cluster.start(4);
      await cluster.wait(1_000);
      if (starts < 4) cluster.kill(4);
    }
    cluster.heal();
    const { code } = await cluster.node(4).process!.failed;
    assertEquals(code, "removed");
    cluster.kill(4);
    for (const i of [1, 2, 3]) {
      const { members } = await cluster.view(i);
      assertEquals(members.map(({ name }) => name), ["node1", "node2", "node3"]);
    }
    const error = await assertRejects(() => cluster.start(4), ConvergeError);
    assertEquals(error.code, "removed");
  }));

Deno.test("a dead member can be removed though another one has its address by now", () =>
  InProcessCluster.run({ nodes: 4 }, async (cluster) => {
    const { process, life } = cluster.node(3);
    cluster.kill(4);
    cluster.world.network.listen(originOf(4), life!, (request) => process!.app.fetch(request));
    await putAll(cluster); // and those that own a key tell node4 of it
    await untilDown(cluster, 1, 4);
    await remove(cluster, 1, 4, true);
    await untilOnly(cluster, 1, 2, 3);
    await checkAll(cluster, [1, 2, 3]);
  }));

Deno.test("while the other one may still count on itself the last member fails, and blames no request", () =>
  InProcessCluster.run({ nodes: 2 }, async (cluster) => {
    await cluster.put(1, "k", "v");
    await remove(cluster, 1, 2);
    assertEquals((await cluster.view(1)).quorums, { n: 1, r: 2, w: 2 });
    const put = await cluster.call(1, "PUT", "/kv/k", { body: "w" });
    await problemOf(put, 503, "quorum-unreachable");
    await problemOf(await cluster.call(1, "GET", "/kv/k"), 503, "quorum-unreachable");
    await untilOnly(cluster, 1);
    await cluster.put(1, "k", "w");
    assertEquals(await cluster.get(1, "k"), "w");
  }));

Deno.test("hints for a member that is removed are dropped, those of an earlier life too", () =>
  InProcessCluster.run({ nodes: 3 }, async (cluster) => {
    const waiting = async () => (await cluster.view(1)).hints.waiting;
    cluster.kill(3);
    await putAll(cluster);
    assertEquals(await waiting(), { node3: KEYS.length });
    await untilDown(cluster, 1, 3);
    await remove(cluster, 1, 3, true);
    cluster.kill(1);
    await cluster.start(1);
    await untilOnly(cluster, 1, 2);
    await cluster.until("no hints wait", async () => Object.keys(await waiting()).length === 0);
    assertEquals(cluster.store(1).scan("hints-node3").next(1), []);
  }));

Deno.test("down to one: quorums are majorities of what is there, and seeds that were removed do not count", () =>
  InProcessCluster.run({ nodes: 3 }, async (cluster) => {
    await cluster.put(1, "k", "v");
    for (const i of [3, 2]) {
      await remove(cluster, 1, i);
      await cluster.until(`node${i} ends`, async () => {
        const { removals } = await cluster.view(1);
        return removals.length === 0;
      });
      cluster.kill(i);
    }
    cluster.kill(1);
    await cluster.start(1); // its --peers name both
    await cluster.ready([1]);
    const { quorums, members, unresolvedSeeds } = await cluster.view(1);
    assertEquals([quorums, members.length, unresolvedSeeds], [{ n: 1, r: 1, w: 1 }, 1, []]);
    assertEquals(await cluster.get(1, "k"), "v");
  }));

Deno.test("a node says that it knows of a removal once it does after a restart, too", () =>
  InProcessCluster.run({ nodes: 4 }, async (cluster) => {
    cluster.kill(2);
    const store = new ForgetfulStore();
    await store.apply(
      cluster.store(2).scan(META).next(Infinity).map((one) => ({ keyspace: META, record: one })),
    );
    cluster.node(2).memory = store;
    await cluster.start(2);
    await cluster.ready();
    store.isFull = true;
    await remove(cluster, 1, 4);
    await cluster.wait(20_000);
    const { stages } = (await cluster.view(1)).removals[0]!;
    assertEquals([stages["node1"], stages["node2"], stages["node3"]], ["known", null, "known"]);
    cluster.kill(2);
    store.isFull = false;
    await cluster.start(2);
    await untilOnly(cluster, 1, 2, 3);
  }));

/** A topology by which nobody ever has leftovers. */
class WithoutLeftovers extends Topology {
  override isNewTo(): () => boolean {
    return () => false;
  }
}

for (const isFaulty of [false, true]) {
  const name = "leftovers of a former owner do not come back with the arcs that it gains";
  Deno.test(isFaulty ? `${name}; they do where it keeps them` : name, () =>
    InProcessCluster.run({
      nodes: 4,
      start: [1, 2, 3],
      seedsOf: (i) => [1, 2, 3].filter((other) => other !== i),
      config: { tombstoneIntervalMs: 500 },
      ...(isFaulty
        ? { parts: { createTopology: (options) => new WithoutLeftovers(options) } }
        : {}),
    }, async (cluster) => {
      await cluster.ready([1, 2, 3]);
      await putAll(cluster);
      await cluster.start(4);
      await cluster.ready([1, 2, 3, 4]);
      const key = KEYS.find((one) => !cluster.ownersOf(one).includes(2))!;
      assert(await cluster.copy(2, key) !== undefined, "it was an owner");
      assertEquals((await cluster.call(1, "DELETE", `/kv/${key}`)).status, 204);
      await cluster.until("the tombstone is collected", async () => {
        for (const i of [1, 3, 4]) if (await cluster.copy(i, key) !== undefined) return false;
        return true;
      });
      await remove(cluster, 1, 4);
      await untilOnly(cluster, 1, 2, 3);
      await cluster.wait(30_000); // and anti-entropy has compared everybody with everybody
      const copies = await Promise.all([1, 2, 3].map((i) => cluster.copy(i, key)));
      assertEquals(copies.some((copy) => copy !== undefined), isFaulty);
    }));
}

Deno.test("one that slept through its removal and goes by the old ring gets no quorum", () =>
  InProcessCluster.run({ nodes: 4 }, async (cluster) => {
    const key = KEYS.find((one) => cluster.ownersOf(one).includes(4))!;
    await cluster.put(1, key, "before");
    cluster.pause(4);
    const { failed } = cluster.node(4).process!;
    await untilDown(cluster, 1, 4);
    await remove(cluster, 1, 4, true);
    await untilOnly(cluster, 1, 2, 3);
    await cluster.put(1, key, "after");
    // It hears nothing of the others; they hear what it sends.
    for (const i of [1, 2, 3]) cluster.world.network.cut(originOf(i), originOf(4));
    cluster.resume(4);
    const put = await cluster.call(4, "PUT", `/kv/${key}`, { body: "zombie" });
    assertEquals(put.status, 503);
    assertEquals((await cluster.call(4, "GET", `/kv/${key}`)).status, 503);
    assertEquals(await cluster.get(1, key), "after");
    cluster.heal();
    assertEquals((await failed as ConvergeError).code, "removed");
  }));

Deno.test("owners refuse what a removed member sends, and nothing of it is stored", () =>
  InProcessCluster.run({ nodes: 3 }, async (cluster) => {
    const from = (headers: Record<string, string>) =>
      cluster.call(1, "POST", "/internal/kv", {
        body: record("k", 7, { nodeID: "node3.1" }).frame.slice(),
        headers: { "converge-from": "node3", ...headers },
      });
    cluster.kill(3);
    await untilDown(cluster, 1, 3);
    await remove(cluster, 1, 3, true);
    assertEquals((await from({})).status, 421);
    await untilOnly(cluster, 1, 2);
    assertEquals((await from({})).status, 421);
    assertEquals((await from({ "converge-life": "node3.1" })).status, 421);
    assertEquals(await cluster.copy(1, "k"), undefined);
  }));

Deno.test("an empty node under the name of a removed one joins as a new member", () =>
  InProcessCluster.run({ nodes: 4 }, async (cluster) => {
    await putAll(cluster);
    const { failed } = cluster.node(4).process!;
    await remove(cluster, 1, 4);
    await failed;
    cluster.kill(4);
    await untilOnly(cluster, 1, 2, 3);
    cluster.wipe(4);
    await cluster.start(4);
    await cluster.ready();
    await checkAll(cluster, [1, 2, 3, 4]);
    for (const key of KEYS) await cluster.put(4, key, `v-${key}`);
    cluster.cutOff(1);
    for (const key of KEYS) await cluster.put(4, key, `v-${key}`);
  }));

Deno.test("a removal goes on where it was after all nodes were stopped in its middle", () =>
  InProcessCluster.run({ nodes: 4 }, async (cluster) => {
    await putAll(cluster);
    for (const waitMs of [0, 500, 2_100, 2_200, 2_300]) {
      if ((await cluster.view(1)).removals.length === 0) await remove(cluster, 1, 4);
      await cluster.wait(waitMs);
      for (const i of [1, 2, 3, 4]) cluster.kill(i);
      for (const i of [1, 2, 3, 4]) {
        if (!await cluster.start(i).then(() => true, () => false)) assertEquals(i, 4);
      }
      if ((await cluster.view(1)).members.length === 3) break;
    }
    await untilOnly(cluster, 1, 2, 3);
    await checkAll(cluster, [1, 2, 3]);
  }));

Deno.test("while a member is being removed, requests go on, and no tombstone is collected", () =>
  InProcessCluster.run({ nodes: 5, config: { tombstoneIntervalMs: 200 } }, async (cluster) => {
    await putAll(cluster);
    const key = KEYS.find((one) => !cluster.ownersOf(one).includes(5))!;
    const [owner] = cluster.ownersOf(key);
    cluster.cutOff(5); // it hears nothing of it, so that it goes on
    await remove(cluster, 1, 5);
    for (const other of KEYS) await cluster.put(2, other, `v-${other}`);
    assertEquals((await cluster.call(1, "DELETE", `/kv/${key}`)).status, 204);
    await cluster.wait(10_000);
    assert(await cluster.copy(owner!, key) !== undefined, "the tombstone is kept");
    const { removals, members } = await cluster.view(1);
    const stages = { node1: "known", node2: "known", node3: "known", node4: "known" } as const;
    assertEquals(removals.map((one) => [one.name, one.stages, one.leaving]), [
      ["node5", stages, null],
    ]);
    assertEquals(members.find(({ name }) => name === "node5")!.ownership, 0);
    cluster.heal();
    await cluster.until(
      "node5 knows",
      async () => (await cluster.call(5, "GET", "/readyz")).status === 503,
    );
    assertEquals((await cluster.call(5, "GET", "/kv/k0")).status, 503);
    await untilOnly(cluster, 1, 2, 3, 4);
    await cluster.until(
      "it is collected",
      async () => await cluster.copy(owner!, key) === undefined,
    );
  }));

Deno.test("while a member is away no other one is removed: it would wait for it, and keys with it", () =>
  InProcessCluster.run({ nodes: 5 }, async (cluster) => {
    await putAll(cluster);
    cluster.kill(5);
    await untilDown(cluster, 1, 5);
    const answer = await ask(cluster, 1, { name: "node4" });
    const { detail } = await problemOf(answer, 409, "not-removable");
    assertStringIncludes(String(detail), "node5 does not answer: start it, or say of it first");
    for (const key of KEYS) assertEquals(await cluster.get(1, key), `v-${key}`);
  }));

Deno.test("one removal at a time; none of nobody, and none that cannot be understood", () =>
  InProcessCluster.run({ nodes: 4 }, async (cluster) => {
    const refuses = async (body: unknown, status: number, type: string) =>
      await problemOf(await ask(cluster, 1, body), status, type);
    for (
      const body of [{}, { name: 7 }, { name: "node4", dead: "yes" }, { name: "a", x: 1 }, null]
    ) {
      await refuses(body, 400, "bad-request");
    }
    await refuses({ name: "node9" }, 409, "not-removable");
    await refuses({ name: "node2", dead: true }, 409, "not-removable");
    await remove(cluster, 1, 4);
    await remove(cluster, 1, 4);
    await refuses({ name: "node3" }, 409, "not-removable");
    await untilOnly(cluster, 1, 2, 3);
    const { ended } = await remove(cluster, 1, 4);
    assert(ended, "asked once more, it says that it is done");
    const wrongMethod = await cluster.call(1, "GET", "/cluster/removals");
    assertEquals([wrongMethod.status, wrongMethod.headers.get("allow")], [405, "POST"]);
    const foreign = await cluster.call(1, "POST", "/cluster/removals", {
      body: JSON.stringify({ name: "node3" }),
      headers: { origin: "http://elsewhere" },
    });
    assertEquals(foreign.status, 403);
  }));

Deno.test("one operator replaces a disk, another says that its node is dead: it goes, and joins as a new one", () =>
  InProcessCluster.run({ nodes: 4 }, async (cluster) => {
    await putAll(cluster);
    cluster.kill(4);
    cluster.wipe(4);
    cluster.cutOff(1);
    await untilDown(cluster, 1, 4);
    await cluster.start(4);
    await cluster.until(
      "it counts",
      async () => (await cluster.view(2)).members[3]!.status === "refilling",
    );
    await remove(cluster, 1, 4, true);
    cluster.heal();
    const error = await cluster.node(4).process!.failed as ConvergeError;
    assertEquals([error.code, error.details], ["removed", { asAsked: false }]);
    cluster.kill(4);
    await untilOnly(cluster, 1, 2, 3);
    await cluster.start(4);
    await cluster.ready();
    await checkAll(cluster, [1, 2, 3, 4]);
  }));

Deno.test("two operators remove two members at the same moment: nothing is lost", () =>
  InProcessCluster.run({ nodes: 5 }, async (cluster) => {
    await putAll(cluster);
    await Promise.all([remove(cluster, 1, 4), remove(cluster, 2, 5)]);
    await untilOnly(cluster, 1, 2, 3);
    await checkAll(cluster, [1, 2, 3]);
  }));

Deno.test("where all members are removed at the same moment a new one takes everything over", () =>
  InProcessCluster.run(
    { nodes: 4, start: [1, 2, 3], seedsOf: () => [1, 2, 3] },
    async (cluster) => {
      await cluster.ready();
      await putAll(cluster);
      await Promise.all([remove(cluster, 1, 2), remove(cluster, 2, 3), remove(cluster, 3, 1)]);
      await cluster.until("all know", async () => {
        for (const i of [1, 2, 3]) if ((await cluster.view(i)).removals.length < 3) return false;
        return true;
      });
      assertEquals((await cluster.call(1, "GET", "/kv/k0")).status, 503);
      await cluster.start(4);
      await untilOnly(cluster, 4);
      await checkAll(cluster, [4]);
    },
  ));

/** A link on which anti-entropy gets no answers, as where others are busy making hashes. */
class LinkWithoutHashes extends PeerLink {
  override request(...args: Parameters<PeerLink["request"]>): ReturnType<PeerLink["request"]> {
    if (args[1] !== "/internal/tree") return super.request(...args);
    return Promise.reject(new ConvergeError("overloaded", "Cannot compare: no hashes yet"));
  }
}

for (const dead of [false, true]) {
  const how = dead ? "said to be dead" : "removed at the same moment";
  Deno.test(`two of five are ${how}: what one other has is found by fewer than before`, () =>
    InProcessCluster.run({
      nodes: 5,
      config: { replication: 5, readQuorum: 3, writeQuorum: 3, hintBytesMax: 1 },
      parts: { createPeerLink: (...args) => new LinkWithoutHashes(...args) },
    }, async (cluster) => {
      for (const i of [1, 4, 5]) cluster.cutOff(i, [2, 3]);
      await putAll(cluster);
      cluster.heal();
      if (dead) {
        for (const i of [4, 5]) cluster.kill(i);
        for (const i of [4, 5]) await untilDown(cluster, 2, i);
      }
      await Promise.all([4, 5].map((i) => remove(cluster, dead ? 2 : i - 2, i, dead)));
      await cluster.until(
        "two are enough",
        async () => (await cluster.view(2)).quorums.r === 2,
      );
      for (const key of KEYS) assertEquals(await cluster.get(2, key), `v-${key}`);
      await untilOnly(cluster, 1, 2, 3);
      await checkAll(cluster, [1, 2, 3]);
    }));
}

Deno.test("what one missed since a member that is removed had all data does not come back by it", () => {
  const quick = { tombstoneIntervalMs: 500, antiEntropyIntervalMs: 1_000, hintBytesMax: 0 };
  const seedsOf = (i: number) => [1, 2, 3].filter((other) => other !== i);
  const options = { nodes: 4, start: [1, 2, 3], seedsOf, config: quick };
  return InProcessCluster.run(options, async (cluster) => {
    const key = KEYS.find((key) => cluster.ownersOf(key).includes(4))!;
    const former = [1, 2, 3].find((i) => !cluster.ownersOf(key).includes(i))!;
    const [first, second] = [1, 2, 3].filter((i) => i !== former) as [number, number];
    const hasKey = async (i: number) => await cluster.copy(i, key) !== undefined;
    await cluster.ready([1, 2, 3]);
    await cluster.put(first, key, "old");
    await cluster.until("the former owner has it", () => hasKey(former));
    await cluster.start(4);
    await cluster.until(
      "node 4 has read all",
      async () => (await cluster.view(4)).refill.done.length === 3,
    );
    cluster.cutOff(former); // it does not hear that node 4 is normal
    await cluster.ready([first, second, 4]);
    await cluster.call(first, "DELETE", `/kv/${key}`);
    await cluster.until(
      "all owners have forgotten it",
      async () => !await hasKey(first) && !await hasKey(second) && !await hasKey(4),
    );
    cluster.kill(4);
    cluster.wipe(4);
    await cluster.start(4);
    await cluster.until(
      "its next life is known",
      async () =>
        (await cluster.view(second)).members.some(({ name, status }) =>
          name === "node4" && status === "refilling"
        ),
    );
    cluster.kill(4);
    await untilDown(cluster, first, 4);
    await remove(cluster, first, 4, true);
    cluster.heal();
    await untilOnly(cluster, 1, 2, 3);
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, key), undefined);
    assert(await cluster.isForgotten(key));
  });
});
