/** The maps of the house name every file that there is, and none that is not. */
import { assert, assertEquals } from "@std/assert";
import { walk } from "@std/fs";
import { fromFileUrl, relative } from "@std/path";

const source = fromFileUrl(new URL("../../src", import.meta.url));

/** Rooms whose files the map tells of as a whole; `storage` has a map of its own. */
const AS_A_WHOLE =
  /^(storage|std|client|platform\/deno|dashboard|simulation\/(defects|checkers))\/|virtual_(file|directory)\.ts$|^tasks\/(document_section|\w+_table)\.ts$/;

async function sourceFiles(): Promise<string[]> {
  const files: string[] = [];
  for await (const { path } of walk(source, { includeDirs: false, exts: [".ts"] })) {
    files.push(relative(source, path));
  }
  return files;
}

function named(map: string): Set<string> {
  return new Set([...map.matchAll(/([\w./]+\.ts)\b/g)].map(([, path]) => path!.split("/").at(-1)!));
}

Deno.test("src/README.md names every file outside the rooms that it tells of as a whole", async () => {
  const map = await Deno.readTextFile(`${source}/README.md`);
  const names = named(map);
  for (const path of await sourceFiles()) {
    if (AS_A_WHOLE.test(path)) continue;
    assert(names.has(path.split("/").at(-1)!), `src/README.md does not tell of ${path}`);
  }
});

Deno.test("src/storage/README.md names every file of the engine", async () => {
  const names = named(await Deno.readTextFile(`${source}/storage/README.md`));
  for (const path of await sourceFiles()) {
    const name = path.split("/").at(-1)!;
    if (path.startsWith("storage/")) assert(names.has(name), `its map does not tell of ${name}`);
  }
});

Deno.test("the maps name no file that is not there", async () => {
  const present = new Set((await sourceFiles()).map((path) => path.split("/").at(-1)!));
  for (const map of ["README.md", "storage/README.md"]) {
    const names = named(await Deno.readTextFile(`${source}/${map}`));
    assertEquals([...names].filter((name) => !present.has(name) && name !== "main.ts"), [], map);
  }
});

Deno.test("the maps, and comments, name no member that is not where they say", async () => {
  const texts = await Promise.all(
    [...await sourceFiles(), "README.md", "storage/README.md"].map(async (path) => ({
      path,
      text: await Deno.readTextFile(`${source}/${path}`),
    })),
  );
  const declaredIn = (name: string) =>
    texts.filter(({ path, text }) =>
      path.endsWith(".ts") && new RegExp(`\\b(class|interface) ${name}\\b`).test(text)
    );
  let looked = 0;
  for (const { path, text } of texts) {
    for (const [said, name, member] of text.matchAll(/[` ]([A-Z]\w+)\.(#?[a-z]\w+)[`}]/g)) {
      const places = declaredIn(name!);
      if (places.length === 0) continue; // the language's own
      looked++;
      const isThere = places.some((place) =>
        new RegExp(`(^|[^\\w#])${member}\\b`).test(place.text.replaceAll(said, ""))
      );
      assert(isThere, `${path}: ${said}`);
    }
  }
  assert(looked > 50, `${looked}`);
});
