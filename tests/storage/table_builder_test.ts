/** Building tables that is broken off leaves nothing behind, however many were complete. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Cursor } from "../../src/storage/cursor.ts";
import { type BuildOptions, buildTables, TABLE_BYTES } from "../../src/storage/table_builder.ts";
import { InstantClock } from "./instant_clock.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";

const VALUE_BYTES = 256 * 1024;
/** Enough for two tables and a part of a third. */
const LINES = Math.ceil(2.5 * TABLE_BYTES / VALUE_BYTES);

/** Long lines in order; `atLine` is told of each. */
class LongLines implements Cursor {
  key: string | undefined;
  bytes = new Uint8Array(0);
  readonly start = 0;
  end = 0;
  facts = undefined;
  readonly lastKey = "key999";
  readonly #atLine: (line: number) => void;
  #line = 0;

  constructor(atLine: (line: number) => void) {
    this.#atLine = atLine;
    this.next();
  }

  next(): void {
    this.#atLine(this.#line);
    this.key = this.#line < LINES ? `key${100 + this.#line++}` : undefined;
    const json = `{"k":"${this.key}","v":"${"x".repeat(VALUE_BYTES)}","c":1,"n":"n.1"}`;
    this.bytes = new TextEncoder().encode(json);
    this.end = this.bytes.byteLength;
  }

  close(): void {
    this.key = undefined;
  }
}

function buildIn(subject: VirtualStore, options: Partial<BuildOptions>): BuildOptions {
  const disk = subject.device.mount();
  disk.makeDirectory(DIRECTORY);
  let number = 0;
  return {
    disk,
    clock: new InstantClock(),
    directory: DIRECTORY,
    keyspace: "data",
    allocate: () => ++number,
    older: [],
    pause: () => Promise.resolve(),
    isCancelled: () => false,
    ...options,
  };
}

Deno.test("buildTables(): cancelled, it leaves no table behind", async () => {
  const subject = new VirtualStore();
  const isCancelled = () => subject.paths(".sst").length > 0;
  const built = await buildTables(new LongLines(() => {}), buildIn(subject, { isCancelled }));
  assertEquals(built, undefined);
  assertEquals(subject.device.files(), []);
});

Deno.test("buildTables(): where it fails it leaves no table behind", async () => {
  const subject = new VirtualStore();
  const lines = new LongLines((line) => {
    if (line === LINES - 1) throw new Error("cannot read on");
  });
  await assertRejects(() => buildTables(lines, buildIn(subject, {})), Error, "cannot read on");
  assertEquals(subject.device.files(), []);
});

Deno.test("buildTables(): complete, it leaves what it names", async () => {
  const subject = new VirtualStore();
  const built = await buildTables(new LongLines(() => {}), buildIn(subject, {}));
  assertEquals(built?.map(({ number }) => number), [1, 2, 3]);
  assertEquals(subject.paths(".sst").length, 3);
  assert(built!.every(({ bytes }) => bytes < 1.1 * TABLE_BYTES));
});
