/**
 * What was applied and is not in a table yet: per keyspace the newest line of each key.
 *
 * Lines are parts of the buffers that were appended to the log, so that `logBytes` is also what they
 * keep alive in memory. What else there is to know of a line stands in columns of numbers: objects
 * would be three per key, which live for as long as a memtable does, and which the collector would
 * have to move.
 */
import type { Key } from "../record/key.ts";
import type { KeyHash } from "./bloom_filter.ts";
import type { Cursor } from "./cursor.ts";
import type { Version } from "../record/version.ts";
import { lineFacts, type LineMarks, type LineRecord, lineRecord } from "./line_record.ts";
import { NO_SLOT, SlotTable } from "./slot_table.ts";
import { type SlotRun, SortedSlots } from "./sorted_slots.ts";
import type { Keyspace } from "./store.ts";

/** A line to be put. */
export interface MemtableLine {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly counter: number;
  /** {@linkcode TOMBSTONE}, {@linkcode ERASE} and {@linkcode FRAMED}, added up. */
  readonly marks: number;
}

/** The line is a tombstone's. */
export const TOMBSTONE = 1;
/** The line is an erase marker. */
export const ERASE = 2;
/** Around the line, in the same buffer, lies the record's frame. */
export const FRAMED = 4;

/** The marks of a line. */
export function marksOf(
  { tombstone, erase = false, isFramed }: {
    tombstone: boolean;
    erase?: boolean | undefined;
    isFramed: boolean;
  },
): number {
  return (tombstone ? TOMBSTONE : 0) | (erase ? ERASE : 0) | (isFramed ? FRAMED : 0);
}

/**
 * Numbers of a slot: where its line starts and ends, its marks, and when it was put (0 for a slot
 * without a line).
 */
const FIELDS = 4;
const START = 0;
const END = 1;
const MARKS = 2;
const SEQUENCE = 3;

/** Slots for which there is room at first. */
const ROOM = 256;

/** One memtable. Written by one writer; read by anyone between its steps. */
export class Memtable {
  readonly keyspaces: Map<Keyspace, MemtableKeyspace> = new Map();
  /** Bytes appended to the log for this memtable. */
  logBytes = 0;
  /** Number of the last put. */
  #sequence = 0;
  /** Snapshots and cursors that are open. */
  #views = 0;
  /** Last put that the newest of them sees. */
  #seen = 0;

  get isEmpty(): boolean {
    return this.#sequence === 0;
  }

  /** Number of keys. */
  get size(): number {
    let size = 0;
    for (const space of this.keyspaces.values()) size += space.size;
    return size;
  }

  get(keyspace: Keyspace, key: Key, hash: KeyHash): LineRecord | undefined {
    const space = this.keyspaces.get(keyspace);
    const slot = space === undefined ? NO_SLOT : space.find(key, hash);
    return slot === NO_SLOT ? undefined : space!.lineAt(slot, this.#sequence);
  }

  /** The lines of a keyspace; begun when there are none. */
  space(keyspace: Keyspace): MemtableKeyspace {
    let space = this.keyspaces.get(keyspace);
    if (space === undefined) this.keyspaces.set(keyspace, space = new MemtableKeyspace());
    return space;
  }

  /** Makes a line the newest of a slot (the caller has decided that it is). */
  put(space: MemtableKeyspace, slot: number, line: MemtableLine): void {
    space.put(slot, line, ++this.#sequence, this.#views > 0 ? this.#seen : 0);
  }

  /** What `get` would find now, whatever is put afterwards. Close it, once. */
  snapshot(): MemtableSnapshot {
    const sequence = this.#view();
    return {
      get: (keyspace, key, hash) => {
        const space = this.keyspaces.get(keyspace);
        const slot = space === undefined ? NO_SLOT : space.find(key, hash);
        return slot === NO_SLOT ? undefined : space!.lineAt(slot, sequence);
      },
      close: () => void this.#views--,
    };
  }

  /**
   * Does what a {@linkcode cursor} over all of it would have to do first.
   *
   * @param pause Called between the steps, to let others run.
   */
  async sort(pause: () => Promise<void>): Promise<void> {
    for (const { sorted } of this.keyspaces.values()) {
      while (sorted.sortStep()) await pause();
    }
  }

  /** Lines of [start, end) as of now, whatever is put afterwards. Close it. */
  cursor(keyspace: Keyspace, start: Key, end: Key | undefined): Cursor[] {
    const space = this.keyspaces.get(keyspace);
    if (space === undefined) return [];
    return space.sorted.runs().map((run) => {
      const sequence = this.#view();
      const closed = () => void this.#views--;
      return new MemtableCursor(space, run, { start, end, sequence, closed });
    });
  }

  #view(): number {
    this.#views++;
    return this.#seen = this.#sequence;
  }
}

/** The lines of a memtable at one moment. */
export interface MemtableSnapshot {
  get(keyspace: Keyspace, key: Key, hash: KeyHash): LineRecord | undefined;
  close(): void;
}

/** A line that a newer one replaced while somebody could still look at it. */
interface EarlierLine extends MemtableLine {
  readonly sequence: number;
  readonly earlier: EarlierLine | undefined;
}

/**
 * The lines of one keyspace, by slot: the number of a key's place, for as long as it has one.
 *
 * Invariant: a slot that was put is in exactly one sorted run; one that was not holds what a group in
 * the making leaves, or is about to be dropped.
 */
export class MemtableKeyspace {
  readonly sorted: SortedSlots;
  readonly #keys: Key[] = [];
  readonly #slots: SlotTable;
  readonly #buffers: Uint8Array[] = [];
  /** Of each slot the {@linkcode FIELDS}, side by side: they are read together. */
  #fields = new Uint32Array(ROOM * FIELDS);
  #counters = new Float64Array(ROOM);
  /** What the writer notes for itself, see `group.ts`. */
  #notes = new Uint32Array(ROOM);
  readonly #earlier = new Map<number, EarlierLine>();
  readonly #dropped: number[] = [];
  /** Keys whose first line here was a tombstone or an erase marker: they may hide something older. */
  removals = 0;
  /** Keys whose line here is an erase marker. */
  erases = 0;

