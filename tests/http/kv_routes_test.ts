import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { InProcessCluster } from "../support/in_process_cluster.ts";
import { problemOf } from "../support/problems.ts";

const ETAG = /^"[1-9]\d*-node\d\.[0-9a-f]{8}"$/;

Deno.test("kv: bytes in, the same bytes out, with their type, through any node", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const body = Uint8Array.from({ length: 256 }, (_, i) => i);
    const put = await cluster.call(1, "PUT", "/kv/bytes", {
      body,
      headers: { "content-type": 'image/x; q="é"' },
    });
    assertEquals([put.status, await put.text()], [204, ""]);
    const etag = put.headers.get("etag")!;
    assertMatch(etag, ETAG);
    for (const i of [1, 2, 3]) {
      const got = await cluster.call(i, "GET", "/kv/bytes");
      assertEquals(got.status, 200);
      assertEquals(got.headers.get("content-type"), 'image/x; q="é"');
      assertEquals(got.headers.get("etag"), etag);
      assertEquals(new Uint8Array(await got.arrayBuffer()), body);
    }
  });
});

Deno.test("kv: values come back raw: no JSON around them, no type made up, empty is a value", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const values = ["", '"quoted"', "{}", "\ufeffwith a BOM", "a\r\nb\0c", "😀"];
    for (const [i, value] of values.entries()) {
      await cluster.call(1, "PUT", `/kv/v${i}`, { body: value });
      const got = await cluster.call(2, "GET", `/kv/v${i}`);
      const bytes = new Uint8Array(await got.arrayBuffer());
      assertEquals([got.status, bytes], [200, new TextEncoder().encode(value)]);
      assertEquals(got.headers.get("content-type"), "application/octet-stream");
    }
  });
});

Deno.test("kv: HEAD is GET without the bytes, its content length included", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    await cluster.call(1, "PUT", "/kv/k", {
      body: "hello",
      headers: { "content-type": "text/plain" },
    });
    const get = await cluster.call(2, "GET", "/kv/k");
    const head = await cluster.call(2, "HEAD", "/kv/k");
    assertEquals([head.status, await head.text()], [200, ""]);
    for (const name of ["content-type", "etag"]) {
      assertEquals(head.headers.get(name), get.headers.get(name));
    }
    assertEquals(head.headers.get("content-length"), "5");
    assertEquals((await cluster.call(2, "HEAD", "/kv/missing")).status, 404);
  });
});

Deno.test("kv: If-None-Match answers 304 for the version there, 200 for any other", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const first = await cluster.put(1, "k", "one");
    const ask = (condition: string, method = "GET") =>
      cluster.call(2, method, "/kv/k", { headers: { "if-none-match": condition } });
    for (const condition of [first, `W/${first}`, "*", `"1-x", ${first}`]) {
      const answer = await ask(condition);
      assertEquals([answer.status, await answer.text()], [304, ""], condition);
      assertEquals(answer.headers.get("etag"), first);
      assertEquals((await ask(condition, "HEAD")).status, 304);
    }
    for (const condition of ['"1-x"', first.replaceAll('"', "") + "x", ""]) {
      assertEquals((await ask(condition)).status, 200, condition);
    }
    const second = await cluster.put(3, "k", "two");
    assertNotEquals(second, first);
    assertEquals((await ask(first)).status, 200);
  });
});

Deno.test("kv: an answer says when its value is gone, and nothing where it stays", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const timeOf = async (method: string, headers: Record<string, string> = {}) =>
      (await cluster.call(2, method, "/kv/k", { headers })).headers.get("converge-expires");
    await cluster.call(1, "PUT", "/kv/k?ttl=60", { body: "v" });
    const { x } = await (await cluster.call(1, "GET", "/internal/kv/k")).json();
    const expires = String(x);
    for (const headers of [{}, { "if-none-match": "*" }]) {
      for (const method of ["GET", "HEAD"]) assertEquals(await timeOf(method, headers), expires);
    }
    await cluster.put(1, "k", "stays");
    assertEquals(await timeOf("GET"), null);
  });
});

Deno.test("kv: a write on a condition, or of a part, is 400 and not done as if it was none", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "k", "old");
    const conditions = [["if-match", '"1-x"'], ["if-none-match", "*"], [
      "content-range",
      "bytes 0-0/9",
    ]];
    for (const [name, value] of conditions) {
      const headers = { [name!]: value! };
      const put = await cluster.call(1, "PUT", "/kv/k", { body: "new", headers });
      const { detail } = await problemOf(put, 400, "bad-request");
      assert(`${detail}`.includes(name!), `${detail}`);
      await problemOf(await cluster.call(1, "DELETE", "/kv/k", { headers }), 400, "bad-request");
    }
    assertEquals(await cluster.get(2, "k"), "old");
  });
});

