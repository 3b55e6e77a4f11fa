/**
 * Every single disk operation of a scripted workload fails, reads too: for want of space, or as the
 * device does.
 *
 * Strategy: run the workload once to count its operations, then once per operation and kind with that
 * one failing, or it and the next few; of a failing append a part is written. Where the store has
 * failed it is opened again, and goes on.
 *
 * Invariants: what was answered is there, at once and at the end; of what failed whole batches are
 * there, or nothing; nothing is taken for damage; for want of space no store fails but where an fsync
 * said so, and each takes writes again by itself; nothing is left over, and every file is closed.
 */
import { assert, assertEquals } from "@std/assert";
import { ConvergeError, isConvergeError } from "../../src/errors.ts";
import type { AppendFile, Disk } from "../../src/platform/disk.ts";
import { checkDirectory } from "../../src/storage/directory_check.ts";
import type { LsmStore } from "../../src/storage/lsm_store.ts";
import { DATA, META, type Mutation } from "../../src/storage/store.ts";
import { put, record, scanAll } from "./store_conformance.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";

type Code = "disk_full" | "disk_failed";

/** Of so many operations one is tried: all of them take a minute or two. */
const STEP = 9;
const POINTS_MIN = 250;
/** Attempts after which what failed must have worked. */
const TRIES_MAX = 60;

/** Operations [from, to) fail. */
interface Failing {
  from: number;
  to: number;
  code: Code;
}

/** A disk of which operations fail by their number. */
class FailingDisk {
  operations = 0;
  /** Names of those that failed. */
  readonly failed: string[] = [];
  readonly open = new Set<object>();
  readonly #failing: Failing;

  constructor(failing: Failing) {
    this.#failing = failing;
  }

  over(disk: Disk): Disk {
    return this.#watched(disk, (name, path, perform) => {
      if (name === "lock") return perform();
      this.#begin(name, path);
      const result = perform();
      return name === "openAppend" || name === "openRead" ? this.#file(result, path) : result;
    });
  }

  #file(file: object, path: string): object {
    const watched = this.#watched(file, (name, _, perform, args) => {
      if (name === "close") this.open.delete(watched);
      else {
        try {
          this.#begin(name, path);
        } catch (error) {
          if (name === "append") {
            const [bytes] = args as [Uint8Array];
            (file as AppendFile).append(bytes.subarray(0, bytes.byteLength >> 1));
          }
          throw error;
        }
      }
      return perform();
    });
    this.open.add(watched);
    return watched;
  }

  #begin(name: string, path: string): void {
    const { from, to, code } = this.#failing;
    const operation = ++this.operations;
    if (operation < from || operation >= to) return;
    this.failed.push(`${name} ${path}`);
    throw new ConvergeError(code, `Cannot ${name} ${path}: injected error`);
  }

  #watched<T extends object>(
    target: T,
    // deno-lint-ignore no-explicit-any
    call: (name: string, path: string, perform: () => any, args: unknown[]) => unknown,
  ): T {
    return new Proxy(target, {
      get: (_, name) => {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        const isAsync = ["sync", "syncDirectory", "discard"].includes(String(name));
        return (...args: unknown[]) => {
          try {
            return call(String(name), String(args[0]), () => member.apply(target, args), args);
          } catch (error) {
            if (isAsync) return Promise.reject(error);
            throw error;
          }
        };
      },
    });
  }
}

/** One run of the workload. */
class Run {
  readonly subject = new VirtualStore();
  readonly disk: FailingDisk;
  readonly #code: Code;
  /** By key what was answered for, and what may have been written since. */
  readonly #answered = new Map<string, number>();
  readonly #uncertain = new Map<string, Set<number>>();
  #counter = 0;
  #store!: LsmStore;

  constructor(failing: Failing) {
    this.disk = new FailingDisk(failing);
    this.#code = failing.code;
  }

  get where(): string {
    return `${this.#code} of ${this.disk.failed.join(", ")}`;
  }

  async all(): Promise<void> {
    await this.#open();
    for (let i = 0; i < 26; i++) {
      await this.#apply([`key${(i * 7) % 9}`]);
      if (i % 3 === 0) await this.#apply(["pair/a", "pair/b"]);
      if (i % 7 === 6) await this.#apply(["large"], "x".repeat(700));
      if (i % 8 === 7) await this.#store.flush().catch(() => {});
      if (i % 9 === 8) await this.#checkpoint(`copy${i}`);
      if (i % 11 === 10) await this.#store.settled();
      if (i % 13 === 12) await this.#reopen();
      else if (this.subject.fatal.length > 0) await this.#recover();
      else this.#look();
    }
    await this.#end();
  }

