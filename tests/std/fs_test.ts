import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ensureDir, ensureDirSync, exists, existsSync, walk, type WalkOptions } from "@std/fs";
import { join, relative } from "@std/path";

async function inTree(test: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    await ensureDir(join(root, "a", "b"));
    await Deno.writeTextFile(join(root, "a", "b", "deep.ts"), "");
    await Deno.writeTextFile(join(root, "a", "near.md"), "");
    await Deno.symlink(root, join(root, "a", "circle"));
    await test(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("ensureDir: once or twice, a directory is there; a file in its place is an error", async () => {
  await inTree(async (root) => {
    await ensureDir(join(root, "a", "b"));
    ensureDirSync(join(root, "a", "b"));
    await assertRejects(() => ensureDir(join(root, "a", "near.md")), Deno.errors.AlreadyExists);
  });
});

Deno.test("exists: tells files, directories and nothing apart", async () => {
  await inTree(async (root) => {
    const file = join(root, "a", "near.md");
    assertEquals(await exists(file), true);
    assertEquals(await exists(file, { isDirectory: true }), false);
    assertEquals(existsSync(root, { isDirectory: true }), true);
    assertEquals(existsSync(root, { isFile: true }), false);
    assertEquals(await exists(join(root, "none")), false);
    assertThrows(() => existsSync(root, { isFile: true, isDirectory: true }), TypeError);
  });
});

Deno.test("walk: yields what is asked for and does not follow links in a circle", async () => {
  await inTree(async (root) => {
    const paths = async (options?: WalkOptions) => {
      const found = await Array.fromAsync(walk(root, options), ({ path }) => relative(root, path));
      return found.sort();
    };
    assertEquals(await paths(), ["", "a", "a/b", "a/b/deep.ts", "a/circle", "a/near.md"]);
    assertEquals(await paths({ includeDirs: false, exts: [".ts"] }), ["a/b/deep.ts"]);
    assertEquals(await paths({ maxDepth: 1 }), ["", "a"]);
    assertEquals(await paths({ skip: [/\/b$/], match: [/e/], includeDirs: false }), [
      "a/circle",
      "a/near.md",
    ]);
  });
});
