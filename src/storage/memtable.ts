/**
 * What was applied and is not in a table yet: per keyspace the newest line of each key.
 *
 * Entries are parts of the buffers that were appended to the log, so that `logBytes` is also what
 * they keep alive in memory.
 */
import type { Key } from "../record/key.ts";
import type { Cursor } from "./cursor.ts";
import type { LineRecord } from "./line_record.ts";
import { type Keyed, lowerBoundIndex, SortedSlots } from "./sorted_slots.ts";
import type { Keyspace } from "./store.ts";

/** One memtable. Written by one writer; read by anyone between its steps. */
export class Memtable {
  readonly keyspaces: Map<Keyspace, MemtableKeyspace> = new Map();
  /** Bytes appended to the log for this memtable. */
  logBytes = 0;
  #sequence = 0;
  #snapshots = 0;

  get isEmpty(): boolean {
    return this.keyspaces.size === 0;
  }

  get(keyspace: Keyspace, key: Key): LineRecord | undefined {
    return this.keyspaces.get(keyspace)?.slots.get(key)?.line;
  }

  /** Puts the newest line of a key (the caller has decided that it is). */
  put(keyspace: Keyspace, line: LineRecord): void {
    let space = this.keyspaces.get(keyspace);
    if (space === undefined) this.keyspaces.set(keyspace, space = new MemtableKeyspace());
    space.put(line, ++this.#sequence, this.#snapshots > 0);
  }

  /** What `get` would find now, whatever is put afterwards. Close it, once. */
  snapshot(): MemtableSnapshot {
    this.#snapshots++;
    const sequence = this.#sequence;
    return {
      get: (keyspace, key) => {
        const slot = this.keyspaces.get(keyspace)?.slots.get(key);
        return slot === undefined ? undefined : entryAt(slot, sequence)?.line;
      },
      close: () => void this.#snapshots--,
    };
  }

  /** Lines of [start, end) as of now, whatever is put afterwards. Close it. */
  cursor(keyspace: Keyspace, start: Key, end: Key | undefined): Cursor[] {
    const space = this.keyspaces.get(keyspace);
    if (space === undefined) return [];
    const sequence = this.#sequence;
    return space.sorted.runs().map((run) => {
      this.#snapshots++;
      const closed = () => void this.#snapshots--;
      return new MemtableCursor(run, { start, end, sequence, closed });
    });
  }
}

/** The lines of a memtable at one moment. */
export interface MemtableSnapshot {
  get(keyspace: Keyspace, key: Key): LineRecord | undefined;
  close(): void;
}

/** A line with the moment it was put, and what it replaced while a snapshot was open. */
interface Entry {
  line: LineRecord;
  sequence: number;
  previous: Entry | undefined;
}

/** The newest line of a key. There is one slot per key, for good: sorted runs hold slots. */
interface Slot extends Entry, Keyed {}

/** The lines of one keyspace. */
class MemtableKeyspace {
  readonly slots = new Map<Key, Slot>();
  readonly sorted = new SortedSlots<Slot>();

  put(line: LineRecord, sequence: number, keepPrevious: boolean): void {
    const { key } = line;
    const slot = this.slots.get(key);
    if (slot === undefined) {
      const added = { key, line, sequence, previous: undefined };
      this.slots.set(key, added);
      this.sorted.add(added);
      return;
    }
    slot.previous = keepPrevious
      ? { line: slot.line, sequence: slot.sequence, previous: slot.previous }
      : undefined;
    slot.line = line;
    slot.sequence = sequence;
  }
}

interface MemtableCursorOptions {
  start: Key;
  end: Key | undefined;
  sequence: number;
  closed: () => void;
}

class MemtableCursor implements Cursor {
  key: Key | undefined;
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;
  readonly #run: readonly Slot[];
  readonly #options: MemtableCursorOptions;
  #index: number;
  #closed = false;

  constructor(run: readonly Slot[], options: MemtableCursorOptions) {
    this.#run = run;
    this.#options = options;
    this.#index = lowerBoundIndex(run, options.start) - 1;
    this.next();
  }

  next(): void {
    const { end, sequence } = this.#options;
    while (++this.#index < this.#run.length && !this.#closed) {
      const slot = this.#run[this.#index]!;
      const { key } = slot;
      if (end !== undefined && key >= end) break;
      const entry = entryAt(slot, sequence);
      if (entry === undefined) continue;
      const { line } = entry;
      this.key = key;
      this.bytes = line.bytes;
      this.start = line.start;
      this.end = line.end;
      return;
    }
    this.key = undefined;
    this.close();
  }

  close(): void {
    if (!this.#closed) this.#options.closed();
    this.#closed = true;
  }
}

/** What a slot held when `sequence` was the last that had been put. */
function entryAt(slot: Slot, sequence: number): Entry | undefined {
  let entry: Entry | undefined = slot;
  while (entry !== undefined && entry.sequence > sequence) entry = entry.previous;
  return entry;
}

const EMPTY = new Uint8Array(0);
