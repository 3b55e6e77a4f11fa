/** A scan of a store: the merge of its sources without the erase markers. */
import { ConvergeError } from "../errors.ts";
import type { Key } from "../record/key.ts";
import type { StoredRecord } from "../record/record.ts";
import type { Cursor } from "./cursor.ts";
import { lineRecord } from "./line_record.ts";
import { type Scan, SCAN_STEP_BYTES } from "./store.ts";

export class StoreScan implements Scan {
  lastKey: Key | undefined;
  readonly #source: Cursor;
  readonly #isStoreClosed: () => boolean;
  readonly #isWanted: (key: Key) => boolean;

  constructor(
    source: Cursor,
    isStoreClosed: () => boolean,
    isWanted: (key: Key) => boolean = () => true,
  ) {
    this.#source = source;
    this.#isStoreClosed = isStoreClosed;
    this.#isWanted = isWanted;
  }

  get isDone(): boolean {
    return this.#source.key === undefined;
  }

  next(recordsMax: number, looksMax = Infinity): StoredRecord[] {
    // Its tables would open their files once more, which may be another process's by now.
    if (this.#isStoreClosed()) {
      throw new ConvergeError("closed", "Cannot use a scan: its store is closed");
    }
    const records: StoredRecord[] = [];
    const source = this.#source;
    let bytes = 0;
    try {
      for (let looks = 0; looks < looksMax && records.length < recordsMax; looks++) {
        if (bytes >= SCAN_STEP_BYTES) break;
        const { key } = source;
        if (key === undefined) break;
        this.lastKey = key;
        if (this.#isWanted(key)) {
          const record = lineRecord(key, source.bytes, source.start, source.end);
          if (!record.erase) {
            records.push(record);
            bytes += record.end - record.start;
          }
        }
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
