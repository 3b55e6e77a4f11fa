import { assert, assertEquals } from "@std/assert";
import { InProcessCluster } from "../support/in_process_cluster.ts";
import { problemOf } from "../support/problems.ts";
import { record } from "../support/records.ts";
import { topologyOf } from "../support/topologies.ts";

Deno.test("bad input: empty and too long keys, malformed escapes are 400", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const paths = ["", "%", "%4", "%zz", "a%", "k".repeat(2049), "%FF".repeat(2049)];
    for (const path of paths) {
      for (const method of ["PUT", "GET", "DELETE"]) {
        const answer = await cluster.call(1, method, `/kv/${path}`);
        await problemOf(answer, 400, "bad-request");
      }
      await problemOf(await cluster.call(1, "GET", `/internal/kv/${path}`), 400, "bad-request");
    }
  });
});

Deno.test("bad input: an escaped path before the key names no other key", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const answer = await cluster.call(1, "PUT", "/%6bv/xyz", { body: "v" });
    assert([400, 404].includes(answer.status), `${answer.status}`);
    for (const key of ["xyz", "v/xyz", "yz"]) assertEquals(await cluster.get(1, key), undefined);
  });
});

Deno.test("bad input: quorums out of 1..N, unknown parameters and values are 400, nothing is stored", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const bad: [method: string, query: string][] = [];
    for (const value of ["0", "4", "-1", "1.5", "x", "", "1e0", "%31%00", "99999999999999999999"]) {
      for (const name of ["r", "w"]) {
        for (const method of ["PUT", "DELETE", "GET"]) bad.push([method, `${name}=${value}`]);
      }
    }
    for (const query of ["w=2&w=2", "explain=2", "explain=yes", "explain=", "nope=1", "W=2"]) {
      bad.push(["PUT", query], ["DELETE", query]);
    }
    for (const query of ["r=2&r=2", "explain=2", "explain=true", "nope=1", "ttl=5"]) {
      bad.push(["GET", query]);
    }
    bad.push(["DELETE", "ttl=5"]);
    for (const query of ["ttl=0", "ttl=-5", "ttl=x", "ttl=999999999999"]) bad.push(["PUT", query]);
    for (const [method, query] of bad) {
      const options = method === "PUT" ? { body: "v" } : {};
      const answer = await cluster.call(1, method, `/kv/k?${query}`, options);
      await problemOf(answer, 400, "bad-request");
      for (const i of [1, 2, 3]) assertEquals(await cluster.copy(i, "k"), undefined, query);
    }
  });
});

Deno.test("bad input: a parameter where there are none is 400, and nothing is done on a guess", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const batch = { body: '{"op":"put","k":"k","v":"v"}' };
    await problemOf(await cluster.call(1, "POST", "/batch?w=3", batch), 400, "bad-request");
    for (const i of [1, 2, 3]) assertEquals(await cluster.copy(i, "k"), undefined);
    const removal = { body: '{"name":"node2"}' };
    const removed = await cluster.call(1, "POST", "/cluster/removals?dead=true", removal);
    await problemOf(removed, 400, "bad-request");
    assertEquals((await cluster.view(1)).members.length, 3);
    await cluster.put(1, "k", "v");
    for (const path of ["/copies/k", "/tombstones/k", "/internal/kv/k"]) {
      await problemOf(await cluster.call(1, "GET", `${path}?r=3`), 400, "bad-request");
    }
  });
});

Deno.test("bad input: a value over the limit is 413, announced or not, and nothing is stored", async () => {
  await InProcessCluster.run({ config: { maxValueBytes: 1000 } }, async (cluster) => {
    const announced = await cluster.call(1, "PUT", "/kv/k", {
      body: "x",
      headers: { "content-length": "1001" },
    });
    await problemOf(announced, 413, "value-too-large");
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(100));
      },
    });
    await problemOf(
      await cluster.call(1, "PUT", "/kv/k", { body: endless }),
      413,
      "value-too-large",
    );
    // Read on a little, so that the connection can go on; then given up.
    assert(pulled < 1_000, `${pulled} chunks were read`);
    assertEquals(await cluster.copy(1, "k"), undefined);
  });
});

Deno.test("bad input: a body that breaks off or is packed is 400, and nothing is stored", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const broken = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new Uint8Array(3));
        controller.error(new Error("gone"));
      },
    });
    await problemOf(await cluster.call(1, "PUT", "/kv/k", { body: broken }), 400, "bad-request");
    for (const path of ["/kv/k", "/internal/kv"]) {
      const packed = await cluster.call(1, path === "/kv/k" ? "PUT" : "POST", path, {
        body: record("k", 1).frame.slice(),
        headers: { "content-encoding": "gzip" },
      });
      await problemOf(packed, 400, "bad-request");
    }
    assertEquals(await cluster.copy(1, "k"), undefined);
  });
});

