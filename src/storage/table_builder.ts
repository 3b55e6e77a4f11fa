/**
 * Turns a merge of sorted lines into tables, in slices: flush and compaction. Yields to the event
 * loop by time and by count, so that requests are answered in between.
 */
import type { Clock } from "../platform/clock.ts";
import type { Disk } from "../platform/disk.ts";
import type { Key } from "../record/key.ts";
import { hashKey, type KeyHash } from "./bloom_filter.ts";
import type { Cursor } from "./cursor.ts";
import { tableName } from "./file_names.ts";
import { lineFacts } from "./line_record.ts";
import { TableWriter, type WrittenTable } from "./sstable_writer.ts";
import { type Run, tableFor } from "./table_set.ts";

/** A slice ends after this long, or after this many lines (a simulated clock stands still). */
const SLICE_MS = 1;
const SLICE_LINES = 4096;
const LINES_PER_CLOCK_CHECK = 64;
/** Long lines take their time one by one: some tenths of a millisecond for so many bytes. */
const BYTES_PER_CLOCK_CHECK = 256 * 1024;
/** Size at which a run goes on in a new table: bounds what one damaged or rewritten file costs. */
export const TABLE_BYTES = 16 * 1024 * 1024;

/** Where new tables go. */
export interface TableTarget {
  readonly disk: Disk;
  readonly directory: string;
  /** Next free file number. */
  readonly allocate: () => number;
}

/** What tables are built by. */
export interface BuildOptions extends TableTarget {
  clock: Clock;
  keyspace: string;
  /** Runs older than what is merged: an erase marker is kept while one of them may have its key. */
  older: readonly Run[];
  /** Lets others run, after every slice. */
  pause: () => Promise<void>;
  /** Stops the work when true. */
  isCancelled: () => boolean;
}

/**
 * Writes all lines of `source` into tables, durable and not yet named by a manifest. Closes the
 * source. None when there was nothing to keep, or undefined when cancelled: then none is left.
 */
export async function buildTables(
  source: Cursor,
  options: BuildOptions,
): Promise<WrittenTable[] | undefined> {
  const { pause } = options;
  const written: WrittenTable[] = [];
  const open: OpenTable = { writer: undefined };
  let isComplete = false;
  const finish = async () => {
    if (open.writer !== undefined) written.push(await open.writer.finish(pause));
    open.writer = undefined;
  };
  try {
    while (source.key !== undefined) {
      writeSlice(source, open, options);
      if (isFull(open)) await finish();
      if (source.key === undefined) break;
      await open.writer?.pace();
      await pause();
      if (options.isCancelled()) return undefined;
    }
    await finish();
    isComplete = true;
    return written;
  } finally {
    open.writer?.abandon();
    if (!isComplete) removeTables(written, options);
    source.close();
  }
}

/** Removes tables that no manifest will name. Never throws: a leftover is removed at the next start. */
export function removeTables(
  tables: readonly { number: number }[],
  { disk, directory }: Pick<TableTarget, "disk" | "directory">,
): void {
  for (const { number } of tables) {
    try {
      disk.remove(`${directory}/${tableName(number)}`);
    } catch {
      // The disk is failing.
    }
  }
}

/** The table being written: none as long as nothing had to be kept. */
interface OpenTable {
  writer: TableWriter | undefined;
}

function isFull({ writer }: OpenTable): boolean {
  return writer !== undefined && writer.bytes >= TABLE_BYTES;
}

/**
 * Writes lines until a slice is over, the table is full or the source is at its end. A function of its
 * own: the compiler makes more of one that is called often than of a long loop.
 */
function writeSlice(
  source: Cursor,
  open: OpenTable,
  { clock, disk, directory, keyspace, allocate, older }: BuildOptions,
): void {
  const startMs = clock.monotonicMs();
  let bytesSinceCheck = 0;
  for (let lines = 1; source.key !== undefined && !isFull(open); source.next(), lines++) {
    const { key, bytes, start, end } = source;
    const facts = source.facts ?? lineFacts(bytes, start, end);
    if (facts.erase !== true || isNeeded(key, older)) {
      open.writer ??= new TableWriter({ disk, directory, keyspace, number: allocate() });
      open.writer.add(key, source, facts);
    }
    bytesSinceCheck += end - start;
    const isCheckDue = lines % LINES_PER_CLOCK_CHECK === 0 ||
      bytesSinceCheck >= BYTES_PER_CLOCK_CHECK;
    if (!isCheckDue) continue;
    bytesSinceCheck = 0;
    if (lines === SLICE_LINES || clock.monotonicMs() - startMs >= SLICE_MS) return source.next();
  }
}

const scratch: KeyHash = { a: 0, b: 0 };

/** Whether something older that an erase marker hides may still lie under it. */
function isNeeded(key: Key, older: readonly Run[]): boolean {
  const hash = hashKey(key, scratch);
  return older.some((run) => tableFor(run, key)?.mayHave(hash) === true);
}
