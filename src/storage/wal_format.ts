/**
 * The lines of the write-ahead log. Grammar and reasons: `docs/formats.md`.
 *
 *     segment = header group*              header = crc SP "#log" SP json LF
 *     group   = line* commit               commit = crc SP "#commit" SP json LF
 *     line    = crc SP [keyspace SP] json LF          (no keyspace: the data keyspace)
 *
 * `crc` is the CRC-32, in 8 hex digits, of everything between the space after it and the line feed.
 * A line of the data keyspace is exactly the record's frame.
 *
 * A group is what one fsync covers: it counts whole or not at all. Its commit tells how many lines
 * and bytes it has, their CRC-32, and how many bytes of the segment were *known to be durable* when it
 * was written (`synced`). That is what tells a torn tail from damage: bytes that a later commit calls
 * synced can only have been damaged. So that the last group has such a witness too, an empty group
 * follows it when writing has paused.
 */
import { crc32 } from "node:zlib";
import { ConvergeError } from "../errors.ts";
import { FRAME_HEADER_BYTES, frameAround, readHex } from "../record/frame.ts";
import { unknownFormat } from "./unknown_format.ts";

export const LOG_FORMAT = 1;
const HEADER_TAG = "#log";
const COMMIT_TAG = "#commit";

const SPACE = 32;
const HASH = 35;
const BRACE = 123;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The first line of a segment. */
export interface SegmentHeader {
  format: number;
  /** The segment's number, which is its file's name too. */
  segment: number;
  /** Bytes of the segment before, all of them synced when this one was begun; 0 when there is none. */
  previousBytes: number;
}

/** No commit's line is longer. */
export const COMMIT_BYTES_MAX = 160;

/** The last line of a group. */
export interface Commit {
  lines: number;
  /** Bytes of the group's lines, this one not counted. */
  bytes: number;
  /** CRC-32 of those bytes. */
  crc: number;
  /** Bytes of the segment known to be durable when this line was written. */
  synced: number;
}

/** A line with its checksum: `text` holds no line feed. */
export function checkedLine(text: string): Uint8Array<ArrayBuffer> {
  return frameAround(encoder.encode(text));
}

/** Whether [start, end) holds a line's checksum and text, `end` being its line feed's offset. */
export function isChecked(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start > FRAME_HEADER_BYTES && bytes[start + FRAME_HEADER_BYTES - 1] === SPACE &&
    readHex(bytes, start) === crc32(bytes.subarray(start + FRAME_HEADER_BYTES, end));
}

export function headerLine(header: SegmentHeader): Uint8Array<ArrayBuffer> {
  return checkedLine(`${HEADER_TAG} ${JSON.stringify(header)}`);
}

export function commitLine({ lines, bytes, crc, synced }: Commit): Uint8Array<ArrayBuffer> {
  return checkedLine(
    `${COMMIT_TAG} {"lines":${lines},"bytes":${bytes},"crc":"${hex(crc)}","synced":${synced}}`,
  );
}

/** The header in [start, end), whose checksum holds. @throws `corrupt_file`, `wrong_data`. */
export function parseHeader(bytes: Uint8Array, start: number, end: number): SegmentHeader {
  const header = taggedJson(bytes, start, end, HEADER_TAG) as Partial<SegmentHeader>;
  const { format, segment, previousBytes } = header;
  if (format !== LOG_FORMAT) {
    throw unknownFormat("the log", format, LOG_FORMAT);
  }
  if (!isSize(segment) || !isSize(previousBytes)) {
    throw new ConvergeError("corrupt_file", "Cannot read the log: its header is wrong");
  }
  return { format, segment, previousBytes };
}

/** The commit in [start, end), or undefined when the line is none. Does not check the checksum. */
export function parseCommit(bytes: Uint8Array, start: number, end: number): Commit | undefined {
  if (!isTagged(bytes, start) || bytes[start + FRAME_HEADER_BYTES + 1] !== 0x63) return undefined;
  const { lines, bytes: size, crc, synced } = taggedJson(bytes, start, end, COMMIT_TAG);
  if (!isSize(lines) || !isSize(size) || !isSize(synced) || typeof crc !== "string") {
    return undefined;
  }
  return { lines, bytes: size, crc: parseInt(crc, 16), synced };
}

/** Whether the line at `start` is the log's own and no mutation. */
export function isTagged(bytes: Uint8Array, start: number): boolean {
  return bytes[start + FRAME_HEADER_BYTES] === HASH;
}

/** Keyspace ("" = data) and start of the JSON of the mutation line [start, end). */
export function mutationAt(
  bytes: Uint8Array,
  start: number,
  end: number,
): { keyspace: string; jsonStart: number } {
  const textStart = start + FRAME_HEADER_BYTES;
  if (bytes[textStart] === BRACE) return { keyspace: "", jsonStart: textStart };
  const space = bytes.indexOf(SPACE, textStart);
  if (space < 0 || space >= end) {
    throw new ConvergeError("corrupt_file", "Cannot read a line of the log: it has no record");
  }
  return { keyspace: decoder.decode(bytes.subarray(textStart, space)), jsonStart: space + 1 };
}

/** Eight hex digits. */
export function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

function taggedJson(
  bytes: Uint8Array,
  start: number,
  end: number,
  tag: string,
): Record<string, unknown> {
  const text = decoder.decode(bytes.subarray(start + FRAME_HEADER_BYTES, end));
  try {
    if (text.startsWith(`${tag} {`)) return JSON.parse(text.slice(tag.length + 1));
  } catch {
    // Falls through: what is not JSON is as wrong as a missing tag.
  }
  throw new ConvergeError("corrupt_file", `Cannot read the log: a ${tag} line is expected`);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
