/** The names in a simulated directory, as the page cache has them and as the device has them. */
import { type Random, randomInteger } from "../../platform/random.ts";
import type { VirtualFile } from "./virtual_file.ts";

/** What a name can stand for. */
export type Entry = VirtualFile | VirtualDirectory;

/** A change that the device may not have yet. A rename is one change: both names or none. */
type Change =
  | { kind: "set"; name: string; entry: Entry }
  | { kind: "delete"; name: string }
  | { kind: "rename"; from: string; to: string; entry: Entry };

/** Invariant: `entries` is the durable names with all of the pending changes made in order. */
export class VirtualDirectory {
  readonly #entries = new Map<string, Entry>();
  readonly #durable = new Map<string, Entry>();
  #pending: Change[] = [];
  /** Changes that became durable so far. */
  #settled = 0;

  get(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  names(): string[] {
    return [...this.#entries.keys()].sort();
  }

  entries(): IterableIterator<[string, Entry]> {
    return this.#entries.entries();
  }

  set(name: string, entry: Entry): void {
    this.#change({ kind: "set", name, entry });
  }

  delete(name: string): void {
    if (this.#entries.has(name)) this.#change({ kind: "delete", name });
  }

  rename(from: string, to: string): void {
    const entry = this.#entries.get(from);
    if (entry !== undefined && from !== to) this.#change({ kind: "rename", from, to, entry });
  }

  /** The mark to hand to {@linkcode endSync}. */
  beginSync(): number {
    return this.#settled + this.#pending.length;
  }

  endSync(mark: number): void {
    const count = Math.max(0, mark - this.#settled);
    for (const change of this.#pending.splice(0, count)) make(this.#durable, change);
    this.#settled += count;
  }

  /** Makes every change so far durable at once. */
  settle(): void {
    this.endSync(this.beginSync());
  }

  /** The machine lost power: of the pending changes all, none, the first few or any stay. */
  crash(random: Random): void {
    const pending = this.#pending;
    const fate = randomInteger(random, 4);
    const first = randomInteger(random, pending.length + 1);
    const kept = pending.filter((_, i) =>
      fate === 0 || (fate === 1 && i < first) || (fate === 2 && random.next() < 0.5)
    );
    for (const change of kept) make(this.#durable, change);
    this.#pending = [];
    this.#entries.clear();
    for (const [name, entry] of this.#durable) this.#entries.set(name, entry);
  }

  #change(change: Change): void {
    make(this.#entries, change);
    this.#pending.push(change);
  }
}

function make(names: Map<string, Entry>, change: Change): void {
  if (change.kind === "set") {
    names.set(change.name, change.entry);
  } else if (change.kind === "delete") {
    names.delete(change.name);
  } else {
    names.delete(change.from);
    names.set(change.to, change.entry);
  }
}
