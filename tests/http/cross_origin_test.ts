import { assertEquals } from "@std/assert";
import { InProcessCluster } from "../support/in_process_cluster.ts";
import { problemOf } from "../support/problems.ts";
import { record } from "../support/records.ts";

const FOREIGN = "http://evil.example";
const PUT = '{"op":"put","k":"k","v":"v"}';

Deno.test("POST /batch: what a page of another site makes a browser send is 403, and nothing is stored", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (const site of ["cross-site", "same-site", undefined]) {
      for (const origin of [FOREIGN, "null", "http://127.0.0.1:3000"]) {
        const headers = { origin, ...site === undefined ? {} : { "sec-fetch-site": site } };
        const answer = await cluster.call(1, "POST", "/batch", { headers, body: PUT });
        await problemOf(answer, 403, "cross-origin");
      }
    }
    assertEquals(await cluster.get(1, "k"), undefined);
  }));

Deno.test("POST /batch: the node's own page may, also behind a proxy; so may what is no browser", () =>
  InProcessCluster.run({}, async (cluster) => {
    const senders: Record<string, string>[] = [
      {},
      { origin: "http://node" },
      { origin: "https://node" },
      { origin: "https://kv.example", "sec-fetch-site": "same-origin" },
    ];
    for (const headers of senders) {
      const answer = await cluster.call(1, "POST", "/batch", { headers, body: PUT });
      assertEquals(answer.status, 200, JSON.stringify(headers));
      await answer.body?.cancel();
    }
  }));

Deno.test("internal routes: a page of another site stores nothing and teaches no counter", () =>
  InProcessCluster.run({}, async (cluster) => {
    const body = record("k", 2 ** 50).frame.slice();
    for (const path of ["kv", "read", "gossip", "tree", "range", "list", "collect"]) {
      const headers = { origin: FOREIGN };
      const answer = await cluster.call(1, "POST", `/internal/${path}`, { headers, body });
      await problemOf(answer, 403, "cross-origin");
    }
    assertEquals(await cluster.copy(1, "k"), undefined);
  }));
