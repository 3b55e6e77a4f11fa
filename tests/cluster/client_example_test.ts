/** The README's example of the client, carried out with a real node. */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join, toFileUrl } from "@std/path";
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

Deno.test({
  name: "README: the file that it makes of the client works in a Node project as npm begins it",
  ignore: !hasNode(),
  fn: async () => {
    const readme = await Deno.readTextFile(new URL("README.md", root));
    const [, bundle = "", file = ""] = /`deno (bundle [^`]+ -o (\S+) [^`]+)`/.exec(readme) ?? [];
    await using cluster = await TestCluster.start(1);
    const made = join(cluster.cwd, file);
    const args = bundle.split(" ").map((word) => word === file ? made : word);
    await outputOf(Deno.execPath(), args, fromFileUrl(root));
    await Deno.writeTextFile(join(cluster.cwd, "package.json"), '{"type":"commonjs"}');
    const use = `import { ConvergeClient } from "./${file}";
      const client = new ConvergeClient("${cluster.nodes[0]!.url}");
      await client.put("k", new Uint8Array());
      console.log((await client.list()).keys.join());`;
    await Deno.writeTextFile(join(cluster.cwd, "use.mjs"), use);
    assertEquals(await outputOf("node", ["use.mjs"], cluster.cwd), "k\n");
  },
});

function hasNode(): boolean {
  try {
    return new Deno.Command("node", { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
}

async function outputOf(command: string, args: string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, cwd }).output();
  const decoder = new TextDecoder();
  assert(success, decoder.decode(stderr));
  return decoder.decode(stdout);
}
