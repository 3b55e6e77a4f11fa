/** Writes a sorted table: tmp -> fsync -> rename. The directory is synced by who names the table. */
import { crc32 } from "node:zlib";
import { invariant } from "../errors.ts";
import type { AppendFile, Disk } from "../platform/disk.ts";
import { type Key, keyFromBytes, keyToBytes } from "../record/key.ts";
import { BloomFilterBuilder } from "./bloom_filter.ts";
import { ByteBuffer } from "./byte_buffer.ts";
import { tableName, TEMPORARY_SUFFIX } from "./file_names.ts";
import { indexLine } from "./index_lines.ts";
import { KeySearch } from "./key_search.ts";
import { type Line, lineFacts, lineKey, type LineMarks } from "./line_record.ts";
import {
  BLOCK_BYTES,
  filterLine,
  FOOTER_BYTES,
  footerLine,
  propertiesLine,
  type TableIndex,
  type TableProperties,
} from "./sstable_format.ts";

const LF = 10;
/** A block is so many times as long as its first key, which its line in the index repeats, at least. */
const FIRST_KEYS_PER_BLOCK = 8;
/** Written at a time, at most: most tables of a small memtable are far smaller, and their room is too. */
const OUTPUT_BYTES = 128 * 1024;
/** Written bytes after which the device is given them, so that the last sync is short. */
const SYNC_STEP_BYTES = 4 * 1024 * 1024;

const encoder = new TextEncoder();

/** A table that is complete and durable, though no manifest names it yet. */
export interface WrittenTable {
  number: number;
  bytes: number;
  properties: TableProperties;
  /** The footer's. */
  tail: number;
  index: TableIndex;
}

/** Where a table is written, and what of. */
export interface TableWriterOptions {
  disk: Disk;
  directory: string;
  number: number;
  keyspace: string;
}

/** One table being written. Lines must come in strictly ascending key order. */
export class TableWriter {
  readonly #options: TableWriterOptions;
  readonly #temporaryPath: string;
  readonly #file: AppendFile;
  readonly #filter = new BloomFilterBuilder();
  readonly #firstKeys: Key[] = [];
  readonly #offsets: number[] = [];
  readonly #crcs: number[] = [];
  readonly #indexLines = new ByteBuffer(BLOCK_BYTES);
  readonly #block = new ByteBuffer(2 * BLOCK_BYTES);
  /** Bytes with which the block is complete. */
  #blockBytesMin = BLOCK_BYTES;
  readonly #output = new ByteBuffer(BLOCK_BYTES);
  /** Bytes of finished blocks. */
  #dataBytes = 0;
  #unsyncedBytes = 0;
  #records = 0;
  #tombstones = 0;
  #erases = 0;
  #maxCounter = 0;
  #lastKey: Key | undefined;

