/** Members are removed from a cluster of real processes, by the command that operators use. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runConverge, TestCluster, type TestNode } from "./harness.ts";

const KEYS = Array.from({ length: 30 }, (_, i) => `k${i}`);

async function checkAll(nodes: readonly TestNode[]): Promise<void> {
  for (const node of nodes) {
    for (const key of KEYS) assertEquals(await node.get(key), `v-${key}`, `${key} at ${node.name}`);
  }
}

async function membersOf(node: TestNode): Promise<string[]> {
  return [...(await node.members()).keys()];
}

Deno.test("a live member, then a dead one, are removed; the rest restarts, what was removed does not", async (t) => {
  // A member that is silent for four gossip intervals may be taken for dead.
  const args = ["--request-timeout", "3s", "--gossip-interval", "500ms"];
  await using cluster = await TestCluster.start(4, { args });
  const [node1, node2, node3, node4] = cluster.nodes as [TestNode, TestNode, TestNode, TestNode];
  const remove = (...args: string[]) => runConverge(["remove", ...args, "--url", node1.url]);
  for (const key of KEYS) await node1.put(key, `v-${key}`);

  await t.step("converge remove: ends when it is done, and so does the member, well", async () => {
    const { code, stdout, stderr } = await remove("node4");
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, "node4 is no member any more");
    const ended = await node4.process!.end();
    assertEquals(ended.code, 0, ended.stderr);
    assertStringIncludes(ended.stdout, "node4 was removed");
    for (const node of [node1, node2, node3]) {
      assertEquals(await membersOf(node), ["node1", "node2", "node3"]);
    }
    await checkAll([node1, node2, node3]);
    const again = await remove("node4");
    assertEquals([again.code, again.stderr], [0, ""]);
  });

  await t.step("what was removed does not start again, and says what to do", async () => {
    await node4.start().then(() => assert(false, "it serves"), () => {});
    const { code, stderr } = await node4.process!.end();
    assertEquals(code, 1);
    assertStringIncludes(stderr, "it was removed from its cluster; to add it anew, start it with");
  });

  await t.step("one that answers is not dead, one that does not is not asked", async () => {
    await cluster.until(
      "node3 is up",
      async () => (await node1.members()).get("node3") === "up",
    );
    const alive = await remove("node3", "--dead");
    assertEquals(alive.code, 1);
    assertStringIncludes(alive.stderr, "Cannot remove node3: it answers");
    const self = await remove("node1");
    assertEquals(self.code, 1);
    assertStringIncludes(self.stderr, "name another node with --url");
    await node3.kill();
    await cluster.until(
      "node3 is down",
      async () => (await node1.members()).get("node3") === "down",
    );
    const silent = await remove("node3");
    assertEquals(silent.code, 1);
    assertStringIncludes(silent.stderr, "Cannot remove node3: it does not answer");
  });

  await t.step("converge remove --dead: the others go on with what they have", async () => {
    const { code, stderr } = await remove("node3", "--dead");
    assertEquals([code, stderr], [0, ""]);
    await checkAll([node1, node2]);
    const { text } = await node2.fetch("/cluster");
    assertEquals(JSON.parse(text).quorums, { n: 2, r: 2, w: 2 });
  });

  await t.step("the rest restarts, with command lines that name those that are gone", async () => {
    for (const node of [node1, node2]) assertEquals(await node.stop(), 0);
    for (const node of [node1, node2]) await node.start();
    await cluster.until(
      "both are ready",
      async () => await node1.isReady() && await node2.isReady(),
    );
    assertEquals(await membersOf(node1), ["node1", "node2"]);
    await node1.put("k0", "v-k0");
    await checkAll([node1, node2]);
  });

  await t.step("with an empty directory it is added anew", async () => {
    await Deno.remove(node4.directory, { recursive: true });
    await node4.start();
    await cluster.until("node4 is ready", () => node4.isReady());
    assertEquals(await membersOf(node1), ["node1", "node2", "node4"]);
    await node4.put("k1", "v-k1");
    await checkAll([node1, node2, node4]);
  });
});
