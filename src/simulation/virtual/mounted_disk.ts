/** The disk that one life of a process has: the calls of `platform/disk.ts` on a virtual device. */
import { ConvergeError, type ErrorCode } from "../../errors.ts";
import type { AppendFile, AppendOptions, Disk, FileLock, ReadFile } from "../../platform/disk.ts";
import type { DiskOperation } from "./disk_faults.ts";
import type { ProcessLife } from "./process_life.ts";
import { type Entry, VirtualDirectory } from "./virtual_directory.ts";
import { VirtualFile } from "./virtual_file.ts";

/** Does an operation; `share` (0..1) of it when power fails in it. */
export type Perform = (share: number) => void;

/** How a wait for the device ends. */
export interface Wait {
  done(): void;
  failed(): void;
}

/** What mounted disks use of their device. */
export interface MountedDevice {
  /** The entry at a path. */
  find(path: string): Entry | undefined;
  /** The directory that holds a path, and the path's last name. */
  parent(path: string): { directory: VirtualDirectory; name: string; isRoot: boolean };
  /** Makes the directories on a path, each a pending entry of the one above. */
  makePath(path: string): void;
  /** Runs one operation with its faults; `perform` gets the share of it that happens. */
  operate(life: ProcessLife, operation: DiskOperation, path: string, perform: Perform): void;
  /** Like `operate` for what waits for the device. */
  wait(life: ProcessLife, operation: DiskOperation, path: string, wait: Wait): Promise<void>;
  /** Bytes that still fit. */
  freeBytes(): number;
  /** A random share of `bytes`: what a failing device took of them. */
  partOf(bytes: Uint8Array, bytesMax: number): Uint8Array;
  lock(life: ProcessLife, path: string): FileLock;
  /** A fault was injected. */
  fault(kind: string): void;
}

/** The disk as one life of a process sees it. */
export class MountedDisk implements Disk {
  readonly #device: MountedDevice;
  readonly #life: ProcessLife;

  constructor(device: MountedDevice, life: ProcessLife) {
    this.#device = device;
    this.#life = life;
  }

  makeDirectory(path: string): void {
    if (this.#device.find(path) instanceof VirtualDirectory) return;
    this.#operate("makeDirectory", path, (share) => share > 0 && this.#device.makePath(path));
  }

  list(path: string): string[] {
    const entry = this.#device.find(path);
    return entry instanceof VirtualDirectory ? entry.names() : [];
  }

  fileSize(path: string): number | undefined {
    const entry = this.#device.find(path);
    return entry instanceof VirtualFile ? entry.length : undefined;
  }

  freeBytes(): number {
    return this.#device.freeBytes();
  }

  openAppend(path: string, { roomBytes = 0 }: AppendOptions = {}): AppendFile {
    let file = this.#device.find(path);
    if (file === undefined) {
      const created = file = new VirtualFile();
      this.#operate("create", path, (share) => {
        if (share > 0) this.#set(path, created);
      });
    }
    if (!(file instanceof VirtualFile)) throw diskError("open", path, "it is a directory");
    if (roomBytes > 0) file.hasRoom = true;
    return new MountedAppendFile(this.#device, this.#life, { file, path });
  }

