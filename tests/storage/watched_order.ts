/**
 * Watches the order of what is done to a disk: what counts must be on the device before something else
 * may rely on it. Its syncs take their time, so that one that nobody waits for is seen.
 */
import type { Disk } from "../../src/platform/disk.ts";
import { type Random, randomInteger } from "../../src/platform/random.ts";
import {
  logName,
  MANIFEST_NAME,
  tableName,
  TEMPORARY_SUFFIX,
} from "../../src/storage/file_names.ts";
import { decodeManifest, type Manifest } from "../../src/storage/manifest.ts";

/** Turns that a sync takes, at most. */
const SYNC_TURNS_MAX = 200;

/** One file, under whatever name. */
interface WatchedFile {
  bytes: number;
  /** How many of them are on the device. */
  durableBytes: number;
}

interface WatchedDirectory {
  readonly files: Map<string, WatchedFile>;
  /** Names whose last change is not on the device. */
  readonly pending: Set<string>;
  /** The last one that is on the device, and those since: a start may go by any of them. */
  readonly manifests: Manifest[];
}

/** What a device was given, over all lives of the process. */
export class WatchedOrder {
  /** What relied on something that a power failure might have undone. */
  readonly violations: string[] = [];
  /** Manifests that were checked. */
  manifests = 0;
  readonly #directories = new Map<string, WatchedDirectory>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Watches one life of the process. */
  watch(disk: Disk): Disk {
    for (const path of this.#directories.keys()) this.#lookForManifest(disk, path);
    const { openAppend, rename, link, remove, discard, syncDirectory } = disk;
    disk.openAppend = (path, options) => {
      const file = openAppend.call(disk, path, options);
      const watched = this.#opened(path, file.sizeBytes);
      const { append, sync } = file;
      file.append = (bytes) => {
        append.call(file, bytes);
        watched.bytes += bytes.byteLength;
      };
      file.sync = async () => {
        const { bytes } = watched;
        await sync.call(file);
        await this.#takeTime();
        watched.durableBytes = Math.max(watched.durableBytes, bytes);
      };
      return file;
    };
    disk.rename = (from, to) => {
      const file = this.#fileAt(from);
      rename.call(disk, from, to);
      if (from.endsWith(TEMPORARY_SUFFIX)) this.#checkWhole(to, file);
      this.#drop(from);
      this.#set(to, file);
      if (!to.endsWith(`/${MANIFEST_NAME}`)) return;
      const { sizeBytes } = disk.openRead(to);
      this.#replaced(to, decodeManifest(disk.openRead(to).readAt(0, sizeBytes)));
    };
    disk.link = (from, to) => {
      link.call(disk, from, to);
      this.#set(to, this.#fileAt(from));
    };
    disk.remove = (path) => {
      remove.call(disk, path);
      this.#drop(path);
    };
    disk.discard = async (path) => {
      await discard.call(disk, path);
      this.#drop(path);
    };
    disk.syncDirectory = async (path) => {
      const directory = this.#directory(path);
      const manifest = directory.manifests.at(-1);
      const begun = [...directory.pending];
      await syncDirectory.call(disk, path);
      await this.#takeTime();
      for (const name of begun) directory.pending.delete(name);
      // Another one, begun later, may have ended before.
      const at = directory.manifests.findIndex((one) => one === manifest);
      directory.manifests.splice(0, at);
    };
    return disk;
  }

  /** Names in a directory that are not on the device. */
  unsyncedNames(path: string): string[] {
    const { files, pending } = this.#directory(path);
    return [...files.keys()].filter((name) => pending.has(name));
  }

  /** Bytes of files of names that end so that are not on the device. */
  unsyncedBytes(path: string, ending: string): number {
    return [...this.#directory(path).files].filter(([name]) => name.endsWith(ending))
      .reduce((sum, [, { bytes, durableBytes }]) => sum + bytes - durableBytes, 0);
  }

  #directory(path: string): WatchedDirectory {
    let directory = this.#directories.get(path);
    if (directory === undefined) {
      directory = { files: new Map(), pending: new Set(), manifests: [] };
      this.#directories.set(path, directory);
    }
    return directory;
  }

  #fileAt(path: string): WatchedFile {
    const { parent, name } = split(path);
    const file = this.#directory(parent).files.get(name);
    return file ?? { bytes: Infinity, durableBytes: 0 };
  }

  #opened(path: string, bytes: number): WatchedFile {
    const { parent, name } = split(path);
    const there = this.#directory(parent).files.get(name);
    if (there !== undefined) return there;
    const file = { bytes, durableBytes: 0 };
    this.#set(path, file);
    return file;
  }

  #set(path: string, file: WatchedFile): void {
    const { parent, name } = split(path);
    const { files, pending } = this.#directory(parent);
    files.set(name, file);
    pending.add(name);
  }

  #drop(path: string): void {
    const { parent, name } = split(path);
    const { files, pending } = this.#directory(parent);
    if (!files.delete(name)) return;
    pending.add(name);
    this.#checkUnneeded(path);
  }

  /** One may have taken its place by the operation at which the process of before ended. */
  #lookForManifest(disk: Disk, parent: string): void {
    const path = `${parent}/${MANIFEST_NAME}`;
    const sizeBytes = disk.fileSize(path);
    if (sizeBytes === undefined) return;
    const found = decodeManifest(disk.openRead(path).readAt(0, sizeBytes));
    const { files, manifests } = this.#directory(parent);
    if (JSON.stringify(found) === JSON.stringify(manifests.at(-1))) return;
    this.#set(path, files.get(MANIFEST_NAME) ?? { bytes: sizeBytes, durableBytes: sizeBytes });
    manifests.push(found);
  }

  /** A manifest took its place: all that it names must be there after a power failure. */
  #replaced(path: string, manifest: Manifest): void {
    const { parent } = split(path);
    const directory = this.#directory(parent);
    const log = logName(manifest.log);
    for (const name of [log, ...manifest.tables.map(({ number }) => tableName(number))]) {
      if (directory.pending.has(name)) this.violations.push(`${parent}/${name}: no durable name`);
      const file = this.#fileAt(`${parent}/${name}`);
      if (name !== log) this.#checkWhole(`${parent}/${name}`, file);
      else if (file.durableBytes === 0) this.violations.push(`${parent}/${name} is not begun`);
    }
    directory.manifests.push(manifest);
    this.manifests++;
  }

  /** A name goes away: no manifest may name it that may be the one of the next start. */
  #checkUnneeded(path: string): void {
    const { parent, name } = split(path);
    for (const one of this.#directory(parent).manifests) {
      const names = [logName(one.log), ...one.tables.map(({ number }) => tableName(number))];
      if (names.includes(name)) this.violations.push(`${path} goes away, which a manifest names`);
    }
  }

  #checkWhole(path: string, { bytes, durableBytes }: WatchedFile): void {
    if (durableBytes === bytes) return;
    this.violations.push(`${path}: ${durableBytes} of ${bytes} bytes are on the device`);
  }

  async #takeTime(): Promise<void> {
    const turns = randomInteger(this.#random, SYNC_TURNS_MAX);
    for (let i = 0; i < turns; i++) await Promise.resolve();
  }
}

function split(path: string): { parent: string; name: string } {
  const at = path.lastIndexOf("/");
  return { parent: path.slice(0, at), name: path.slice(at + 1) };
}
