/** Checks a data directory offline: every checksum and every invariant. Changes nothing. */
import { crc32 } from "node:zlib";
import { ConvergeError, isConvergeError } from "../errors.ts";
import type { Disk } from "../platform/disk.ts";
import type { Key } from "../record/key.ts";
import { recordFromLine } from "../record/record_line.ts";
import { hashKey, mayContain } from "./bloom_filter.ts";
import { filesOf, isUnbegunDirectory, namesOfNoFile } from "./data_directory.ts";
import { readReadable } from "./file_bytes.ts";
import { logName, MANIFEST_NAME, tableName } from "./file_names.ts";
import { LineFeeds } from "./line_feeds.ts";
import { lineKey, type LineRecord, lineRecord } from "./line_record.ts";
import { isUnbegun, type LogProblem, missingSegments, segmentProblem } from "./log_segments.ts";
import { type Manifest, type ManifestTable, readManifest } from "./manifest.ts";
import { isSameTable, parseTable, type TableIdentity } from "./sstable_format.ts";
import { refuseUnknownFormat } from "./sstable_reader.ts";
import { isChecked, isTagged, mutationAt } from "./wal_format.ts";
import { readSegment, withoutRoom } from "./wal_reader.ts";

/** Something that a check has to say. */
export interface Finding {
  /** `damage`: data may be lost, the store does not open or will not serve it. `note`: harmless. */
  severity: "damage" | "note";
  file: string;
  offset?: number;
  problem: string;
}

/** The result of a check. */
export interface DirectoryReport {
  directory: string;
  /** Undefined when it does not hold. */
  manifest: Manifest | undefined;
  tables: number;
  segments: number;
  records: number;
  findings: Finding[];
}

/**
 * Checks everything. Does not take the lock: the caller does.
 *
 * @throws {ConvergeError} `wrong_data` for a file of an unknown format.
 */
export function checkDirectory(disk: Disk, directory: string): DirectoryReport {
  const report: DirectoryReport = {
    directory,
    manifest: undefined,
    tables: 0,
    segments: 0,
    records: 0,
    findings: [],
  };
  const listed = disk.list(directory);
  const noFiles = new Set(namesOfNoFile(disk, directory, listed));
  for (const file of noFiles) {
    report.findings.push({ severity: "damage", file, problem: "it is no file" });
  }
  const names = listed.filter((name) => !noFiles.has(name));
  if (listed.every((name) => name !== MANIFEST_NAME && !noFiles.has(name))) {
    if (isUnbegunDirectory(disk, directory)) {
      const problem = "it is missing: the first start was interrupted; the next one begins anew";
      report.findings.push({ severity: "note", file: MANIFEST_NAME, problem });
      return report;
    }
  }
  if (!noFiles.has(MANIFEST_NAME)) {
    report.manifest = checkManifest(disk, directory, report.findings);
  }
  const { manifest } = report;
  const { tables, segments, leftovers } = filesOf(names, manifest);
  for (const number of tables) refuseUnknownFormat(disk, `${directory}/${tableName(number)}`);
  if (manifest !== undefined) {
    for (const table of manifest.tables) {
      report.tables++;
      if (noFiles.has(tableName(table.number))) continue;
      report.records += table.properties.records;
      report.findings.push(...checkNamedTable(disk, directory, table));
    }
    report.findings.push(...checkRuns(manifest));
  }
  checkLog(disk, report, { segments, noFiles });
  for (const file of leftovers) {
    const problem = "a leftover of interrupted work; removed at the next start";
    report.findings.push({ severity: "note", file, problem });
  }
  return report;
}

/** What is wrong with a table's bytes; `known` is what the manifest says about it. */
export function checkTable(bytes: Uint8Array, file: string, known?: TableIdentity): Finding[] {
  const findings: Finding[] = [];
  const damage = (problem: string, offset?: number) =>
    void findings.push({
      severity: "damage",
      file,
      problem,
      ...(offset === undefined ? {} : { offset }),
    });
  let parsed: ReturnType<typeof parseTable>;
  try {
    parsed = parseTable(bytes);
  } catch (error) {
    damage(messageOf(error));
    return findings;
  }
  const { index, properties } = parsed;
  const seen = { records: 0, tombstones: 0, erases: 0, maxCounter: 0 };
  let previous: Key | undefined;
  const feeds = new LineFeeds(bytes);
  for (let block = 0; block < index.firstKeys.length; block++) {
    const from = index.offsets[block]!;
    const to = index.offsets[block + 1]!;
    if (crc32(bytes.subarray(from, to)) !== index.crcs[block]) {
      damage("a block's checksum does not hold", from);
      previous = undefined;
      continue;
    }
    for (let start = from; start < to;) {
      const end = feeds.lineEnd(start);
      try {
        const { key, counter, tombstone, erase } = checkedRecord(bytes, start, end);
        if (previous !== undefined && key <= previous) damage("keys are out of order", start);
        if (!mayContain(index.filter, hashKey(key))) damage("the filter misses a key", start);
        if (start === from && key !== index.firstKeys[block]) damage("the index is wrong", start);
        previous = key;
        seen.records++;
        if (tombstone) seen.tombstones++;
        if (erase) seen.erases++;
        seen.maxCounter = Math.max(seen.maxCounter, counter);
      } catch (error) {
        damage(messageOf(error), start);
      }
      start = end + 1;
    }
  }
  if (findings.length === 0) {
    const { records, tombstones, erases, maxCounter } = properties;
    if (JSON.stringify(seen) !== JSON.stringify({ records, tombstones, erases, maxCounter })) {
      damage("its properties do not fit its lines");
    }
    if (previous !== properties.last) damage("its last key is wrong");
  }
  if (known !== undefined && !isSameTable(parsed, known)) {
    damage("it is not the table that the manifest names");
  }
  return findings;
}