Deno.test("kv: a missing key is 404, DELETE works and is 204 also when the key is absent", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    assertEquals(await cluster.get(1, "k"), undefined);
    const absent = await cluster.call(1, "DELETE", "/kv/k");
    assertEquals([absent.status, await absent.text()], [204, ""]);
    assertMatch(absent.headers.get("etag")!, ETAG);
    await cluster.put(1, "k", "v");
    assertEquals((await cluster.call(2, "DELETE", "/kv/k")).status, 204);
    for (const i of [1, 2, 3]) assertEquals(await cluster.get(i, "k"), undefined);
    assertMatch((await cluster.copy(3, "k"))!, /"d":1/);
    await cluster.put(3, "k", "again");
    assertEquals(await cluster.get(1, "k"), "again");
  });
});

Deno.test("kv: keys with spaces, &, %, slashes, bytes and dots are the same key on every node", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    // Each row: different ways to write one key; no two rows are the same key.
    const keys = [
      ["a%20b", "a b"],
      ["a+b", "a%2Bb", "a%2bb"],
      ["a&b", "a%26b"],
      ["a%25b"],
      ["a%2525b"],
      ["a/b", "a%2Fb", "a%2fb"],
      ["/a/b", "%2Fa/b"],
      ["a//b"],
      ["%2e%2e", "..", "%2E."],
      ["."],
      ["a/../b"],
      ["b"],
      ["%FF", "%ff"],
      ["%EF%BF%BD", "\ufffd"],
      ["%00"],
      ["%0A"],
      ["a%0Ab"],
      ["%E2%80%A8"],
      ["é", "%C3%A9"],
      ["e%CC%81"],
      ["%F0%9F%98%80", "😀"],
      ["%3Fx=1"],
      ["a%23b"],
      ['"%5C'],
      [";,:@=!*'()[]{}|^`~$"],
      ["__proto__"],
      ["constructor"],
      ["k".repeat(2048)],
    ];
    for (const [i, [first]] of keys.entries()) await cluster.put(1 + i % 3, first!, `value ${i}`);
    for (const [i, spellings] of keys.entries()) {
      for (const spelling of spellings) {
        for (const node of [1, 2, 3]) {
          assertEquals(await cluster.get(node, spelling), `value ${i}`, spelling);
        }
        assert(await cluster.copy(2, spelling) !== undefined, spelling);
      }
    }
    for (const [i, [first]] of keys.entries()) {
      assertEquals((await cluster.call(1 + i % 3, "DELETE", `/kv/${first}`)).status, 204);
      assertEquals(await cluster.get(2, first!), undefined, first);
    }
  });
});

Deno.test("kv: a type over the wire is kept as bytes, the largest value is stored", async () => {
  await InProcessCluster.run({ config: { maxValueBytes: 1000 } }, async (cluster) => {
    const body = new Uint8Array(1000).fill(255);
    assertEquals((await cluster.call(1, "PUT", "/kv/k", { body })).status, 204);
    const got = await cluster.call(2, "GET", "/kv/k");
    assertEquals(new Uint8Array(await got.arrayBuffer()), body);
  });
});

Deno.test("kv: r and w choose the quorum of one request; a receipt says what that gives up", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const explain = async (method: string, query: string) =>
      await (await cluster.call(1, method, `/kv/k?explain=1${query}`, {
        ...(method === "PUT" ? { body: "v" } : {}),
      })).json();
    for (const w of [1, 2, 3]) {
      const { required, strict, result } = await explain("PUT", `&w=${w}`);
      assertEquals([required, strict, result], [w, w >= 2, "stored"]);
    }
    for (const r of [1, 2, 3]) {
      const { required, strict } = await explain("GET", `&r=${r}`);
      assertEquals([required, strict], [r, r >= 2]);
    }
    assertEquals((await explain("DELETE", "&w=3")).required, 3);
  });
});

