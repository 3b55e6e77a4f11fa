import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";

const root = fromFileUrl(new URL("../..", import.meta.url));

async function run(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const options = { args, cwd: root, env: { NO_COLOR: "1", ...env } };
  const { success, stdout, stderr } = await new Deno.Command(command, options).output();
  const decoder = new TextDecoder();
  assert(success, decoder.decode(stderr));
  return decoder.decode(stdout);
}

Deno.test("deno task compile: builds anew where a binary is already, whatever it was packed by", async () => {
  const directory = await Deno.makeTempDir({ prefix: "converge-test-" });
  try {
    const entry = join(directory, "entry.ts");
    const output = join(directory, "out", "program");
    await Deno.mkdir(join(directory, "out"));
    await Deno.writeTextFile(entry, 'console.log("new");');
    await Deno.writeTextFile(output, "#!/bin/sh\necho old\n", { mode: 0o755 });
    await run(Deno.execPath(), ["run", "--allow-all", "src/tasks/compile.ts", entry, output]);
    assertEquals(await run(output, [], { CONVERGE_UNPACK: join(directory, "unpacked") }), "new\n");
    const left = [...Deno.readDirSync(join(directory, "out"))].map(({ name }) => name);
    assertEquals(left, ["program"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
