/** Defects of membership that this store must never have: each test names one. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { ProcessLife } from "../../src/simulation/virtual/process_life.ts";
import { ForgetfulStore } from "../support/forgetful_store.ts";
import { type ClusterOptions, InProcessCluster, originOf } from "../support/in_process_cluster.ts";
import { problemOf } from "../support/problems.ts";
import { record } from "../support/records.ts";

Deno.test("membership converges whatever the start order and the gaps", async () => {
  const orders = [[1, 2, 3, 4], [3, 1, 4, 2]];
  for (const order of orders) {
    for (const gapMs of [0, 700, 5_000]) {
      // Each knows only the next one, so that some seeds start long after who asks them.
      await InProcessCluster.run(
        { nodes: 4, start: [], seedsOf: (i) => [i % 4 + 1] },
        async (cluster) => {
          for (const i of order) {
            await cluster.start(i);
            await cluster.wait(gapMs);
          }
          await cluster.ready();
          await cluster.put(order[0]!, "k", "v");
          for (const i of order) assertEquals(await cluster.get(i, "k"), "v");
        },
      );
    }
  }
});

Deno.test("a restarted node is not deaf and is not ignored", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.wait(60_000); // heartbeats are high by now
    cluster.kill(2);
    await cluster.wait(30_000);
    assertEquals((await cluster.view(1)).members[1]!.state, "down");
    await cluster.start(2);
    const startMs = cluster.world.time.nowMs;
    await cluster.ready();
    await cluster.until(
      "all see node2 up",
      async () =>
        (await cluster.view(1)).members[1]!.state === "up" &&
        (await cluster.view(3)).members[1]!.state === "up",
    );
    assert(cluster.world.time.nowMs - startMs < 6_000, "it rejoins at once");
    for (const i of [1, 3]) {
      const { incarnation } = (await cluster.view(i)).members[1]!;
      assertEquals(incarnation, 2, "what it says now counts, whatever it said before");
    }
    cluster.cutOff(3);
    await cluster.put(2, "k", "v"); // needs node2 and node1
    assertEquals(await cluster.get(1, "k"), "v");
  }));

Deno.test("a node remembers its members: restarted without seeds that answer, it never shrinks N", () =>
  InProcessCluster.run({ seedsOf: (i) => i === 1 ? [] : [1] }, async (cluster) => {
    for (const i of [1, 2, 3]) cluster.kill(i);
    await cluster.start(1); // it has no --peers
    await cluster.wait(30_000);
    assertEquals((await cluster.view(1)).quorums, { n: 3, r: 2, w: 2 });
    await problemOf(
      await cluster.call(1, "PUT", "/kv/k", { body: "v" }),
      503,
      "quorum-unreachable",
    );
  }));

Deno.test("fewer than three nodes neither hang nor spin: one alone serves", () =>
  InProcessCluster.run({ nodes: 1 }, async (cluster) => {
    assertEquals((await cluster.view(1)).quorums, { n: 1, r: 1, w: 1 });
    await cluster.put(1, "k", "v");
    assertEquals(await cluster.get(1, "k"), "v");
    assertEquals((await cluster.call(1, "DELETE", "/kv/k")).status, 204);
    await cluster.wait(60_000);
    assert(cluster.world.time.eventsTotal < 5_000, `${cluster.world.time.eventsTotal} events`);
  }));

Deno.test("fewer than three nodes neither hang nor spin: two serve, one of two answers 503", () =>
  InProcessCluster.run({ nodes: 2 }, async (cluster) => {
    assertEquals((await cluster.view(1)).quorums, { n: 2, r: 2, w: 2 });
    await cluster.put(1, "k", "v");
    assertEquals(await cluster.get(2, "k"), "v");
    cluster.kill(2);
    const startMs = cluster.world.time.nowMs;
    for (
      const [method, options] of [["PUT", { body: "v" }], ["GET", {}], ["DELETE", {}]] as const
    ) {
      const answer = await cluster.call(1, method, "/kv/k", options);
      await problemOf(answer, 503, "quorum-unreachable");
    }
    assert(cluster.world.time.nowMs - startMs < 6_100);
    await cluster.wait(60_000);
    assert(cluster.world.time.eventsTotal < 10_000, `${cluster.world.time.eventsTotal} events`);
  }));

Deno.test("a node whose peers were never heard of does not serve alone", () =>
  InProcessCluster.run({ start: [1] }, async (cluster) => {
    await cluster.wait(30_000);
    const answer = await cluster.call(1, "PUT", "/kv/k", { body: "v" });
    assertEquals(answer.status, 503);
    assertEquals(await answer.body?.cancel(), undefined);
    assertEquals((await cluster.view(1)).quorums.n, 3);
  }));

Deno.test("no cluster is formed without a seed that refused once and is silent now: it may know better", () =>
  InProcessCluster.run({ start: [1] }, async (cluster) => {
    await cluster.wait(1_000);
    const silent = new ProcessLife(cluster.world.time);
    cluster.world.network.listen(originOf(3), silent, () => new Promise(() => {}));
    await cluster.wait(5_000);
    await cluster.start(2);
    await cluster.wait(10_000);
    for (const i of [1, 2]) assertEquals((await cluster.call(i, "GET", "/readyz")).status, 503);
    await cluster.start(3);
    await cluster.ready();
  }));

Deno.test("a node that not all members know yet takes no records: tombstones are collected without it", () =>
  InProcessCluster.run({ nodes: 4, start: [1, 2, 3], seedsOf: () => [1] }, async (cluster) => {
    await cluster.ready();
    cluster.kill(3);
    await cluster.start(4);
    await cluster.wait(10_000);
    const body = record("k", 1).frame.slice();
    await problemOf(await cluster.call(4, "POST", "/internal/kv", { body }), 503, "not-ready");
  }));

Deno.test("several join at once: what one is filled with before the others is not lost for them", () =>
  InProcessCluster.run({
    nodes: 4,
    start: [1],
    seedsOf: (i) => i === 1 ? [] : [1],
    config: { replication: 1, readQuorum: 1, writeQuorum: 1 },
  }, async (cluster) => {
    const statusOf = async (i: number) =>
      (await cluster.view(i)).members.find(({ name }) => name === `node${i}`)!.status;
    await cluster.ready();
    const keys = Array.from({ length: 50 }, (_, i) => `key${i}`);
    for (const key of keys) await cluster.put(1, key, key);
    for (const i of [2, 3, 4]) await cluster.start(i);
    // The first of them waits for nobody who joins; the others are not filled while it is.
    let first: number | undefined;
    await cluster.until("one is being filled", async () => {
      const statuses = await Promise.all([2, 3, 4].map(statusOf));
      return (first = [2, 3, 4][statuses.indexOf("refilling")]) !== undefined;
    });
    const later = [2, 3, 4].filter((i) => i !== first);
    await cluster.until(
      "all are being filled",
      async () =>
        (await Promise.all(later.map(statusOf))).every((status) => status === "refilling"),
    );
    for (const i of later) cluster.world.network.cut(originOf(i), originOf(1));
    await cluster.until("one has all", async () => await statusOf(first!) === "normal");
    cluster.heal();
    await cluster.ready();
    for (const key of keys) assertEquals(await cluster.get(1, key), key);
  }));

Deno.test("the ring does not split during a join: writes before, during and after it are there", () =>
  InProcessCluster.run({ nodes: 5, start: [] }, async (cluster) => {
    for (const i of [1, 2, 3]) cluster.node(i).config.peers = ["http://node1:8080"];
    for (const i of [1, 2, 3]) await cluster.start(i);
    await cluster.ready();
    const acked = new Map<string, string>();
    let joined = false;
    const writing = (async () => {
      for (let n = 0; !joined || n < 300; n++) {
        const key = `k${n % 60}`;
        const i = 1 + n % 3;
        const answer = await cluster.call(i, "PUT", `/kv/${key}`, { body: `${n}` });
        assertEquals(answer.status, 204, await answer.text());
        acked.set(key, `${n}`);
        await cluster.wait(10);
      }
    })();
    for (const i of [4, 5]) {
      await cluster.wait(300);
      await cluster.start(i);
    }
    await cluster.ready();
    joined = true;
    await writing;
    for (const [key, value] of acked) {
      for (const i of [1, 4, 5]) assertEquals(await cluster.get(i, key), value);
    }
  }));

Deno.test("one that joins waits for writes by the owners of before as long as members give them time", () =>
  InProcessCluster.run({
    nodes: 5,
    start: [1, 2, 3, 4],
    seedsOf: () => [1],
    config: { requestTimeoutMs: 10_000, hintBytesMax: 0, antiEntropyIntervalMs: 600_000 },
  }, async (cluster) => {
    await cluster.ready();
    cluster.node(5).config.requestTimeoutMs = 500;
    const isWanted = (key: string) => {
      const now = cluster.ownersOf(key);
      const before = cluster.ownersOf(key, [1, 2, 3, 4]);
      return now.includes(5) && !before.includes(4) && !now.includes(4);
    };
    const key = Array.from({ length: 500 }, (_, i) => `k${i}`).find(isWanted)!;
    const before = cluster.ownersOf(key, [1, 2, 3, 4]);
    const [slow, cut] = cluster.ownersOf(key).filter((i) => i !== 5) as [number, number];
    const dropped = before.find((i) => i !== slow && i !== cut)!;
    const { network } = cluster.world;
    for (const i of [slow, dropped]) {
      const faults = { ...network.weather, delayMs: [5_000, 5_000] as const };
      network.setLink(originOf(4), originOf(i), faults);
    }
    network.cut(originOf(4), originOf(cut));
    const writing = cluster.put(4, key, "v");
    await cluster.start(5);
    await writing; // on an owner that stays, and on one that does not
    await cluster.until(
      "it counts",
      async () =>
        (await cluster.view(cut)).members.some(({ name, status }) =>
          name === "node5" && status === "normal"
        ),
    );
    cluster.cutOff(slow);
    assertEquals(await cluster.get(cut, key), "v");
  }));

Deno.test("one that joins does not count before all will know of it after a restart, too", () =>
  InProcessCluster.run({
    nodes: 4,
    start: [],
    seedsOf: (i) => [1, 2, 3].filter((other) => other !== i),
  }, async (cluster) => {
    const store = new ForgetfulStore();
    cluster.node(3).memory = store;
    for (const i of [1, 2, 3]) await cluster.start(i);
    await cluster.ready([1, 2, 3]);
    const key = ["a", "b", "c", "d", "e"].find((one) =>
      [1, 4].every((i) => cluster.ownersOf(one).includes(i))
    )!;
    await cluster.put(1, key, "before");
    store.isFull = true;
    await cluster.start(4);
    await cluster.wait(20_000);
    const { members, refill } = await cluster.view(4);
    assertEquals(members.find(({ name }) => name === "node4")?.status, "joining");
    assertEquals(refill.waitsFor, ["node3"]);
    store.isFull = false;
    await cluster.ready([1, 2, 3, 4]);
    cluster.kill(3);
    cluster.cutOff(2, [1, 4]);
    await cluster.put(1, key, "after");
    await cluster.start(3);
    cluster.cutOff(3, [1, 4]);
    // By the owners of before node2 and node3 would be enough.
    assertEquals((await cluster.call(3, "GET", `/kv/${key}`)).status, 503);
  }));

Deno.test("one that comes back with an empty disk counts though those of all others are full", () =>
  InProcessCluster.run({ nodes: 3, start: [] }, async (cluster) => {
    const stores = [1, 3].map((i) => cluster.node(i).memory = new ForgetfulStore());
    for (const i of [1, 2, 3]) await cluster.start(i);
    await cluster.ready();
    await cluster.put(1, "k", "v");
    cluster.kill(2);
    cluster.wipe(2);
    for (const store of stores) store.isFull = true;
    await cluster.start(2);
    await cluster.ready();
    cluster.cutOff(1);
    assertEquals(await cluster.get(2, "k"), "v");
  }));

Deno.test("a seed that only an answer tells apart is heard, though clients wait for less than that takes", () =>
  InProcessCluster.run({ config: { requestTimeoutMs: 100 }, start: [1] }, async (cluster) => {
    const { network } = cluster.world;
    const { life, process } = cluster.node(1);
    // Another name for node 1, as of a balancer.
    network.listen("http://any:8080", life!, (request) => process!.app.fetch(request));
    cluster.node(2).config.peers.splice(0, Infinity, "http://any:8080");
    network.weather = { ...network.weather, delayMs: [100, 100] };
    await cluster.start(2);
    await cluster.ready([1, 2]);
  }));

Deno.test("a node that lost its disk is filled though it is told of an address that nobody has", () =>
  InProcessCluster.run({ nodes: 2 }, async (cluster) => {
    await cluster.put(1, "k", "v");
    cluster.kill(2);
    cluster.wipe(2);
    Object.assign(cluster.node(2).config, { peers: [originOf(1), originOf(9)] });
    await cluster.start(2);
    await cluster.ready();
    assert(await cluster.copy(2, "k") !== undefined);
    // And counts it as a member: by now both of three are needed.
    assertEquals((await cluster.view(2)).quorums, { n: 3, r: 2, w: 2 });
  }));

Deno.test("two nodes that join at once do not make a quorum that members who do not know them miss", () =>
  InProcessCluster.run(
    {
      nodes: 5,
      start: [1, 2, 3],
      seedsOf: (i) => i > 3 ? [1] : [1, 2, 3].filter((other) => other !== i),
      config: { replication: 5, readQuorum: 3, writeQuorum: 3, antiEntropyIntervalMs: 1e9 },
    },
    async (cluster) => {
      await cluster.ready();
      for (const i of [2, 3]) cluster.cutOff(i, [1, 4, 5]);
      for (const i of [4, 5]) await cluster.start(i);
      await cluster.wait(10_000);
      const put = await cluster.call(1, "PUT", "/kv/k", { body: "v" });
      const got = await cluster.call(2, "GET", "/kv/k");
      assert(put.status === 503 || got.status !== 404, `${put.status}, then ${got.status}`);
      cluster.heal();
      await cluster.ready();
      await cluster.put(1, "k", "v");
      assertEquals(await cluster.get(2, "k"), "v");
    },
  ));

Deno.test("N or virtual nodes that would give stored keys other owners are refused at the start", () =>
  InProcessCluster.run({ nodes: 4 }, async (cluster) => {
    const stored = { ...cluster.node(4).config };
    cluster.kill(4);
    const changes = [
      ["--virtual-nodes 50", { virtualNodes: 50 }],
      ["--replication 4", { replication: 4, writeQuorum: 3 }],
    ] as const;
    for (const [option, change] of changes) {
      Object.assign(cluster.node(4).config, stored, change);
      const error = await assertRejects(() => cluster.start(4), ConvergeError, option);
      assertEquals(error.code, "bad_config");
    }
    Object.assign(cluster.node(4).config, stored);
    await cluster.start(4);
    await cluster.ready();
  }));

const THREE_AND_A_NEW_ONE: ClusterOptions = {
  nodes: 4,
  start: [1, 2, 3],
  seedsOf: (i) => [1, 2, 3].filter((other) => other !== i),
};

Deno.test("nobody hears of a node with other quorums or virtual nodes than the cluster's", async () => {
  for (const change of [{ virtualNodes: 50 }, { readQuorum: 1, writeQuorum: 3 }]) {
    await InProcessCluster.run(THREE_AND_A_NEW_ONE, async (cluster) => {
      await cluster.ready();
      const { config } = cluster.node(4);
      const usual = { ...config };
      Object.assign(config, change);
      const error = await assertRejects(() => cluster.start(4), ConvergeError);
      assertEquals(error.code, "bad_config");
      cluster.kill(4);
      await cluster.wait(5_000);
      assertEquals((await cluster.view(1)).members.length, 3);
      Object.assign(config, usual);
      await cluster.start(4);
      await cluster.ready();
    });
  }
});

Deno.test("a node with other quorums that could ask nobody at first stops once it can", () =>
  InProcessCluster.run(THREE_AND_A_NEW_ONE, async (cluster) => {
    await cluster.ready();
    Object.assign(cluster.node(4).config, { readQuorum: 1, writeQuorum: 3 });
    cluster.cutOff(4);
    await cluster.start(4);
    cluster.heal();
    assertEquals((await cluster.node(4).process!.failed).code, "bad_config");
    cluster.kill(4);
    await cluster.wait(5_000);
    assertEquals((await cluster.view(1)).members.length, 3);
  }));

Deno.test("a member does not come back with other quorums than those that run", () =>
  InProcessCluster.run({ nodes: 3 }, async (cluster) => {
    const usual = { ...cluster.node(1).config };
    cluster.kill(1);
    Object.assign(cluster.node(1).config, { readQuorum: 1, writeQuorum: 3 });
    const error = await assertRejects(() => cluster.start(1), ConvergeError);
    assertEquals(error.code, "bad_config");
    Object.assign(cluster.node(1).config, usual);
    await cluster.start(1);
    await cluster.ready();
    for (const i of [1, 2, 3]) cluster.kill(i);
    for (const i of [1, 2, 3]) {
      Object.assign(cluster.node(i).config, { readQuorum: 1, writeQuorum: 3 });
      await cluster.start(i);
    }
    await cluster.ready();
    assertEquals((await cluster.view(1)).quorums, { n: 3, r: 1, w: 3 });
  }));

Deno.test("neither of two clusters hears of a new node that is told of both", () =>
  InProcessCluster.run(
    { nodes: 3, start: [1, 2], seedsOf: (i) => i === 3 ? [1, 2] : [] },
    async (cluster) => {
      await cluster.until("both serve", async () => {
        const answers = await Promise.all([1, 2].map((i) => cluster.call(i, "GET", "/readyz")));
        return answers.every(({ status }) => status === 200);
      });
      const error = await assertRejects(() => cluster.start(3), ConvergeError);
      assertEquals(error.code, "bad_config");
      cluster.kill(3);
      for (const i of [1, 2]) assertEquals((await cluster.view(i)).members.length, 1);
    },
  ));

Deno.test("N may be raised while everybody owns everything, before more nodes join", () =>
  InProcessCluster.run({ nodes: 3 }, async (cluster) => {
    await cluster.put(1, "k", "v");
    for (const i of [1, 2, 3]) cluster.kill(i);
    for (const i of [1, 2, 3]) {
      Object.assign(cluster.node(i).config, { replication: 5, readQuorum: 3, writeQuorum: 3 });
      await cluster.start(i);
    }
    await cluster.ready();
    assertEquals(await cluster.get(2, "k"), "v");
    assertEquals((await cluster.view(1)).quorums, { n: 3, r: 2, w: 2 });
  }));

Deno.test("nodes that join together take over what none of the owners of before owns any more", () =>
  InProcessCluster.run({ nodes: 7, start: [1, 2, 3, 4], seedsOf: () => [1] }, async (cluster) => {
    await cluster.ready();
    const before = [1, 2, 3, 4];
    // Not owned by node1 either, the first that a new node takes everything from.
    const keys = Array.from({ length: 2_000 }, (_, i) => `k${i}`).filter((key) =>
      !cluster.ownersOf(key, before).includes(1) && cluster.ownersOf(key).every((i) => i > 4)
    );
    assert(keys.length > 0);
    for (const key of keys) await cluster.put(1, key, "v");
    for (const i of [5, 6, 7]) await cluster.start(i);
    await cluster.ready();
    for (const key of keys) assertEquals(await cluster.get(1, key), "v");
  }));

Deno.test("two disks lost while the third node is away: it keeps what it has, and fills the two once they are emptied again", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "k", "v");
    await cluster.until("node 3 has it", async () => await cluster.copy(3, "k") !== undefined);
    const startEmpty = async () => {
      for (const i of [1, 2]) {
        cluster.kill(i);
        cluster.wipe(i);
      }
      for (const i of [1, 2]) await cluster.start(i);
    };
    cluster.kill(3);
    await startEmpty();
    await cluster.ready();
    await cluster.start(3);
    await cluster.wait(10_000);
    assert(cluster.node(3).warnings.includes("gossip.other_cluster"));
    assert(await cluster.copy(3, "k") !== undefined);
    await startEmpty();
    await cluster.ready();
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), "v");
  }));

Deno.test("W - 1 disks lost while the others are away: no cluster is formed without them", () =>
  InProcessCluster.run({ config: { readQuorum: 2, writeQuorum: 3 } }, async (cluster) => {
    await cluster.put(1, "k", "v");
    for (const i of [1, 2, 3]) cluster.kill(i);
    for (const i of [1, 2]) cluster.wipe(i);
    for (const i of [1, 2]) await cluster.start(i);
    await cluster.wait(10_000);
    for (const i of [1, 2]) {
      const statuses = (await cluster.view(i)).members.map(({ status }) => status);
      assertEquals(statuses, ["joining", "joining"], `node${i}`);
    }
    await cluster.start(3);
    await cluster.ready();
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), "v");
  }));

Deno.test("a node that lost its disk while the other one of two is away forms no cluster with a new one", () =>
  InProcessCluster.run(
    { start: [1, 2], seedsOf: (i) => [[2], [1], [1]][i - 1]! },
    async (cluster) => {
      await cluster.ready();
      await cluster.put(1, "k", "v");
      for (const i of [1, 2]) cluster.kill(i);
      cluster.wipe(1);
      for (const i of [1, 3]) await cluster.start(i);
      await cluster.wait(10_000);
      for (const i of [1, 3]) {
        const { status } = await cluster.call(i, "PUT", "/kv/k", { body: "w" });
        assertEquals(status, 503, `node${i}`);
      }
      await cluster.start(2);
      await cluster.ready();
      for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), "v");
    },
  ));

Deno.test("a first node that is started empty and without --peers hears of the cluster that it belonged to", () =>
  InProcessCluster.run({ seedsOf: (i) => i === 1 ? [] : [1] }, async (cluster) => {
    cluster.kill(1);
    cluster.wipe(1);
    await cluster.start(1);
    await cluster.wait(10_000);
    assertEquals((await cluster.view(1)).members.length, 1);
    for (const i of [1, 2]) assert(cluster.node(i).warnings.includes("gossip.other_cluster"));
  }));

Deno.test("a node that lost its disk forms no cluster with one that is told of it alone", () =>
  InProcessCluster.run(
    {
      nodes: 4,
      start: [1, 2, 3],
      seedsOf: (i) => i === 4 ? [3] : [1, 2, 3].filter((other) => other !== i),
    },
    async (cluster) => {
      await cluster.ready();
      await cluster.put(1, "k", "v");
      for (const i of [1, 2, 3]) cluster.kill(i);
      cluster.wipe(3);
      for (const i of [3, 4]) await cluster.start(i);
      await cluster.wait(10_000);
      for (const i of [3, 4]) assertEquals((await cluster.view(i)).ready, false, `node${i}`);
      for (const i of [1, 2]) await cluster.start(i);
      await cluster.ready();
      for (const i of [1, 2, 3, 4]) {
        assertEquals((await cluster.view(i)).members.length, 4);
        assertEquals(await cluster.get(i, "k"), "v");
      }
    },
  ));

Deno.test("what two that join have acknowledged alone is not missed by a third one that is filled before them", () => {
  const seedsOf = (i: number) => [1, 2, 3].filter((other) => other !== i);
  const options = { nodes: 6, start: [1, 2, 3], seedsOf, config: { hintBytesMax: 0 } };
  return InProcessCluster.run(options, async (cluster) => {
    const key = Array.from({ length: 200 }, (_, i) => `k${i}`).find((key) => {
      const before = cluster.ownersOf(key, [1, 2, 3, 4, 5]);
      const after = cluster.ownersOf(key);
      return before.includes(4) && before.includes(5) && after.includes(6) &&
        after.some((i) => i <= 3);
    })!;
    const old = cluster.ownersOf(key).find((i) => i <= 3)!;
    const [third, other] = [1, 2, 3].filter((i) => i !== old) as [number, number];
    const is = async (i: number, status: string) =>
      (await cluster.view(third)).members.some((member) =>
        member.name === `node${i}` && member.status === status
      );
    await cluster.ready([1, 2, 3]);
    await cluster.put(1, "first", "v");
    for (const i of [4, 5]) await cluster.start(i);
    for (const i of [4, 5]) await cluster.until(`${i} counts`, () => is(i, "refilling"));
    cluster.cutOff(other, [4, 5]);
    for (const i of [4, 5]) {
      await cluster.until(
        `${i} has read the others`,
        async () => (await cluster.view(i)).refill.done.length === 2,
      );
    }
    cluster.cutOff(third, [old]);
    await cluster.put(third, key, "v");
    cluster.heal();
    cluster.cutOff(old, [4, 5]); // neither is filled, nor gives it what it missed
    await cluster.start(6);
    await cluster.wait(10_000);
    const response = await cluster.call(old, "GET", `/kv/${key}`);
    assertEquals(response.status, 503, "node 6 does not count yet");
    cluster.heal();
    await cluster.ready();
    for (const i of [1, 2, 3, 4, 5, 6]) assertEquals(await cluster.get(i, key), "v");
  });
});

Deno.test("a new node that is known by nobody yet does not read by owners of before", () => {
  const seedsOf = (i: number) => i === 5 ? [1] : [1, 2, 3].filter((other) => other !== i);
  const options = { nodes: 5, start: [1, 2, 3], seedsOf, config: { hintBytesMax: 0 } };
  return InProcessCluster.run(options, async (cluster) => {
    await cluster.ready([1, 2, 3]);
    const key = Array.from({ length: 200 }, (_, i) => `k${i}`).find((key) =>
      !cluster.ownersOf(key, [1, 2, 3, 5]).includes(5) &&
      cluster.ownersOf(key, [1, 2, 3, 4]).includes(4)
    )!;
    const [first, missing] = cluster.ownersOf(key, [1, 2, 3, 4]).filter((i) => i !== 4) as [
      number,
      number,
    ];
    const { network } = cluster.world;
    const faults = { ...network.weather, delayMs: [900, 900] as const };
    network.setLink(originOf(1), originOf(5), faults); // what it is answered first is old
    const starting = cluster.start(5);
    await cluster.start(4);
    await cluster.until(
      "node 4 counts",
      async () =>
        (await cluster.view(first)).members.some(({ name, status }) =>
          name === "node4" && status === "refilling"
        ),
    );
    cluster.cutOff(first, [missing]);
    await cluster.put(first, key, "v");
    cluster.cutOff(first, [5]);
    await starting;
    const response = await cluster.call(5, "GET", `/kv/${key}`);
    assertEquals([response.status, (await cluster.call(5, "GET", "/readyz")).status], [503, 503]);
    await cluster.until("it is known", async () => (await cluster.call(5, "GET", `/kv/${key}`)).ok);
    assertEquals(await cluster.get(5, key), "v");
  });
});

Deno.test("a node that is emptied while it joins does not count before all know it, either", () => {
  const seedsOf = (i: number) => [1, 2, 3].filter((other) => other !== i);
  const options = { nodes: 4, start: [1, 2, 3], seedsOf, config: { hintBytesMax: 0 } };
  return InProcessCluster.run(options, async (cluster) => {
    await cluster.ready([1, 2, 3]);
    const key = Array.from({ length: 200 }, (_, i) => `k${i}`).find((key) =>
      [1, 2, 4].every((i) => cluster.ownersOf(key).includes(i))
    )!;
    await cluster.put(1, "first", "v");
    cluster.cutOff(3);
    await cluster.start(4);
    await cluster.wait(2_000);
    cluster.kill(4);
    cluster.wipe(4);
    await cluster.start(4);
    await cluster.wait(6_000);
    cluster.cutOff(2);
    const put = await cluster.call(1, "PUT", `/kv/${key}`, { body: "v" });
    cluster.heal();
    cluster.cutOff(3, [1, 4]);
    const got = await cluster.call(3, "GET", `/kv/${key}`); // by the owners of before
    assert(put.status === 503 || got.status !== 404, `${put.status}, then ${got.status}`);
    cluster.heal();
    await cluster.ready();
  });
});

Deno.test("one that joins is not known by a member because a disk that this one has lost knew it", () => {
  const seedsOf = (i: number) => i === 4 ? [2] : [1, 2, 3].filter((other) => other !== i);
  const options = { nodes: 4, start: [1, 2, 3], seedsOf, config: { hintBytesMax: 0 } };
  return InProcessCluster.run(options, async (cluster) => {
    await cluster.ready([1, 2, 3]);
    const key = Array.from({ length: 200 }, (_, i) => `k${i}`).find((key) =>
      [1, 2, 4].every((i) => cluster.ownersOf(key).includes(i))
    )!;
    await cluster.put(1, "first", "v");
    for (const i of [2, 4]) cluster.cutOff(i, [1, 3]);
    await cluster.start(4);
    await cluster.wait(2_000); // node 2 knows it
    cluster.kill(2);
    cluster.wipe(2);
    cluster.heal();
    cluster.cutOff(4);
    await cluster.start(2);
    await cluster.ready([1, 2, 3]);
    cluster.heal();
    cluster.cutOff(2);
    await cluster.wait(6_000); // the others know it
    const put = await cluster.call(4, "PUT", `/kv/${key}`, { body: "v" });
    cluster.heal();
    cluster.cutOff(2, [1, 4]);
    const got = await cluster.call(2, "GET", `/kv/${key}`); // by the owners of before
    assert(put.status === 503 || got.status !== 404, `${put.status}, then ${got.status}`);
    cluster.heal();
    await cluster.ready();
  });
});