  constructor() {
    this.sorted = new SortedSlots(this.#keys);
    this.#slots = new SlotTable(this.#keys);
  }

  /** Number of keys. */
  get size(): number {
    return this.#slots.size;
  }

  /** The slot of a key, or {@linkcode NO_SLOT}. */
  find(key: Key, hash?: KeyHash): number {
    return this.#slots.find(key, hash);
  }

  /** Makes the slot of a key that has none. Who leaves it empty must {@linkcode drop} it. */
  add(key: Key): number {
    const slot = this.#dropped.pop() ?? this.#keys.length;
    if (slot === this.#counters.length) this.#grow();
    this.#keys[slot] = key;
    this.#slots.add(slot);
    return slot;
  }

  /** Forgets a slot in which no line was put. */
  drop(slot: number): void {
    this.#slots.remove(slot);
    this.#dropped.push(slot);
  }

  keyOf(slot: number): Key {
    return this.#keys[slot]!;
  }

  hasLine(slot: number): boolean {
    return this.#fields[slot * FIELDS + SEQUENCE] !== 0;
  }

  /** The version of the line in a slot; undefined for an erase marker's. */
  versionOf(slot: number): Version | undefined {
    const at = slot * FIELDS;
    const fields = this.#fields;
    if ((fields[at + MARKS]! & ERASE) !== 0) return undefined;
    return lineFacts(this.#buffers[slot]!, fields[at + START]!, fields[at + END]!);
  }

  /** Keys whose line here is a tombstone, an erase marker, or no longer than so many bytes. */
  shortKeys(bytesMax: number): Key[] {
    return this.#keys.filter((_, slot) => {
      const at = slot * FIELDS;
      const fields = this.#fields;
      if (fields[at + SEQUENCE] === 0) return false;
      return (fields[at + MARKS]! & (TOMBSTONE | ERASE)) !== 0 ||
        fields[at + END]! - fields[at + START]! <= bytesMax;
    });
  }

  noteOf(slot: number): number {
    return this.#notes[slot]!;
  }

  note(slot: number, note: number): void {
    this.#notes[slot] = note;
  }

  /** @param seen A line that was put no later than this is kept for those who look at it. */
  put(slot: number, line: MemtableLine, sequence: number, seen: number): void {
    const at = slot * FIELDS;
    const fields = this.#fields;
    const before = fields[at + SEQUENCE]!;
    if (before === 0) {
      this.sorted.add(slot);
      if ((line.marks & (TOMBSTONE | ERASE)) !== 0) this.removals++;
    } else {
      if (before <= seen) this.#keep(slot, before);
      if ((fields[at + MARKS]! & ERASE) !== 0) this.erases--;
    }
    if ((line.marks & ERASE) !== 0) this.erases++;
    this.#buffers[slot] = line.bytes;
    this.#counters[slot] = line.counter;
    fields[at + START] = line.start;
    fields[at + END] = line.end;
    fields[at + MARKS] = line.marks;
    fields[at + SEQUENCE] = sequence;
  }

  /** What a slot held when `sequence` was the last that had been put. */
  lineAt(slot: number, sequence: number): LineRecord | undefined {
    const key = this.#keys[slot]!;
    const at = slot * FIELDS;
    const fields = this.#fields;
    const put = fields[at + SEQUENCE]!;
    if (put <= sequence) {
      if (put === 0) return undefined;
      const isFramed = (fields[at + MARKS]! & FRAMED) !== 0;
      return lineRecord(
        key,
        this.#buffers[slot]!,
        fields[at + START]!,
        fields[at + END]!,
        isFramed,
      );
    }
    const line = this.#earlierAt(slot, sequence);
    if (line === undefined) return undefined;
    return lineRecord(key, line.bytes, line.start, line.end, (line.marks & FRAMED) !== 0);
  }

  /** Puts a cursor on what a slot held at `sequence`. All slots of its run held something then. */
  show(slot: number, sequence: number, cursor: MemtableCursor): void {
    const at = slot * FIELDS;
    const fields = this.#fields;
    if (fields[at + SEQUENCE]! <= sequence) {
      cursor.bytes = this.#buffers[slot]!;
      cursor.start = fields[at + START]!;
      cursor.end = fields[at + END]!;
      cursor.facts.set(this.#counters[slot]!, fields[at + MARKS]!);
    } else {
      const line = this.#earlierAt(slot, sequence)!;
      cursor.bytes = line.bytes;
      cursor.start = line.start;
      cursor.end = line.end;
      cursor.facts.set(line.counter, line.marks);
    }
    cursor.key = this.#keys[slot]!;
  }

  #earlierAt(slot: number, sequence: number): EarlierLine | undefined {
    let line = this.#earlier.get(slot);
    while (line !== undefined && line.sequence > sequence) line = line.earlier;
    return line;
  }

  #keep(slot: number, sequence: number): void {
    const at = slot * FIELDS;
    this.#earlier.set(slot, {
      bytes: this.#buffers[slot]!,
      start: this.#fields[at + START]!,
      end: this.#fields[at + END]!,
      counter: this.#counters[slot]!,
      marks: this.#fields[at + MARKS]!,
      sequence,
      earlier: this.#earlier.get(slot),
    });
  }

  #grow(): void {
    const room = this.#counters.length * 2;
    this.#fields = grown(this.#fields, new Uint32Array(room * FIELDS));
    this.#counters = grown(this.#counters, new Float64Array(room));
    this.#notes = grown(this.#notes, new Uint32Array(room));
  }
}

