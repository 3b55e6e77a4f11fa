/** The README says what is so. */
import { assert, assertEquals } from "@std/assert";
import { NODE_OPTIONS } from "../../src/cli/options/node_options.ts";
import { buildProgram } from "../../src/cli/program.ts";

const root = new URL("../../", import.meta.url);
const readme = Deno.readTextFileSync(new URL("README.md", root));

/** Cells of the table under a heading, without its head. */
function table(heading: string): string[][] {
  const section = readme.split(/^## /m).find((text) => text.startsWith(heading)) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("|")).slice(2);
  return rows.map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()));
}

Deno.test("README: its options are those of the option table", () => {
  assertEquals(
    table("Run nodes"),
    NODE_OPTIONS.map(({ name, value, fallback, about }) => [
      `\`--${name} ${value}\``,
      `\`${fallback}\``,
      about,
    ]),
  );
});

Deno.test("README: its commands are those of the program", () => {
  assertEquals(
    table("Command line"),
    buildProgram("file:///main.ts").commands.map((command) => [
      `\`converge ${command.name()}\``,
      command.description(),
    ]),
  );
});

Deno.test("README: every file that it links to exists", () => {
  const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].flatMap(([, path]) => path ?? []);
  assert(links.length > 20);
  for (const path of links) Deno.statSync(new URL(path, root));
});

Deno.test("README: every task that it names exists", () => {
  const config = Deno.readTextFileSync(new URL("deno.json", root));
  const tasks = [...readme.matchAll(/(?:deno|deno@2\.9\.6) task (\w+)/g)].flatMap(([, t]) =>
    t ?? []
  );
  assert(tasks.includes("cluster") && tasks.includes("test"));
  for (const task of tasks) assert(config.includes(`"${task}": {`), task);
});

Deno.test("README: its dependencies are those that are imported", async () => {
  const config = Deno.readTextFileSync(new URL("deno.json", root));
  const declared = [...config.matchAll(/^\s+"([^"]+?)\/?": "(?:npm|jsr):/gm)]
    .flatMap(([, name]) => name ?? []);
  const told = table("Dependencies").flatMap(([names = ""]) =>
    [...names.matchAll(/`([^`]+)`/g)].flatMap(([, name]) => name ?? [])
  );
  for (const name of told) assert(declared.includes(name), `${name} is not in deno.json`);
  const sources = await sourcesOf(["main.ts", "src", "tests"]);
  for (const name of declared) {
    const imported = sources.includes(`from "${name}"`) || sources.includes(`from "${name}/`);
    assert(imported || name.startsWith("@types/"), `${name} is declared, and nothing imports it`);
    assert(told.includes(name), `${name} is declared, and the README does not say why`);
  }
});

/** All TypeScript below some paths. */
async function sourcesOf(paths: string[]): Promise<string> {
  let sources = "";
  for (const path of paths) {
    const url = new URL(path, root);
    if ((await Deno.stat(url)).isFile) {
      if (/\.tsx?$/.test(path)) sources += await Deno.readTextFile(url);
      continue;
    }
    const entries = [...Deno.readDirSync(url)].map(({ name }) => `${path}/${name}`);
    sources += await sourcesOf(entries);
  }
  return sources;
}
