/**
 * Makes a damaged data directory openable again, offline: everything that holds goes into new tables,
 * the newest version of each key; every old file is moved aside.
 *
 * It trusts versions and not the order of the files, which is unknown when the manifest is damaged. So
 * it needs nothing but intact blocks and lines, and one path serves every kind of damage.
 */
import type { Disk } from "../platform/disk.ts";
import { filesOf, namesOfNoFile, readReadable } from "./data_directory.ts";
import { checkedRecord, type DirectoryReport, goodLines } from "./directory_check.ts";
import {
  DAMAGED_NAME,
  logName,
  MANIFEST_NAME,
  parseName,
  tableName,
  TEMPORARY_SUFFIX,
} from "./file_names.ts";
import { lineEnd, type LineRecord } from "./line_record.ts";
import { segmentNumbers } from "./log_segments.ts";
import { type ManifestTable, writeManifest } from "./manifest.ts";
import { LineSource, NewestLines } from "./newest_lines.ts";
import { goodBlocks, type LostRange, ownIdentity } from "./salvage.ts";
import { isSameTable, propertiesFromJson } from "./sstable_format.ts";
import { TableWriter } from "./sstable_writer.ts";
import { DATA, type Keyspace } from "./store.ts";
import { removeTables, TABLE_BYTES } from "./table_builder.ts";
import { mutationAt } from "./wal_format.ts";
import { LogWriter } from "./wal_writer.ts";

/** What a salvage did. */
export interface SalvageReport {
  /** Records that were kept. */
  kept: number;
  /** Files that are now in the directory `damaged`. */
  movedAside: string[];
  /** Ranges of tables of which nothing could be read. */
  lost: ({ keyspace: Keyspace; file: string } & LostRange)[];
  /** Lines under checksums that hold which are no records: they are left in the files moved aside. */
  refused: { file: string; lines: number }[];
}

/**
 * Only the manifest knows which numbers were used; some leave no file behind. Where it is damaged, the
 * new ones begin so far beyond all that are seen.
 */
const NUMBERS_WITHOUT_FILE = 1_000_000;

const decoder = new TextDecoder();

/** Rebuilds the directory that `report` is about. Takes memory for all of its records' keys. */
export async function salvageDirectory(
  disk: Disk,
  report: DirectoryReport,
): Promise<SalvageReport> {
  const { directory, manifest } = report;
  const names = disk.list(directory);
  const result: SalvageReport = { kept: 0, movedAside: [], lost: [], refused: [] };
  const newest = new NewestLines();
  let highestCounter = manifest?.highestCounter ?? 0;
  const takerOf = (path: string) => (keyspace: Keyspace, record: LineRecord) => {
    if (keyspace === DATA) highestCounter = Math.max(highestCounter, record.counter);
    newest.take(keyspace, path, record);
  };
  const aside = `${directory}/${DAMAGED_NAME}`;
  const inAside = disk.list(aside);
  const noFiles = new Set(namesOfNoFile(disk, directory, names));
  const setAside = (name: string) => {
    const free = freeName(name, [...inAside, ...result.movedAside]);
    disk.rename(`${directory}/${name}`, `${aside}/${free}`);
    result.movedAside.push(free);
  };
  const { tables, segments } = filesOf(names, manifest);
  const refuse = (file: string, lines: number) => {
    if (lines > 0) result.refused.push({ file, lines });
  };
  for (const number of segments) {
    const name = logName(number);
    if (noFiles.has(name)) continue;
    const path = `${directory}/${name}`;
    refuse(name, takeSegment(readReadable(disk, path).bytes, takerOf(path)));
  }
  for (const number of tables) {
    const name = tableName(number);
    const known = manifest?.tables.find((table) => table.number === number);
    if (!noFiles.has(name)) {
      const path = `${directory}/${name}`;
      const { bytes } = readReadable(disk, path);
      refuse(name, takeTable(bytes, name, known, takerOf(path), result));
    } else if (known !== undefined) result.lost.push(allOf(name, known));
  }
  const numbers = [...names, ...inAside].map((name) => parseName(name)?.number ?? 0);
  const last = Math.max(0, ...numbers);
  const next = manifest === undefined
    ? last + NUMBERS_WITHOUT_FILE
    : Math.max(manifest.next, last + 1);
  disk.makeDirectory(aside);
  // In the way of what is written now.
  for (const name of noFiles) {
    if (name.endsWith(TEMPORARY_SUFFIX)) setAside(name);
  }
  const rebuilt = await writeTables(newest, { disk, directory, next });
  for (const { properties } of rebuilt) result.kept += properties.records;
  const log = (segmentNumbers(names).at(-1) ?? 0) + 1;
  (await LogWriter.create(disk, directory, { number: log, previousBytes: 0 })).close();
  if (noFiles.has(MANIFEST_NAME)) setAside(MANIFEST_NAME);
  else if (names.includes(MANIFEST_NAME)) {
    // Stays until the new one takes its place.
    const free = freeName(MANIFEST_NAME, inAside);
    disk.link(`${directory}/${MANIFEST_NAME}`, `${aside}/${free}`);
    result.movedAside.push(free);
  }
  await disk.syncDirectory(directory);
  await writeManifest(disk, directory, {
    next: (rebuilt.at(-1)?.number ?? next) + 1,
    log,
    highestCounter,
    lastLoss: next,
    tables: rebuilt,
  });
  for (const name of names) if (parseName(name) !== undefined) setAside(name);
  await disk.syncDirectory(aside);
  await disk.syncDirectory(directory);
  return result;
}

