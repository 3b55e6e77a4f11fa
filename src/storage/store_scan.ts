/** A scan of a store: the merge of its sources without the erase markers. */
import type { StoredRecord } from "../record/record.ts";
import type { Cursor } from "./cursor.ts";
import { lineRecord } from "./line_record.ts";
import type { Scan } from "./store.ts";

export class StoreScan implements Scan {
  readonly #source: Cursor;

  constructor(source: Cursor) {
    this.#source = source;
  }

  next(recordsMax: number): StoredRecord[] {
    const records: StoredRecord[] = [];
    const source = this.#source;
    try {
      while (source.key !== undefined && records.length < recordsMax) {
        const record = lineRecord(source.key, source.bytes, source.start, source.end);
        if (!record.erase) records.push(record);
        source.next();
      }
    } catch (error) {
      this.close();
      throw error;
    }
    return records;
  }

  close(): void {
    this.#source.close();
  }
}
