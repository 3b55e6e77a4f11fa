/** Files that are read now and then, mostly of tables: a process may have so many open and no more. */
import type { Disk, ReadFile } from "../platform/disk.ts";

/** Tables of 16 GiB together; beyond, one that was closed is opened again when it is read. */
export const OPEN_FILES_MAX = 1024;

/** Who reads a file, between the steps of which it may be closed. */
export interface FileHolder {
  /** Closes the file and calls {@linkcode TableFiles.closed}. */
  closeFile(): void;
}

/** Invariant: at most `openMax` holders have an open file. */
export class TableFiles {
  readonly #disk: Disk;
  readonly #openMax: number;
  /** The longest open first: to keep the order of use would cost each read something. */
  readonly #holders = new Set<FileHolder>();

  constructor(disk: Disk, openMax = OPEN_FILES_MAX) {
    this.#disk = disk;
    this.#openMax = openMax;
  }

  open(path: string, holder: FileHolder): ReadFile {
    if (this.#holders.size >= this.#openMax) {
      const [first] = this.#holders;
      first!.closeFile();
    }
    const file = this.#openRead(path);
    this.#holders.add(holder);
    return file;
  }

  /** Where the process may hold no more files, one of these gives way. */
  #openRead(path: string): ReadFile {
    try {
      return this.#disk.openRead(path);
    } catch (error) {
      const [first] = this.#holders;
      if (first === undefined) throw error;
      first.closeFile();
      return this.#disk.openRead(path);
    }
  }

  closed(holder: FileHolder): void {
    this.#holders.delete(holder);
  }
}
