import { assertEquals } from "@std/assert";
import { projectFiles, readProjectFile } from "./project_files.ts";

const LINES_MAX = 1000;

const TOP_LEVEL = new Set([
  ...[".ci", ".dockerignore", ".gitignore", "Dockerfile", "LICENSE", "README.md"],
  ...["deno.json", "deno.lock", "docker-compose.yml", "docs", "main.ts"],
  ...["src", "tests"],
]);

/** Hosts that packages are fetched from, and mirrors of them. */
const REGISTRY_HOST =
  /\b(?:(?:registry|npm|mirror|proxy|artifactory|nexus|jfrog)\.[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}|npmjs\.(?:org|com)|jsr\.io|deno\.land|esm\.sh|unpkg\.com)\b/i;

Deno.test("tree: only the known entries lie at the top", async () => {
  const top = new Set((await projectFiles()).map((path) => path.split("/")[0] ?? ""));
  assertEquals([...top].filter((name) => !TOP_LEVEL.has(name)), []);
});

Deno.test("tree: no file is longer than a thousand lines", async () => {
  const long = (await projectFiles()).filter((path) =>
    path !== "deno.lock" && linesOf(readProjectFile(path)) > LINES_MAX
  );
  assertEquals(long, []);
});

Deno.test("tree: no room is called utils, helpers or the like", async () => {
  const vague = /(^|\/)(utils?|helpers?|misc|common)(\/|\.|_test\.)/;
  assertEquals((await projectFiles()).filter((path) => vague.test(path)), []);
});

Deno.test("tree: no file names the host of a package registry", async () => {
  const named = (await projectFiles()).filter((path) =>
    path !== "tests/house/tree_test.ts" && REGISTRY_HOST.test(readProjectFile(path))
  );
  assertEquals(named, []);
});

Deno.test("tree: the search for registry hosts finds them", () => {
  for (const host of ["https://registry.npmjs.org/a", "npm.example.com", "https://jsr.io/@std"]) {
    assertEquals(REGISTRY_HOST.test(host), true, host);
  }
  for (const text of ["npm:hono@4", "jsr:@std/path", "http://127.0.0.1:8081", "registry.get(a)"]) {
    assertEquals(REGISTRY_HOST.test(text), false, text);
  }
});

Deno.test("tree: a thousand lines pass and one more does not", () => {
  assertEquals(linesOf("a\n".repeat(LINES_MAX)), LINES_MAX);
  assertEquals(linesOf("a\n".repeat(LINES_MAX) + "a"), LINES_MAX + 1);
});

function linesOf(text: string): number {
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}
