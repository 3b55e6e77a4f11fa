/** The files of a data directory: what they are to its manifest, and their bytes. */
import type { Disk } from "../platform/disk.ts";
import { MANIFEST_NAME, parseName, TEMPORARY_SUFFIX } from "./file_names.ts";
import { segmentNumbers } from "./log_segments.ts";
import type { Manifest } from "./manifest.ts";

/** What there is for a manifest. Without one every table and segment counts. */
export interface DirectoryFiles {
  /** Numbers of the tables that count. */
  tables: number[];
  /** Numbers of the segments that count, ascending. */
  segments: number[];
  /** Names of what is left of interrupted work. */
  leftovers: string[];
}

/** Sorts the names in a directory by what they are to its manifest. */
export function filesOf(names: readonly string[], manifest: Manifest | undefined): DirectoryFiles {
  const segments = segmentNumbers(names, manifest?.log);
  const named = manifest && new Set(manifest.tables.map(({ number }) => number));
  const tables: number[] = [];
  const leftovers: string[] = [];
  for (const name of names) {
    const file = parseName(name);
    if (file === undefined) {
      if (name.endsWith(TEMPORARY_SUFFIX)) leftovers.push(name);
    } else if (file.kind === "log") {
      if (file.number < (manifest?.log ?? 0)) leftovers.push(name);
    } else if (named?.has(file.number) ?? true) tables.push(file.number);
    else leftovers.push(name);
  }
  return { tables, segments, leftovers };
}

/** Those of `names` that are for files of the store and stand for none: directories, links to nothing. */
export function namesOfNoFile(disk: Disk, directory: string, names: readonly string[]): string[] {
  return names.filter((name) =>
    (name === MANIFEST_NAME || name.endsWith(TEMPORARY_SUFFIX) || parseName(name) !== undefined) &&
    disk.fileSize(`${directory}/${name}`) === undefined
  );
}

/** All bytes of a file. */
export function readWhole(disk: Disk, path: string): Uint8Array {
  const file = disk.openRead(path);
  try {
    return file.readAt(0, file.sizeBytes);
  } finally {
    file.close();
  }
}
