/**
 * The manifest: which tables are open, and from which segment on the log counts. One small file of
 * JSON lines, replaced as a whole (tmp -> fsync -> rename -> fsync of the directory), so that an
 * edit happens or does not.
 *
 *     {"converge":"manifest","format":1,"next":15,"log":12,"highestCounter":345,"lastLoss":0}
 *     {"number":9,"run":9,"bytes":12345,"tail":"0a1b2c3d","table":{...}}    one per table
 *     {"end":{"tables":1,"crc":"0a1b2c3d"}}                       CRC-32 of all bytes before
 */
import { crc32 } from "node:zlib";
import { ConvergeError } from "../errors.ts";
import type { Disk } from "../platform/disk.ts";
import { readWhole } from "./file_bytes.ts";
import { MANIFEST_NAME, TEMPORARY_SUFFIX } from "./file_names.ts";
import { propertiesFromJson, propertiesToJson, type TableIdentity } from "./sstable_format.ts";
import { unknownFormat } from "./unknown_format.ts";
import { hex } from "./wal_format.ts";

const MANIFEST_FORMAT = 1;

/** All that the manifest says. */
export interface Manifest {
  /** Greater than the number of every table that it names. */
  next: number;
  /** First log segment that holds what is in no table. */
  log: number;
  /** At least the highest counter of the data keyspace in all segments before `log`. */
  highestCounter: number;
  /** What `Store.lastLoss` says. */
  lastLoss: number;
  tables: ManifestTable[];
}

/** One open table. */
export interface ManifestTable extends TableIdentity {
  number: number;
  /** Tables of one run follow each other in key order. A higher run of a keyspace is newer. */
  run: number;
  bytes: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeManifest(manifest: Manifest): Uint8Array {
  const { tables, next, log, highestCounter, lastLoss } = manifest;
  const numbers = { next, log, highestCounter, lastLoss };
  const head = { converge: "manifest", format: MANIFEST_FORMAT, ...numbers };
  const lines = [head, ...tables.map(tableToJson)].map((line) => JSON.stringify(line) + "\n");
  const body = encoder.encode(lines.join(""));
  const end = encoder.encode(`{"end":{"tables":${tables.length},"crc":"${hex(crc32(body))}"}}\n`);
  const bytes = new Uint8Array(body.byteLength + end.byteLength);
  bytes.set(body);
  bytes.set(end, body.byteLength);
  return bytes;
}

/** @throws {ConvergeError} `corrupt_file`; `wrong_data` for an unknown format. */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const lines = decoder.decode(bytes).split("\n");
  const end = lines.at(-2) ?? "";
  const body = bytes.subarray(0, bytes.byteLength - encoder.encode(end).byteLength - 1);
  const tableCount = lines.length - 3;
  const expected = `{"end":{"tables":${tableCount},"crc":"${hex(crc32(body))}"}}`;
  if (lines.at(-1) !== "" || end !== expected) throw corrupt("its checksum does not hold");
  const [head, ...tables] = lines.slice(0, -2).map((line) => JSON.parse(line));
  if (head.converge !== "manifest" || head.format !== MANIFEST_FORMAT) {
    throw unknownFormat("the manifest", head.format, MANIFEST_FORMAT);
  }
  const { next, log, highestCounter, lastLoss = 0 } = head;
  return { next, log, highestCounter, lastLoss, tables: tables.map(tableFromJson) };
}

/** The manifest of a directory, or undefined when there is none. @throws as `decodeManifest`. */
export function readManifest(disk: Disk, directory: string): Manifest | undefined {
  const path = `${directory}/${MANIFEST_NAME}`;
  return disk.fileSize(path) === undefined ? undefined : decodeManifest(readWhole(disk, path));
}

/**
 * Replaces the manifest, atomically and durably.
 *
 * @throws {ConvergeError} `disk_full` (nothing changed); `disk_failed` (unknown).
 */
export async function writeManifest(
  disk: Disk,
  directory: string,
  manifest: Manifest,
): Promise<void> {
  const path = `${directory}/${MANIFEST_NAME}`;
  const temporary = path + TEMPORARY_SUFFIX;
  disk.remove(temporary);
  const file = disk.openAppend(temporary);
  try {
    file.append(encodeManifest(manifest));
    await file.sync();
  } finally {
    file.close();
  }
  disk.rename(temporary, path);
  try {
    await disk.syncDirectory(directory);
  } catch (cause) {
    // Whatever the reason: the new one is there, and may be the one that stays.
    throw new ConvergeError("disk_failed", `Cannot make ${path} durable`, { cause });
  }
}

function tableToJson(table: ManifestTable): Record<string, unknown> {
  const { number, run, bytes, properties } = table;
  const tail = table.tail === undefined ? undefined : hex(table.tail);
  return { number, run, bytes, tail, table: propertiesToJson(properties) };
}

function tableFromJson(json: Record<string, unknown>): ManifestTable {
  const properties = propertiesFromJson(json.table);
  const { number, run, bytes } = json as Record<string, number>;
  if (properties === undefined) throw corrupt("a table's line is wrong");
  const tail = typeof json.tail === "string" ? parseInt(json.tail, 16) : undefined;
  return { number: number!, run: run!, bytes: bytes!, tail, properties };
}

function corrupt(reason: string): ConvergeError {
  return new ConvergeError("corrupt_file", `Cannot read the manifest: ${reason}`);
}
