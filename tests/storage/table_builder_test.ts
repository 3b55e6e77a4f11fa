/** Building tables that is broken off leaves nothing behind, however many were complete. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Cursor } from "../../src/storage/cursor.ts";
import { type BuildOptions, buildTables, TABLE_BYTES } from "../../src/storage/table_builder.ts";
import { InstantClock } from "./instant_clock.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";
import { watchSyncs } from "./watched_syncs.ts";

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
  isClosed = false;
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
    this.isClosed = true;
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
  const lines = new LongLines(() => {});
  const built = await buildTables(lines, buildIn(subject, { isCancelled }));
  assertEquals([built, lines.isClosed], [undefined, true]);
  assertEquals(subject.device.files(), []);
});

Deno.test("buildTables(): where it fails it leaves no table behind", async () => {
  const subject = new VirtualStore();
  const lines = new LongLines((line) => {
    if (line === LINES - 1) throw new Error("cannot read on");
  });
  await assertRejects(() => buildTables(lines, buildIn(subject, {})), Error, "cannot read on");
  assert(lines.isClosed);
  assertEquals(subject.device.files(), []);
});

Deno.test("buildTables(): where the last table cannot be completed it leaves none of the others", async () => {
  const subject = new VirtualStore();
  const options = buildIn(subject, {});
  const rename = options.disk.rename.bind(options.disk);
  options.disk.rename = (from, to) => {
    if (subject.paths(".sst").length === 2) throw new Error("cannot rename");
    rename(from, to);
  };
  const build = () => buildTables(new LongLines(() => {}), options);
  await assertRejects(build, Error, "cannot rename");
  assertEquals(subject.device.files(), []);
});

/** A clock on which each look takes a ms. */
class SlowClock extends InstantClock {
  #looks = 0;

  override monotonicMs(): number {
    return ++this.#looks;
  }
}

Deno.test("buildTables(): lets others run, and the device have its bytes, by time, also between long lines", async () => {
  const subject = new VirtualStore();
  let pauses = 0;
  const pause = () => Promise.resolve(void pauses++);
  const options = buildIn(subject, { clock: new SlowClock(), pause });
  const syncs = watchSyncs(options.disk);
  const built = await buildTables(new LongLines(() => {}), options);
  assertEquals(built!.reduce((sum, { properties }) => sum + properties.records, 0), LINES);
  assert(pauses >= LINES / 4, `${pauses} pauses for ${LINES} lines of ${VALUE_BYTES} bytes`);
  assert(syncs.most <= 6 * 1024 * 1024, `${syncs.most} bytes in one sync`);
});

Deno.test("buildTables(): complete, it leaves what it names", async () => {
  const subject = new VirtualStore();
  const built = await buildTables(new LongLines(() => {}), buildIn(subject, {}));
  assertEquals(built?.map(({ number }) => number), [1, 2, 3]);
  assertEquals(subject.paths(".sst").length, 3);
  assert(built!.every(({ bytes }) => bytes < 1.1 * TABLE_BYTES));
});
