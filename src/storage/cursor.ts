/**
 * Sorted sources of lines and their merge: what scans, flushes and compactions are made of.
 *
 * Sources are ordered newest first. The store decides `stored` or `superseded` before it keeps a
 * record, so of two lines of a key the one in the newer source is the one that counts: a newer
 * version, or a record that came after an erase.
 */
import type { Key } from "../record/key.ts";
import { commonPrefix, ordinalOf } from "./key_ordinal.ts";
import type { LineMarks } from "./line_record.ts";

/** A position in a sorted source. */
export interface Cursor {
  /** Key of the current line; undefined at the end. */
  key: Key | undefined;
  /** The current line is [start, end) of `bytes`, without its line feed. */
  bytes: Uint8Array;
  start: number;
  end: number;
  /** No key of the source is greater; undefined where there is none. */
  readonly lastKey: Key | undefined;
  /** What the line says, where that is known without reading it; until the next step. */
  facts: LineMarks | undefined;
  /** Goes to the next line. @throws `corrupt_file`. */
  next(): void;
  /** Releases what the cursor holds. */
  close(): void;
}

/** Merges sources, newest first: each key once, from the newest source that has it. */
export class MergeCursor implements Cursor {
  key: Key | undefined;
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;
  readonly lastKey: Key | undefined;
  facts: LineMarks | undefined;
  readonly #all: readonly Cursor[];
  /** Sources by (key, age). Invariant: none in it is at its end. */
  readonly #sources: Source[];
  /** Bytes that all keys begin with. */
  readonly #prefixLength: number;

  constructor(sources: readonly Cursor[]) {
    this.#all = sources;
    const begun = sources.filter(({ key }) => key !== undefined);
    const first = begun.reduce(
      (least, { key }) => key! < least ? key! : least,
      begun[0]?.key ?? "",
    );
    this.lastKey = begun.reduce<Key | undefined>(
      (last, { lastKey }) => last === undefined || lastKey! > last ? lastKey : last,
      undefined,
    );
    this.#prefixLength = commonPrefix(first, this.lastKey ?? "").length;
    this.#sources = begun.map((cursor, rank) => ({ cursor, rank, ordinal: this.#ordinal(cursor) }))
      .sort((a, b) => isBefore(a, b) ? -1 : 1);
    this.#take();
  }

  next(): void {
    const sources = this.#sources;
    if (sources.length === 1) {
      sources[0]!.cursor.next();
      if (sources[0]!.cursor.key === undefined) sources.pop();
      return this.#take();
    }
    const { key } = this;
    const ordinal = sources[0]?.ordinal;
    for (let top; (top = sources[0]) !== undefined;) {
      if (top.ordinal !== ordinal || top.cursor.key !== key) break;
      top.cursor.next();
      if (top.cursor.key === undefined) sources.shift();
      else this.#moveBack(top);
    }
    this.#take();
  }

  close(): void {
    for (const cursor of this.#all) cursor.close();
    this.#sources.length = 0;
    this.key = undefined;
  }

  #take(): void {
    const top = this.#sources[0];
    if (top === undefined) {
      this.key = undefined;
      return;
    }
    const { cursor } = top;
    this.key = cursor.key;
    this.bytes = cursor.bytes;
    this.start = cursor.start;
    this.end = cursor.end;
    this.facts = cursor.facts;
  }

  /** Moves the first source, which has a new key, behind those that come before it now. */
  #moveBack(source: Source): void {
    const sources = this.#sources;
    source.ordinal = this.#ordinal(source.cursor);
    let at = 0;
    for (; at + 1 < sources.length && isBefore(sources[at + 1]!, source); at++) {
      sources[at] = sources[at + 1]!;
    }
    sources[at] = source;
  }

  #ordinal({ key }: Cursor): number {
    return ordinalOf(key!, this.#prefixLength);
  }
}

interface Source {
  readonly cursor: Cursor;
  /** 0 = newest source. */
  readonly rank: number;
  /** Tells the order of most keys, which as strings are slow to compare. */
  ordinal: number;
}

function isBefore(a: Source, b: Source): boolean {
  if (a.ordinal !== b.ordinal) return a.ordinal < b.ordinal;
  const aKey = a.cursor.key!;
  const bKey = b.cursor.key!;
  return aKey < bKey || (aKey === bKey && a.rank < b.rank);
}

const EMPTY = new Uint8Array(0);
