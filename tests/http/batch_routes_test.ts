import { assert, assertEquals, assertThrows } from "@std/assert";
import { Hono } from "hono";
import { ConvergeError } from "../../src/errors.ts";
import { batchRoutes } from "../../src/http/batch_routes.ts";
import { BatchUnderWay, type Operation, roomOfBatches } from "../../src/http/batch_under_way.ts";
import { delay } from "../../src/platform/clock.ts";
import { DenoClock } from "../../src/platform/deno/deno_clock.ts";
import type { Coordinator } from "../../src/replication/requests/coordinator.ts";
import { InProcessCluster } from "../support/in_process_cluster.ts";
import { inWorld } from "../support/in_world.ts";
import { bytesOf, keyOf, record } from "../support/records.ts";

const MIB = 1024 * 1024;
const GET: Omit<Operation, "key"> = {
  ...{ op: "get", value: undefined, contentType: undefined, ttlSeconds: undefined },
  ...{ w: undefined, r: undefined },
};

async function batch(
  cluster: InProcessCluster,
  i: number,
  lines: readonly (object | string)[],
): Promise<Record<string, unknown>[]> {
  const body = lines.map((line) => typeof line === "string" ? line : JSON.stringify(line)).join(
    "\n",
  );
  const response = await cluster.call(i, "POST", "/batch", { body });
  assertEquals(response.status, 200);
  return (await response.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
}

Deno.test("POST /batch answers line by line, in order, each with its own status", () =>
  InProcessCluster.run({}, async (cluster) => {
    const answers = await batch(cluster, 1, [
      { op: "put", k: "a", v: "1", t: "text/plain" },
      { op: "get", k: "a" },
      "garbage",
      { op: "delete", k: "a" },
      { op: "get", k: "a" },
      { op: "put", kb: "/w==", b: "AAE=" },
      { op: "get", kb: "/w==" },
      { op: "burn", k: "a" },
      { op: "put", k: "a" },
      { op: "put", k: "a", v: "x", ttl: 0 },
      { op: "get", k: "" },
    ]);
    assertEquals(
      answers.map(({ status }) => status),
      [204, 200, 400, 204, 404, 204, 200, 400, 400, 400, 400],
    );
    const { etag } = answers[0]!;
    assertEquals(answers[1], { status: 200, k: "a", v: "1", t: "text/plain", etag });
    assertEquals(answers[4], { status: 404, k: "a" });
    assertEquals([answers[6]!.kb, answers[6]!.v], ["/w==", "\u0000\u0001"]);
  }));

Deno.test("POST /batch carries out operations on one key in their order", () =>
  InProcessCluster.run({}, async (cluster) => {
    const lines = Array.from({ length: 20 }, (_, i) => ({ op: "put", k: "k", v: String(i) }));
    await batch(cluster, 2, lines);
    assertEquals(await cluster.get(3, "k"), "19");
  }));

Deno.test("POST /batch: a line that is refused takes nobody's place in the order of its key", async () => {
  const events: string[] = [];
  const { promise: stored, resolve: store } = Promise.withResolvers<void>();
  const coordinator = {
    checkedQuorum: (_name: string, quorum: number | undefined) => quorum,
    async write() {
      await stored;
      events.push("written");
      return { record: record("q", 1) };
    },
    read() {
      events.push("read");
      return { record: undefined };
    },
  };
  const app = new Hono();
  const options = { clock: new DenoClock(), maxValueBytes: 100, isStopping: () => false };
  batchRoutes(app, { ...options, coordinator: coordinator as unknown as Coordinator });
  const body = '{"op":"put","k":"q","v":"1"}\n{"op":"put","k":"q"}\n{"op":"get","k":"q"}';
  const headers = { "content-length": `${body.length}` };
  const answer = app.fetch(new Request("http://n/batch", { method: "POST", body, headers }));
  setTimeout(store, 5);
  const lines = (await (await answer).text()).trimEnd().split("\n");
  assertEquals(lines.map((line) => JSON.parse(line).status), [204, 400, 404]);
  assertEquals(events, ["written", "read"]);
});

Deno.test("POST /batch refuses what it cannot keep as it was sent, and only that line", () =>
  InProcessCluster.run({}, async (cluster) => {
    const put = { op: "put", k: "bad", v: "x" };
    const refused = [
      ...["a\nb", "\u0000", "€", "x".repeat(256), 7].map((t) => ({ ...put, t })),
      ...["!!!", "not base64!", "QUJ", 7].map((b) => ({ op: "put", k: "bad", b })),
      '{"op":"put","k":"bad","v":"\\ud800"}',
      { ...put, b: "QUJD" },
      { ...put, TTL: 5 },
      { ...put, ttl: 1.5 },
      { ...put, w: "2" },
      { ...put, k: "x".repeat(2_049) },
      ...["5", "null", '"x"', "[]", "{}"],
      { ...put, w: 4 },
      { op: "get", k: "bad", ttl: 5 },
      { op: "delete", k: "bad", ttl: 5 },
    ];
    const good = Array.from({ length: 20 }, (_, i) => ({ op: "put", k: `good${i}`, v: "x" }));
    const answers = await batch(cluster, 1, [...refused, ...good, { op: "get", k: "bad" }]);
    assertEquals(
      answers.map(({ status }) => status),
      [...refused.map(() => 400), ...good.map(() => 204), 404],
    );
  }));

Deno.test("POST /batch tells of a lost quorum in the line that it concerns", () =>
  InProcessCluster.run({}, async (cluster) => {
    cluster.kill(2);
    cluster.kill(3);
    const [put, get] = await batch(cluster, 1, [{ op: "put", k: "a", v: "1" }, {
      op: "get",
      k: "b",
    }]);
    assertEquals([put!.status, put!.indeterminate, get!.status], [503, true, 503]);
  }));

Deno.test("POST /batch: a value lives from the turn of its line on, however long that waits", () =>
  InProcessCluster.run({}, async (cluster) => {
    cluster.cutOff(3);
    const lines = [
      { op: "put", k: "k", v: "waits in vain for the third owner", w: 3 },
      { op: "put", k: "k", v: "v", ttl: 1 },
      { op: "get", k: "k" },
    ];
    const answers = await batch(cluster, 1, lines);
    assertEquals(answers.map(({ status }) => status), [503, 204, 200]);
  }));

Deno.test("POST /batch: what a batch gets has a bound, and nothing is read beyond it", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "large", "x".repeat(1024 * 1024));
    const gets = Array.from({ length: 20 }, () => ({ op: "get", k: "large" }));
    const reads = async () => (await cluster.view(1)).requests.reads;
    for (let round = 1; round <= 12; round++) {
      const before = await reads();
      const answers = await batch(cluster, 1, gets);
      const statuses = answers.map(({ status }) => status);
      assertEquals(statuses, gets.map((_, i) => i < 15 ? 200 : 503), `in round ${round}`);
      assertEquals(answers[15]!.title, "overloaded");
      assertEquals(await reads() - before, 16);
    }
    const [one] = await batch(cluster, 1, gets.slice(0, 1));
    assertEquals(one!.status, 200);
  }));

