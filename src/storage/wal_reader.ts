/**
 * Reads a log segment back: which groups count, and whether what follows them is a torn tail (cut) or
 * damage (stop). Pure: bytes in, findings out.
 */
import { crc32 } from "node:zlib";
import { ConvergeError } from "../errors.ts";
import { FRAME_HEADER_BYTES } from "../record/frame.ts";
import { LineFeeds } from "./line_feeds.ts";
import {
  type Commit,
  COMMIT_BYTES_MAX,
  isChecked,
  isTagged,
  parseCommit,
  parseHeader,
  type SegmentHeader,
} from "./wal_format.ts";

const LF = 10;
const HASH = 35;

/** What a segment holds. */
export interface SegmentFindings {
  /** Undefined when the segment is torn before its first group: it never held anything. */
  header: SegmentHeader | undefined;
  /** Where the valid groups end; the rest is a torn tail (or, with `damage`, lies behind damage). */
  validBytes: number;
  /** So many of them were durable when the last group was written, as it says. */
  syncedBytes: number;
  lines: number;
  damage: SegmentDamage | undefined;
}

/** Bytes that were durable once and do not hold now. */
export interface SegmentDamage {
  /** Offset of the first bad line. */
  offset: number;
  reason: string;
}

/** Called with each line of each valid group, in order: [start, end) without the line feed. */
export type LineVisitor = (start: number, end: number) => void;

/** A segment without the zeros that may follow what was appended, see `AppendOptions`. */
export function withoutRoom(segment: Uint8Array): Uint8Array {
  let end = segment.byteLength;
  while (end > 0 && segment[end - 1] === 0) end--;
  return segment.subarray(0, end);
}

/**
 * Walks the groups of a segment; the room behind it is none of it.
 *
 * @throws {ConvergeError} `wrong_data` when the segment is of an unknown format.
 */
export function readSegment(segment: Uint8Array, visit: LineVisitor): SegmentFindings {
  const bytes = withoutRoom(segment);
  const headerEnd = bytes.indexOf(LF);
  if (headerEnd < 0 || !isChecked(bytes, 0, headerEnd)) {
    return unread(bytes, 0, "the header's checksum does not hold", undefined);
  }
  let header: SegmentHeader;
  try {
    header = parseHeader(bytes, 0, headerEnd);
  } catch (error) {
    if (error instanceof ConvergeError && error.code === "wrong_data") throw error;
    return unread(bytes, 0, "the header is wrong", undefined);
  }
  let groupStart = headerEnd + 1;
  let linesTotal = 0;
  let syncedBytes = 0;
  const ends: number[] = [];
  const feeds = new LineFeeds(bytes);
  while (groupStart < bytes.byteLength) {
    ends.length = 0;
    const commit = findCommit(bytes, feeds, groupStart, ends);
    if (commit === undefined || !groupHolds(bytes, groupStart, ends, commit)) {
      const { offset, reason } = firstBadLine(bytes, groupStart);
      const findings = unread(bytes, groupStart, reason, offset);
      return { ...findings, header, validBytes: groupStart, syncedBytes, lines: linesTotal };
    }
    let start = groupStart;
    for (let i = 0; i < commit.lines; i++) {
      visit(start, ends[i]!);
      start = ends[i]! + 1;
    }
    linesTotal += commit.lines;
    syncedBytes = commit.synced;
    groupStart = ends[commit.lines]! + 1;
  }
  return { header, validBytes: groupStart, syncedBytes, lines: linesTotal, damage: undefined };
}

/** Collects line ends up to the next commit line. */
function findCommit(
  bytes: Uint8Array,
  feeds: LineFeeds,
  groupStart: number,
  ends: number[],
): Commit | undefined {
  let start = groupStart;
  while (true) {
    const end = feeds.next(start);
    if (end < 0) return undefined;
    ends.push(end);
    if (isTagged(bytes, start)) {
      if (!isChecked(bytes, start, end)) return undefined;
      try {
        return parseCommit(bytes, start, end);
      } catch {
        return undefined;
      }
    }
    start = end + 1;
  }
}

function groupHolds(
  bytes: Uint8Array,
  groupStart: number,
  ends: readonly number[],
  commit: Commit,
): boolean {
  const commitStart = ends.length === 1 ? groupStart : ends[ends.length - 2]! + 1;
  return commit.lines === ends.length - 1 && commit.bytes === commitStart - groupStart &&
    commit.crc === crc32(bytes.subarray(groupStart, commitStart)) && commit.synced <= groupStart;
}

/** A torn tail, unless a later commit knows that these bytes were durable. */
function unread(
  bytes: Uint8Array,
  groupStart: number,
  reason: string,
  offset: number | undefined,
): SegmentFindings {
  const witness = groupStart === 0 ? 1 : groupStart + 1;
  const damaged = hasWitness(bytes, groupStart, witness);
  return {
    header: undefined,
    validBytes: 0,
    syncedBytes: 0,
    lines: 0,
    damage: damaged ? { offset: offset ?? groupStart, reason } : undefined,
  };
}

/**
 * Whether any commit from `from` on says that at least `syncedMin` bytes were durable. Looked for at
 * every offset, not only at the starts of lines: the line feed before it may be what is damaged. A value
 * can look like many, so no more is read for each than a commit may have.
 */
function hasWitness(bytes: Uint8Array, from: number, syncedMin: number): boolean {
  let hash = bytes.indexOf(HASH, from + FRAME_HEADER_BYTES);
  while (hash >= 0) {
    const start = hash - FRAME_HEADER_BYTES;
    const line = bytes.subarray(start, start + COMMIT_BYTES_MAX);
    const feed = line.indexOf(LF);
    const end = start + (feed < 0 ? line.byteLength : feed);
    if (isChecked(bytes, start, end)) {
      try {
        if ((parseCommit(bytes, start, end)?.synced ?? 0) >= syncedMin) return true;
      } catch {
        // A tagged line of another kind is no witness.
      }
    }
    hash = bytes.indexOf(HASH, hash + 1);
  }
  return false;
}

function firstBadLine(bytes: Uint8Array, groupStart: number): SegmentDamage {
  let start = groupStart;
  while (start < bytes.byteLength) {
    const end = bytes.indexOf(LF, start);
    if (end < 0) return { offset: start, reason: "the last line is cut short" };
    if (!isChecked(bytes, start, end)) {
      return { offset: start, reason: "a line's checksum does not hold" };
    }
    if (isTagged(bytes, start)) return { offset: start, reason: "a commit does not fit its group" };
    start = end + 1;
  }
  return { offset: groupStart, reason: "a group has no commit" };
}
