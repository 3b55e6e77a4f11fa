/** Reads a sorted table. Nothing is answered from bytes whose checksum was not seen to hold. */
import { crc32 } from "node:zlib";
import { ConvergeError, isConvergeError } from "../errors.ts";
import type { Disk, ReadFile } from "../platform/disk.ts";
import type { Key } from "../record/key.ts";
import type { BlockCache, CachedBlock } from "./block_cache.ts";
import { type KeyHash, mayContain } from "./bloom_filter.ts";
import { tableName } from "./file_names.ts";
import {
  findLine,
  findStart,
  type Line,
  lineEnd,
  type LineRecord,
  lineRecord,
  lineStarts,
} from "./line_record.ts";
import {
  BLOCK_BYTES,
  FOOTER_BYTES,
  formatOf,
  isSameTable,
  parseFooter,
  parseTail,
  TABLE_FORMAT,
  type TableIdentity,
  type TableIndex,
  type TableProperties,
} from "./sstable_format.ts";
import { copyLine } from "./line_slab.ts";
import type { FileHolder, TableFiles } from "./table_files.ts";
import { unknownFormat } from "./unknown_format.ts";

/** Blocks that a cursor reads in one go at most, and bytes: those of long values are long. */
export const READ_AHEAD_BLOCKS = 64;
export const READ_AHEAD_BYTES = (READ_AHEAD_BLOCKS + 2) * BLOCK_BYTES;
/** A larger block has memory of its own, for the time of one read. */
const SCRATCH_BYTES_MAX = 64 * 1024;

/**
 * Looks at a table's footer for nothing but its format. One that does not hold, or cannot be read, is
 * for those who need more of it.
 *
 * @throws {ConvergeError} `wrong_data` for an unknown format; `disk_failed` for one that does not open.
 */
export function refuseUnknownFormat(disk: Disk, path: string): void {
  const file = disk.openRead(path);
  try {
    const format = readFormat(file);
    if (format !== undefined && format !== TABLE_FORMAT) {
      throw unknownFormat(path, format, TABLE_FORMAT);
    }
  } finally {
    file.close();
  }
}

function readFormat(file: ReadFile): unknown {
  const footerBytes = Math.min(file.sizeBytes, FOOTER_BYTES);
  try {
    return formatOf(file.readAt(file.sizeBytes - footerBytes, footerBytes));
  } catch (error) {
    if (isConvergeError(error, "disk_failed")) return undefined;
    throw error;
  }
}

/** Which table, and what it shares with the others. */
export interface TableReaderOptions extends TableIdentity {
  files: TableFiles;
  directory: string;
  number: number;
  bytes: number;
  cache: BlockCache;
  /** Told of damage before the error is thrown. */
  onDamage?: (table: TableReader, error: ConvergeError) => void;
}

/** An immutable table. Index and filter are read when first needed. */
export class TableReader implements TableIdentity, FileHolder {
  readonly number: number;
  readonly name: string;
  readonly bytes: number;
  readonly properties: TableProperties;
  readonly tail: number | undefined;
  readonly #options: TableReaderOptions;
  readonly #blocks: (CachedBlock | undefined)[] = [];
  #file: ReadFile | undefined;
  #index: TableIndex | undefined;
  /** Scans and compactions that read it. */
  #users = 0;
  /** Called when the last user leaves, once nothing names the table. */
  #retire: (() => void) | undefined;

  /** @param index The index, where it is known because the table was just written. */
  constructor(options: TableReaderOptions, index?: TableIndex) {
    this.number = options.number;
    this.name = tableName(options.number);
    this.bytes = options.bytes;
    this.properties = options.properties;
    this.tail = options.tail;
    this.#options = options;
    this.#index = index;
  }

  get path(): string {
    return `${this.#options.directory}/${this.name}`;
  }

  /**
   * Whether a key of its range may be in this table: false is certain. It may, as long as the filter was
   * not read; nothing is read for this.
   */
  mayHave(hash: KeyHash): boolean {
    return this.#index === undefined || mayContain(this.#index.filter, hash);
  }

  /** Whether {@linkcode index} is at hand without a read. */
  get isIndexKnown(): boolean {
    return this.#index !== undefined;
  }

