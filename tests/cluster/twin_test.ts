/** Two processes under one name: an old machine that is back, a container that was started twice. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { freePorts, TestCluster, TestNode } from "./harness.ts";

Deno.test("two nodes of one name: one of them ends and says why, the other goes on", async () => {
  await using cluster = await TestCluster.start(3);
  const [node1, , node3] = cluster.three;
  const [port] = freePorts(1);
  const twin = new TestNode({
    name: node3.name,
    port: port!,
    cwd: cluster.cwd,
    args: ["--peers", node1.url, "--data", "./data/twin"],
  });
  cluster.nodes.push(twin); // ended with the others
  await twin.start();
  const ended = await cluster.until(
    "one of them has ended",
    () => [node3, twin].find(({ process }) => !process!.isRunning),
  );
  const { code, stderr } = await ended.process!.end();
  assertEquals(code, 1);
  assertStringIncludes(stderr, "another node of that name runs at");
  const remaining = ended === twin ? node3 : twin;
  await cluster.until("the other one serves", () => remaining.isReady());
  await remaining.put("k", "v");
  assertEquals(await node1.get("k"), "v");
});
