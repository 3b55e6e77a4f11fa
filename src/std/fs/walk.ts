import { basename, extname, join } from "@std/path";

/** What {@linkcode walk} visits. */
export interface WalkOptions {
  /** How many levels below the root are visited; default all. */
  maxDepth?: number;
  /** Whether files are yielded; default true. */
  includeFiles?: boolean;
  /** Whether directories are yielded; default true. */
  includeDirs?: boolean;
  /** The extensions, with or without dot, that a path must have to be yielded. */
  exts?: string[];
  /** Only paths that match one of these are yielded. */
  match?: RegExp[];
  /** Paths that match one of these are neither yielded nor entered. */
  skip?: RegExp[];
}

/** One file, directory or link that was met on the walk. */
export interface WalkEntry extends Deno.DirEntry {
  /** The path, which starts with the walk's root. */
  path: string;
}

/**
 * Visits `root` and everything below it, parents before children; links are not followed.
 * Rejects with what `Deno.stat` and `Deno.readDir` throw.
 */
export async function* walk(
  root: string,
  options: WalkOptions = {},
): AsyncIterableIterator<WalkEntry> {
  const { isFile, isDirectory, isSymlink } = await Deno.lstat(root);
  yield* visit({ path: root, name: basename(root), isFile, isDirectory, isSymlink }, options);
}

async function* visit(entry: WalkEntry, options: WalkOptions): AsyncIterableIterator<WalkEntry> {
  const { maxDepth = Infinity, skip = [] } = options;
  if (maxDepth < 0 || skip.some((pattern) => pattern.test(entry.path))) return;
  if (isWanted(entry, options)) yield entry;
  if (!entry.isDirectory || maxDepth < 1) return;
  for await (const child of Deno.readDir(entry.path)) {
    yield* visit({ ...child, path: join(entry.path, child.name) }, {
      ...options,
      maxDepth: maxDepth - 1,
    });
  }
}

function isWanted(entry: WalkEntry, options: WalkOptions): boolean {
  const { includeFiles = true, includeDirs = true, exts, match } = options;
  if (entry.isDirectory ? !includeDirs : !includeFiles) return false;
  if (exts && !exts.some((ext) => extname(entry.path) === `.${ext.replace(/^\./, "")}`)) {
    return false;
  }
  return !match || match.some((pattern) => pattern.test(entry.path));
}
