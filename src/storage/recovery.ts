/**
 * Opens a data directory: reads the manifest, removes leftovers, replays the log.
 *
 * A torn tail of the last segment is cut; damage before valid records, or anything missing that the
 * manifest relies on, stops with `corrupt_file`, the offset and what to run.
 */
import { ConvergeError } from "../errors.ts";
import type { Disk } from "../platform/disk.ts";
import { filesOf, FIRST_SEGMENT, isUnbegunDirectory, namesOfNoFile } from "./data_directory.ts";
import { readWhole } from "./file_bytes.ts";
import { logName, MANIFEST_NAME, tableName } from "./file_names.ts";
import { lineFacts, lineKey } from "./line_record.ts";
import { isUnbegun, type LogProblem, missingSegments, segmentProblem } from "./log_segments.ts";
import { type Manifest, readManifest, writeManifest } from "./manifest.ts";
import { marksOf, Memtable } from "./memtable.ts";
import { Reserve } from "./reserve.ts";
import { NO_SLOT } from "./slot_table.ts";
import { refuseUnknownFormat } from "./sstable_reader.ts";
import { DATA } from "./store.ts";
import { mutationAt } from "./wal_format.ts";
import { readSegment, withoutRoom } from "./wal_reader.ts";
import { LogWriter } from "./wal_writer.ts";

const LF = 10;

/** What a directory held. */
export interface Recovered {
  manifest: Manifest;
  memtable: Memtable;
  log: LogWriter;
  reserve: Reserve;
  highestCounter: number;
  /** Bytes of torn tail that were cut from the last segment; no commit says that they are on the device. */
  cutBytes: number;
  /** Bytes of whole segments that are replayed beside the one being written. */
  sealedLogBytes: number;
}

/**
 * Makes a directory ready for writing.
 *
 * @throws {ConvergeError} `corrupt_file`, `wrong_data`, `disk_full`, `disk_failed`.
 */
export async function recover(disk: Disk, directory: string): Promise<Recovered> {
  const [noFile] = namesOfNoFile(disk, directory, disk.list(directory));
  if (noFile !== undefined) throw damaged(directory, noFile, "it is no file");
  const manifest = readManifestOrStop(disk, directory) ?? await createManifest(disk, directory);
  // What was read may not be durable yet. The device takes its time; the files are looked at meanwhile.
  const durable = disk.syncDirectory(directory);
  durable.catch(() => {}); // something else may be found wrong first
  const names = disk.list(directory);
  checkTables(disk, directory, manifest, names);
  const { segments, leftovers } = filesOf(names, manifest);
  stopAt(directory, missingSegments(segments, manifest.log)[0]);
  if (leftovers.length > 0) {
    await durable; // without the manifest that was read what looks left over is needed
    for (const name of leftovers) disk.remove(`${directory}/${name}`);
  }

  const wasDropped = dropUnbegunSegment(disk, directory, segments);
  const read: ReadSegment[] = [];
  for (const number of segments) {
    const previousBytes = read.at(-1)?.valid.byteLength ?? 0;
    read.push(readLines(disk, { directory, number, previousBytes }));
  }
  const last = read.at(-1)!;
  const { number, valid, durableBytes } = last;
  // The manifest names a segment only once its header is durable: what is no more than that, with
  // nothing behind it, is not written again.
  const isFresh = read.length === 1 && isHeaderAlone(valid) && last.fileBytes === valid.byteLength;
  const resuming = isFresh
    ? Promise.resolve(LogWriter.takeOver(disk, directory, { number, bytes: valid.byteLength }))
    : LogWriter.resume(disk, directory, { number, bytes: valid, durableBytes });
  const memtable = new Memtable();
  const highest = { counter: manifest.highestCounter };
  try {
    for (const segment of read) replay(directory, segment, memtable, highest);
  } catch (error) {
    await resuming.then((log) => log.close(), () => {});
    throw error;
  }
  const log = await resuming;
  let reserve: Reserve;
  try {
    reserve = await Reserve.open(disk, directory);
    const isChanged = wasDropped || leftovers.length > 0 || reserve.wasMissing;
    // Both: where the first failed, that a later one succeeds means nothing.
    await Promise.all([durable, isChanged ? disk.syncDirectory(directory) : undefined]);
  } catch (error) {
    log.close();
    throw error;
  }
  // Only now: a next segment that was given up could come back until here, and says how long this one is.
  if (!isFresh) log.witness();
  return {
    manifest,
    memtable,
    log,
    reserve,
    highestCounter: highest.counter,
    cutBytes: last.cutBytes,
    sealedLogBytes: memtable.logBytes - valid.byteLength,
  };
}

