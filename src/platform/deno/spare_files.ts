/**
 * Files kept open for nothing but their descriptors: clients' connections can take all that a process
 * may hold, and a store that cannot open a file then would have to stop.
 */

/**
 * What a store writes at a time: logs, a flush, a compaction, a manifest, directories; and a few to read.
 * Who reads keeps files open, and can close one of them for another.
 */
const SPARE_FILES = 8;
const READ_MAX = 2;

export class SpareFiles {
  readonly #path: string;
  readonly #files: Deno.FsFile[] = [];

  /** @param path Anything that can be opened. */
  constructor(path: string) {
    this.#path = path;
    this.refill();
  }

  /** Opens those that are missing, as far as the process may. */
  refill(): void {
    try {
      while (this.#files.length < SPARE_FILES) this.#files.push(Deno.openSync(this.#path));
    } catch {
      // Once others are closed.
    }
  }

  /** Closes one, so that another file can be opened. False where there is none for that. */
  give({ isToRead = false } = {}): boolean {
    if (isToRead && this.#files.length <= SPARE_FILES - READ_MAX) return false;
    const file = this.#files.pop();
    file?.close();
    return file !== undefined;
  }

  close(): void {
    while (this.give());
  }
}

/** Whether something could not be opened because the process, or the system, may hold no more files. */
export function isTooManyFiles(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return code === "EMFILE" || code === "ENFILE" || /os error (23|24)\b/.test(String(message));
}
