/** The bad-input table of the contract, row by row, over bare sockets. */
import { assert, assertEquals } from "@std/assert";
import { convergeCommand, freePorts, TestCluster, type TestNode, until } from "./harness.ts";
import { RawConnection, type RawResponse } from "./raw_http.ts";

const HOST = "Host: node\r\n";

async function exchange(node: TestNode, request: string): Promise<RawResponse> {
  using connection = await RawConnection.open(node.port);
  await connection.send(request);
  return await connection.read({ method: request.slice(0, request.indexOf(" ")) });
}

/** The answer without its body, which may be of any text. */
async function headOf(node: TestNode, request: string): Promise<RawResponse> {
  using connection = await RawConnection.open(node.port);
  await connection.send(request);
  return await connection.read({ method: "HEAD" });
}

function assertProblem(response: RawResponse, status: number, what: string): void {
  assertEquals(response.status, status, `${what}: ${response.body}`);
  assertEquals(response.headers.get("content-type"), "application/problem+json", what);
  const problem = JSON.parse(response.body);
  assert(typeof problem.type === "string" && problem.status === status, response.body);
  assert(!response.body.includes("    at "), response.body); // no stack trace
}

Deno.test("bad input: every row of the contract's table", async (t) => {
  await using cluster = await TestCluster.start(3, { args: ["--max-value", "1000"] });
  const [node1, node2] = cluster.three;
  const put = (path: string, body = "x") =>
    exchange(node1, `PUT ${path} HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body}`);
  const get = (path: string) => exchange(node1, `GET ${path} HTTP/1.1\r\n${HOST}\r\n`);

  await t.step("an empty key, a long key, a malformed escape are 400", async () => {
    for (
      const path of ["/kv/", "/kv/" + "k".repeat(2049), "/kv/%", "/kv/%4", "/kv/%zz", "/kv/a%2"]
    ) {
      assertProblem(await put(path), 400, `PUT ${path.slice(0, 20)}`);
      assertProblem(await get(path), 400, `GET ${path.slice(0, 20)}`);
    }
    assertEquals((await put("/kv/" + "k".repeat(2048))).status, 204);
    assertEquals((await get("/kv/" + "%6B".repeat(2048))).body, "x");
  });

  await t.step("any bytes are a key: dots, null, what is not UTF-8", async () => {
    const paths = ["/kv/%2e%2e", "/kv/%2E", "/kv/../x", "/kv/%00", "/kv/%FF", "/kv/%ED%A0%80"];
    for (const path of paths) {
      assertEquals((await put(path, path)).status, 204, path);
    }
    for (const path of paths) {
      const response = await exchange(node2, `GET ${path} HTTP/1.1\r\n${HOST}\r\n`);
      assertEquals([response.status, response.body], [200, path]);
    }
  });

  await t.step("a value over the limit is 413 and its connection stays healthy", async () => {
    using connection = await RawConnection.open(node1.port);
    const big = "v".repeat(1_001);
    await connection.send(`PUT /kv/big HTTP/1.1\r\n${HOST}Content-Length: 1001\r\n\r\n${big}`);
    assertProblem(await connection.read(), 413, "announced");
    await connection.send(
      `PUT /kv/big HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3e9\r\n${big}\r\n0\r\n\r\n`,
    );
    assertProblem(await connection.read(), 413, "chunked");
    await connection.send(
      `PUT /kv/big HTTP/1.1\r\n${HOST}Content-Length: 3000000\r\n\r\n${"v".repeat(3_000_000)}`,
    );
    assertProblem(await connection.read(), 413, "far over it");
    await connection.send(
      `PUT /kv/big HTTP/1.1\r\n${HOST}Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz`,
    );
    assertProblem(await connection.read(), 400, "packed");
    await connection.send(`GET /kv/big HTTP/1.1\r\n${HOST}\r\n`);
    assertProblem(await connection.read(), 404, "nothing was stored");
    await connection.send(
      `PUT /kv/big HTTP/1.1\r\n${HOST}Content-Length: 1000\r\n\r\n${big.slice(1)}`,
    );
    assertEquals((await connection.read()).status, 204);
  });

  await t.step("a quorum that is not 1..N and unknown parameters are 400", async () => {
    const queries = ["w=0", "w=4", "w=-1", "w=x", "w=", "w=1.5", "w=1&w=2", "W=1", "explain=2"];
    for (const query of queries) assertProblem(await put(`/kv/k?${query}`), 400, query);
    for (const query of ["r=0", "r=4", "r=two", "w=9", "verbose=1"]) {
      assertProblem(await get(`/kv/k?${query}`), 400, query);
    }
    assertEquals((await put("/kv/k?w=3")).status, 204);
    assertEquals((await get("/kv/k?r=1")).status, 200);
  });

  await t.step("a wrong method is 405 with Allow, an unknown path 404", async () => {
    for (
      const [method, path] of [
        ["POST", "/kv/k"],
        ["PATCH", "/kv/k"],
        ["DELETE", "/cluster"],
        ["PUT", "/internal/kv"],
        ["POST", "/healthz"],
      ]
    ) {
      const request = `${method} ${path} HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`;
      const response = await exchange(node1, request);
      assertProblem(response, 405, `${method} ${path}`);
      assert(response.headers.get("allow"), `${method} ${path} has no Allow`);
    }
    for (const path of ["/nowhere", "/kvx/k", "/internal/nothing"]) {
      assertProblem(await get(path), 404, path);
    }
  });

  await t.step("garbage on /internal/* is 400 and no ack; nothing is stored", async () => {
    const goodJson = '{"k":"forged","v":"x","c":1,"n":"node9.aaaa"}';
    const bodies = [
      "garbage\n",
      `${goodJson}\n`,
      `00000000 ${goodJson}\n`,
      "\x00\x01\x02",
      '{"k":"forged"}',
    ];
    for (const path of ["/internal/kv", "/internal/gossip", "/internal/read"]) {
      for (const body of bodies) {
        const response = await exchange(
          node1,
          `POST ${path} HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body}`,
        );
        if (path === "/internal/read" && body === `${goodJson}\n`) continue; // asks in a right way
        assertProblem(response, 400, `${path} ${JSON.stringify(body)}`);
        assert(!response.body.includes("stored\n"), response.body);
      }
    }
    assertEquals(await node1.ownCopy("forged"), undefined);
    assertEquals(await node1.get("forged"), undefined);
  });

  await t.step("too few owners are 503 in time, and say who may have stored it", async () => {
    for (const node of cluster.nodes.slice(1)) await node.kill();
    const response = await put("/kv/alone");
    assertProblem(response, 503, "PUT");
    const { required, indeterminate } = JSON.parse(response.body);
    assertEquals(required, 2);
    assertEquals(indeterminate, true);
    assertProblem(await get("/kv/alone"), 503, "GET");
    for (const node of cluster.nodes.slice(1)) await node.start();
    await cluster.ready();
  });

  await t.step("what is no HTTP at all ends its connection only", async () => {
    using connection = await RawConnection.open(node1.port);
    await connection.send("\x16\x03\x01 not http\r\n\r\n");
    await connection.read().catch(() => undefined);
    assertEquals((await get("/healthz")).status, 200);
  });

  await t.step("clients that never finish keep nobody else waiting", async () => {
    const slow: RawConnection[] = [];
    for (let i = 0; i < 200; i++) {
      const connection = await RawConnection.open(node1.port);
      slow.push(connection);
      await connection.send(
        i % 2 === 0
          ? `GET /kv/k HTTP/1.1\r\n${HOST}X-Slow`
          : `PUT /kv/slow HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nabc`,
      );
    }
    assertEquals((await get("/kv/k")).status, 200);
    // Nobody had to give up for that: they can still finish.
    const [head, body] = slow.slice(-2);
    await head!.send(": 1\r\n\r\n");
    assertEquals((await head!.read()).status, 200);
    await body!.send("defghij");
    assertEquals((await body!.read()).status, 204);
    for (const connection of slow) connection[Symbol.dispose]();
  });
});

