/** This engine under test. A put includes encoding the record, a get decoding its value. */
import { DenoClock } from "../../../src/platform/deno/deno_clock.ts";
import { DenoDisk } from "../../../src/platform/deno/deno_disk.ts";
import { encodeRecord, valueOf } from "../../../src/record/record_line.ts";
import { LsmStore } from "../../../src/storage/lsm_store.ts";
import { DATA, type Mutation } from "../../../src/storage/store.ts";
import type { Entry } from "./dataset.ts";
import type { Engine } from "./engine.ts";

const NODE_ID = "node1.4f2a";

/** Records of one scan that are asked for at once. */
const PAGE_RECORDS = 1000;

export class ConvergeEngine implements Engine {
  readonly directory: string;
  /** Default: the store's own. */
  readonly #cacheBytes: number | undefined;
  #store!: LsmStore;
  #counter = 0;

  constructor(directory: string, cacheBytes?: number) {
    this.directory = directory;
    this.#cacheBytes = cacheBytes;
  }

  get store(): LsmStore {
    return this.#store;
  }

  async open(sync: boolean): Promise<void> {
    this.#store = await LsmStore.open({
      directory: this.directory,
      clock: new DenoClock(),
      disk: new DenoDisk(),
      durability: { mode: sync ? "fsync" : "os" },
      ...(this.#cacheBytes === undefined ? {} : { cacheBytes: this.#cacheBytes }),
    });
    this.#counter = this.#store.highestCounter();
  }

  put(entry: Entry): Promise<unknown> {
    return this.#store.apply([this.mutation(entry)]);
  }

  putBatch(entries: readonly Entry[]): Promise<unknown> {
    return this.#store.apply(entries.map((entry) => this.mutation(entry)));
  }

  /** The next version of a key. */
  mutation({ key, value }: Entry): Mutation {
    const record = encodeRecord({ key, value, counter: ++this.#counter, nodeID: NODE_ID });
    return { keyspace: DATA, record };
  }

  get(key: string): number | undefined {
    const record = this.#store.get(DATA, key);
    return record && valueOf(record).bytes.byteLength;
  }

  getAsync(key: string): Promise<number | undefined> {
    return Promise.resolve(this.get(key));
  }

  scan(start: string, limit: number): number {
    const scan = this.#store.scan(DATA, { start });
    let found = 0;
    while (found < limit) {
      const page = scan.next(Math.min(PAGE_RECORDS, limit - found));
      if (page.length === 0) break;
      for (const record of page) if (valueOf(record).bytes.byteLength > 0) found++;
    }
    scan.close();
    return found;
  }

  async settle(): Promise<void> {
    await this.#store.flush();
    await this.#store.settled();
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
