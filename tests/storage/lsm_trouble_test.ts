/**
 * Generated histories on a disk that takes its time, fills up and loses power.
 *
 * Strategy: few keys; batches of a size for which there is room or not, that are waited for or not; fsyncs
 * that take time, so that everything else happens during them; flushes, closings, deaths of the process
 * and power failures at any time; starts on a disk that is still full.
 * Invariants: of what was answered all that the durability promises is there; beside it a suffix of what
 * was not promised may be missing, and any of what was under way; nothing that was refused is there; doctor
 * finds no damage.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Durability } from "../../src/config.ts";
import { isConvergeError } from "../../src/errors.ts";
import { drainMicrotasks } from "../../src/simulation/virtual/drain.ts";
import { ProcessLife } from "../../src/simulation/virtual/process_life.ts";
import { SeededRandom } from "../../src/simulation/virtual/random_streams.ts";
import { VirtualClock } from "../../src/simulation/virtual/virtual_clock.ts";
import { VirtualDisk } from "../../src/simulation/virtual/virtual_disk.ts";
import { VirtualTime } from "../../src/simulation/virtual/virtual_time.ts";
import { checkDirectory } from "../../src/storage/directory_check.ts";
import { LsmStore } from "../../src/storage/lsm_store.ts";
import { put, scanAll } from "./store_conformance.ts";
import { DIRECTORY } from "./virtual_store.ts";

/** Counters by key. */
type State = ReadonlyMap<string, number>;

interface Batch {
  readonly keys: readonly string[];
  readonly counter: number;
  readonly erase: boolean;
  outcome: "under way" | "stored" | "refused";
}

type Step =
  | { kind: "apply"; keys: string[]; bytes: number; erase: boolean }
  | { kind: "pass" | "fill"; amount: number }
  | { kind: "wait" | "flush" | "sync" | "room" | "reopen" | "kill" | "power" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("apply" as const),
      keys: fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 3 }),
      bytes: fc.constantFrom(1, 1, 300, 1_500),
      erase: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom("pass" as const, "pass" as const, "fill" as const),
      amount: fc.constantFrom(0, 1, 6, 50, 1_200, 3_000),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.constantFrom("wait", "wait", "flush", "sync", "room", "reopen", "kill", "power")
      .map((kind) => ({ kind: kind as "wait" })),
  },
);

/** What may be left of so many calls are some states only. */
const UNDER_WAY_MAX = 4;

const MODES: Durability[] = [{ mode: "fsync" }, { mode: "interval", ms: 5 }, { mode: "os" }];

/** A store, what it runs on, and what is expected of it. */
class Subject {
  readonly #time = new VirtualTime();
  readonly #device: VirtualDisk;
  readonly #durability: Durability;
  #store!: LsmStore;
  #counter = 0;
  /** What no power failure takes. */
  #durable: State = new Map();
  /** What came after that, in order. */
  #batches: Batch[] = [];
  #answers: Promise<void>[] = [];

  constructor(seed: number, durability: Durability) {
    this.#durability = durability;
    this.#device = new VirtualDisk({ random: new SeededRandom(seed, "disk"), time: this.#time });
    this.#device.faults.syncMs = [1, 20];
  }

