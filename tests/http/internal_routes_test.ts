import { assert, assertEquals } from "@std/assert";
import { decodeFrames } from "../../src/record/record_line.ts";
import { InProcessCluster } from "../support/in_process_cluster.ts";
import { problemOf } from "../support/problems.ts";
import { record } from "../support/records.ts";

Deno.test("POST /internal/kv: one answer per line, in order; the same version again is stored", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const send = async (...records: ReturnType<typeof record>[]) => {
      const body = Uint8Array.from(records.flatMap(({ frame }) => [...frame]));
      const answer = await cluster.call(1, "POST", "/internal/kv", { body });
      assertEquals(answer.status, 200);
      assert(Number(answer.headers.get("converge-counter")) >= 9);
      return (await answer.text()).split("\n");
    };
    const young = record("a", 9, { nodeID: "x.1" });
    assertEquals(await send(record("a", 8), young, record("b", 1)), [
      "stored",
      "stored",
      "stored",
      "",
    ]);
    assertEquals(await send(record("a", 8), young), ["superseded 9-x.1", "stored", ""]);
    assertEquals(await cluster.copy(1, "a"), '{"k":"a","v":"value 9","c":9,"n":"x.1"}\n');
    assertEquals(await send(), [""]);
  });
});

Deno.test("GET /internal/kv/{key}: this node's own copy as a line, tombstones too, else 404", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    await problemOf(await cluster.call(1, "GET", "/internal/kv/k"), 404, "not-found");
    await cluster.call(1, "DELETE", "/kv/k?w=3");
    for (const i of [1, 2, 3]) {
      const answer = await cluster.call(i, "GET", "/internal/kv/k");
      assertEquals(answer.headers.get("content-type"), "application/json");
      assertEquals((await answer.json()).d, 1);
    }
  });
});

Deno.test("internal routes: a message for another life of this node is 421, and has no effect", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const headers = { "converge-to": "node1.00000000", "converge-counter": "777777" };
    for (const path of ["kv", "read", "gossip", "tree", "range"]) {
      const body = path === "kv" ? record("k", 1).frame.slice() : "{}";
      const answer = await cluster.call(1, "POST", `/internal/${path}`, { headers, body });
      await problemOf(answer, 421, "misdirected");
    }
    assertEquals(await cluster.copy(1, "k"), undefined);
    assert((await cluster.view(1)).counter < 777_777);
  });
});

Deno.test("internal routes: what is asked about another ring than this node's is not answered", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const ring = "0123456789abcdef";
    const questions = {
      tree: { ring },
      range: { ring, owners: ["node2", "node1"], values: false },
    };
    for (const [path, question] of Object.entries(questions)) {
      const body = JSON.stringify(question);
      await problemOf(
        await cluster.call(1, "POST", `/internal/${path}`, { body }),
        503,
        "not-ready",
      );
    }
  });
});

Deno.test("POST /internal/read: same, absent, or the record", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    await cluster.call(1, "POST", "/internal/kv", { body: record("a", 9).frame.slice() });
    const ask = async (...lines: string[]) => {
      const body = lines.map((line) => line + "\n").join("");
      return await (await cluster.call(1, "POST", "/internal/read", { body })).text();
    };
    assertEquals(await ask('{"k":"a","c":9,"n":"a.1"}', '{"k":"b"}'), "same\nabsent\n");
    const text = await ask('{"k":"a","c":8,"n":"a.1"}');
    assertEquals(decodeFrames(new TextEncoder().encode(text))[0]!.counter, 9);
  });
});

Deno.test("internal routes: every answer carries the counter, every message is learned from", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const headers = { "converge-counter": "5000" };
    await cluster.call(1, "POST", "/internal/read", { headers, body: "" });
    assertEquals((await cluster.view(1)).counter, 5_000);
    assertEquals((await cluster.put(1, "k", "v")).startsWith('"5001-'), true);
    await cluster.until(
      "gossip has told node3",
      async () => (await cluster.view(3)).counter >= 5_001,
    );
  });
});
