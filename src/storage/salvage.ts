/** Saves what holds of a damaged table: every block whose checksum is right. */
import { crc32 } from "node:zlib";
import type { Disk } from "../platform/disk.ts";
import { type Key, keyFromJson } from "../record/key.ts";
import { readWhole } from "./file_bytes.ts";
import type { IndexEntry } from "./index_lines.ts";
import { LineFeeds } from "./line_feeds.ts";
import { lineKey } from "./line_record.ts";
import { TableWriter, type TableWriterOptions, type WrittenTable } from "./sstable_writer.ts";
import { isSameTable, parseTable, type TableIdentity } from "./sstable_format.ts";

const LF = 10;
/** Blocks are copied this far without a pause: about a millisecond. */
const SLICE_BYTES = 64 * 1024;

const decoder = new TextDecoder();

/** Keys [start, end) of which records may be lost; no `end` = to the last key of all. */
export interface LostRange {
  start: Key;
  end: Key | undefined;
}

/** What is left of a table. */
export interface SalvagedTable {
  /** Undefined when nothing of it holds. */
  table: WrittenTable | undefined;
  lost: LostRange[];
}

/**
 * Copies the blocks that hold into a new table, durable and not yet named.
 *
 * The index need not hold as a whole: an entry of it is believed when the block that it points to
 * has the checksum that it says.
 *
 * @param path The damaged file.
 * @param known What the manifest says about the table.
 * @param pause Called between slices, to let others run.
 */
export async function salvageTable(
  disk: Disk,
  path: string,
  known: TableIdentity,
  target: TableWriterOptions,
  pause: () => Promise<void> = () => Promise.resolve(),
): Promise<SalvagedTable> {
  const bytes = readWhole(disk, path);
  const { first, last } = known.properties;
  const own = ownIdentity(bytes);
  // The file of another table: what it has of a key need not be of this keyspace, or of this age.
  if (own !== undefined && !isSameTable(own, known)) {
    return { table: undefined, lost: [{ start: first, end: after(last) }] };
  }
  const lost: LostRange[] = [];
  let writer: TableWriter | undefined;
  let expectedAt = 0;
  let lostFrom: Key = first;
  let isGap = false;
  let sliceBytes = 0;
  const feeds = new LineFeeds(bytes);
  try {
    for (const { key, at, length } of goodBlocks(bytes)) {
      isGap ||= at !== expectedAt;
      if (isGap) lost.push({ start: lostFrom, end: key });
      isGap = false;
      writer ??= new TableWriter(target);
      let start = at;
      while (start < at + length) {
        const end = feeds.lineEnd(start);
        lostFrom = lineKey(bytes, start, end);
        writer.add(lostFrom, { bytes, start, end });
        start = end + 1;
      }
      expectedAt = at + length;
      sliceBytes += length;
      if (sliceBytes < SLICE_BYTES) continue;
      sliceBytes = 0;
      await pause();
    }
    if (lostFrom < last || writer === undefined) {
      lost.push({ start: lostFrom, end: after(last) });
    }
    return { table: await writer?.finish(pause), lost };
  } catch (error) {
    // On a full disk it would take the room that is missing, and more of it with each attempt.
    writer?.abandon();
    throw error;
  }
}

/** What a table says of itself, where the checksum over that holds. */
export function ownIdentity(bytes: Uint8Array): TableIdentity | undefined {
  try {
    return parseTable(bytes);
  } catch {
    return undefined;
  }
}

/** The blocks of a table, in key order, that some index line describes and that hold. */
export function goodBlocks(bytes: Uint8Array): { key: Key; at: number; length: number }[] {
  const blocks: { key: Key; at: number; length: number }[] = [];
  const feeds = new LineFeeds(bytes);
  for (let start = 0; start < bytes.byteLength;) {
    const end = feeds.lineEnd(start);
    // {"index":
    if (bytes[start + 2] === 0x69 && bytes[start + 7] === 0x22) {
      const block = blockOf(decoder.decode(bytes.subarray(start, end)), bytes);
      if (block !== undefined) blocks.push(block);
    }
    start = end + 1;
  }
  return blocks.sort((a, b) => a.at - b.at);
}

function blockOf(
  line: string,
  bytes: Uint8Array,
): { key: Key; at: number; length: number } | undefined {
  let entry: Partial<IndexEntry>;
  try {
    entry = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { at, bytes: length, crc } = entry;
  if (typeof at !== "number" || typeof length !== "number" || typeof crc !== "string") {
    return undefined;
  }
  const key = keyFromJson(entry.index ?? {});
  const block = bytes.subarray(at, at + length);
  const holds = key !== undefined && block.byteLength === length && length > 0 &&
    block[length - 1] === LF && crc32(block) === parseInt(crc, 16);
  return holds ? { key, at, length } : undefined;
}

/** The first key behind `key`. */
function after(key: Key): Key {
  return key + "\0";
}
