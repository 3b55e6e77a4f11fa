/**
 * Makes a damaged data directory openable again, offline: everything that holds goes into new tables,
 * the newest version of each key; every old file is moved aside.
 *
 * It trusts versions and not the order of the files, which is unknown when the manifest is damaged. So
 * it needs nothing but intact blocks and lines, and one path serves every kind of damage.
 */
import type { Disk } from "../platform/disk.ts";
import { filesOf, namesOfNoFile } from "./data_directory.ts";
import { readReadable } from "./file_bytes.ts";
import { checkedRecord } from "./checked_record.ts";
import { type DirectoryReport, goodLines } from "./directory_check.ts";
import {
  DAMAGED_NAME,
  logName,
  MANIFEST_NAME,
  parseName,
  tableName,
  TEMPORARY_SUFFIX,
} from "./file_names.ts";
import { LineFeeds } from "./line_feeds.ts";
import type { LineRecord } from "./line_record.ts";
import { segmentNumbers } from "./log_segments.ts";
import { type Manifest, type ManifestTable, writeManifest } from "./manifest.ts";
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
  const salvage = new Salvage(disk, report);
  salvage.read();
  await salvage.write();
  return salvage.result;
}

/** One salvage: first everything is read, then the new files are written, then the old ones moved. */
class Salvage {
  readonly result: SalvageReport = { kept: 0, movedAside: [], lost: [], refused: [] };
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #manifest: Manifest | undefined;
  readonly #aside: string;
  readonly #newest = new NewestLines();
  readonly #names: readonly string[];
  readonly #namesAside: readonly string[];
  /** What has a name of ours and is no file. */
  readonly #noFiles: ReadonlySet<string>;
  #highestCounter: number;

  constructor(disk: Disk, { directory, manifest }: DirectoryReport) {
    this.#disk = disk;
    this.#directory = directory;
    this.#manifest = manifest;
    this.#aside = `${directory}/${DAMAGED_NAME}`;
    this.#names = disk.list(directory);
    this.#namesAside = disk.list(this.#aside);
    this.#noFiles = new Set(namesOfNoFile(disk, directory, this.#names));
    this.#highestCounter = manifest?.highestCounter ?? 0;
  }

  /** Finds the newest line of every key in all that can be read. */
  read(): void {
    const { tables, segments } = filesOf(this.#names, this.#manifest);
    for (const number of segments) {
      const name = logName(number);
      if (this.#noFiles.has(name)) continue;
      this.#note(name, takeSegment(this.#bytesOf(name), this.#takerOf(name)));
    }
    for (const number of tables) {
      const name = tableName(number);
      const known = this.#manifest?.tables.find((table) => table.number === number);
      if (!this.#noFiles.has(name)) {
        const bytes = this.#bytesOf(name);
        this.#note(name, takeTable(bytes, name, known, this.#takerOf(name), this.result));
      } else if (known !== undefined) this.result.lost.push(allOf(name, known));
    }
  }

  /** Writes what was found. Old files are moved only once the new manifest is in its place. */
  async write(): Promise<void> {
    const disk = this.#disk;
    const directory = this.#directory;
    const next = this.#nextNumber();
    disk.makeDirectory(this.#aside);
    // In the way of what is written now.
    for (const name of this.#noFiles) {
      if (name.endsWith(TEMPORARY_SUFFIX)) this.#setAside(name);
    }
    const tables = await writeTables(this.#newest, { disk, directory, next });
    for (const { properties } of tables) this.result.kept += properties.records;
    const log = (segmentNumbers(this.#names).at(-1) ?? 0) + 1;
    // The log's beginning makes the names of the tables durable, too.
    (await LogWriter.create(disk, directory, { number: log, previousBytes: 0 })).close();
    this.#keepManifest();
    await writeManifest(disk, directory, {
      next: (tables.at(-1)?.number ?? next) + 1,
      log,
      highestCounter: this.#highestCounter,
      lastLoss: next,
      tables,
    });
    for (const name of this.#names) if (parseName(name) !== undefined) this.#setAside(name);
    await disk.syncDirectory(this.#aside);
    await disk.syncDirectory(directory);
  }

  /** The number from which on no file has, or had, one. */
  #nextNumber(): number {
    const numbers = [...this.#names, ...this.#namesAside]
      .map((name) => parseName(name)?.number ?? 0);
    const last = Math.max(0, ...numbers);
    return this.#manifest === undefined
      ? last + NUMBERS_WITHOUT_FILE
      : Math.max(this.#manifest.next, last + 1);
  }

  /** Puts the old manifest aside, too; a file stays until the new one takes its place. */
  #keepManifest(): void {
    if (this.#noFiles.has(MANIFEST_NAME)) return this.#setAside(MANIFEST_NAME);
    if (!this.#names.includes(MANIFEST_NAME)) return;
    const free = freeName(MANIFEST_NAME, this.#namesAside);
    this.#disk.link(`${this.#directory}/${MANIFEST_NAME}`, `${this.#aside}/${free}`);
    this.result.movedAside.push(free);
  }

  #setAside(name: string): void {
    const free = freeName(name, this.#namesAside);
    this.#disk.rename(`${this.#directory}/${name}`, `${this.#aside}/${free}`);
    this.result.movedAside.push(free);
  }

  #takerOf(name: string): Take {
    const path = `${this.#directory}/${name}`;
    return (keyspace, record) => {
      if (keyspace === DATA) this.#highestCounter = Math.max(this.#highestCounter, record.counter);
      this.#newest.take(keyspace, path, record);
    };
  }

  #bytesOf(name: string): Uint8Array {
    return readReadable(this.#disk, `${this.#directory}/${name}`).bytes;
  }

  #note(file: string, refusedLines: number): void {
    if (refusedLines > 0) this.result.refused.push({ file, lines: refusedLines });
  }
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
  const feeds = new LineFeeds(bytes);
  for (const { key: first, at, length } of goodBlocks(bytes)) {
    if (at !== expectedAt) result.lost.push({ keyspace, file, start: last, end: first });
    for (let start = at; start < at + length;) {
      const end = feeds.lineEnd(start);
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
  const feeds = new LineFeeds(bytes);
  for (let start = 0; start < bytes.byteLength;) {
    const end = feeds.lineEnd(start);
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
