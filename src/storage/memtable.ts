/**
 * What was applied and is not in a table yet: per keyspace the newest line of each key.
 *
 * Entries are parts of the buffers that were appended to the log, so that `logBytes` is also what
 * they keep alive in memory.
 */
import type { Key } from "../record/key.ts";
import type { Cursor } from "./cursor.ts";
import type { LineFacts, LineRecord } from "./line_record.ts";
import { lowerBoundIndex, SortedSlots } from "./sorted_slots.ts";
import type { Keyspace } from "./store.ts";

/** One memtable. Written by one writer; read by anyone between its steps. */
export class Memtable {
  readonly keyspaces: Map<Keyspace, MemtableKeyspace> = new Map();
  /** Bytes appended to the log for this memtable. */
  logBytes = 0;
  #sequence = 0;
  #snapshots = 0;

  get isEmpty(): boolean {
    return this.#sequence === 0;
  }

  get(keyspace: Keyspace, key: Key): LineRecord | undefined {
    return this.keyspaces.get(keyspace)?.slots.get(key)?.line;
  }

  /** The lines of a keyspace; begun when there are none. */
  space(keyspace: Keyspace): MemtableKeyspace {
    let space = this.keyspaces.get(keyspace);
    if (space === undefined) this.keyspaces.set(keyspace, space = new MemtableKeyspace());
    return space;
  }

  /** Puts the newest line of a key (the caller has decided that it is). */
  put(keyspace: Keyspace, line: LineRecord): void {
    const slot = this.space(keyspace).slot(line.key);
    slot.pending = line;
    this.publish(slot);
  }

  /** Makes the pending line of a slot the one that is read. Without one, nothing happens. */
  publish(slot: Slot): void {
    const { pending, line } = slot;
    if (pending === undefined) return;
    if (line === undefined) slot.space.sorted.add(slot);
    else if (this.#snapshots > 0) {
      slot.previous = { line, sequence: slot.sequence, previous: slot.previous };
    } else slot.previous = undefined;
    slot.line = pending;
    slot.pending = undefined;
    slot.sequence = ++this.#sequence;
  }

  /** What `get` would find now, whatever is put afterwards. Close it, once. */
  snapshot(): MemtableSnapshot {
    this.#snapshots++;
    const sequence = this.#sequence;
    return {
      get: (keyspace, key) => {
        const slot = this.keyspaces.get(keyspace)?.slots.get(key);
        return slot === undefined ? undefined : lineAt(slot, sequence);
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
  readonly line: LineRecord;
  readonly sequence: number;
  readonly previous: Entry | undefined;
}

/**
 * The place of a key, for good: sorted runs hold slots.
 *
 * Invariant: a slot has a line or a pending one, or it is about to be dropped; it is in a sorted run
 * exactly if it has a line.
 */
export class Slot {
  readonly key: Key;
  readonly space: MemtableKeyspace;
  /** The newest durable line: what is read. */
  line: LineRecord | undefined = undefined;
  /** What a group in the making leaves; nobody but the writer may see it. */
  pending: LineRecord | undefined = undefined;
  /** When `line` was put. */
  sequence = 0;
  previous: Entry | undefined = undefined;

  constructor(key: Key, space: MemtableKeyspace) {
    this.key = key;
    this.space = space;
  }
}

/** The lines of one keyspace. */
export class MemtableKeyspace {
  readonly slots: Map<Key, Slot> = new Map();
  readonly sorted: SortedSlots<Slot> = new SortedSlots();

  /** The slot of a key, made when there is none. Who leaves it empty must {@linkcode drop} it. */
  slot(key: Key): Slot {
    let slot = this.slots.get(key);
    if (slot === undefined) this.slots.set(key, slot = new Slot(key, this));
    return slot;
  }

  /** Forgets a slot that holds nothing. */
  drop({ key, line, pending }: Slot): void {
    if (line === undefined && pending === undefined) this.slots.delete(key);
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
  facts: LineFacts | undefined;
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
      const line = lineAt(slot, sequence);
      if (line === undefined) continue;
      this.key = key;
      this.bytes = line.bytes;
      this.start = line.start;
      this.end = line.end;
      this.facts = line;
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
function lineAt(slot: Slot, sequence: number): LineRecord | undefined {
  if (slot.sequence <= sequence) return slot.line;
  let entry = slot.previous;
  while (entry !== undefined && entry.sequence > sequence) entry = entry.previous;
  return entry?.line;
}

const EMPTY = new Uint8Array(0);