Deno.test("POST /batch: what all batches under way get together has a bound", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "large", "x".repeat(1024 * 1024));
    const gets = Array.from({ length: 7 }, () => ({ op: "get", k: "large" }));
    const rounds = await Promise.all(Array.from({ length: 12 }, () => batch(cluster, 1, gets)));
    const refused = rounds.flat().filter(({ status }) => status === 503);
    assert(refused.length > 0 && refused.length <= 84 - 63, `${refused.length}`);
    assert(String(refused[0]!.detail).includes("batches under way"), `${refused[0]!.detail}`);
    const later = await batch(cluster, 1, gets);
    assertEquals(later.map(({ status }) => status), gets.map(() => 200));
  }));

Deno.test("POST /batch answers with so many bytes of values at most, and says what is to be asked for again", () =>
  InProcessCluster.run({}, async (cluster) => {
    const value = "\u0001".repeat(2 ** 20); // each an escape of six
    const keys = Array.from({ length: 5 }, (_, i) => `k${i}`);
    for (const key of keys) await cluster.put(1, key, value);
    const gets = [...keys.map((k) => ({ op: "get", k })), { op: "put", k: "small", v: "x" }];
    const answers = await batch(cluster, 2, gets);
    const given = answers.filter(({ status }) => status === 200);
    assertEquals(given.map(({ v }) => v === value), [true, true]);
    const refused = answers.filter(({ status }) => status === 503);
    assertEquals([refused.length, refused[0]!.type], [3, "urn:converge:problem:overloaded"]);
    assertEquals(answers.at(-1)!.status, 204);
  }));

