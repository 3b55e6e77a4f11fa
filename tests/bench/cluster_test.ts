/** The parts of the benchmark that can be wrong without anybody noticing. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { DenoClock } from "../../src/platform/deno/deno_clock.ts";
import { DenoDisk } from "../../src/platform/deno/deno_disk.ts";
import { keyFromPath } from "../../src/record/key.ts";
import { valueOf } from "../../src/record/record_line.ts";
import { LsmStore } from "../../src/storage/lsm_store.ts";
import { DATA } from "../../src/storage/store.ts";
import { generateLoad } from "./cluster/bundled_generator.ts";
import { replaced } from "./cluster/document.ts";
import { FloorTarget } from "./cluster/floor_target.ts";
import { type Step } from "./cluster/ladder_steps.ts";
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
  name: "a step of the ladder answers a write when two of three processes have it on their disks",
  async fn() {
    const value = "kept by two of three";
    for (const step of ["peers", "handler"] as const) {
      const directory = await Deno.makeTempDir();
      try {
        await using target = await LadderTarget.start(directory, step);
        const response = await fetch(`${target.urls[0]}/kv/key`, { method: "PUT", body: value });
        assertEquals([response.status, await response.text()], [204, ""]);
        await target[Symbol.asyncDispose](); // as a crash would
        const copies = await copiesOf(step, target.directory);
        assert(copies.filter((copy) => copy === value).length >= 2, `${step}: ${copies}`);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    }
  },
});

/** What the log of each process begins with, or its store has under `key`. */
async function copiesOf(step: Step, directory: string): Promise<string[]> {
  const decoder = new TextDecoder();
  const copies: string[] = [];
  for await (const { name } of Deno.readDir(directory)) {
    const path = join(directory, name);
    if (step === "peers") {
      const [first] = decoder.decode(await Deno.readFile(path)).split("\0", 1);
      copies.push(first!);
      continue;
    }
    const store = await LsmStore.open({
      directory: path,
      clock: new DenoClock(),
      disk: new DenoDisk(),
    });
    const record = store.get(DATA, keyFromPath("key"));
    copies.push(record === undefined ? "" : decoder.decode(valueOf(record).bytes));
    await store.close();
  }
  return copies;
}