Deno.test("bad input: what one node makes of odd requests", async (t) => {
  await using cluster = await TestCluster.start(1);
  const node = cluster.nodes[0]!;

  await t.step(
    "HEAD tells everywhere how long the answer to GET is, and ends a stream",
    async () => {
      for (const path of ["/", "/docs", "/openapi.json", "/kv", "/kv/none", "/copies/a%2e%2e"]) {
        const head = await headOf(node, `HEAD ${path} HTTP/1.1\r\n${HOST}\r\n`);
        const whole = await headOf(node, `GET ${path} HTTP/1.1\r\n${HOST}\r\n`);
        for (const name of ["content-length", "content-type"]) {
          assertEquals(head.headers.get(name), whole.headers.get(name), path);
        }
        assertEquals(head.status, whole.status, path);
        assert(Number(head.headers.get("content-length")) > 0, path);
      }
      using connection = await RawConnection.open(node.port);
      for (let i = 0; i < 2; i++) {
        await connection.send(`HEAD /events HTTP/1.1\r\n${HOST}\r\n`);
        const { status, headers } = await connection.read({ method: "HEAD" });
        assertEquals([status, headers.get("content-length")], [200, undefined]);
      }
    },
  );

  await t.step("a body in a transfer coding is 400, in chunks it is taken", async () => {
    const put = (coding: string) =>
      exchange(
        node,
        `PUT /kv/k HTTP/1.1\r\n${HOST}Transfer-Encoding: ${coding}\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
      );
    const packed = await put("gzip, chunked");
    assertEquals(packed.status, 400, packed.body);
    assertEquals((await put("Chunked")).status, 204);
  });

  await t.step("a Host that is no host is no fault of the node", async () => {
    using connection = await RawConnection.open(node.port);
    for (const path of ["/internal/socket", "/nothing"]) {
      await connection.send(`GET ${path} HTTP/1.1\r\nHost: a b\r\n\r\n`);
      assertEquals((await connection.read()).status, 404, path);
    }
    assert(!node.process!.stderr.includes("crashed"), node.process!.stderr);
  });

  await t.step("HEAD leaves nothing in the log that is no JSON", async () => {
    await headOf(node, `HEAD /healthz HTTP/1.1\r\n${HOST}\r\n`);
    await node.stop();
    for (const line of node.process!.stderr.split("\n")) {
      assert(line === "" || line.startsWith("{"), line);
    }
  });
});

Deno.test("a body that is on its way to a node that stops is answered 503: nothing was begun", async () => {
  await using cluster = await TestCluster.start(1);
  const node = cluster.nodes[0]!;
  const head = `PUT /kv/k HTTP/1.1\r\n${HOST}Expect: 100-continue\r\n`;
  for (const length of ["Content-Length: 10", "Transfer-Encoding: chunked"]) {
    if (!node.process!.isRunning) await node.start();
    const connection = await RawConnection.open(node.port);
    await connection.send(`${head}${length}\r\n\r\n`);
    assertEquals((await connection.read()).status, 100);
    const stopped = node.stop();
    const { status, headers, body } = await connection.read();
    assertEquals([status, headers.get("retry-after")], [503, "1"], body);
    assert(body.includes("urn:converge:problem:closed"), body);
    connection[Symbol.dispose]();
    assertEquals(await stopped, 0);
  }
});

Deno.test("bad input: more connections than the process may hold do not end a node", async () => {
  const cwd = await Deno.makeTempDir({ prefix: "converge-test-" });
  const [port] = freePorts(1);
  const [command, args] = convergeCommand(["--port", `${port}`, "--id", "node1"]);
  const bounded = ["-c", 'ulimit -n 100 && exec "$@"', "sh", command, ...args];
  const process = new Deno.Command("sh", { args: bounded, cwd, stdout: "null", stderr: "null" })
    .spawn();
  const connections: RawConnection[] = [];
  const isWell = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
    await answer?.body?.cancel();
    return answer?.ok === true;
  };
  try {
    await until("it is well", isWell);
    for (let i = 0; i < 150; i++) {
      const opened = await RawConnection.open(port!).catch(() => undefined);
      if (opened !== undefined) connections.push(opened);
      await opened?.send("GET /he").catch(() => {});
    }
    assert(connections.length > 50, `${connections.length} connections`);
    await until("it is well again", isWell);
  } finally {
    for (const connection of connections) connection[Symbol.dispose]();
    try {
      process.kill("SIGKILL");
    } catch {
      // It has ended, which was told above.
    }
    await process.status;
    await Deno.remove(cwd, { recursive: true });
  }
});

Deno.test("bad input: more requests at a time than a node takes are 503 with Retry-After", async () => {
  await using cluster = await TestCluster.start(3, { args: ["--in-flight", "2"] });
  const [node1] = cluster.three;
  const put = (key: string) =>
    exchange(node1, `PUT /kv/${key} HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx`);
  for (const node of cluster.nodes.slice(1)) node.process?.signal("SIGSTOP");
  const waiting = [put("a"), put("b")];
  await until("both are under way", async () => {
    const { requests } = await (await fetch(`${node1.url}/cluster`)).json();
    return requests.inFlight === 2;
  });
  const refused = await put("c");
  assertProblem(refused, 503, "the third");
  assertEquals(JSON.parse(refused.body).type, "urn:converge:problem:overloaded");
  assert(Number(refused.headers.get("retry-after")) >= 1);
  for (const node of cluster.nodes.slice(1)) node.process?.signal("SIGCONT");
  for (const response of await Promise.all(waiting)) assert([204, 503].includes(response.status));
  await until("it takes requests again", async () => (await put("c")).status === 204);
});
