/** Links between the documents lead somewhere, and the README's routes are routes. */
import { assert, assertEquals } from "@std/assert";
import { convergeCalls, whyRefused } from "./command_line.ts";
import { InProcessCluster } from "../support/in_process_cluster.ts";

const root = new URL("../../", import.meta.url);

async function documents(): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(new URL("docs", root)));
  const docs = names.filter(({ name }) => name.endsWith(".md")).map(({ name }) => `docs/${name}`);
  return ["README.md", "src/README.md", "src/storage/README.md", ...docs];
}

/** Anchors as web pages of repositories make them of headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
  );
}

Deno.test("documents: every link to a file or a heading leads somewhere", async () => {
  let checked = 0;
  for (const path of await documents()) {
    const text = await Deno.readTextFile(new URL(path, root));
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const [file, anchor] = target!.split("#");
      const url = file === "" ? new URL(path, root) : new URL(file!, new URL(path, root));
      await Deno.stat(url).catch(() => {
        throw new Error(`${path}: there is no ${target}`);
      });
      checked += 1;
      if (anchor === undefined) continue;
      const anchors = anchorsOf(await Deno.readTextFile(url));
      assert(anchors.includes(anchor), `${path}: there is no ${target}`);
    }
  }
  assert(checked > 40, `${checked}`);
});

Deno.test("documents: every task and every command that they name inside a line is one", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  let checked = 0;
  for (const path of await documents()) {
    const text = await Deno.readTextFile(new URL(path, root));
    for (const [, name] of text.matchAll(/deno(?:@[\d.]+)? task ([\w:]+)/g)) {
      assert(Object.hasOwn(tasks, name!), `${path}: there is no task ${name}`);
      checked += 1;
    }
    for (const [, line] of text.matchAll(/`(converge [^`]+)`/g)) {
      for (const words of convergeCalls(line!.replace(/\bCOMMAND\b/, "serve"))) {
        // A name alone stands for the command, whatever it must be given.
        const why = whyRefused(words.length === 1 ? [...words, "--help"] : words);
        assertEquals(why, undefined, `${path}: ${line}`);
        checked += 1;
      }
    }
  }
  assert(checked > 40, `${checked}`);
});

Deno.test("README: every route that it names is one, and every route for clients is named", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", root));
  const section = readme.split(/^## /m).find((text) => text.startsWith("HTTP API"))!;
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  const named = new Set(
    rows.flatMap((row) => [...row.split("|")[1]!.matchAll(/`([^`]+)`/g)])
      .flatMap(([, code]) => /\/\S*/.exec(code!.split("?")[0]!)?.[0].replace("{key}", "*") ?? []),
  );
  assert(named.size > 10, [...named].join(" "));
  await InProcessCluster.run({ nodes: 1 }, async (cluster) => {
    const routes = new Set(cluster.node(1).process!.app.routes.map(({ path }) => path));
    assertEquals([...named].filter((path) => !routes.has(path)), []);
    // What is behind the page, and what nodes tell each other, is in src/README.md.
    const inner = /^\/internal\/|^\/control$|^\/\*$|\.(js|css|svg|png|ico|html)$/;
    assertEquals([...routes].filter((path) => !named.has(path) && !inner.test(path)), []);
  });
});