Deno.test("kv: explain tells token, owners, versions, who won, and what was repaired", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const put = await (await cluster.call(1, "PUT", "/kv/k?explain=1&w=3", { body: "v" })).json();
    assertEquals(put.operation, "put");
    assertEquals(put.key, { k: "k" });
    assertMatch(put.token, /^[0-9a-f]{16}$/);
    assertEquals(put.quorums, { n: 3, r: 2, w: 2 });
    assertEquals(put.coordinator, "node1");
    assertEquals(put.owners.map(({ name }: { name: string }) => name).sort(), [
      "node1",
      "node2",
      "node3",
    ]);
    for (const owner of put.owners) {
      assertEquals([owner.outcome, owner.fsynced, owner.countsForQuorum], ["stored", true, true]);
      assertEquals(typeof owner.ms, "number");
    }
    const get = await (await cluster.call(2, "GET", "/kv/k?explain=1&r=3")).json();
    assertEquals([get.operation, get.version], ["get", put.version]);
    assertEquals(get.owners.map((o: { version: string }) => o.version), Array(3).fill(put.version));
    const own = get.owners.find(({ name }: { name: string }) => name === "node2");
    assertEquals(own.from, "memtable");
    const absent = await (await cluster.call(2, "GET", "/kv/absent?explain=1")).json();
    assertEquals([absent.result, absent.version], ["answered", undefined]);
  });
});

Deno.test("kv: an explained answer says in a header how long it took, a plain one has none", () =>
  InProcessCluster.run({}, async (cluster) => {
    cluster.slow(1, 20);
    for (const method of ["PUT", "GET", "DELETE"]) {
      const options = method === "PUT" ? { body: "v" } : {};
      const timing = async (path: string) =>
        (await cluster.call(1, method, path, options)).headers.get("server-timing");
      const [, ms] = (await timing("/kv/k?explain=1"))?.match(/^total;dur=(\d+\.\d\d)$/) ?? [];
      assert(Number(ms) >= 40 && Number(ms) < 100, `${method}: ${ms} ms`);
      for (const path of ["/kv/k", "/kv/k?explain=0"]) assertEquals(await timing(path), null);
    }
  }));

Deno.test("kv: explain shows a repair", async () => {
  await InProcessCluster.run({ config: { antiEntropyIntervalMs: 1e6 } }, async (cluster) => {
    cluster.cutOff(3);
    await cluster.put(1, "k", "v");
    cluster.heal();
    const got = await (await cluster.call(3, "GET", "/kv/k?explain=1")).json();
    const own = got.owners.find(({ name }: { name: string }) => name === "node3");
    assertEquals([own.outcome, own.repaired], ["absent", true]);
    assertMatch((await cluster.copy(3, "k"))!, /"v":"v"/);
  });
});

Deno.test("kv: a value lives from the moment on at which it is there, however slowly it came", () =>
  InProcessCluster.run({}, async (cluster) => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const put = cluster.call(1, "PUT", "/kv/k?ttl=1", { body: readable });
    await cluster.wait(2_000);
    const writer = writable.getWriter();
    await writer.write(new TextEncoder().encode("v"));
    await writer.close();
    assertEquals((await put).status, 204);
    assertEquals(await cluster.get(2, "k"), "v");
    await cluster.wait(1_000);
    assertEquals(await cluster.get(2, "k"), undefined);
  }));

Deno.test("kv: what a browser could run is confined, other values go as they are", () =>
  InProcessCluster.run({}, async (cluster) => {
    const policyOf = async (type: string) => {
      await cluster.call(1, "PUT", "/kv/k", {
        body: "<script>",
        headers: { "content-type": type },
      });
      const { headers } = await cluster.call(1, "GET", "/kv/k");
      return [headers.get("content-security-policy"), headers.get("x-content-type-options")];
    };
    const active = [
      ...["text/html; charset=utf-8", "image/svg+xml", "application/xhtml+xml", "text/xsl"],
      // A browser looks at the bytes and finds a page in them.
      ...["unknown/unknown", "application/unknown", "*/*", "text"],
      // The last one counts.
      ...["text/plain, text/html", "text/plain;x=, text/html", "image/png,text/html"],
      // What is passive stands in it, but is not the type.
      ...["text/html;x=text/plain", "x-image/png", "text/html; text/plain; charset=utf-8"],
      ...["text/plainer", "image/png+xml", "application/json5", "video/"],
    ];
    for (const type of active) assertEquals(await policyOf(type), ["sandbox", "nosniff"], type);
    const passive = [
      ...["application/json", "application/octet-stream", "text/plain; charset=utf-8"],
      ...["TEXT/CSV", "image/png", "video/mp4", "font/woff2"],
      "", // none, so the default
    ];
    for (const type of passive) assertEquals(await policyOf(type), [null, null], type);
  }));
