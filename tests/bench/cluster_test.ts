/** The parts of the benchmark that can be wrong without anybody noticing. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { generateLoad } from "./cluster/bundled_generator.ts";
import { replaced } from "./cluster/document.ts";
import { FloorTarget } from "./cluster/floor_target.ts";
import { LADDER } from "./cluster/ladder_steps.ts";
import { LadderTarget } from "./cluster/ladder_target.ts";
import { parseOptions } from "./cluster/options.ts";
import { median } from "./cluster/statistics.ts";
import { judged } from "./cluster/table.ts";

Deno.test("replaced() changes its own section only, and adds a new one at the end", () => {
  const section = { name: "cluster-latency", title: "Cluster: one client", body: "first" };
  const before = "# Benchmarks\n\n## Storage\n\nkept\n";
  const first = replaced(before, section);
  assert(first.startsWith(before));
  const after = `${first}\n## Scale\n\nkept too\n`;
  assertEquals(
    replaced(after, { ...section, body: "second" }),
    after.replace("first", "second"),
  );
});

Deno.test("parseOptions() takes parts and numbers, and refuses what it does not know", () => {
  const options = parseOptions(["--only", "put,get", "--seconds=2", "--warmup", "3", "--no-write"]);
  assertEquals([...options.parts], ["put", "get"]);
  const { seconds, warmup, rounds, write } = options;
  assertEquals([seconds, warmup, rounds, write], [2, 3, 3, false]);
  assertThrows(() => parseOptions(["--only", "everything"]), Error, "everything");
  assertThrows(() => parseOptions(["--rounds", "0"]), Error, "positive");
  assertThrows(() => parseOptions(["--keys"]), Error, "needs a value");
});

Deno.test("median() and judged() tell the middle and whether it is reached", () => {
  assertEquals([median([3, 1, 2]), median([4, 1, 2, 3])], [2, 2.5]);
  assertEquals(judged(0.5, 0.4, "least"), "0.50 (>= 0.4)");
  assertEquals(judged(4, 3, "most"), "4.00 (<= 3: missed)");
});

Deno.test({
  name: "generateLoad() sees every answer of a server and none that is not there",
  async fn() {
    const directory = await Deno.makeTempDir();
    try {
      await using floor = await FloorTarget.start(directory);
      const load = {
        urls: floor.urls,
        connections: 8,
        seconds: 1,
        keyCount: 100,
        keyOrder: "zipfian" as const,
        request: floor.put("value"),
        other: { request: floor.get(), share: 0.5 },
      };
      const result = await generateLoad(load);
      assert(result.requests > 8, `only ${result.requests} requests`);
      assertEquals([result.statusErrors, result.socketErrors], [0, 0]);
      assert(result.p50Ms > 0 && result.p50Ms <= result.p99Ms && result.p99Ms <= result.p999Ms);
      const silent = { ...load, urls: ["http://127.0.0.1:1"], connections: 1 };
      const none = await generateLoad(silent);
      assertEquals(none.requests, 0);
      assert(none.socketErrors > 0);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

Deno.test({
  name: "every step of the ladder answers a write, those with peers once one of two has it",
  async fn() {
    const directory = await Deno.makeTempDir();
    const value = "kept by two of three";
    try {
      for (const { step } of LADDER) {
        await using target = await LadderTarget.start(directory, step);
        const [url] = target.urls;
        const put = async (key: string) => {
          const signal = AbortSignal.timeout(30_000);
          const response = await fetch(`${url}/kv/${key}`, { method: "PUT", body: value, signal });
          assertEquals([response.status, await response.text()], [204, ""], step);
          return response.headers.get("etag");
        };
        const etags = await Promise.all([put("a"), put("b")]);
        if (step === "log") continue;
        const versions = etags.map((etag) => etag?.split("-")[0]).sort();
        if (step !== "peers") assertEquals(versions, ['"1', '"2']);
        target.signalPeers("SIGSTOP");
        let answered = false;
        const third = put("c").then(() => answered = true);
        // The server has taken both by then, and has had time to keep the first by itself.
        for (let i = 0; i < 50; i++) assertEquals(await (await fetch(url!)).text(), "");
        assert(!answered, `${step}: it answered without its peers`);
        target.signalPeers("SIGCONT", 1);
        await third;
        target.signalPeers("SIGCONT");
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
