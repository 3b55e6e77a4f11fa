/** Goes through the lines of a run in order of keys, without going through the block cache. */
import type { Key } from "../record/key.ts";
import { latin1 } from "../record/latin1.ts";
import type { Cursor } from "./cursor.ts";
import { KEY_OFFSET, lineKey, lowerBound, textKeyEnd } from "./line_record.ts";
import { READ_AHEAD_BLOCKS, READ_AHEAD_BYTES, type TableReader } from "./sstable_reader.ts";

const EMPTY = new Uint8Array(0);

/** Lines of [start, end) of tables that follow each other in key order. */
export class RunCursor implements Cursor {
  key: Key | undefined;
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = -1;
  readonly lastKey: Key | undefined;
  readonly facts = undefined;
  readonly #tables: readonly TableReader[];
  readonly #endKey: Key | undefined;
  /** Index of the table being read; those before it are released. */
  #table = 0;
  #nextBlock = 0;
  #readAhead = 1;
  #pending: Uint8Array[] = [];
  /** `bytes` as a string: finding line feeds in it and making keys of it is faster. */
  #text = "";
  readonly #isTransient: boolean;
  /** Made once more than a block is read: most runs of a small store are shorter. */
  #buffer: Uint8Array | undefined;

  /** @param isTransient Whether bytes are only looked at until the next step: then memory is reused. */
  constructor(
    tables: readonly TableReader[],
    start: Key,
    end: Key | undefined,
    { isTransient = false } = {},
  ) {
    this.#endKey = end;
    this.#isTransient = isTransient;
    this.#tables = tables.filter(({ properties }) =>
      properties.last >= start && (end === undefined || properties.first < end)
    );
    this.lastKey = this.#tables.at(-1)?.properties.last;
    for (const table of this.#tables) table.acquire();
    this.#guarded(() => this.#begin(start));
  }

  next(): void {
    if (this.end + 1 >= this.bytes.byteLength) this.#guarded(() => this.#nextBytes());
    else this.start = this.end + 1;
    this.#readLine();
  }

  close(): void {
    while (this.#table < this.#tables.length) this.#tables[this.#table++]!.release();
    this.key = undefined;
    this.bytes = EMPTY;
    this.#pending = [];
  }

  #begin(start: Key): void {
    const table = this.#tables[0];
    if (table === undefined) return;
    this.#nextBlock = table.index().search.lastNotAfter(start);
    this.bytes = table.block(this.#nextBlock++);
    this.#text = latin1(this.bytes, 0, this.bytes.byteLength);
    this.start = lowerBound(this.bytes, start);
    if (this.start >= this.bytes.byteLength) this.#nextBytes();
    this.#readLine();
  }

  /** Moves to the first line of the next block, of this table or the next; to the end otherwise. */
  #nextBytes(): void {
    let block = this.#pending.pop();
    while (block === undefined && this.#table < this.#tables.length) {
      const table = this.#tables[this.#table]!;
      const count = table.readAhead(this.#nextBlock, this.#readAhead);
      if (count <= 0) {
        this.#table++;
        this.#nextBlock = 0;
        table.release();
        continue;
      }
      if (this.#isTransient) this.#buffer ??= new Uint8Array(READ_AHEAD_BYTES);
      this.#pending = table.blocks(this.#nextBlock, count, this.#buffer).reverse();
      this.#nextBlock += count;
      this.#readAhead = Math.min(this.#readAhead * 2, READ_AHEAD_BLOCKS);
      block = this.#pending.pop();
    }
    this.bytes = block ?? EMPTY;
    this.start = 0;
    this.#text = latin1(this.bytes, 0, this.bytes.byteLength);
  }

  #readLine(): void {
    const { start } = this;
    const text = this.#text;
    if (start >= this.bytes.byteLength) return this.close();
    this.end = text.indexOf("\n", start);
    const keyEnd = textKeyEnd(this.bytes, start, this.end);
    this.key = keyEnd < 0
      ? lineKey(this.bytes, start, this.end)
      : text.slice(start + KEY_OFFSET, keyEnd);
    if (this.#endKey !== undefined && this.key >= this.#endKey) this.close();
  }

  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.close();
      throw error;
    }
  }
}