  constructor(options: TableWriterOptions) {
    this.#options = options;
    const { disk, directory, number } = options;
    this.#temporaryPath = `${directory}/${tableName(number)}${TEMPORARY_SUFFIX}`;
    disk.remove(this.#temporaryPath);
    this.#file = disk.openAppend(this.#temporaryPath);
  }

  /** Bytes of lines so far. */
  get bytes(): number {
    return this.#dataBytes + this.#block.length;
  }

  /** Adds a line. Nothing of its bytes is kept. */
  add(
    key: Key,
    { bytes, start, end }: Line,
    facts: LineMarks = lineFacts(bytes, start, end),
  ): void {
    if (facts.tombstone) this.#tombstones++;
    if (facts.erase === true) this.#erases++;
    if (facts.counter > this.#maxCounter) this.#maxCounter = facts.counter;
    const block = this.#block;
    if (block.length === 0) {
      this.#firstKeys.push(lineKey(bytes, start, end));
      this.#blockBytesMin = Math.max(BLOCK_BYTES, FIRST_KEYS_PER_BLOCK * key.length);
    }
    block.reserve(end - start + 1);
    block.bytes.set(bytes.subarray(start, end), block.length);
    block.length += end - start;
    block.bytes[block.length++] = LF;
    this.#filter.add(key);
    this.#records++;
    this.#lastKey = key;
    if (block.length >= this.#blockBytesMin) this.#finishBlock();
  }

  /** Gives the device what has gathered, if that is much. */
  async pace(): Promise<void> {
    if (this.#unsyncedBytes < SYNC_STEP_BYTES) return;
    this.#unsyncedBytes = 0;
    await this.#file.sync();
  }

  /**
   * Completes the table and makes it durable under its final name. At least one line is needed.
   *
   * @param pause Called between the steps, to let others run.
   */
  async finish(pause?: () => Promise<void>): Promise<WrittenTable> {
    const { disk, directory, number, keyspace } = this.#options;
    invariant(this.#lastKey !== undefined, "a table has at least one line");
    const properties: TableProperties = {
      keyspace,
      records: this.#records,
      tombstones: this.#tombstones,
      erases: this.#erases,
      first: this.#firstKeys[0]!,
      // Its own characters, and not a part of a string of a whole block.
      last: keyFromBytes(keyToBytes(this.#lastKey)),
      maxCounter: this.#maxCounter,
    };
    if (this.#block.length > 0) this.#finishBlock();
    this.#flushOutput();
    const filter = await this.#filter.build(pause);
    await pause?.();
    const { bytes, tail } = this.#tail(filter, properties);
    this.#file.append(bytes);
    await this.#file.sync();
    const sizeBytes = this.#file.sizeBytes;
    this.#file.close();
    disk.rename(this.#temporaryPath, `${directory}/${tableName(number)}`);
    this.#offsets.push(this.#dataBytes);
    const index = {
      firstKeys: this.#firstKeys,
      search: new KeySearch(this.#firstKeys),
      offsets: new Float64Array(this.#offsets),
      crcs: new Uint32Array(this.#crcs),
      filter,
    };
    return { number, bytes: sizeBytes, properties, tail, index };
  }

  /** Gives up: removes what was written. Never throws. */
  abandon(): void {
    try {
      this.#file.close();
    } catch {
      // Closed already, or the disk is failing: the file is a leftover either way.
    }
    try {
      this.#options.disk.remove(this.#temporaryPath);
    } catch {
      // A leftover is removed at the next start.
    }
  }

  /** All behind the blocks, and the checksum over it. */
  #tail(filter: Uint8Array, properties: TableProperties): { bytes: Uint8Array; tail: number } {
    const index = this.#indexLines.gathered;
    const filterText = filterLine(filter);
    const rest = encoder.encode(filterText + propertiesLine(properties));
    const bytes = new ByteBuffer(index.byteLength + rest.byteLength + FOOTER_BYTES);
    bytes.append(index);
    bytes.append(rest);
    const tail = crc32(bytes.gathered);
    const filterAt = this.#dataBytes + index.byteLength;
    const footer = footerLine({
      index: this.#dataBytes,
      filter: filterAt,
      properties: filterAt + filterText.length,
      tail,
    });
    bytes.append(footer);
    return { bytes: bytes.gathered, tail };
  }

  #finishBlock(): void {
    const block = this.#block.gathered;
    const crc = crc32(block);
    this.#offsets.push(this.#dataBytes);
    this.#crcs.push(crc);
    const { byteLength } = block;
    this.#indexLines.appendText(
      indexLine(this.#firstKeys.at(-1)!, this.#dataBytes, byteLength, crc),
    );
    if (this.#output.length + byteLength > OUTPUT_BYTES) this.#flushOutput();
    if (byteLength > OUTPUT_BYTES) {
      this.#file.append(block);
      this.#unsyncedBytes += byteLength;
    } else {
      this.#output.append(block);
    }
    this.#dataBytes += byteLength;
    this.#block.length = 0;
  }

  #flushOutput(): void {
    if (this.#output.length === 0) return;
    this.#file.append(this.#output.gathered);
    this.#unsyncedBytes += this.#output.length;
    this.#output.length = 0;
  }
}