type Column = Uint32Array | Float64Array;

function grown<T extends Column>(column: T, larger: T): T {
  larger.set(column);
  return larger;
}

/** What a cursor's line says: one object for all of its lines. */
class Marks implements LineMarks {
  counter = 0;
  tombstone = false;
  erase = false;

  set(counter: number, marks: number): void {
    this.counter = counter;
    this.tombstone = (marks & TOMBSTONE) !== 0;
    this.erase = (marks & ERASE) !== 0;
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
  readonly lastKey: Key | undefined;
  readonly facts: Marks = new Marks();
  readonly #space: MemtableKeyspace;
  readonly #run: SlotRun;
  readonly #options: MemtableCursorOptions;
  #index: number;
  #closed = false;

  constructor(space: MemtableKeyspace, run: SlotRun, options: MemtableCursorOptions) {
    this.#space = space;
    this.#run = run;
    this.#options = options;
    this.#index = space.sorted.lowerBound(run, options.start) - 1;
    this.lastKey = space.keyOf(run.at(-1)!);
    this.next();
  }

  next(): void {
    const { end, sequence } = this.#options;
    if (++this.#index < this.#run.length && !this.#closed) {
      this.#space.show(this.#run[this.#index]!, sequence, this);
      if (end === undefined || this.key! < end) return;
    }
    this.close();
  }

  close(): void {
    this.key = undefined;
    if (!this.#closed) this.#options.closed();
    this.#closed = true;
  }
}

const EMPTY = new Uint8Array(0);
