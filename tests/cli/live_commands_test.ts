/** Commands that watch or load a running node, as processes against one. */
import { assert, assertEquals } from "@std/assert";
import { runConverge, TestCluster } from "../cluster/harness.ts";

Deno.test("converge bench, top and health: against a node", async () => {
  await using cluster = await TestCluster.start(1, { args: ["--replication", "1"] });
  const url = cluster.nodes[0]!.url;
  await cluster.nodes[0]!.put("mine", "stays");
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await runConverge([...args, "--url", url]);
    assertEquals([code, stderr], [0, ""], `${args}: ${stderr}`);
    return stdout;
  };

  const bounds = ["--requests", "200", "--keys", "20", "--concurrency", "4", "--value-size", "64"];
  const report = JSON.parse(await run("bench", "--json", ...bounds));
  assertEquals([report.puts.ok, report.puts.failed, report.gets.ok], [200, 0, 200]);
  assert(report.puts.p50Ms > 0 && report.gets.p999Ms >= report.gets.p50Ms, JSON.stringify(report));
  assertEquals(await run("list"), "mine\n"); // it has cleaned up behind it

  await run("bench", ...bounds, "--keep", "--prefix", "left/");
  assertEquals((await run("list", "left/")).trimEnd().split("\n").length, 20);

  const view = JSON.parse(await run("top", "--once", "--json"));
  assertEquals([view.ready, view.members.length], [true, 1]);
  assertEquals(typeof view.members[0].readsPerSecond, "number");
  assert((await run("top", "--once")).startsWith("node1 is ready: N=1"));
  assertEquals(JSON.parse(await run("health", "--ready", "--json")), { url, ready: true });
});