  async open(): Promise<void> {
    const life = new ProcessLife(this.#time);
    this.#store = await this.#taken(LsmStore.open({
      directory: DIRECTORY,
      clock: new VirtualClock(this.#time, { life }),
      disk: this.#device.mount(life),
      durability: this.#durability,
      memtableBytes: 2_000,
      cacheBytes: 4_096,
    }));
  }

  async take(step: Step): Promise<void> {
    if (step.kind === "apply") await this.#apply(step);
    else if (step.kind === "pass") await this.#pass(step.amount);
    else if (step.kind === "fill") this.#fill(step.amount);
    else if (step.kind === "room") this.#device.faults.capacityBytes = Infinity;
    else if (step.kind === "wait") await this.#wait();
    else if (step.kind === "flush") await this.#taken(this.#store.flush()).catch(unlessFull);
    else if (step.kind === "sync") await this.#sync();
    else if (step.kind === "reopen") await this.#reopen();
    else await this.#crash(step.kind === "power");
  }

  async end(): Promise<void> {
    await this.take({ kind: "room" });
    await this.take({ kind: "reopen" });
    await this.#taken(this.#store.close());
  }

  async #apply({ keys, bytes, erase }: Step & { kind: "apply" }): Promise<void> {
    if (this.#answers.length === UNDER_WAY_MAX) await this.#wait();
    const counter = ++this.#counter;
    const batch: Batch = { keys, counter, erase, outcome: "under way" };
    const options = { value: "x".repeat(bytes) };
    const mutations = keys.map((key) => ({ ...put(key, counter, options), erase }));
    const batches = this.#batches;
    batches.push(batch);
    const answered = this.#store.apply(mutations).then(() => {
      if (this.#batches !== batches) return; // another life
      batch.outcome = "stored";
      // Those before it were answered, too: it is on the device.
      if (this.#durability.mode === "fsync") this.#note(batches.indexOf(batch) + 1);
    }, (error) => {
      if (this.#batches === batches) unlessFull(error);
      batch.outcome = "refused";
    });
    this.#answers.push(answered);
  }

  #fill(bytes: number): void {
    const used = this.#device.files().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    this.#device.faults.capacityBytes = used + bytes;
  }

  async #wait(): Promise<void> {
    await this.#taken(Promise.all(this.#answers));
    this.#answers = [];
    assertEquals(this.#contents(), after(this.#durable, this.#batches));
  }

  async #sync(): Promise<void> {
    const count = this.#batches.findIndex(({ outcome }) => outcome === "under way");
    const before = count < 0 ? [...this.#batches] : this.#batches.slice(0, count);
    await this.#taken(this.#store.sync());
    this.#note(before.filter((batch) => this.#batches.includes(batch)).length);
  }

  async #reopen(): Promise<void> {
    await this.#taken(Promise.all([this.#store.close(), ...this.#answers]));
    this.#note(this.#batches.length);
    await this.#restart([this.#durable]);
  }

  async #crash(power: boolean): Promise<void> {
    const allowed = this.#allowed(power);
    this.#batches = [];
    this.#answers = [];
    this.#device.crash({ power });
    await this.#restart(allowed);
  }

  async #restart(allowed: readonly State[]): Promise<void> {
    const { findings } = checkDirectory(this.#device.mount(), DIRECTORY);
    assertEquals(findings.filter(({ severity }) => severity === "damage"), []);
    await this.open();
    const found = this.#contents();
    assert(allowed.some((state) => isSame(state, found)), `${shown([found])} of ${shown(allowed)}`);
    this.#durable = found;
  }

  /** States that may be found: without some of the last of what was stored, with any of what was not. */
  #allowed(power: boolean): State[] {
    let states = [this.#durable];
    const earlier: State[] = [];
    for (const batch of this.#batches) {
      if (batch.outcome === "refused") continue;
      const next = states.map((state) => after(state, [{ ...batch, outcome: "stored" }]));
      if (batch.outcome === "under way") states.push(...next);
      else {
        if (power) earlier.push(...states);
        states = next;
      }
    }
    return [...states, ...earlier];
  }

  /** The first batches are on the device. */
  #note(count: number): void {
    this.#durable = after(this.#durable, this.#batches.splice(0, count));
  }

  #contents(): State {
    return new Map(scanAll(this.#store).map(({ key, counter }) => [key, counter]));
  }

  async #pass(ms: number): Promise<void> {
    await this.#taken(this.#time.wait(ms));
  }

  /** Waits for something, and lets time pass as long as that takes. */
  async #taken<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    promise.then(() => isOver = true, () => isOver = true);
    await drainMicrotasks();
    while (!isOver) {
      assert(this.#time.step(Infinity), "it waits for ever");
      await drainMicrotasks();
    }
    return await promise;
  }
}

function after(state: State, batches: readonly Batch[]): State {
  const next = new Map(state);
  for (const { keys, counter, erase, outcome } of batches) {
    if (outcome !== "stored") continue;
    for (const key of keys) erase ? next.delete(key) : next.set(key, counter);
  }
  return next;
}

function isSame(a: State, b: State): boolean {
  return a.size === b.size && [...a].every(([key, counter]) => b.get(key) === counter);
}

function shown(states: readonly State[]): string {
  return JSON.stringify(states.map((state) => [...state].toSorted()));
}

function unlessFull(error: unknown): void {
  if (!isConvergeError(error, "disk_full")) throw error;
}

Deno.test("LsmStore: every history on a slow disk that fills up and loses power keeps its promises", async () => {
  const steps = fc.array(step, { minLength: 20, maxLength: 50, size: "max" });
  const history = fc.tuple(fc.nat(), fc.constantFrom(...MODES), steps);
  await fc.assert(
    fc.asyncProperty(history, async ([seed, durability, steps]) => {
      const subject = new Subject(seed, durability);
      await subject.open();
      for (const step of steps) await subject.take(step);
      await subject.end();
    }),
    { numRuns: 100 },
  );
});