/** Forgets a last segment that never held anything. Returns whether there was one. */
function dropUnbegunSegment(disk: Disk, directory: string, segments: number[]): boolean {
  if (segments.length < 2) return false;
  const path = `${directory}/${logName(segments.at(-1)!)}`;
  if (!isUnbegun(readSegment(readWhole(disk, path), () => {}))) return false;
  disk.remove(path);
  segments.pop();
  return true;
}

/** A segment that was read and checked. */
interface ReadSegment {
  number: number;
  /** Its whole groups. */
  valid: Uint8Array;
  /** So many bytes of them an fsync has put on the device, as they say themselves. */
  durableBytes: number;
  /** Start and end of each line, one after the other. */
  lines: number[];
  cutBytes: number;
  /** With the room behind what was appended. */
  fileBytes: number;
}

function isHeaderAlone(segment: Uint8Array): boolean {
  return segment.indexOf(LF) === segment.byteLength - 1;
}

function readLines(
  disk: Disk,
  segment: { directory: string; number: number; previousBytes: number },
): ReadSegment {
  const { directory, number } = segment;
  const file = readWhole(disk, `${directory}/${logName(number)}`);
  const bytes = withoutRoom(file);
  const lines: number[] = [];
  const findings = readSegment(bytes, (start, end) => void lines.push(start, end));
  stopAt(directory, segmentProblem(findings, segment));
  const { validBytes, syncedBytes: durableBytes } = findings;
  const valid = bytes.subarray(0, validBytes);
  const cutBytes = bytes.byteLength - validBytes;
  return { number, valid, durableBytes, lines, cutBytes, fileBytes: file.byteLength };
}

/** Puts the lines of a segment into the memtable, in order. */
function replay(
  directory: string,
  segment: ReadSegment,
  memtable: Memtable,
  highest: { counter: number },
): void {
  const { number, valid, lines } = segment;
  try {
    for (let i = 0; i < lines.length; i += 2) {
      const end = lines[i + 1]!;
      const { keyspace, jsonStart } = mutationAt(valid, lines[i]!, end);
      const isData = keyspace === "";
      const space = memtable.space(isData ? DATA : keyspace);
      const { counter, tombstone, erase } = lineFacts(valid, jsonStart, end);
      if ((isData || keyspace === DATA) && counter > highest.counter) highest.counter = counter;
      const key = lineKey(valid, jsonStart, end);
      const found = space.find(key);
      memtable.put(space, found === NO_SLOT ? space.add(key) : found, {
        bytes: valid,
        start: jsonStart,
        end,
        counter,
        marks: marksOf({ tombstone, erase, isFramed: isData }),
      });
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw damaged(directory, logName(number), reason);
  }
  memtable.logBytes += valid.byteLength;
}

async function createManifest(disk: Disk, directory: string): Promise<Manifest> {
  if (!isUnbegunDirectory(disk, directory)) {
    throw damaged(directory, MANIFEST_NAME, "it is missing");
  }
  const number = FIRST_SEGMENT;
  const manifest: Manifest = { next: 2, log: number, highestCounter: 0, lastLoss: 0, tables: [] };
  const log = await LogWriter.create(disk, directory, { number, previousBytes: 0 });
  log.close();
  await writeManifest(disk, directory, manifest);
  return manifest;
}

function readManifestOrStop(disk: Disk, directory: string): Manifest | undefined {
  try {
    return readManifest(disk, directory);
  } catch (error) {
    if (error instanceof ConvergeError && error.code !== "corrupt_file") throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw damaged(directory, MANIFEST_NAME, reason);
  }
}

function checkTables(
  disk: Disk,
  directory: string,
  { tables }: Manifest,
  names: readonly string[],
): void {
  const present = new Set(names);
  for (const { number, bytes } of tables) {
    const name = tableName(number);
    if (!present.has(name)) throw damaged(directory, name, "it is missing");
    const size = disk.fileSize(`${directory}/${name}`);
    if (size !== bytes) {
      throw damaged(directory, name, `it has ${size} bytes and had ${bytes}`);
    }
    refuseUnknownFormat(disk, `${directory}/${name}`);
  }
}

function stopAt(directory: string, found: LogProblem | undefined): void {
  if (found === undefined) return;
  const { file, problem, ...where } = found;
  throw damaged(directory, file, problem, where);
}

function damaged(
  directory: string,
  name: string,
  reason: string,
  where: { offset?: number } = {},
): ConvergeError {
  const at = where.offset === undefined ? "" : ` at offset ${where.offset}`;
  return new ConvergeError(
    "corrupt_file",
    `Cannot open ${directory}/${name}${at}: ${reason}. ` +
      `Run: converge doctor --data ${directory} --salvage`,
    { details: { file: `${directory}/${name}`, ...where } },
  );
}
