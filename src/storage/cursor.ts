/**
 * Sorted sources of lines and their merge: what scans, flushes and compactions are made of.
 *
 * Sources are ordered newest first. The store decides `stored` or `superseded` before it keeps a
 * record, so of two lines of a key the one in the newer source is the one that counts: a newer
 * version, or a record that came after an erase.
 */
import type { Key } from "../record/key.ts";
import type { LineMarks } from "./line_record.ts";

/** A position in a sorted source. */
export interface Cursor {
  /** Key of the current line; undefined at the end. */
  key: Key | undefined;
  /** The current line is [start, end) of `bytes`, without its line feed. */
  bytes: Uint8Array;
  start: number;
  end: number;
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
  facts: LineMarks | undefined;
  readonly #all: readonly Cursor[];
  /** Binary heap of sources by (key, age). Invariant: no source in it is at its end. */
  readonly #heap: RankedCursor[];
  #size: number;

  constructor(sources: readonly Cursor[]) {
    this.#all = sources;
    this.#heap = sources.map((cursor, rank) => ({ cursor, rank }))
      .filter(({ cursor }) => cursor.key !== undefined);
    this.#size = this.#heap.length;
    for (let i = (this.#size >> 1) - 1; i >= 0; i--) this.#sink(i);
    this.#take();
  }

  next(): void {
    const { key } = this;
    while (this.#size > 0 && this.#heap[0]!.cursor.key === key) {
      const top = this.#heap[0]!;
      top.cursor.next();
      if (top.cursor.key === undefined) this.#heap[0] = this.#heap[--this.#size]!;
      if (this.#size > 1) this.#sink(0);
    }
    this.#take();
  }

  close(): void {
    for (const cursor of this.#all) cursor.close();
    this.#size = 0;
    this.key = undefined;
  }

  #take(): void {
    if (this.#size === 0) {
      this.key = undefined;
      return;
    }
    const { cursor } = this.#heap[0]!;
    this.key = cursor.key;
    this.bytes = cursor.bytes;
    this.start = cursor.start;
    this.end = cursor.end;
    this.facts = cursor.facts;
  }

  #sink(index: number): void {
    const heap = this.#heap;
    const size = this.#size;
    const item = heap[index]!;
    while (true) {
      let child = index * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, item)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = item;
  }
}

interface RankedCursor {
  readonly cursor: Cursor;
  /** 0 = newest source. */
  readonly rank: number;
}

function isBefore(a: RankedCursor, b: RankedCursor): boolean {
  const aKey = a.cursor.key!;
  const bKey = b.cursor.key!;
  return aKey < bKey || (aKey === bKey && a.rank < b.rank);
}

const EMPTY = new Uint8Array(0);
