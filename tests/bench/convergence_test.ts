/** The parts of the benchmark that can be wrong without anybody noticing. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { DenoClock } from "../../src/platform/deno/deno_clock.ts";
import { DenoDisk } from "../../src/platform/deno/deno_disk.ts";
import { LsmStore } from "../../src/storage/lsm_store.ts";
import { DATA } from "../../src/storage/store.ts";
import { fill } from "./convergence/cluster_contents.ts";
import { parseOptions } from "./convergence/options.ts";
import { PacedLoad } from "./convergence/paced_load.ts";

Deno.test("bench:convergence: takes parts and numbers, and refuses what it does not know", () => {
  const options = parseOptions(["--only", "away,idle", "--writes=10,20", "--keys", "5"]);
  assertEquals([...options.parts], ["away", "idle"]);
  assertEquals([options.writes, options.keys, options.write], [[10, 20], 5, true]);
  assertEquals(parseOptions(["--no-write"]).write, false);
  assertThrows(() => parseOptions(["--only", "everything"]), Error, "everything");
  assertThrows(() => parseOptions(["--writes", "10,x"]), Error, "positive");
  assertThrows(() => parseOptions(["--rate"]), Error, "needs a value");
});

Deno.test("fill() puts the same keys into every directory", async () => {
  const parent = await Deno.makeTempDir({ prefix: "converge-test-" });
  try {
    const directories = ["a", "b"].map((name) => join(parent, "data", name));
    await fill(directories, 2_500);
    for (const directory of directories) {
      const store = await LsmStore.open({
        directory,
        clock: new DenoClock(),
        disk: new DenoDisk(),
      });
      const scan = store.scan(DATA);
      const records = scan.next(10_000);
      assertEquals([records.length, records.at(-1)!.key], [2_500, "key-00002499"]);
      await store.close();
    }
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});

Deno.test("PacedLoad sends at its rate however late the answers are, and counts what failed", async () => {
  const seen = { GET: 0, PUT: 0 };
  const late = 100;
  const server = Deno.serve({ port: 0, onListen() {} }, async ({ method }) => {
    seen[method as "GET" | "PUT"]++;
    await new Promise((resolve) => setTimeout(resolve, late));
    return new Response(null, { status: method === "PUT" ? 503 : 200 });
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  const startMs = performance.now();
  const load = new PacedLoad({ urls: [url], rate: 200, keys: 10, value: "v" });
  while (seen.GET + seen.PUT < 100) await new Promise((resolve) => setTimeout(resolve, 5));
  const seconds = (performance.now() - startMs) / 1000;
  const { requests, errors, p50Ms, p99Ms } = await load.stop();
  assert(seconds > 0.4, `100 requests in ${seconds} s at 200 per second`);
  assertEquals([requests, errors], [seen.GET + seen.PUT, seen.PUT]);
  assert(p50Ms >= late && p99Ms >= p50Ms, `${p50Ms} ms`);
  await server.shutdown();
});
