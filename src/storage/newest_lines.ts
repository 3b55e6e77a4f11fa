/**
 * The newest line of every key that a salvage finds: where it lies, and not its bytes, which together
 * may be more than there is memory for.
 */
import type { Disk, ReadFile } from "../platform/disk.ts";
import type { Key } from "../record/key.ts";
import { compareVersions, type Version } from "../record/version.ts";
import type { Line, LineRecord } from "./line_record.ts";
import type { Keyspace } from "./store.ts";
import { type FileHolder, TableFiles } from "./table_files.ts";

/** Where a line lies: [start, end) of a file. */
export interface LinePlace extends Version {
  readonly key: Key;
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly erase: boolean;
}

export class NewestLines {
  readonly #byKeyspace = new Map<Keyspace, Map<Key, LinePlace>>();

  get keyspaces(): Iterable<Keyspace> {
    return this.#byKeyspace.keys();
  }

  /** Takes a line of the file at `path`, unless a newer one of its key is known. */
  take(keyspace: Keyspace, path: string, record: LineRecord): void {
    let places = this.#byKeyspace.get(keyspace);
    if (places === undefined) this.#byKeyspace.set(keyspace, places = new Map());
    const { key, start, end, counter, nodeID, erase = false } = record;
    const known = places.get(key);
    // An erase forgets its own version too.
    const order = known === undefined ? 1 : compareVersions(record, known);
    if (order < 0 || (order === 0 && !erase)) return;
    places.set(key, { key, path, start, end, counter, nodeID, erase });
  }

  /** Without what is erased. */
  inKeyOrder(keyspace: Keyspace): LinePlace[] {
    return [...this.#byKeyspace.get(keyspace)?.values() ?? []].filter(({ erase }) => !erase)
      .sort((a, b) => a.key < b.key ? -1 : 1);
  }
}

/** Reads lines from where they lie. */
export class LineSource {
  readonly #files: TableFiles;
  readonly #byPath = new Map<string, LineFile>();

  constructor(disk: Disk) {
    this.#files = new TableFiles(disk);
  }

  /** @throws {ConvergeError} `disk_failed`. */
  read({ path, start, end }: LinePlace): Line {
    let file = this.#byPath.get(path);
    if (file === undefined) this.#byPath.set(path, file = new LineFile(path, this.#files));
    return { bytes: file.read(start, end - start), start: 0, end: end - start };
  }

  close(): void {
    for (const file of this.#byPath.values()) file.closeFile();
  }
}

class LineFile implements FileHolder {
  readonly #path: string;
  readonly #files: TableFiles;
  #file: ReadFile | undefined;

  constructor(path: string, files: TableFiles) {
    this.#path = path;
    this.#files = files;
  }

  read(offset: number, bytes: number): Uint8Array {
    this.#file ??= this.#files.open(this.#path, this);
    return this.#file.readAt(offset, bytes);
  }

  closeFile(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    this.#files.closed(this);
    file.close();
  }
}
