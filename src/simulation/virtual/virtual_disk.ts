/**
 * A disk that exists in memory only and behaves as badly as the contract in `platform/disk.ts`
 * allows: it keeps a cached and a durable image and forgets the difference when power is lost.
 *
 * The root's own entries are durable at once, as a mount point is; every other directory entry
 * needs a `syncDirectory` of its directory, a directory's own entry included.
 */
import { ConvergeError } from "../../errors.ts";
import type { Disk, FileLock } from "../../platform/disk.ts";
import { type Random, randomBetween, randomInteger } from "../../platform/random.ts";
import { type DiskFaults, type DiskOperation, noDiskFaults } from "./disk_faults.ts";
import {
  diskError,
  type MountedDevice,
  MountedDisk,
  type Perform,
  type Wait,
} from "./mounted_disk.ts";
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
export class VirtualDisk implements MountedDevice {
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

  /** @internal As the others below: what mounted disks use. */
  find(path: string): Entry | undefined {
    let entry: Entry | undefined = this.#root;
    for (const name of segments(path)) {
      if (!(entry instanceof VirtualDirectory)) return undefined;
      entry = entry.get(name);
    }
    return entry;
  }

  parent(path: string): { directory: VirtualDirectory; name: string; isRoot: boolean } {
    const names = segments(path);
    const name = names.pop();
    const directory = this.find(names.join("/"));
    if (name === undefined || !(directory instanceof VirtualDirectory)) {
      throw diskError("use", path, "its directory does not exist");
    }
    return { directory, name, isRoot: directory === this.#root };
  }

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
      this.#time.schedule(randomBetween(this.#random, this.faults.syncMs), end);
    });
  }

  freeBytes(): number {
    if (this.faults.capacityBytes === Infinity) return Infinity;
    const used = this.files().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return Math.max(0, this.faults.capacityBytes - used);
  }

  partOf(bytes: Uint8Array, bytesMax: number): Uint8Array {
    return bytes.subarray(0, randomInteger(this.#random, Math.min(bytesMax, bytes.byteLength) + 1));
  }

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
