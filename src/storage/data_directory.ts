/** The files of a data directory: what they are to its manifest. */
import type { Disk } from "../platform/disk.ts";
import { readWhole } from "./file_bytes.ts";
import { MANIFEST_NAME, parseName, TEMPORARY_SUFFIX } from "./file_names.ts";
import { segmentNumbers } from "./log_segments.ts";
import type { Manifest } from "./manifest.ts";
import { readSegment } from "./wal_reader.ts";

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

/** The number of the segment with which a store begins. */
export const FIRST_SEGMENT = 1;

/**
 * Whether a directory without a manifest never held anything: a first start that was interrupted leaves
 * an empty first segment at most; anything more, also an empty one that came after others, needs its
 * manifest.
 */
export function isUnbegunDirectory(disk: Disk, directory: string): boolean {
  return disk.list(directory).every((name) => {
    const file = parseName(name);
    if (file === undefined) return true;
    if (file.kind !== "log" || file.number !== FIRST_SEGMENT) return false;
    const { lines, damage } = readSegment(readWhole(disk, `${directory}/${name}`), () => {});
    return lines === 0 && damage === undefined;
  });
}
