/** `converge cluster` as a process: orders typed at its input and sent to its control. */
import { assert, assertEquals } from "@std/assert";
import { ClusterProcess } from "./cluster_process.ts";
import { RawConnection } from "./raw_http.ts";
import { convergeCommand, ConvergeProcess, freePorts, runConverge, until } from "./harness.ts";

Deno.test("converge cluster: the README's story, typed at its input", async () => {
  await using cluster = await ClusterProcess.start();
  await cluster.put(1, "greeting", "hello");
  assertEquals(await cluster.get(2, "greeting"), "hello");
  assertEquals(await cluster.get(3, "greeting"), "hello");

  await cluster.process.type("start node1");
  await cluster.until(
    "it answers where nothing changes",
    () => cluster.process.stdout.includes("node1 is running"),
  );
  await cluster.process.type("stop node2");
  await cluster.until(
    "node2 is stopped",
    () => cluster.process.stdout.includes("node2 is stopped"),
  );
  assertEquals(await cluster.answers(2), false);
  await cluster.put(1, "greeting", "hello again");

  await cluster.process.type("start node2");
  await cluster.until("node2 caught up", async () => {
    const copy = await fetch(`${cluster.url(2)}/internal/kv/greeting`);
    return (await copy.text()).includes("hello again");
  });
  assertEquals(await cluster.get(2, "greeting"), "hello again");

  await cluster.process.type("status");
  await cluster.until(
    "it tells how nodes stand",
    () => /node3 +http:\S+ +running/.test(cluster.process.stdout),
  );
  await cluster.process.type("dance node2");
  await cluster.until(
    "it answers what it does not know",
    () => cluster.process.stdout.includes('Cannot do "dance node2"'),
  );
  await cluster.process.type("quit");
  assertEquals((await cluster.process.end()).code, 0);
});

Deno.test("converge cluster: a second one says what the first has, and what to do", async () => {
  await using cluster = await ClusterProcess.start();
  const elsewhere = `${freePorts(3)[0]}`;
  const refusals = [
    [`${cluster.port}`, "the port is in use", 2],
    [elsewhere, "--data", 1],
  ] as const;
  for (const [port, named, exitCode] of refusals) {
    const { code, stderr } = await runConverge(["cluster", "--port", port], { cwd: cluster.cwd });
    assertEquals([code, stderr.trimEnd().split("\n").length], [exitCode, 1], stderr);
    assert(stderr.includes("Cannot start node") && stderr.includes(named), stderr);
  }
});

Deno.test("converge cluster: told to end before it is ready, it does not say that it is", async () => {
  const cwd = await Deno.makeTempDir({ prefix: "converge-test-" });
  const [port, , controlPort] = freePorts(3);
  const ports = ["--port", `${port}`, "--control-port", `${controlPort}`];
  const process = new ConvergeProcess(["cluster", "--nodes", "2", ...ports], { cwd });
  try {
    // The control listens before the nodes do.
    await until("its control answers", async () => {
      const answer = await fetch(`http://127.0.0.1:${controlPort}/`).catch(() => undefined);
      await answer?.body?.cancel();
      return answer?.ok === true;
    }, { evidence: () => process.evidence() });
    process.signal("SIGTERM");
    const { code, stdout, stderr } = await process.end();
    assertEquals([code, stdout], [0, ""], stderr);
  } finally {
    await process.dispose();
    await Deno.remove(cwd, { recursive: true });
  }
});

