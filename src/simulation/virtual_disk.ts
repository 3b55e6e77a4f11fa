/**
 * A disk that exists in memory only and behaves as badly as the contract in `platform/disk.ts`
 * allows: it keeps a cached and a durable image and forgets the difference when power is lost.
 *
 * The root's own entries are durable at once, as a mount point is; every other directory entry
 * needs a `syncDirectory` of its directory, a directory's own entry included.
 */
import { ConvergeError, type ErrorCode } from "../errors.ts";
import type { AppendFile, AppendOptions, Disk, FileLock, ReadFile } from "../platform/disk.ts";
import { type Random, randomInteger } from "../platform/random.ts";
import { type DiskFaults, type DiskOperation, noDiskFaults } from "./disk_faults.ts";
import { ProcessLife } from "./process_life.ts";
import { type Entry, VirtualDirectory } from "./virtual_directory.ts";
import { VirtualFile } from "./virtual_file.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** The fault that `onFault` is told when {@linkcode VirtualDisk.crashAtOperation} strikes. */
export const CRASH_AT_OPERATION = "crash at operation";

/** What all files of a disk held at one moment. */
export type DiskCopy = readonly { path: string; bytes: Uint8Array }[];

/** What a virtual disk is made of. */
export interface VirtualDiskOptions {
  /** Decides what faults and crashes do. */
  random: Random;
  /** Makes syncs take virtual time; without it they end in the microtask after the call. */
  time?: VirtualTime;
  /** Told of every injected error and of the crash at an operation. */
  onFault?: (kind: string) => void;
}

/** The device. {@linkcode mount} gives the `Disk` of one life of a process. */
export class VirtualDisk {
  /** What goes wrong from now on. */
  faults: DiskFaults = noDiskFaults();
  readonly #random: Random;
  readonly #time: VirtualTime | undefined;
  readonly #onFault: (kind: string) => void;
  readonly #root = new VirtualDirectory();
  readonly #counts = new Map<DiskOperation, number>();
  #locks = new Set<string>();
  #life = new ProcessLife();
  #operations = 0;
  #crashAt = Infinity;
  #crashed = false;

  constructor(options: VirtualDiskOptions) {
    this.#random = options.random;
    this.#time = options.time;
    this.#onFault = options.onFault ?? (() => {});
  }

  /** Operations so far that change something on the disk (all but reads). */
  get operations(): number {
    return this.#operations;
  }

  /** Whether {@linkcode crashAtOperation} struck and {@linkcode crash} was not called since. */
  get crashed(): boolean {
    return this.#crashed;
  }