  /** The newest line of a key in this table, an erase marker too. @throws `corrupt_file`. */
  get(key: Key, hash: KeyHash): LineRecord | undefined {
    const { first, last } = this.properties;
    if (key < first || key > last) return undefined;
    const index = this.index();
    if (!mayContain(index.filter, hash)) return undefined;
    const number = index.search.lastNotAfter(key);
    const cached = this.#blocks[number];
    if (cached !== undefined) {
      cached.used = true;
      const { bytes } = cached;
      const starts = cached.starts ??= lineStarts(bytes);
      const i = findStart(bytes, starts, key);
      return i < 0 ? undefined : lineRecord(key, bytes, starts[i]!, starts[i + 1]! - 1);
    }
    const length = index.offsets[number + 1]! - index.offsets[number]!;
    if (this.#options.cache.admits(length)) return findRecord(this.block(number), key);
    const block = scratchOf(length);
    this.#file ??= this.#options.files.open(this.path, this);
    this.#file.readInto(index.offsets[number]!, block);
    this.#check(number, block);
    return findRecord(block, key, copyLine);
  }

  /** The checked bytes of a block, kept in the cache. */
  block(number: number): Uint8Array {
    const cached = this.#blocks[number];
    if (cached !== undefined) {
      cached.used = true;
      return cached.bytes;
    }
    const { offsets } = this.index();
    const offset = offsets[number]!;
    const bytes = this.#read(offset, offsets[number + 1]! - offset);
    this.#check(number, bytes);
    this.#options.cache.put(this.#blocks, number, bytes);
    return bytes;
  }

  /** How many blocks from `number` on to read at once, at most `countMax`; 0 where none is left. */
  readAhead(number: number, countMax: number): number {
    const { offsets } = this.index();
    let count = Math.min(countMax, offsets.length - 1 - number);
    while (count > 1 && offsets[number + count]! - offsets[number]! > READ_AHEAD_BYTES) count >>= 1;
    return count;
  }

  /**
   * The checked bytes of consecutive blocks, read at once and not kept.
   *
   * @param buffer Where to read them to, if they fit; default: memory of their own.
   */
  blocks(number: number, count: number, buffer?: Uint8Array): Uint8Array[] {
    const { offsets } = this.index();
    const offset = offsets[number]!;
    const length = offsets[number + count]! - offset;
    const fits = buffer !== undefined && length <= buffer.byteLength;
    const bytes = fits ? buffer.subarray(0, length) : new Uint8Array(length);
    this.#file ??= this.#options.files.open(this.path, this);
    this.#file.readInto(offset, bytes);
    const blocks: Uint8Array[] = [];
    for (let i = number; i < number + count; i++) {
      const block = bytes.subarray(offsets[i]! - offset, offsets[i + 1]! - offset);
      this.#check(i, block);
      blocks.push(block);
    }
    return blocks;
  }

  /** Index and filter. @throws `corrupt_file`. */
  index(): TableIndex {
    return this.#index ??= this.#readIndex();
  }

  /** Keeps the files of the table until {@linkcode release}. */
  acquire(): void {
    this.#users++;
  }

  release(): void {
    this.#users--;
    this.#retireIfUnused();
  }

  /** Says that nothing names the table any more: closes it and calls `then` once it is unused. */
  retire(then: () => void): void {
    this.#retire = then;
    this.#retireIfUnused();
  }

  close(): void {
    this.#options.cache.drop(this.#blocks);
    this.closeFile();
  }

  closeFile(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    this.#options.files.closed(this);
    file.close();
  }

  #retireIfUnused(): void {
    if (this.#users > 0 || this.#retire === undefined) return;
    const retire = this.#retire;
    this.#retire = undefined;
    this.close();
    retire();
  }

  #readIndex(): TableIndex {
    try {
      this.#file ??= this.#options.files.open(this.path, this);
      const { sizeBytes } = this.#file;
      if (sizeBytes !== this.bytes) {
        throw new ConvergeError(
          "corrupt_file",
          `Cannot read a table: it has ${sizeBytes} bytes, the manifest says ${this.bytes}`,
        );
      }
      const footerAt = sizeBytes - FOOTER_BYTES;
      const footer = parseFooter(this.#file.readAt(footerAt, FOOTER_BYTES));
      const tail = this.#file.readAt(footer.index, footerAt - footer.index);
      const { index, properties } = parseTail(tail, footer);
      // The file of another table: every checksum in it holds, and its filter knows none of the keys.
      if (!isSameTable({ properties, tail: footer.tail }, this)) {
        throw new ConvergeError(
          "corrupt_file",
          "Cannot read a table: it is not the one that the manifest names",
        );
      }
      return index;
    } catch (error) {
      // What could not be read, or not by this version, is no damage: nothing of it may be given up.
      if (error instanceof ConvergeError && error.code !== "corrupt_file") throw error;
      throw this.#damage(error instanceof Error ? error.message : String(error), {});
    }
  }

  #read(offset: number, length: number): Uint8Array {
    this.#file ??= this.#options.files.open(this.path, this);
    return this.#file.readAt(offset, length);
  }

  #check(number: number, block: Uint8Array): void {
    const index = this.#index!;
    if (crc32(block) === index.crcs[number]) return;
    throw this.#damage("a block's checksum does not hold", { offset: index.offsets[number] });
  }

  #damage(reason: string, where: { offset?: number | undefined }): ConvergeError {
    const at = where.offset === undefined ? "" : ` at offset ${where.offset}`;
    const error = new ConvergeError("corrupt_file", `Cannot read ${this.path}${at}: ${reason}`, {
      details: { file: this.path, ...where },
    });
    this.#options.onDamage?.(this, error);
    return error;
  }
}

/** The line of `key` in a block, as it lies there or as a copy. */
function findRecord(
  block: Uint8Array,
  key: Key,
  copy?: (block: Uint8Array, start: number, end: number) => Line,
): LineRecord | undefined {
  const from = findLine(block, key);
  if (from < 0) return undefined;
  const to = lineEnd(block, from);
  if (copy === undefined) return lineRecord(key, block, from, to);
  const { bytes, start, end } = copy(block, from, to);
  return lineRecord(key, bytes, start, end);
}

/** Where blocks that are not kept are read to. Nothing may look at it after the call that filled it. */
let scratch = new Uint8Array(2 * BLOCK_BYTES);

function scratchOf(length: number): Uint8Array {
  if (length > scratch.byteLength) {
    if (length > SCRATCH_BYTES_MAX) return new Uint8Array(length);
    scratch = new Uint8Array(length);
  }
  return scratch.subarray(0, length);
}