  openRead(path: string): ReadFile {
    const file = this.#device.find(path);
    if (!(file instanceof VirtualFile)) throw diskError("open", path, "no such file");
    const read = (offset: number, lengthBytes: number): Uint8Array => {
      let bytes: Uint8Array = new Uint8Array();
      this.#operate("read", path, () => {
        if (offset < 0 || offset + lengthBytes > file.length) {
          throw diskError("read", path, `no ${lengthBytes} bytes at ${offset} of ${file.length}`);
        }
        bytes = file.read(offset, lengthBytes);
      });
      return bytes;
    };
    return {
      get sizeBytes() {
        return file.length;
      },
      readAt: (offset, lengthBytes) => read(offset, lengthBytes),
      readInto: (offset, target) => target.set(read(offset, target.byteLength)),
      close: () => {},
    };
  }

  truncate(path: string, lengthBytes: number): void {
    const file = this.#file(path);
    this.#operate("truncate", path, (share) => share > 0 && file.truncate(lengthBytes));
  }

  rewrite(path: string, offset: number, bytes: Uint8Array): void {
    const file = this.#file(path);
    this.#operate("append", path, (share) => share === 1 && file.rewrite(offset, bytes));
  }

  rename(from: string, to: string): void {
    const entry = this.#device.find(from);
    if (entry === undefined) throw diskError("rename", from, "no such file");
    this.#operate("rename", from, (share) => {
      if (share === 0) return;
      const source = this.#device.parent(from);
      const target = this.#device.parent(to);
      if (source.directory === target.directory) {
        source.directory.rename(source.name, target.name);
        if (source.isRoot) source.directory.settle();
      } else {
        this.#set(to, entry);
        source.directory.delete(source.name);
      }
    });
  }

  link(from: string, to: string): void {
    const file = this.#file(from);
    this.#operate("link", to, (share) => {
      if (this.#device.find(to) !== undefined) throw diskError("link", to, "it exists");
      if (share > 0) this.#set(to, file);
    });
  }

  remove(path: string): void {
    if (this.#device.find(path) === undefined) return;
    this.#operate("remove", path, (share) => share > 0 && this.#delete(path));
  }

  discard(path: string): Promise<void> {
    if (this.#device.find(path) === undefined) return Promise.resolve();
    const done = () => {
      if (this.#device.find(path) !== undefined) this.#delete(path);
    };
    return this.#device.wait(this.#life, "remove", path, { done, failed: () => {} });
  }

  removeDirectory(path: string): void {
    const entry = this.#device.find(path);
    if (!(entry instanceof VirtualDirectory)) return;
    for (const name of entry.names()) {
      const child = `${path}/${name}`;
      if (entry.get(name) instanceof VirtualDirectory) this.removeDirectory(child);
      else this.remove(child);
    }
    this.#operate("remove", path, (share) => share > 0 && this.#delete(path));
  }

  syncDirectory(path: string): Promise<void> {
    const directory = this.#device.find(path);
    if (!(directory instanceof VirtualDirectory)) {
      return Promise.reject(diskError("sync", path, "no such directory"));
    }
    const mark = directory.beginSync();
    const wait = { done: () => directory.endSync(mark), failed: () => {} };
    return this.#device.wait(this.#life, "syncDirectory", path, wait);
  }

  lock(path: string): FileLock {
    return this.#device.lock(this.#life, path);
  }

  #operate(operation: DiskOperation, path: string, perform: Perform): void {
    this.#device.operate(this.#life, operation, path, perform);
  }

  #file(path: string): VirtualFile {
    const file = this.#device.find(path);
    if (!(file instanceof VirtualFile)) throw diskError("use", path, "no such file");
    return file;
  }

  #set(path: string, entry: Entry): void {
    const { directory, name, isRoot } = this.#device.parent(path);
    directory.set(name, entry);
    if (isRoot) directory.settle();
  }

  #delete(path: string): void {
    const { directory, name, isRoot } = this.#device.parent(path);
    directory.delete(name);
    if (isRoot) directory.settle();
  }
}

class MountedAppendFile implements AppendFile {
  readonly #device: MountedDevice;
  readonly #life: ProcessLife;
  readonly #file: VirtualFile;
  readonly #path: string;

  constructor(
    device: MountedDevice,
    life: ProcessLife,
    target: { file: VirtualFile; path: string },
  ) {
    this.#device = device;
    this.#life = life;
    this.#file = target.file;
    this.#path = target.path;
  }

  get sizeBytes(): number {
    return this.#file.length;
  }

  append(bytes: Uint8Array): void {
    this.#device.operate(this.#life, "append", this.#path, (share) => {
      if (share < 1) {
        this.#file.append(bytes.subarray(0, Math.floor(bytes.byteLength * share)));
        return;
      }
      const freeBytes = this.#device.freeBytes();
      if (bytes.byteLength > freeBytes) {
        // As write(2) does: a part is taken before there is no more space.
        this.#file.append(this.#device.partOf(bytes, freeBytes));
        this.#device.fault("disk full");
        throw diskError("append", this.#path, "no space", "disk_full");
      }
      this.#file.append(bytes);
    });
  }

  sync(): Promise<void> {
    const mark = this.#file.beginSync();
    return this.#device.wait(this.#life, "sync", this.#path, {
      done: () => this.#file.endSync(mark),
      failed: () => this.#file.failSync(mark),
    });
  }

  close(): void {}
}

/** An error of a disk: "Cannot <operation> <path>: <reason>". */
export function diskError(
  operation: string,
  path: string,
  reason: string,
  code: ErrorCode = "disk_failed",
): ConvergeError {
  return new ConvergeError(code, `Cannot ${operation} ${path}: ${reason}`);
}