  /** How often each kind of operation was asked for. */
  counts(): Partial<Record<DiskOperation, number>> {
    return Object.fromEntries(this.#counts);
  }

  /**
   * The disk as one process sees it. Once `life` is dead its calls throw `disk_failed` and its
   * syncs under way never end.
   */
  mount(life: ProcessLife = new ProcessLife(this.#time)): Disk {
    this.#life = life;
    return new MountedDisk(this, life);
  }

  /**
   * Power fails in the operation that makes {@linkcode operations} reach `operation`: an append is
   * cut at any byte, any other operation happens or not; it and all later calls throw `disk_failed`.
   * Call {@linkcode crash} next.
   */
  crashAtOperation(operation: number): void {
    this.#crashAt = operation;
  }

  /**
   * Ends the mounted life. With `power` (the default) everything not durable is kept, lost or torn;
   * without it only the process died and the page cache stays.
   */
  crash(options: { power?: boolean } = {}): void {
    this.#life.kill();
    this.#locks = new Set();
    this.#crashAt = Infinity;
    this.#crashed = false;
    crashTree(this.#root, this.#random, options.power ?? true);
    this.#root.settle();
  }

  /** The disk is replaced by an empty one. Only between lives. */
  wipe(): void {
    for (const name of this.#root.names()) this.#root.delete(name);
    this.#root.settle();
  }

  /** A copy of all files, as the page cache has them. */
  copy(): DiskCopy {
    return this.files().map(({ path, sizeBytes }) => ({
      path,
      bytes: (this.find(path) as VirtualFile).read(0, sizeBytes),
    }));
  }

  /** The disk is replaced by a copy, which is durable. Only between lives. */
  restore(copy: DiskCopy): void {
    this.wipe();
    for (const { path, bytes } of copy) {
      const file = new VirtualFile();
      file.append(bytes);
      file.endSync(file.beginSync());
      this.makePath(segments(path).slice(0, -1).join("/"));
      const { directory, name } = this.parent(path);
      directory.set(name, file);
    }
    settleTree(this.#root);
  }

  /** Paths of all files with their sizes, sorted. */
  files(): { path: string; sizeBytes: number }[] {
    const found: { path: string; sizeBytes: number }[] = [];
    const walk = (directory: VirtualDirectory, prefix: string) => {
      for (const [name, entry] of directory.entries()) {
        const path = prefix + name;
        if (entry instanceof VirtualFile) found.push({ path, sizeBytes: entry.length });
        else walk(entry, `${path}/`);
      }
    };
    walk(this.#root, "");
    return found.sort((a, b) => a.path < b.path ? -1 : 1);
  }

  /** Flips one bit of a file at rest. @throws {Error} when there is no such byte. */
  flipBit(path: string, offset: number): void {
    const file = this.find(path);
    if (!(file instanceof VirtualFile) || offset >= file.length) {
      throw new Error(`Cannot rot byte ${offset} of ${path}: there is none`);
    }
    file.flipBit(offset, randomInteger(this.#random, 8));
  }

  /** @internal The entry at a path. */
  find(path: string): Entry | undefined {
    let entry: Entry | undefined = this.#root;
    for (const name of segments(path)) {
      if (!(entry instanceof VirtualDirectory)) return undefined;
      entry = entry.get(name);
    }
    return entry;
  }

  /** @internal The directory that holds a path, and the path's last name. */
  parent(path: string): { directory: VirtualDirectory; name: string; isRoot: boolean } {
    const names = segments(path);
    const name = names.pop();
    const directory = this.find(names.join("/"));
    if (name === undefined || !(directory instanceof VirtualDirectory)) {
      throw diskError("use", path, "its directory does not exist");
    }
    return { directory, name, isRoot: directory === this.#root };
  }

  /** @internal Makes the directories on a path, each a pending entry of the one above. */
  makePath(path: string): void {
    let directory = this.#root;
    for (const name of segments(path)) {
      let next = directory.get(name);
      if (next === undefined) {
        directory.set(name, next = new VirtualDirectory());
        if (directory === this.#root) this.#root.settle();
      }
      if (!(next instanceof VirtualDirectory)) {
        throw diskError("make", path, "a file is in the way");
      }
      directory = next;
    }
  }

  /** @internal Runs one operation with its faults; `perform` gets the share of it that happens. */
  operate(life: ProcessLife, operation: DiskOperation, path: string, perform: Perform): void {
    this.#check(life, operation, path);
    if (operation !== "read" && ++this.#operations >= this.#crashAt) {
      this.#crashed = true;
      life.kill();
      this.#onFault(CRASH_AT_OPERATION);
      perform(operation === "append" ? this.#random.next() : randomInteger(this.#random, 2));
      throw diskError(operation, path, "the power failed");
    }
    if (this.#strikes(operation)) {
      // A part may have been written before the device failed.
      if (operation === "append") perform(this.#random.next());
      throw diskError(operation, path, "injected error");
    }
    perform(1);
  }

  /** @internal Like {@linkcode operate} for what waits for the device. */
  wait(life: ProcessLife, operation: DiskOperation, path: string, wait: Wait): Promise<void> {
    try {
      this.#check(life, operation, path);
      if (++this.#operations >= this.#crashAt) {
        this.#crashed = true;
        life.kill();
        this.#onFault(CRASH_AT_OPERATION);
        if (this.#random.next() < 0.5) wait.done();
        throw diskError(operation, path, "the power failed");
      }
    } catch (error) {
      return Promise.reject(error);
    }
    const fails = this.#strikes(operation);
    return new Promise((resolve, reject) => {
      const end = () => {
        if (life.dead) return;
        if (fails) wait.failed();
        else wait.done();
        life.enter(() => fails ? reject(diskError(operation, path, "injected error")) : resolve());
      };
      if (this.#time === undefined) return end();
      const [min, max] = this.faults.syncMs;
      this.#time.schedule(min + (max - min) * this.#random.next(), end);
    });
  }

  /** @internal Bytes that still fit. */
  freeBytes(): number {
    if (this.faults.capacityBytes === Infinity) return Infinity;
    const used = this.files().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return Math.max(0, this.faults.capacityBytes - used);
  }

  /** @internal A random share of `bytes`: what a failing device took of them. */
  partOf(bytes: Uint8Array, bytesMax: number): Uint8Array {
    return bytes.subarray(0, randomInteger(this.#random, Math.min(bytesMax, bytes.byteLength) + 1));
  }

  /** @internal */
  lock(life: ProcessLife, path: string): FileLock {
    this.#check(life, "create", path);
    if (this.#locks.has(path)) {
      throw new ConvergeError("data_locked", `Cannot lock ${path}: it is held elsewhere`);
    }
    // The lock is this set's: after a crash a handle of the old life releases nothing.
    const locks = this.#locks;
    locks.add(path);
    return { release: () => void locks.delete(path) };
  }

  /** @internal */
  fault(kind: string): void {
    this.#onFault(kind);
  }

  #check(life: ProcessLife, operation: DiskOperation, path: string): void {
    if (life.dead) throw diskError(operation, path, "the process is dead");
    this.#counts.set(operation, (this.#counts.get(operation) ?? 0) + 1);
  }

  #strikes(operation: DiskOperation): boolean {
    const rate = this.faults.errorRate[operation] ?? 0;
    if (rate === 0 || this.#random.next() >= rate) return false;
    this.#onFault(`disk ${operation} error`);
    return true;
  }
}

/** Does an operation; `share` (0..1) of it when power fails in it. */
type Perform = (share: number) => void;

/** How a wait for the device ends. */
interface Wait {
  done(): void;
  failed(): void;
}

class MountedDisk implements Disk {
  readonly #device: VirtualDisk;
  readonly #life: ProcessLife;

  constructor(device: VirtualDisk, life: ProcessLife) {
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
  readonly #device: VirtualDisk;
  readonly #life: ProcessLife;
  readonly #file: VirtualFile;
  readonly #path: string;

  constructor(device: VirtualDisk, life: ProcessLife, target: { file: VirtualFile; path: string }) {
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

/** Crashes every file and directory that a durable or a kept name reaches, each once. */
function crashTree(root: VirtualDirectory, random: Random, power: boolean): void {
  const seen = new Set<Entry>();
  const visit = (directory: VirtualDirectory) => {
    if (power) directory.crash(random);
    for (const [, entry] of directory.entries()) {
      if (seen.has(entry)) continue;
      seen.add(entry);
      if (entry instanceof VirtualFile) entry.crash(random, power);
      else visit(entry);
    }
  };
  visit(root);
}

/** Makes every name in a directory and below it durable. */
function settleTree(directory: VirtualDirectory): void {
  directory.settle();
  for (const [, entry] of directory.entries()) {
    if (entry instanceof VirtualDirectory) settleTree(entry);
  }
}

function segments(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function diskError(
  operation: string,
  path: string,
  reason: string,
  code: ErrorCode = "disk_failed",
): ConvergeError {
  return new ConvergeError(code, `Cannot ${operation} ${path}: ${reason}`);
}
