/** The open tables at one moment: an immutable value, replaced by every flush and compaction. */
import type { Key } from "../record/key.ts";
import type { KeyHash } from "./bloom_filter.ts";
import type { RunSize } from "./compaction_picker.ts";
import type { LineRecord } from "./line_record.ts";
import type { TableReader } from "./sstable_reader.ts";
import type { Keyspace } from "./store.ts";

/** Tables that follow each other in key order, made by one flush or compaction. */
export interface Run extends RunSize {
  /** A higher one of a keyspace is newer. */
  readonly id: number;
  readonly keyspace: Keyspace;
  /** In key order, ranges disjoint, at least one. */
  readonly tables: readonly TableReader[];
  /** The highest counter in this run and all older ones of the keyspace. */
  readonly maxCounterFromHere: number;
}

/** Tables by keyspace and run, newest run first. */
export class TableSet {
  readonly keyspaces: ReadonlyMap<Keyspace, readonly Run[]>;

  /** @param tables Each with the run it belongs to. */
  constructor(tables: readonly { run: number; table: TableReader }[]) {
    const byRun = new Map<Keyspace, Map<number, TableReader[]>>();
    for (const { run, table } of tables) {
      const { keyspace } = table.properties;
      let runs = byRun.get(keyspace);
      if (runs === undefined) byRun.set(keyspace, runs = new Map());
      const members = runs.get(run);
      if (members === undefined) runs.set(run, [table]);
      else members.push(table);
    }
    const keyspaces = new Map<Keyspace, readonly Run[]>();
    for (const [keyspace, runs] of byRun) keyspaces.set(keyspace, sortedRuns(keyspace, runs));
    this.keyspaces = keyspaces;
  }

  runs(keyspace: Keyspace): readonly Run[] {
    return this.keyspaces.get(keyspace) ?? NO_RUNS;
  }

  /** All tables, each with its run. */
  *all(): Iterable<{ run: number; table: TableReader }> {
    for (const runs of this.keyspaces.values()) {
      for (const { id, tables } of runs) for (const table of tables) yield { run: id, table };
    }
  }
}

/** The line of a key in the newest run that has one, an erase marker too. @throws `corrupt_file`. */
export function findInRuns(
  runs: readonly Run[],
  key: Key,
  hash: KeyHash,
): { line: LineRecord; table: TableReader } | undefined {
  for (const run of runs) {
    const table = tableFor(run, key);
    const line = table?.get(key, hash);
    if (line !== undefined) return { line, table: table! };
  }
  return undefined;
}

/** The table of a run that could hold `key`. */
export function tableFor({ tables }: Run, key: Key): TableReader | undefined {
  let low = 0;
  let high = tables.length - 1;
  // Behind the last table there is nothing to search for.
  if (tables[high]!.properties.last < key) return undefined;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (tables[middle]!.properties.last < key) low = middle + 1;
    else high = middle;
  }
  const table = tables[low]!;
  return table.properties.first <= key ? table : undefined;
}

function sortedRuns(keyspace: Keyspace, byID: Map<number, TableReader[]>): Run[] {
  const runs: Run[] = [];
  let maxCounterFromHere = 0;
  for (const id of [...byID.keys()].sort((a, b) => a - b)) {
    const tables = byID.get(id)!.sort((a, b) => a.properties.first < b.properties.first ? -1 : 1);
    let bytes = 0;
    let records = 0;
    let erases = 0;
    for (const table of tables) {
      bytes += table.bytes;
      records += table.properties.records;
      erases += table.properties.erases;
      maxCounterFromHere = Math.max(maxCounterFromHere, table.properties.maxCounter);
    }
    runs.unshift({ id, keyspace, tables, bytes, records, erases, maxCounterFromHere });
  }
  return runs;
}

const NO_RUNS: readonly Run[] = [];
