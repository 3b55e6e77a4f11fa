/** A file that is appended to, with room made for it ahead where that pays. */
import type { AppendFile } from "../disk.ts";
import { attempt, attemptAsync } from "./disk_error.ts";
import { writeAll } from "./write_all.ts";

/** Room is made where it will do for so many syncs like the one before it. */
const SYNCS_PER_ROOM_MIN = 4;

/** An open file, as `Disk.openAppend` promises it. */
export class DenoAppendFile implements AppendFile {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #onClose: () => void;
  /** Invariant: with room, also where the file's cursor is. */
  #sizeBytes: number;
  #roomBytes: number;
  /** Where the zeros end that lie behind what was appended. */
  #zeroedBytes: number;
  /** Bytes for which a sync was asked. */
  #syncedBytes: number;

  constructor(
    path: string,
    file: Deno.FsFile,
    { sizeBytes, roomBytes, onClose }: {
      sizeBytes: number;
      roomBytes: number;
      onClose: () => void;
    },
  ) {
    this.#path = path;
    this.#file = file;
    this.#onClose = onClose;
    this.#sizeBytes = this.#zeroedBytes = this.#syncedBytes = sizeBytes;
    this.#roomBytes = roomBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  append(bytes: Uint8Array): void {
    attempt("append to", this.#path, () => {
      writeAll(this.#file, bytes, (written) => this.#sizeBytes += written);
    });
  }

  async sync(): Promise<void> {
    // This one makes the file longer in any case. Room for a few of its kind would cost more than it
    // saves: the zeros are written too.
    const bytes = this.#sizeBytes - this.#syncedBytes;
    this.#syncedBytes = this.#sizeBytes;
    const pays = bytes * SYNCS_PER_ROOM_MIN <= this.#roomBytes;
    if (this.#sizeBytes > this.#zeroedBytes && this.#roomBytes > 0 && pays) this.#makeRoom();
    await attemptAsync("sync", this.#path, () => this.#file.syncData());
  }

  /** Where there is no space for it, things go as well without. */
  #makeRoom(): void {
    try {
      const zeros = new Uint8Array(this.#roomBytes);
      if (this.#file.writeSync(zeros) < zeros.byteLength) this.#roomBytes = 0;
      this.#zeroedBytes = this.#sizeBytes + zeros.byteLength;
    } catch {
      this.#roomBytes = 0;
    }
    attempt("seek in", this.#path, () => this.#file.seekSync(this.#sizeBytes, Deno.SeekMode.Start));
  }

  close(): void {
    if (this.#zeroedBytes > this.#sizeBytes) this.#takeRoomBack();
    attempt("close", this.#path, () => this.#file.close());
    this.#onClose();
  }

  #takeRoomBack(): void {
    try {
      this.#file.truncateSync(this.#sizeBytes);
    } catch {
      // Zeros may follow in any case.
    }
  }
}
