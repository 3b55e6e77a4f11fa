/** The README's example of the client, carried out with a real node. */
import { assertEquals } from "@std/assert";
import { join, toFileUrl } from "@std/path";
import type { ClientEntry, ClientValue } from "../../src/client/client.ts";
import { freePorts, TestCluster } from "./harness.ts";

const root = new URL("../../", import.meta.url);

Deno.test("README: its example of the client works, with a node away", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", root));
  const [, example = ""] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  await using cluster = await TestCluster.start(1);
  // The first node is away.
  const ports = [...freePorts(1), new URL(cluster.nodes[0]!.url).port];
  const module = example
    .replace("./src/client/client.ts", new URL("src/client/client.ts", root).href)
    .replace("8081, 8082, 8083", ports.join(", "));
  const path = join(cluster.cwd, "example.ts");
  await Deno.writeTextFile(path, `${module}export { user, users, value };\n`);
  const done: { user: unknown; users: ClientEntry[]; value: ClientValue } = await import(
    toFileUrl(path).href
  );
  assertEquals([done.user, done.value.contentType], [{ name: "Ada" }, "application/json"]);
  assertEquals(done.users, [{ key: "users/1", ...done.value }]);
});