function checkNamedTable(disk: Disk, directory: string, table: ManifestTable): Finding[] {
  const file = tableName(table.number);
  const size = disk.fileSize(`${directory}/${file}`);
  if (size === undefined) return [{ severity: "damage", file, problem: "it is missing" }];
  const { bytes, unreadable } = readReadable(disk, `${directory}/${file}`);
  const findings = [...unreadableSectors(file, unreadable), ...checkTable(bytes, file, table)];
  if (size !== table.bytes) {
    const problem = `it has ${size} bytes, the manifest says ${table.bytes}`;
    findings.unshift({ severity: "damage", file, problem });
  }
  return findings;
}

function unreadableSectors(file: string, offsets: readonly number[]): Finding[] {
  const problem = "the disk cannot read it";
  return offsets.map((offset) => ({ severity: "damage", file, offset, problem }));
}

/** Tables of one run must not overlap. */
function checkRuns({ tables }: Manifest): Finding[] {
  const findings: Finding[] = [];
  for (const a of tables) {
    for (const b of tables) {
      const isSameRun = a.run === b.run && a.properties.keyspace === b.properties.keyspace;
      if (!isSameRun || a.number >= b.number) continue;
      if (a.properties.first <= b.properties.last && b.properties.first <= a.properties.last) {
        const problem = `it overlaps with ${tableName(b.number)} of the same run`;
        findings.push({ severity: "damage", file: tableName(a.number), problem });
      }
    }
  }
  return findings;
}

function checkManifest(
  disk: Disk,
  directory: string,
  findings: Finding[],
): Manifest | undefined {
  try {
    const manifest = readManifest(disk, directory);
    if (manifest !== undefined) return manifest;
    findings.push({ severity: "damage", file: MANIFEST_NAME, problem: "it is missing" });
  } catch (error) {
    if (isConvergeError(error, "wrong_data")) throw error;
    findings.push({ severity: "damage", file: MANIFEST_NAME, problem: messageOf(error) });
  }
  return undefined;
}

function checkLog(
  disk: Disk,
  report: DirectoryReport,
  { segments, noFiles }: { segments: readonly number[]; noFiles: ReadonlySet<string> },
): void {
  const { directory, manifest, findings } = report;
  const damage = (found: LogProblem) => void findings.push({ severity: "damage", ...found });
  missingSegments(segments, manifest?.log).filter(({ file }) => !noFiles.has(file)).forEach(damage);
  let previous: { number: number; bytes: number } | undefined;
  for (const number of segments) {
    const file = logName(number);
    const { bytes: segment, unreadable } = readReadable(disk, `${directory}/${file}`);
    const bytes = withoutRoom(segment);
    findings.push(...unreadableSectors(file, unreadable));
    report.segments++;
    const found = readSegment(bytes, (start, end) => {
      report.records++;
      try {
        checkedRecord(bytes, mutationAt(bytes, start, end).jsonStart, end);
      } catch (error) {
        damage({ file, offset: start, problem: messageOf(error) });
      }
    });
    const { validBytes } = found;
    const isForgotten = previous !== undefined && number === segments.at(-1) && isUnbegun(found);
    const previousBytes = previous?.number === number - 1 ? previous.bytes : 0;
    const problem = isForgotten ? undefined : segmentProblem(found, { number, previousBytes });
    if (problem !== undefined) damage(problem);
    if (isForgotten || (found.damage === undefined && validBytes < bytes.byteLength)) {
      findings.push({
        severity: "note",
        file,
        offset: validBytes,
        problem: "a torn tail that was never answered for; ignored at the next start",
      });
    }
    previous = { number, bytes: validBytes };
  }
}

/** The record of the line [start, end) with all that it says checked, or an erase marker. @throws */
export function checkedRecord(bytes: Uint8Array, start: number, end: number): LineRecord {
  const record = lineRecord(lineKey(bytes, start, end), bytes, start, end);
  if (!record.erase) recordFromLine(record.line);
  return record;
}

/** Start and end of every line of a segment whose own checksum holds. */
export function goodLines(bytes: Uint8Array): { start: number; end: number }[] {
  const lines: { start: number; end: number }[] = [];
  const feeds = new LineFeeds(bytes);
  for (let start = 0; start < bytes.byteLength;) {
    const end = feeds.lineEnd(start);
    if (!isTagged(bytes, start) && isChecked(bytes, start, end)) lines.push({ start, end });
    start = end + 1;
  }
  return lines;
}

function messageOf(error: unknown): string {
  if (error instanceof ConvergeError) return error.message;
  return error instanceof Error ? `it cannot be read: ${error.message}` : String(error);
}