Deno.test("bad input: a query that is not UTF-8 names no other keys", () =>
  InProcessCluster.run({ nodes: 1 }, async (cluster) => {
    const put = await cluster.call(1, "PUT", "/kv/%EF%BF%BDkeep", { body: "x" });
    assertEquals(put.status, 204);
    for (const prefix of ["%FF", "%ED%A0%80", "%zz", "%4", "a%"]) {
      for (const method of ["GET", "DELETE"]) {
        const answer = await cluster.call(1, method, `/kv?prefix=${prefix}`);
        assertEquals(answer.status, 400, `${method} ${prefix}`);
      }
    }
    assertEquals((await cluster.call(1, "GET", "/kv/%EF%BF%BDkeep")).status, 200);
  }));

Deno.test("bad input: a content type that cannot be kept is 400", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const answer = await cluster.call(1, "PUT", "/kv/k", {
      body: "v",
      headers: { "content-type": "t".repeat(256) },
    });
    await problemOf(answer, 400, "bad-request");
    assertEquals(await cluster.copy(1, "k"), undefined);
  });
});

Deno.test("bad input: the wrong method is 405 with Allow, an unknown path 404", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const wrong: [method: string, path: string, allow: string][] = [
      ["POST", "/kv/k", "GET, HEAD, PUT, DELETE"],
      ["PATCH", "/kv/k", "GET, HEAD, PUT, DELETE"],
      ["OPTIONS", "/kv/k", "GET, HEAD, PUT, DELETE"],
      ["PUT", "/internal/kv/k", "GET, HEAD"],
      ["POST", "/internal/kv/k", "GET, HEAD"],
      ["GET", "/internal/kv", "POST"],
      ["GET", "/internal/read", "POST"],
      ["GET", "/internal/gossip", "POST"],
      ["GET", "/internal/tree", "POST"],
      ["GET", "/internal/range", "POST"],
      ["POST", "/cluster", "GET, HEAD"],
      ["DELETE", "/healthz", "GET, HEAD"],
      ["PUT", "/readyz", "GET, HEAD"],
    ];
    for (const [method, path, allow] of wrong) {
      const answer = await cluster.call(1, method, path);
      assertEquals(answer.headers.get("allow"), allow, `${method} ${path}`);
      await problemOf(answer, 405, "method-not-allowed");
    }
    for (const path of ["/nope", "/kvx", "/internal", "/internal/nope", "/kv/../cluster/x/y"]) {
      const answer = await cluster.call(1, "GET", path);
      await problemOf(answer, 404, "not-found");
    }
  });
});

Deno.test("bad input: garbage to /internal/kv is 400 and no ack, nothing is stored", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const good = record("good", 5).frame;
    const flipped = record("bad", 6).frame.slice();
    flipped[30]! ^= 1;
    const bodies: BodyInit[] = [
      "garbage\n",
      "{}\n",
      '{"k":"bad","v":"v","c":1,"n":"a.1"}\n', // no checksum
      "\n",
      flipped,
      Uint8Array.from([...good, ...flipped]), // one bad line refuses the batch
      good.slice(0, -1),
      Uint8Array.from([...good, ...good.slice(0, 10)]),
      new Uint8Array(100),
      Uint8Array.from([...good, ...record("x".repeat(2049), 1).frame]), // no client's key
    ];
    for (const body of bodies) {
      await problemOf(
        await cluster.call(1, "POST", "/internal/kv", { body }),
        400,
        "corrupt-message",
      );
      for (const key of ["good", "bad"]) assertEquals(await cluster.copy(1, key), undefined);
    }
  });
});

Deno.test("bad input: garbage to the other internal routes is 400", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const half = '{"prefix":{"k":""},"limit":1,"values":true,"after":null}\n';
    const ring = '{"arcs":[1.5],"ring":"x"}\n';
    for (const path of ["read", "gossip", "tree", "range", "list", "collect"]) {
      for (const body of ["garbage\n", "{", "null\n", "[]\n", ring, half, "1\n"]) {
        const answer = await cluster.call(1, "POST", `/internal/${path}`, { body });
        await problemOf(answer, 400, "corrupt-message");
      }
    }
    assertEquals(await cluster.put(1, "k", "v") !== "", true);
  });
});

Deno.test("bad input: a counter past 2^52 is refused wherever it comes from", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    for (const counter of ["4503599627370497", "9007199254740993", "1e400", "-1", "x"]) {
      for (const path of ["kv", "read", "gossip", "tree", "range", "list", "collect"]) {
        const headers = { "converge-counter": counter };
        const answer = await cluster.call(1, "POST", `/internal/${path}`, { headers, body: "" });
        await problemOf(answer, 400, "corrupt-message");
      }
    }
    assert((await cluster.view(1)).counter < 1_000);
  });
});

Deno.test("bad input: arcs that the ring does not have are not hashed", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    await cluster.until("all is settled", async () => {
      const { antiEntropy } = await cluster.view(1);
      return antiEntropy.rounds > 2;
    });
    const ring = topologyOf(3).fingerprint;
    const ask = (arcs: number[]) =>
      cluster.call(1, "POST", "/internal/tree", { body: JSON.stringify({ ring, arcs }) });
    assertEquals((await ask([0, 299])).status, 200);
    for (const arcs of [[300], [-1], [1e9], new Array(301).fill(0)]) {
      await problemOf(await ask(arcs), 400, "corrupt-message");
    }
  });
});
