/** Erases what a node has of keys that it should have nothing of: leftovers, which prove nothing. */
import { type Clock, giveWay } from "../platform/clock.ts";
import type { Key } from "../record/key.ts";
import type { StoredRecord } from "../record/record.ts";
import { withoutValue } from "../record/record_line.ts";
import { DATA, type Store } from "../storage/store.ts";
import type { Replica } from "./replica.ts";

/** Where it is erased. */
export interface ErasureOptions {
  store: Store;
  replica: Replica;
  clock: Clock;
  /** Whether what is left may stay: the node stops. */
  isStopped(): boolean;
}

const SLICE_KEYS = 250;
const ERASED_AT_ONCE = 256;

/** Erases all wanted keys. @throws {ConvergeError} as `Store.scan` and `Store.apply`. */
export async function eraseKeys(
  options: ErasureOptions,
  isWanted: (key: Key) => boolean,
): Promise<void> {
  // What was replaced while it was looked through is found the next time.
  while (await eraseOnce(options, isWanted) > 0 && !options.isStopped());
}

/** @returns How many records were erased. */
async function eraseOnce(
  { store, replica, clock, isStopped }: ErasureOptions,
  isWanted: (key: Key) => boolean,
): Promise<number> {
  const scan = store.scan(DATA, { isWanted });
  let erased = 0;
  let due: StoredRecord[] = [];
  try {
    while (!isStopped()) {
      for (const record of scan.next(SLICE_KEYS, SLICE_KEYS)) due.push(withoutValue(record));
      if (due.length >= ERASED_AT_ONCE || scan.isDone) {
        await replica.collect(due);
        erased += due.length;
        due = [];
      }
      if (scan.isDone) break;
      await giveWay(clock);
    }
  } finally {
    scan.close();
  }
  return erased;
}
