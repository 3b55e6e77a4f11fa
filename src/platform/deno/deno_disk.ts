/** The real disk: `Disk` over the operating system's files. */
import { dirname } from "node:path";
import fs from "node:fs";
import { ConvergeError } from "../../errors.ts";
import type { AppendFile, AppendOptions, Disk, FileLock, ReadFile } from "../disk.ts";
import { DenoAppendFile } from "./deno_append_file.ts";
import { DenoReadFile } from "./deno_read_file.ts";
import { attempt, attemptAsync, errnoOf } from "./disk_error.ts";
import { isTooManyFiles, SpareFiles } from "./spare_files.ts";
import { writeAll } from "./write_all.ts";

/** Files under the process's own permissions. Holds no state but open handles. */
export class DenoDisk implements Disk {
  /** Of each directory that is locked. */
  readonly #spares = new Set<SpareFiles>();

  makeDirectory(path: string): void {
    attempt("create directory", path, () => {
      const missing: string[] = [];
      for (let at = path; !isDirectory(at); at = dirname(at)) missing.push(at);
      Deno.mkdirSync(path, { recursive: true });
      for (const made of missing) this.#passing(() => syncEntryOf(made));
    });
  }

  list(path: string): string[] {
    return attempt("list", path, () => {
      try {
        return this.#passing(() => [...Deno.readDirSync(path)]).map(({ name }) => name).sort();
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return [];
        throw error;
      }
    });
  }

  fileSize(path: string): number | undefined {
    return attempt("examine", path, () => {
      try {
        const { isFile, size } = Deno.statSync(path);
        return isFile ? size : undefined;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    });
  }

  /** No quota shows here. */
  freeBytes(path: string): number {
    try {
      if (!mayAskForSpace()) return Infinity;
      const { bavail, bsize } = fs.statfsSync(path);
      return bavail * bsize;
    } catch {
      return Infinity;
    }
  }

  openAppend(path: string, { roomBytes = 0 }: AppendOptions = {}): AppendFile {
    return attempt("open", path, () => {
      const options = { create: true, append: roomBytes === 0, write: true };
      const file = this.#opening(() => Deno.openSync(path, options));
      try {
        const sizeBytes = file.seekSync(0, Deno.SeekMode.End);
        return new DenoAppendFile(path, file, { sizeBytes, roomBytes, onClose: this.#onClose });
      } catch (error) {
        file.close();
        throw error;
      }
    });
  }

  openRead(path: string): ReadFile {
    return attempt("open", path, () => {
      const descriptor = this.#opening(() => fs.openSync(path, "r"), { isToRead: true });
      return new DenoReadFile(path, descriptor, fs.fstatSync(descriptor).size);
    });
  }

  truncate(path: string, lengthBytes: number): void {
    attempt("truncate", path, () => this.#passing(() => Deno.truncateSync(path, lengthBytes)));
  }

  rewrite(path: string, offset: number, bytes: Uint8Array): void {
    attempt("write again to", path, () =>
      this.#passing(() => {
        const file = Deno.openSync(path, { write: true });
        try {
          file.seekSync(offset, Deno.SeekMode.Start);
          writeAll(file, bytes);
        } finally {
          file.close();
        }
      }));
  }

  rename(from: string, to: string): void {
    attempt("rename", from, () => Deno.renameSync(from, to));
  }

  link(from: string, to: string): void {
    attempt("link", from, () => {
      try {
        fs.linkSync(from, to);
      } catch (error) {
        if (!["EXDEV", "EPERM", "ENOTSUP", "EMLINK", "ENOSYS"].includes(errnoOf(error))) {
          throw error;
        }
        copyDurably(from, to);
      }
    });
  }

  remove(path: string): void {
    attempt("remove", path, () => fs.rmSync(path, { force: true }));
  }

  async discard(path: string): Promise<void> {
    await attemptAsync("remove", path, () => fs.promises.rm(path, { force: true }));
  }

  removeDirectory(path: string): void {
    attempt("remove", path, () => fs.rmSync(path, { force: true, recursive: true }));
  }

  async syncDirectory(path: string): Promise<void> {
    await attemptAsync("sync directory", path, async () => {
      const directory = this.#opening(() => Deno.openSync(path));
      try {
        await directory.sync();
      } finally {
        directory.close();
        this.#onClose();
      }
    });
  }

  /** An advisory lock of the system (`flock`), which ends with the process however it ends. */
  lock(path: string): FileLock {
    const file = attempt("open", path, () => openToLock(path));
    let locked = false;
    try {
      locked = attempt("lock", path, () => file.tryLockSync(true));
    } finally {
      if (!locked) file.close();
    }
    if (!locked) {
      throw new ConvergeError("data_locked", `Cannot lock ${path}: another process holds it`);
    }
    const spares = new SpareFiles(dirname(path));
    this.#spares.add(spares);
    let held = true;
    return {
      release: () => {
        if (held) file.close();
        held = false;
        spares.close();
        this.#spares.delete(spares);
      },
    };
  }

  /** Opens something, be it in the place of a spare file. */
  #opening<T>(open: () => T, options?: { isToRead: boolean }): T {
    try {
      return open();
    } catch (error) {
      const isGiven = isTooManyFiles(error) &&
        [...this.#spares].some((spares) => spares.give(options));
      if (!isGiven) throw error;
      return open();
    }
  }

  /** As `opening`, for what is closed by the end of it. */
  #passing<T>(open: () => T): T {
    try {
      return this.#opening(open);
    } finally {
      this.#onClose();
    }
  }

  /** Takes back what was given. Not where a file to read is closed: another is opened in its place. */
  readonly #onClose = (): void => {
    for (const spares of this.#spares) spares.refill();
  };
}

/** Asked first, since who has a terminal would be asked for it otherwise. */
function mayAskForSpace(): boolean {
  return Deno.permissions.querySync({ name: "sys", kind: "statfs" }).state === "granted";
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.NotCapable) return true; // above what this process may see
    throw error;
  }
}

/** A link shares bytes that are durable already; a copy has to become so. */
function copyDurably(from: string, to: string): void {
  Deno.copyFileSync(from, to);
  const copy = Deno.openSync(to, { write: true });
  try {
    copy.syncDataSync();
  } finally {
    copy.close();
  }
}

/** Where nothing may be written, as in a snapshot that is mounted so, what is there is locked as well. */
function openToLock(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { create: true, write: true, read: true });
  } catch (error) {
    try {
      return Deno.openSync(path);
    } catch {
      throw error;
    }
  }
}

/** Makes a new directory's entry in its parent durable. */
function syncEntryOf(path: string): void {
  try {
    const parent = Deno.openSync(dirname(path));
    try {
      parent.syncSync();
    } finally {
      parent.close();
    }
  } catch (error) {
    // Confined to the data directory, the process cannot open what that lies in.
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
  }
}