/** Writes records into tables with the numbers from `next` on. Where that fails none is left. */
async function writeTables(
  newest: NewestLines,
  { disk, directory, next }: { disk: Disk; directory: string; next: number },
): Promise<ManifestTable[]> {
  const tables: ManifestTable[] = [];
  const source = new LineSource(disk);
  let number = next;
  let writer: TableWriter | undefined;
  try {
    for (const keyspace of newest.keyspaces) {
      const run = number;
      for (const place of newest.inKeyOrder(keyspace)) {
        writer ??= new TableWriter({ disk, directory, keyspace, number: number++ });
        writer.add(place.key, source.read(place));
        if (writer.bytes < TABLE_BYTES) continue;
        tables.push({ run, ...await writer.finish() });
        writer = undefined;
      }
      if (writer !== undefined) tables.push({ run, ...await writer.finish() });
      writer = undefined;
    }
    return tables;
  } catch (error) {
    // On a full disk they would take the room that is missing, and more of it with each attempt.
    writer?.abandon();
    removeTables(tables, { disk, directory });
    throw error;
  } finally {
    source.close();
  }
}

/** `name`, with a number behind it where that is taken. */
function freeName(name: string, taken: readonly string[]): string {
  let free = name;
  for (let i = 2; taken.includes(free); i++) free = `${name}.${i}`;
  return free;
}

type Take = (keyspace: Keyspace, record: LineRecord) => void;

/** Returns how many lines are no records. */
function takeSegment(bytes: Uint8Array, take: Take): number {
  let refused = 0;
  for (const { start, end } of goodLines(bytes)) {
    try {
      const { keyspace, jsonStart } = mutationAt(bytes, start, end);
      take(keyspace === "" ? DATA : keyspace, checkedRecord(bytes, jsonStart, end));
    } catch {
      refused++;
    }
  }
  return refused;
}

/** Returns how many lines are no records. */
function takeTable(
  bytes: Uint8Array,
  file: string,
  known: ManifestTable | undefined,
  take: Take,
  result: SalvageReport,
): number {
  const own = ownIdentity(bytes);
  const properties = own?.properties ?? known?.properties ?? findProperties(bytes);
  if (properties === undefined) {
    result.lost.push({ keyspace: DATA, file, start: "", end: undefined });
    return 0;
  }
  const { keyspace } = properties;
  // The file of another table, which versions put in its place; what became of this one is not known.
  if (own !== undefined && known !== undefined && !isSameTable(own, known)) {
    result.lost.push(allOf(file, known));
  }
  let refused = 0;
  let expectedAt = 0;
  let last = properties.first;
  for (const { key: first, at, length } of goodBlocks(bytes)) {
    if (at !== expectedAt) result.lost.push({ keyspace, file, start: last, end: first });
    for (let start = at; start < at + length;) {
      const end = lineEnd(bytes, start);
      try {
        const record = checkedRecord(bytes, start, end);
        last = record.key;
        take(keyspace, record);
      } catch {
        refused++;
      }
      start = end + 1;
    }
    expectedAt = at + length;
  }
  if (last < properties.last || expectedAt === 0) {
    result.lost.push({ keyspace, file, start: last, end: properties.last + "\0" });
  }
  return refused;
}

/** All of a table, as lost. */
function allOf(file: string, { properties }: ManifestTable): SalvageReport["lost"][number] {
  const { keyspace, first, last } = properties;
  return { keyspace, file, start: first, end: last + "\0" };
}

/** The properties of a table that no manifest describes, from its own line. */
function findProperties(bytes: Uint8Array) {
  for (let start = 0; start < bytes.byteLength;) {
    const end = lineEnd(bytes, start);
    const text = decoder.decode(bytes.subarray(start, Math.min(end, start + 10)));
    if (text.startsWith('{"table":')) {
      try {
        return propertiesFromJson(JSON.parse(decoder.decode(bytes.subarray(start, end))).table);
      } catch {
        return undefined;
      }
    }
    start = end + 1;
  }
  return undefined;
}