Deno.test("converge cluster: orders sent to its control", async (t) => {
  await using cluster = await ClusterProcess.start();

  await t.step("a killed node lets go of its lock and port, and comes back", async () => {
    for (let i = 0; i < 3; i++) {
      await cluster.put(1, "k", `value ${i}`);
      assertEquals((await cluster.order("/nodes/node2/kill")).states, "running stopped running");
      await cluster.put(1, "k2", `value ${i}`);
      assertEquals((await cluster.order("/nodes/node2/start")).states, "running running running");
      await cluster.until("node2 is ready", () => cluster.answers(2, "/readyz"));
      assertEquals(await cluster.get(2, "k"), `value ${i}`);
      assertEquals(await cluster.get(2, "k2"), `value ${i}`);
    }
  });

  await t.step("pause freezes a node whole, resume goes on", async () => {
    for (const _again of [false, true]) {
      assertEquals((await cluster.order("/nodes/node3/pause")).states, "running running paused");
    }
    await cluster.until(
      "node3 does not answer",
      async () => !await cluster.answers(3, "/healthz", { withinMs: 500 }),
    );
    await cluster.put(1, "k", "without node3");
    assertEquals((await cluster.order("/nodes/node3/resume")).states, "running running running");
    await cluster.until("node3 answers", () => cluster.answers(3, "/readyz"));
    assertEquals(await cluster.get(3, "k"), "without node3");
  });

  await t.step("a paused node can be killed or stopped, and comes back", async () => {
    for (const end of ["kill", "stop"]) {
      assertEquals((await cluster.order("/nodes/node3/pause")).states, "running running paused");
      assertEquals((await cluster.order(`/nodes/node3/${end}`)).states, "running running stopped");
      assertEquals((await cluster.order("/nodes/node3/start")).states, "running running running");
      await cluster.until("node3 answers", () => cluster.answers(3, "/readyz"));
    }
  });

  await t.step("a node cut off from both others answers 503 until it is healed", async () => {
    await cluster.put(1, "k", "before");
    for (const other of ["node2", "node3"]) {
      assertEquals((await cluster.order(`/links/node1/${other}/cut`)).status, 200);
    }
    // The order is answered before the node's Worker has taken it.
    await cluster.until("node1 is cut off", async () => {
      const answer = await fetch(`${cluster.url(1)}/kv/k`, { method: "PUT", body: "minority" });
      await answer.body?.cancel();
      return answer.status === 503;
    });
    await cluster.put(2, "k", "majority");
    for (const other of ["node2", "node3"]) {
      assertEquals((await cluster.order(`/links/node1/${other}/heal`)).status, 200);
    }
    await cluster.until(
      "node1 reads again",
      async () =>
        (await cluster.get(1, "k")) === "majority" ||
        // The minority's write was answered 503: it may have been stored, and may win.
        (await cluster.get(1, "k")) === "minority",
    );
  });

  await t.step("its control obeys pages of its own nodes only", async () => {
    const foreign = await cluster.order("/nodes/node1/stop", { origin: "http://evil.example" });
    assertEquals(foreign.status, 403);
    using connection = await RawConnection.open(Number(new URL(cluster.control).port));
    for (const host of ["evil.example", "a b"]) {
      await connection.send(`POST /nodes/node1/stop HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assertEquals((await connection.read()).status, 403, host);
    }
    const elsewhere = await cluster.order("/nodes/node1/stop", { origin: "http://localhost:3000" });
    assertEquals(elsewhere.status, 403);
    const own = await cluster.order("/nodes/node1/restart", { origin: cluster.url(1) });
    assertEquals([own.status, own.states], [200, "running running running"]);
    const origin = `http://localhost:${cluster.port}`;
    assertEquals((await cluster.order("/nodes/node1/resume", { origin })).status, 200);
    assertEquals((await cluster.order("/nodes/node9/stop")).status, 400);
    assertEquals((await cluster.order("/nodes/node1/dance")).status, 404);
    const get = await fetch(`${cluster.control}/nodes/node1/stop`);
    assertEquals([get.status, get.headers.get("allow")], [405, "POST"]);
    await get.body?.cancel();
    const told = await fetch(`${cluster.url(2)}/control`);
    assertEquals(await told.json(), { url: cluster.control });
  });
});

Deno.test("converge cluster: SIGTERM stops every node in an orderly way", async () => {
  await using cluster = await ClusterProcess.start();
  await cluster.put(2, "k", "kept");
  cluster.process.signal("SIGTERM");
  const { code, stdout } = await cluster.process.end();
  assertEquals(code, 0, cluster.process.evidence());
  for (const name of ["node1", "node2", "node3"]) assert(stdout.includes(`${name} is stopped`));
});

Deno.test("converge cluster: goes on where its input cannot be read", async () => {
  const cwd = await Deno.makeTempDir({ prefix: "converge-test-" });
  const [port, controlPort] = freePorts(2);
  const ports = ["--port", `${port}`, "--control-port", `${controlPort}`];
  const [command, args] = convergeCommand(["cluster", "--nodes", "1", ...ports]);
  const child = new Deno.Command("sh", {
    args: ["-c", 'exec "$0" "$@" < .', command, ...args], // a directory
    cwd,
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    let told = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const wasReady = told.includes("Its control");
      told += text;
      if (wasReady || !told.includes("Its control")) continue;
      // Once this is answered it has looked at its input, too.
      const order = `http://127.0.0.1:${controlPort}/nodes/node1/restart`;
      assertEquals((await fetch(order, { method: "POST" })).status, 200);
      child.kill("SIGTERM");
    }
    assertEquals((await child.status).code, 0, told);
  } finally {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await Deno.remove(cwd, { recursive: true });
  }
});
