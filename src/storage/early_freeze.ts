/**
 * When a memtable is worth a flush before it is full: where what it hides is a large share of a large run.
 * Who deletes much, or makes it short, and writes nothing after that, wants the space back.
 */
import type { Key } from "../record/key.ts";
import { hashKey } from "./bloom_filter.ts";
import { AT_REST, erasesShare } from "./compaction_picker.ts";
import type { Memtable, MemtableKeyspace } from "./memtable.ts";
import type { TableReader } from "./sstable_reader.ts";
import type { TableCatalog } from "./table_catalog.ts";
import { type Run, tableFor } from "./table_set.ts";

/** Keys that are looked for in filters at once, of however many are in memory: a millisecond. */
const KEYS_LOOKED_AT = 2_048;
/** A line is short if so many take as much as one of the oldest run, on average. */
const SHORT_FACTOR = 10;

/** What was in memory, and which table was the first of the oldest run, when that was looked at. */
interface Looked {
  readonly size: number;
  readonly removals: number;
  readonly first: TableReader;
}

/** Asked again and again while a memtable fills; it looks anew once there is twice as much to find. */
export class EarlyFreeze {
  readonly #catalog: TableCatalog;
  readonly #runBytesMin: number;
  /** What there was in memory when it was last found to hide little of the oldest run. */
  readonly #looked = new WeakMap<MemtableKeyspace, Looked>();

  /** @param runBytesMin Bytes of the smallest run for which a flush is worth it. */
  constructor(catalog: TableCatalog, runBytesMin: number) {
    this.#catalog = catalog;
    this.#runBytesMin = runBytesMin;
  }

  /** Whether so much of some keyspace's oldest run is hidden by what is in memory. */
  isWorthIt(memtable: Memtable): boolean {
    for (const [keyspace, memory] of memtable.keyspaces) {
      if (this.#hidesMuch(memory, this.#catalog.tables.runs(keyspace))) return true;
    }
    return false;
  }

  #hidesMuch(memory: MemtableKeyspace, runs: readonly Run[]): boolean {
    const oldest = runs.at(-1);
    if (oldest === undefined || oldest.bytes < this.#runBytesMin) return false;
    const { size, removals } = memory;
    const first = oldest.tables[0]!;
    const last = this.#looked.get(memory);
    const looked = last?.first === first ? last : { size: 0, removals: 0 };
    const mayBeEnough = (keys: number, keysBefore: number) =>
      erasesShare(keys, oldest, AT_REST.newerShareMax) && keys >= 2 * keysBefore;
    if (!mayBeEnough(removals, looked.removals) && !mayBeEnough(size, looked.size)) return false;
    const shortBytes = oldest.bytes / oldest.records / SHORT_FACTOR;
    if (hidesShare(memory.shortKeys(shortBytes), runs)) return true;
    this.#looked.set(memory, { size, removals, first });
    return false;
  }
}

/**
 * Whether some keys hide a large share of the oldest run that no newer one hides already; it says so again
 * and again else, as long as the same keys are written.
 */
function hidesShare(keys: readonly Key[], runs: readonly Run[]): boolean {
  const newer = runs.slice(0, -1);
  const oldest = runs.at(-1)!;
  const step = Math.ceil(keys.length / KEYS_LOOKED_AT);
  let hidden = 0;
  for (let i = 0; i < keys.length; i += step) {
    const key = keys[i]!;
    const hash = hashKey(key);
    if (tableFor(oldest, key)?.mayHave(hash) !== true) continue;
    const isHidden = newer.some((run) => {
      const table = tableFor(run, key);
      return table?.isIndexKnown === true && table.mayHave(hash);
    });
    if (!isHidden) hidden += step;
  }
  return erasesShare(hidden, oldest, AT_REST.newerShareMax);
}
