/** The typed client in a browser, on a page of the node's own. */
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { bundleScript } from "../../src/tasks/bundle_page.ts";
import { TestCluster } from "../cluster/harness.ts";
import { browserTest } from "./browser.ts";

const CLIENT = new URL("../../src/client/client.ts", import.meta.url);

const USE = `(async () => {
  const client = new ConvergeClient(location.origin);
  const bytes = new TextEncoder().encode("hello");
  const told = [await client.put("greeting", bytes), await client.put("empty", new Uint8Array())];
  const { version } = await client.get("greeting");
  const empty = await client.get("empty");
  await client.put(Uint8Array.of(0xff), bytes);
  const keys = [];
  for await (const key of client.keys({ limit: 1 })) keys.push(String(key));
  await client.delete("greeting");
  const folded = await client.get("..").catch((error) => error);
  return {
    isKept: version === told[0],
    keys,
    emptyBytes: empty.bytes.byteLength,
    gone: await client.get("greeting") === undefined,
    folded: [folded.name, folded.passing],
  };
})()`;

browserTest("client: puts, gets, lists and deletes in a browser", async (browser) => {
  await using cluster = await TestCluster.start(1);
  const entry = join(cluster.cwd, "entry.ts");
  await Deno.writeTextFile(
    entry,
    `import { ConvergeClient } from "${CLIENT.href}";\nObject.assign(globalThis, { ConvergeClient });\n`,
  );
  const page = await browser.newPage();
  await page.goto(`${cluster.nodes[0]!.url}/docs`);
  await page.evaluate(await bundleScript(entry));
  assertEquals(await page.evaluate(USE), {
    isKept: true,
    keys: ["empty", "greeting", "255"],
    emptyBytes: 0,
    gone: true,
    folded: ["ClientError", false],
  });
});