  async #open(): Promise<void> {
    for (let tries = 0;; tries++) {
      const disk = this.disk.over(this.subject.device.mount());
      try {
        this.#store = await this.subject.open({ disk, memtableBytes: 700, cacheBytes: 2048 });
        return;
      } catch (error) {
        assert(isConvergeError(error, this.#code), `${this.where}: ${error}`);
        assert(tries < TRIES_MAX, `${this.where}: it never opens again`);
        assertEquals(this.disk.open.size, 0, this.where);
      }
    }
  }

  async #reopen(): Promise<void> {
    await this.#store.close().catch(() => {});
    assertEquals(this.disk.open.size, 0, `${this.where}: files are open`);
    this.subject.fatal.length = 0;
    await this.#open();
    this.#look();
  }

  /** Goes on after a failure, which for want of space only an fsync may be. */
  async #recover(): Promise<void> {
    const { message } = this.subject.fatal[0]!;
    const isSync = /Cannot sync .*\.log|Cannot make .* durable/.test(message);
    assert(this.#code === "disk_failed" || isSync, `${this.where}: ${message}`);
    await this.#reopen();
  }

  async #apply(keys: string[], value?: string): Promise<void> {
    const counter = ++this.#counter;
    const batch: Mutation[] = keys.map((key) => put(key, counter, value ? { value } : {}));
    batch.push({ keyspace: META, record: record("reserved", counter) });
    try {
      await this.#store.apply(batch);
    } catch (error) {
      assert(error instanceof ConvergeError, String(error));
      // For want of space nothing was begun.
      if (error.code === "disk_full") return;
      for (const key of keys) {
        const maybe = this.#uncertain.get(key) ?? new Set();
        this.#uncertain.set(key, maybe.add(counter));
      }
      return;
    }
    for (const key of keys) {
      this.#answered.set(key, counter);
      this.#uncertain.delete(key);
    }
  }

  async #checkpoint(directory: string): Promise<void> {
    try {
      await this.#store.checkpoint(directory);
    } catch (error) {
      assert(error instanceof ConvergeError, String(error));
      return;
    }
    const copy = await this.subject.open({ directory });
    this.#compare(copy);
    await copy.close();
  }

  /** Compares what is there, as soon as it can be read. */
  #look(): void {
    for (let tries = 0;; tries++) {
      try {
        return this.#compare(this.#store);
      } catch (error) {
        if (!isConvergeError(error, this.#code)) throw error;
        assert(tries < TRIES_MAX, `${this.where}: it is never read again`);
      }
    }
  }

  #compare(store: LsmStore): void {
    const found = new Map(scanAll(store).map(({ key, counter }) => [key, counter]));
    for (const key of new Set([...found.keys(), ...this.#answered.keys()])) {
      const counter = found.get(key);
      const answered = this.#answered.get(key);
      const isAllowed = counter === answered || this.#uncertain.get(key)?.has(counter!);
      assert(isAllowed, `${this.where}: ${key} is ${counter}, answered ${answered}`);
    }
    assertEquals(found.get("pair/a"), found.get("pair/b"), `${this.where}: half a batch`);
    assertEquals(this.subject.damage, [], this.where);
  }

  async #end(): Promise<void> {
    const isDone = async (what: () => Promise<unknown>) => {
      for (let tries = 0; tries < TRIES_MAX; tries++) {
        if (await what().then(() => true, () => false)) return true;
        if (this.subject.fatal.length > 0) await this.#recover();
      }
      return false;
    };
    this.#uncertain.set("last", new Set([1_000]));
    assert(await isDone(() => this.#store.apply([put("last", 1_000)])), `${this.where}: no writes`);
    this.#answered.set("last", 1_000);
    assert(await isDone(() => this.#store.flush()), `${this.where}: no flushes`);
    await this.#store.settled();
    this.#look();
    await this.#reopen();
    await this.#store.close();
    assertEquals(this.disk.open.size, 0, `${this.where}: files are open`);
    const { findings } = checkDirectory(this.subject.device.mount(), DIRECTORY);
    assertEquals(findings, [], this.where);
    const reread = await this.subject.open();
    this.#compare(reread);
    assertEquals(reread.get(DATA, "last")?.counter, 1_000);
    await reread.close();
  }
}

Deno.test("LsmStore: what was answered survives a failure of every disk operation", async () => {
  const whole = new Run({ from: Infinity, to: Infinity, code: "disk_full" });
  await whole.all();
  const { operations } = whole.disk;
  let points = 0;
  for (const code of ["disk_full", "disk_failed"] as const) {
    for (const length of [1, 6]) {
      for (let from = 1 + (length % STEP); from <= operations; from += STEP) {
        const run = new Run({ from, to: from + length, code });
        await run.all();
        points += run.disk.failed.length > 0 ? 1 : 0;
      }
    }
  }
  assert(points >= POINTS_MIN, `only ${points} points of ${operations} operations`);
});
