/** Erases keys that count for nothing on this node, whatever their values. */
import { type Clock, giveWay } from "../../platform/clock.ts";
import type { Key } from "../../record/key.ts";
import type { StoredRecord } from "../../record/record.ts";
import { withoutValue } from "../../record/record_line.ts";
import { DATA, type Store } from "../../storage/store.ts";

const SLICE_KEYS = 250;
const ERASED_AT_ONCE = 256;

/** Which keys are erased, and where. */
export interface EraseOptions {
  store: Store;
  clock: Clock;
  isWanted(key: Key): boolean;
  /** Erases some records, where they are still there. */
  erase(records: readonly StoredRecord[]): Promise<void>;
  /** Asked right before each batch goes to the store, which carries out one after the other. */
  mayGoOn(): boolean;
  /** Waits after a slice that took so many milliseconds. Default: gives way to others only. */
  rest?(tookMs: number): Promise<unknown>;
}

/**
 * Erases what this node holds of some keys. What is replaced meanwhile is kept: it is found the next time.
 *
 * @returns How many records were erased; all there were only if it might go on to the end.
 * @throws {ConvergeError} as `Store.scan` and `erase`.
 */
export async function eraseKeys(options: EraseOptions): Promise<number> {
  const { store, clock, isWanted, erase, mayGoOn, rest = () => giveWay(clock) } = options;
  const scan = store.scan(DATA, { isWanted });
  let erased = 0;
  let due: StoredRecord[] = [];
  try {
    while (mayGoOn()) {
      const startMs = clock.monotonicMs();
      for (const record of scan.next(SLICE_KEYS, SLICE_KEYS)) due.push(withoutValue(record));
      if (due.length >= ERASED_AT_ONCE || scan.isDone) {
        await erase(due);
        erased += due.length;
        due = [];
      }
      if (scan.isDone) break;
      await rest(clock.monotonicMs() - startMs);
    }
  } finally {
    scan.close();
  }
  return erased;
}
