/** A node is told of one of another cluster: a wrong line in a file. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { runConverge, TestCluster, TestNode } from "./harness.ts";

Deno.test("two clusters stay two when a node of one is told of a node of the other", async () => {
  await using one = await TestCluster.start(1);
  await using two = await TestCluster.start(1);
  const [first, second] = [one.nodes[0]!, two.nodes[0]!];
  await first.put("k", "of the first");
  await second.put("k", "of the second");
  await second.stop();
  await using misled = new MisledNode(second, { peers: first.url, cwd: two.cwd });
  await misled.start();
  await one.until(
    "it says so",
    () => misled.process!.stderr.includes("gossip.other_cluster"),
  );
  assertEquals([...(await first.members()).keys()].length, 1);
  assertEquals(await first.get("k"), "of the first");
  assertStringIncludes(JSON.stringify(await misled.ownCopy("k")), "of the second");
});

Deno.test("a new node that is told of two clusters stops and says so", async () => {
  await using one = await TestCluster.start(1);
  await using two = await TestCluster.create(1);
  const [first, second] = [one.nodes[0]!, two.nodes[0]!];
  await using other = new MisledNode(second, { name: "other", cwd: two.cwd });
  await other.start();
  await two.until("the other cluster serves", () => other.isReady());
  const args = ["--port", "0", "--id", "between", "--peers", `${first.url},${other.url}`];
  const { code, stderr } = await runConverge(args, { cwd: one.cwd });
  assertEquals(code, 2, stderr);
  assertStringIncludes(stderr, "it is of another cluster than others that --peers names");
  assertEquals([...(await first.members()).keys()], [first.name], "nobody has heard of it");
  assertEquals([...(await other.members()).keys()], [other.name], "nobody has heard of it");
});

/** A node that is told of other nodes than the rest of its cluster. */
class MisledNode extends TestNode implements AsyncDisposable {
  constructor(
    node: { name: string; port: number },
    { name = node.name, peers, cwd }: { name?: string; peers?: string; cwd: string },
  ) {
    super({ name, port: node.port, cwd, args: peers === undefined ? [] : ["--peers", peers] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
