/** Makes an openable copy of a store's files, sharing the tables by hard links. */
import { ConvergeError } from "../errors.ts";
import type { Disk } from "../platform/disk.ts";
import { type Manifest, writeManifest } from "./manifest.ts";
import type { TableReader } from "./sstable_reader.ts";
import { LogWriter } from "./wal_writer.ts";

/** What is copied where. */
export interface CheckpointOptions {
  disk: Disk;
  /** Must be absent or empty. */
  directory: string;
  /** As of the same moment as `tables`. */
  manifest: Readonly<Manifest>;
  tables: readonly TableReader[];
}

/**
 * @throws {ConvergeError} `bad_request` when the directory has files; `disk_full`, `disk_failed`: then
 * it has none.
 */
export async function writeCheckpoint(options: CheckpointOptions): Promise<void> {
  const { disk, directory } = options;
  disk.makeDirectory(directory);
  if (disk.list(directory).length > 0) {
    throw new ConvergeError("bad_request", `Cannot checkpoint into ${directory}: it is not empty`);
  }
  try {
    await writeFiles(options);
  } catch (error) {
    // Its links would keep the room of tables that compaction has replaced.
    empty(disk, directory);
    throw error;
  }
}

async function writeFiles({ disk, directory, tables, ...rest }: CheckpointOptions): Promise<void> {
  const manifest: Manifest = { ...rest.manifest, log: 1 };
  // All in this turn: no compaction can replace one before. The log's beginning makes them durable.
  for (const { path, name } of tables) disk.link(path, `${directory}/${name}`);
  const log = await LogWriter.create(disk, directory, { number: 1, previousBytes: 0 });
  log.close();
  await writeManifest(disk, directory, manifest);
}

/** Never throws: what a failing disk leaves has no manifest, and does not open. */
function empty(disk: Disk, directory: string): void {
  try {
    // The manifest first.
    for (const name of disk.list(directory).reverse()) disk.remove(`${directory}/${name}`);
  } catch {
    // The disk is failing.
  }
}
