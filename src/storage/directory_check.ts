/** Checks a data directory offline: every checksum and every invariant. Changes nothing. */
import { isConvergeError } from "../errors.ts";
import type { Disk } from "../platform/disk.ts";
import { checkedRecord } from "./checked_record.ts";
import { filesOf, isUnbegunDirectory, namesOfNoFile } from "./data_directory.ts";
import { readReadable } from "./file_bytes.ts";
import { type Finding, messageOf } from "./finding.ts";
import { logName, MANIFEST_NAME, tableName } from "./file_names.ts";
import { LineFeeds } from "./line_feeds.ts";
import { isUnbegun, type LogProblem, missingSegments, segmentProblem } from "./log_segments.ts";
import { type Manifest, type ManifestTable, readManifest } from "./manifest.ts";
import { refuseUnknownFormat } from "./sstable_reader.ts";
import { checkTable } from "./table_check.ts";
import { isChecked, isTagged, mutationAt } from "./wal_format.ts";
import { readSegment, withoutRoom } from "./wal_reader.ts";

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
