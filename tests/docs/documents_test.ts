/** Every shell command in the documents works, in the order in which it stands there. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { commandsOf, type DocumentCommand } from "./shell_blocks.ts";
import { DocumentRun, type Handling } from "./document_run.ts";

const root = new URL("../../", import.meta.url);

async function commandsIn(path: string): Promise<DocumentCommand[]> {
  return commandsOf(await Deno.readTextFile(new URL(path, root)));
}

/** Runs a document; the message of a failure names its line. */
async function runDocument(
  path: string,
  prepare: (run: DocumentRun) => Promise<void> = async () => {},
): Promise<Map<string, Handling>> {
  const handled = new Map<string, Handling>();
  await using run = await DocumentRun.create();
  await prepare(run);
  for (const { line, text } of await commandsIn(path)) {
    try {
      handled.set(text, await run.carryOut(text));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`${path}:${line}: ${why}`, { cause });
    }
  }
  return handled;
}

Deno.test("README.md: its commands work", async () => {
  const handled = await runDocument("README.md");
  assert([...handled.values()].includes("started"), JSON.stringify([...handled]));
});

Deno.test("docs/operations.md: its commands work, one after the other", async () => {
  const handled = await runDocument("docs/operations.md");
  const ran = [...handled.values()].filter((handling) => handling === "ran");
  assert(ran.length >= 30, JSON.stringify([...handled]));
});

Deno.test("docs/formats.md: its commands work on a node's files", async () => {
  await runDocument("docs/formats.md", async (run) => {
    const serve = ["--port", "8081", "--replication", "1"];
    const put = "converge put greeting hello --url http://127.0.0.1:8081";
    // A stop writes a table; the log is there for what came after the next start.
    await run.startNode(serve);
    await run.carryOut(put);
    await run.stopNode("node-8081");
    await run.startNode(serve);
    await run.carryOut(put);
    await run.stopNode("node-8081", "SIGKILL");
  });
});

Deno.test("all other documents: their commands work", async () => {
  const own = ["formats.md", "operations.md"];
  for await (const { name } of Deno.readDir(new URL("docs", root))) {
    if (name.endsWith(".md") && !own.includes(name)) await runDocument(`docs/${name}`);
  }
});

Deno.test("documents hold console blocks, which need a transcript test, in the README only", async () => {
  for await (const { name } of Deno.readDir(new URL("docs", root))) {
    if (!name.endsWith(".md")) continue;
    const text = await Deno.readTextFile(new URL(`docs/${name}`, root));
    assert(!/^```(console|bash|shell)/m.test(text), `docs/${name}`);
  }
});

Deno.test("commandsOf() reads sh blocks only, joins lines, drops comments", () => {
  const markdown =
    "```sh\na 1   # why\n# nothing\nb \\\n  2\n```\n```text\nc\n```\n```sh\nd#e\n```\n";
  assertEquals(commandsOf(markdown), [
    { line: 2, text: "a 1" },
    { line: 4, text: "b 2" },
    { line: 11, text: "d#e" },
  ]);
});

Deno.test("DocumentRun objects to what does not work", async () => {
  await using run = await DocumentRun.create();
  const wrong = [
    "false",
    "deno task nothing",
    "deno task cluster --bogus",
    "docker compose up node9",
    "converge put --bogus",
    "converge bench --duration soon",
    "converge get greeting --url http://127.0.0.1:8081",
  ];
  for (const text of wrong) await assertRejects(() => run.carryOut(text), Error, undefined, text);
  assertEquals(await run.carryOut("docker compose up --build"), "checked");
  assertEquals(await run.carryOut("npx -y deno@2.9.6 task cluster --nodes 5"), "checked");
  assertEquals(await run.carryOut("converge sim --seeds 1000"), "checked");
});
