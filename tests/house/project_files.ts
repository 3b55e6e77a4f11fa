/**
 * The files of the project: what git tracks or would track.
 *
 * @module
 */
import { walk } from "@std/fs";
import { fromFileUrl, join, relative } from "@std/path";

/** The directory of `deno.json`, absolute. */
export const ROOT = fromFileUrl(new URL("../../", import.meta.url)).replace(/\/$/, "");

/** What .gitignore names, and git itself. */
const OUTSIDE = /^(\.git|data|dist)$/;

/** The paths of all files, relative to {@linkcode ROOT}, in order. */
export async function projectFiles(): Promise<string[]> {
  const files: string[] = [];
  for (const entry of Deno.readDirSync(ROOT)) {
    if (OUTSIDE.test(entry.name)) continue;
    for await (const { path } of walk(join(ROOT, entry.name), { includeDirs: false })) {
      files.push(relative(ROOT, path));
    }
  }
  return files.sort();
}

/** The text of one of {@linkcode projectFiles}. */
export function readProjectFile(path: string): string {
  return Deno.readTextFileSync(join(ROOT, path));
}
