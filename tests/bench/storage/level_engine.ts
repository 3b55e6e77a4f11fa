/** `classic-level` (native LevelDB) under test. */
import type { ClassicLevel } from "classic-level";
import type { Entry } from "./dataset.ts";
import type { Engine } from "./engine.ts";

const PAGE_RECORDS = 1000;

export class LevelEngine implements Engine {
  readonly directory: string;
  readonly #cacheBytes: number | undefined;
  #db!: ClassicLevel<string, Uint8Array>;
  /** Not among the options that its types know, though it takes it. */
  #options = { sync: false } as object;

  constructor(directory: string, cacheBytes?: number) {
    this.directory = directory;
    this.#cacheBytes = cacheBytes;
  }

  async open(sync: boolean): Promise<void> {
    this.#options = { sync };
    // Not above: tests of the bench's other parts may not load native code.
    const { ClassicLevel } = await import("classic-level");
    this.#db = new ClassicLevel(this.directory, {
      keyEncoding: "utf8",
      valueEncoding: "view",
      ...(this.#cacheBytes === undefined ? {} : { cacheSize: this.#cacheBytes }),
    });
    await this.#db.open();
  }

  put({ key, value }: Entry): Promise<unknown> {
    return this.#db.put(key, value, this.#options);
  }

  putBatch(entries: readonly Entry[]): Promise<unknown> {
    return this.#db.batch(
      entries.map(({ key, value }) => ({ type: "put", key, value })),
      this.#options,
    );
  }

  get(key: string): number | undefined {
    return this.#db.getSync(key)?.byteLength;
  }

  async getAsync(key: string): Promise<number | undefined> {
    return (await this.#db.get(key))?.byteLength;
  }

  async scan(start: string, limit: number): Promise<number> {
    const iterator = this.#db.iterator({ gte: start, limit });
    let found = 0;
    for (let page; (page = await iterator.nextv(PAGE_RECORDS)).length > 0;) {
      for (const [, value] of page) if (value.byteLength > 0) found++;
    }
    await iterator.close();
    return found;
  }

  async settle(): Promise<void> {
    await this.#db.compactRange("\0", "\xff");
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}
