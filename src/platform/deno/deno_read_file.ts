/**
 * A file that is read at offsets: through `node:fs`, which does that in one call where `Deno.FsFile` needs a
 * seek and a read (measured: 3.7 against 4.9 microseconds for 4 KiB from the page cache).
 */
import fs from "node:fs";
import { ConvergeError } from "../../errors.ts";
import type { ReadFile } from "../disk.ts";
import { attempt, diskError } from "./disk_error.ts";

/** An open file, as `Disk.openRead` promises it. */
export class DenoReadFile implements ReadFile {
  readonly sizeBytes: number;
  readonly #path: string;
  readonly #descriptor: number;

  constructor(path: string, descriptor: number, sizeBytes: number) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.sizeBytes = sizeBytes;
  }

  readAt(offset: number, lengthBytes: number): Uint8Array {
    const bytes = new Uint8Array(lengthBytes);
    this.readInto(offset, bytes);
    return bytes;
  }

  readInto(offset: number, target: Uint8Array): void {
    const { byteLength } = target;
    let done = 0;
    try {
      while (done < byteLength) {
        const read = fs.readSync(this.#descriptor, target, done, byteLength - done, offset + done);
        if (read === 0) break;
        done += read;
      }
    } catch (error) {
      throw diskError("read", this.#path, error);
    }
    if (done < byteLength) {
      throw new ConvergeError(
        "disk_failed",
        `Cannot read ${byteLength} bytes at ${offset} of ${this.#path}: it ends after ${done}`,
      );
    }
  }

  close(): void {
    attempt("close", this.#path, () => fs.closeSync(this.#descriptor));
  }
}