Deno.test("POST /batch: a single value is given, however large", () =>
  InProcessCluster.run({ config: { maxValueBytes: 2 ** 25 } }, async (cluster) => {
    await cluster.put(1, "k", "v".repeat(2 ** 24 + 1));
    const [answer] = await batch(cluster, 1, [{ op: "get", k: "k" }]);
    assertEquals([answer!.status, String(answer!.v).length], [200, 2 ** 24 + 1]);
  }));

for (
  const [why, lineOf, begun] of [
    ["wait for each other", () => ({ op: "delete", k: "k" }), 16],
    ["wait for room to read", (i: number) => ({ op: "get", k: `k${i}` }), 16 * 4],
  ] as const
) {
  Deno.test(`POST /batch begins no operation once its time is over, however many ${why}`, () =>
    inWorld(async ({ clock }) => {
      const carryOut = async () => {
        await delay(clock, 2_000);
        return { record: record("k", 1) };
      };
      const checkedQuorum = (_name: string, quorum: number | undefined) => quorum;
      const coordinator: unknown = { checkedQuorum, write: carryOut, read: carryOut };
      const app = new Hono();
      const options = { clock, maxValueBytes: 64 * 1024 * 1024, isStopping: () => false };
      batchRoutes(app, { ...options, coordinator: coordinator as Coordinator });
      const body = Array.from({ length: 1_000 }, (_, i) => JSON.stringify(lineOf(i))).join("\n");
      const startMs = clock.monotonicMs();
      const answer = await app.fetch(new Request("http://n/batch", { method: "POST", body }));
      const lines = (await answer.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
      assertEquals(clock.monotonicMs() - startMs, 32_000);
      assertEquals(lines.map(({ status }) => status === 503), [
        ...Array(begun).fill(false),
        ...Array(1_000 - begun).fill(true),
      ]);
    }));
}

Deno.test("POST /batch: r and w are the quorum of their line", () =>
  InProcessCluster.run({ config: { requestTimeoutMs: 500 } }, async (cluster) => {
    await cluster.put(1, "k", "v");
    cluster.kill(3);
    const answers = await batch(cluster, 1, [
      { op: "get", k: "k" },
      { op: "get", k: "k", r: 3 },
      { op: "put", k: "k", v: "x", w: 3 },
      { op: "delete", k: "k", w: 2 },
    ]);
    assertEquals(answers.map(({ status }) => status), [200, 503, 503, 204]);
  }));

Deno.test("POST /batch: the largest value goes in, whatever its form, and none over it", () =>
  InProcessCluster.run({ config: { maxValueBytes: 1_000 } }, async (cluster) => {
    const answers = await batch(cluster, 1, [
      { op: "put", k: "a", v: "\u0001".repeat(1_000) },
      { op: "put", k: "b", b: new Uint8Array(1_000).fill(255).toBase64() },
      { op: "put", k: "c", v: "x".repeat(1_001) },
      { op: "put", k: "d", v: "é".repeat(501) },
    ]);
    assertEquals(answers.map(({ status }) => status), [204, 204, 413, 413]);
  }));

Deno.test("POST /batch: what is not UTF-8 is refused, and nothing of it is done", () =>
  InProcessCluster.run({}, async (cluster) => {
    const put = new TextEncoder().encode('{"op":"put","k":"k","v":"?"}');
    const body = put.with(put.indexOf(63), 0xff);
    const answer = await cluster.call(1, "POST", "/batch", { body });
    assertEquals([answer.status, await cluster.get(1, "k")], [400, undefined]);
  }));

Deno.test("POST /batch: a byte order mark is no JSON: the line that begins with it is refused, alone", () =>
  InProcessCluster.run({ nodes: 1 }, async (cluster) => {
    const put = '{"op":"put","k":"k","v":"\ufeff"}';
    const answers = await batch(cluster, 1, [`\ufeff${put}`, { op: "get", k: "k" }, put]);
    assertEquals(answers.map(({ status }) => status), [400, 404, 204]);
    assertEquals(await (await cluster.call(1, "GET", "/kv/k")).bytes(), bytesOf("\ufeff"));
  }));

Deno.test("POST /batch shows no value whose time is over", () =>
  InProcessCluster.run({ nodes: 1 }, async (cluster) => {
    const gets = [{ op: "get", k: "k" }];
    await batch(cluster, 1, [{ op: "put", k: "k", v: "v", ttl: 1 }]);
    assertEquals((await batch(cluster, 1, gets))[0]!.v, "v");
    await cluster.wait(1_000);
    assertEquals(await batch(cluster, 1, gets), [{ status: 404, k: "k" }]);
  }));

Deno.test("BatchUnderWay: once a value was refused no other is given, and none is read", () =>
  inWorld(async ({ clock }) => {
    const reads: ((size: number) => void)[] = [];
    const coordinator = {
      read: (key: string) =>
        new Promise((resolve) => {
          const { frame, ...members } = record(key, 1);
          // It is no larger than it says.
          reads.push((size) =>
            resolve({ record: { ...members, frame, line: { byteLength: size } } })
          );
        }),
    } as unknown as Coordinator;
    const roomOfAll = roomOfBatches();
    const batch = new BatchUnderWay({ coordinator, clock, maxValueBytes: 64 * MIB }, roomOfAll);
    const get = (key: string) => {
      const line = batch.run({ ...GET, key: keyOf(key) }, undefined);
      return line.then(({ status }) => status, ({ code }) => code);
    };
    const lines = ["a", "b", "c", "d", "e"].map(get); // four at once
    await delay(clock, 1);
    assertEquals(reads.length, 4);
    reads[0]!(10 * MIB);
    assertEquals(await lines[0], 200);
    await delay(clock, 1);
    reads[1]!(10 * MIB);
    assertEquals(await lines[1], "overloaded");
    reads[2]!(1);
    assertEquals(await lines[2], "overloaded", "its turn came too late");
    assertEquals(reads.length, 5, "one took the turn of the first");
    reads[3]!(1);
    reads[4]!(1);
    assertEquals([await get("f"), reads.length], ["overloaded", 5]);
    assertEquals(await Promise.all(lines.slice(3)), ["overloaded", "overloaded"]);
    batch.end();
    roomOfAll.take(64 * MIB);
    assertThrows(() => roomOfAll.take(1), ConvergeError, "have values of 67108864 bytes");
  }));

Deno.test("POST /batch refuses more operations than its bound", () =>
  InProcessCluster.run({}, async (cluster) => {
    const body = `{"op":"get","k":"a"}\n`.repeat(1_001);
    assertEquals((await cluster.call(1, "POST", "/batch", { body })).status, 400);
    const most = await batch(cluster, 1, [...Array(1_000).fill({ op: "get", k: "a" }), " ", ""]);
    assertEquals(most.length, 1_000);
    const blank = "\n".repeat(100_000);
    assertEquals((await cluster.call(1, "POST", "/batch", { body: blank })).status, 400);
    assertEquals((await cluster.call(1, "GET", "/batch")).status, 405);
  }));
