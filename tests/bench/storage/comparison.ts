/**
 * Both engines in this process, phase by phase, rounds alternating. Each figure is the best of its
 * rounds, since what else the machine does only makes it worse. Keys and values are made before the
 * clock begins: it is about engines, and to make them takes as long as some of what is measured.
 */
import process from "node:process";
import { ConvergeEngine } from "./converge_engine.ts";
import { type Dataset, type Entry, flat } from "./dataset.ts";
import { directoryBytes, type Engine } from "./engine.ts";
import { killedRows } from "./killed.ts";
import { LevelEngine } from "./level_engine.ts";

const BATCH = 100;
/** Parts of the load that the engines take turns with. */
const LOAD_TURNS = 10;

/** What an engine did in a phase. */
export interface Measured {
  perSecond: number;
  /** CPU time of the process per operation, all threads, microseconds. */
  cpuMicroseconds: number;
}

/** One phase. */
export interface Row {
  name: string;
  ours: Measured;
  theirs: Measured;
  /** Least ratio of the rates; undefined where there is none to reach. */
  target: number | undefined;
}

/** All of a comparison. */
export interface Comparison {
  dataset: Dataset;
  rows: Row[];
  /** Bytes on disk after quiet, per byte of keys and values. */
  space: { ours: number; theirs: number };
}

/** Does the work of a phase with what was made for it before the clock began; answers how much it was. */
type Phase<Input> = (engine: Engine, input: Input) => Promise<number> | number;

/** Runs every phase. @param directory Empty; both engines' files go into it. */
export async function compare(
  directory: string,
  dataset: Dataset,
  rounds: number,
): Promise<Comparison> {
  const ours = new ConvergeEngine(`${directory}/converge`, dataset.cacheBytes);
  const theirs = new LevelEngine(`${directory}/level`, dataset.cacheBytes);
  const engines: [Engine, Engine] = [ours, theirs];
  const table = new Rows(engines, rounds);
  for (const engine of engines) await engine.open(false);
  await load(table, dataset);
  await reads(table, dataset);
  await reopen(table);
  for (const engine of engines) {
    await engine.close();
    await engine.open(true);
  }
  await durablePuts(table, dataset);
  for (const engine of engines) await engine.settle();
  const [space, spaceTheirs] = engines.map((engine) =>
    directoryBytes(engine.directory) / dataset.bytes
  );
  for (const engine of engines) await engine.close();
  const rows = [...table.rows, ...await killedRows(directory, dataset)];
  return { dataset, rows, space: { ours: space!, theirs: spaceTheirs! } };
}

/** Each key once, in scattered order, the engines taking turns; all turns count. */
async function load(table: Rows, dataset: Dataset): Promise<void> {
  const turn = Math.ceil(dataset.keys / LOAD_TURNS);
  const sums = table.engines.map(() => new Sum());
  for (let from = 0; from < dataset.keys; from += turn) {
    const batches: Entry[][] = [];
    const to = Math.min(dataset.keys, from + turn);
    for (let at = from; at < to; at += BATCH) {
      batches.push(dataset.entries(at, Math.min(BATCH, to - at)));
    }
    for (const [i, engine] of table.engines.entries()) {
      await sums[i]!.measure(async () => {
        for (const batch of batches) await engine.putBatch(batch);
        return to - from;
      });
    }
  }
  const [ours, theirs] = sums.map((sum) => sum.measured);
  table.add({
    name: `put without sync, batches of ${BATCH}`,
    target: 1,
    ours: ours!,
    theirs: theirs!,
  });
  for (const [i, engine] of table.engines.entries()) {
    await sums[i]!.measure(async () => {
      await engine.settle();
      return 0;
    });
  }
  const [settled, settledTheirs] = sums.map((sum) => sum.measured);
  const name = "the same, until compaction is at rest";
  table.add({ name, target: undefined, ours: settled!, theirs: settledTheirs! });
}

async function reads(table: Rows, dataset: Dataset): Promise<void> {
  const { keys, valueBytes } = dataset;
  const gets = Math.min(Math.max(keys, 20_000), 100_000);
  const hot = Array.from({ length: 100 }, (_, i) => dataset.key(i));
  const repeated = (count: number) => () => Array.from({ length: count }, (_, i) => hot[i % 100]!);
  const any = (count: number) => () =>
    Array.from({ length: count }, () => dataset.key(dataset.pick()));
  // What a filter answers takes so little that fewer would be over before anything can be measured.
  const absent = 5 * gets;
  const outside = () => Array.from({ length: absent }, (_, i) => dataset.absentKey(i));
  const between = () => any(absent)().map((key) => flat(key + "x"));
  await table.measure("get of a hot key, against `getSync`", 1, {
    prepare: repeated(2 * gets),
    run: (engine, asked) => getAll(engine, asked, valueBytes),
  });
  await table.measure("get of a hot key, against async `get`", 3, {
    prepare: repeated(gets / 2),
    async run(engine, asked) {
      for (const key of asked) expect(await engine.getAsync(key), valueBytes);
      return asked.length;
    },
  });
  await table.measure("get uniformly random, cache 1/10", 1, {
    prepare: any(gets),
    run: (engine, asked) => getAll(engine, asked, valueBytes),
  });
  await table.measure("get of an absent key, outside the range", 2, {
    prepare: outside,
    run: (engine, asked) => getAll(engine, asked, undefined),
  });
  await table.measure("get of an absent key, between present ones", 2, {
    prepare: between,
    run: (engine, asked) => getAll(engine, asked, undefined),
  });
  await table.measure("ordered scan of everything", 0.5, {
    prepare: nothing,
    run: (engine) => engine.scan("", keys),
  });
  await table.measure("ordered scan of 100", 0.5, {
    prepare: any(500),
    async run(engine, starts) {
      let found = 0;
      for (const start of starts) found += await engine.scan(start, 100);
      return found;
    },
  });
}

function getAll(engine: Engine, asked: readonly string[], expected: number | undefined): number {
  for (const key of asked) expect(engine.get(key), expected);
  return asked.length;
}

function expect(found: number | undefined, expected: number | undefined): void {
  if (found !== expected) throw new Error(`found ${found} bytes instead of ${expected}`);
}

function nothing(): void {}

async function reopen(table: Rows): Promise<void> {
  await table.measure("reopen after a clean close", 1, {
    rounds: Math.max(7, table.rounds),
    prepare: (engine) => engine.close(),
    async run(engine) {
      await engine.open(false);
      return 1;
    },
  });
}

async function durablePuts(table: Rows, dataset: Dataset): Promise<void> {
  const any = (count: number) => () =>
    Array.from({ length: count }, () => dataset.entry(dataset.pick()));
  await table.measure("durable put, 1 writer", 1, {
    prepare: any(1_000),
    async run(engine, entries) {
      for (const entry of entries) await engine.put(entry);
      return entries.length;
    },
  });
  await table.measure("durable put, 100 waiting", 4, {
    prepare: any(20_000),
    async run(engine, entries) {
      let next = 0;
      const writer = async () => {
        while (next < entries.length) await engine.put(entries[next++]!);
      };
      await Promise.all(Array.from({ length: 100 }, writer));
      return entries.length;
    },
  });
}

/** The rows so far, and how one is made. */
class Rows {
  readonly rows: Row[] = [];
  readonly engines: readonly [Engine, Engine];
  readonly rounds: number;

  constructor(engines: readonly [Engine, Engine], rounds: number) {
    this.engines = engines;
    this.rounds = rounds;
  }

  add(row: Row): void {
    this.rows.push(row);
    console.error(rowLine(row));
  }

  async measure<Input>(
    name: string,
    target: number,
    { prepare, run, rounds = this.rounds }: {
      /** Makes what a round is given, for one engine. Its time does not count. */
      prepare: (engine: Engine) => Promise<Input> | Input;
      run: Phase<Input>;
      rounds?: number;
    },
  ): Promise<void> {
    const best: Measured[] = this.engines.map(() => NOTHING);
    for (let round = 0; round < rounds; round++) {
      for (const [i, engine] of this.engines.entries()) {
        const input = await prepare(engine);
        const sum = new Sum();
        await sum.measure(() => run(engine, input));
        best[i] = better(best[i]!, sum.measured);
      }
    }
    this.add({ name, target, ours: best[0]!, theirs: best[1]! });
  }
}

/** Time and operations of one or several pieces of work. */
export class Sum {
  #operations = 0;
  #ms = 0;
  #cpuMicroseconds = 0;

  async measure(work: () => Promise<number> | number): Promise<void> {
    const cpu = process.cpuUsage();
    const start = performance.now();
    this.#operations += await work();
    this.#ms += performance.now() - start;
    const { user, system } = process.cpuUsage(cpu);
    this.#cpuMicroseconds += user + system;
  }

  get measured(): Measured {
    return {
      perSecond: this.#operations / this.#ms * 1000,
      cpuMicroseconds: this.#cpuMicroseconds / this.#operations,
    };
  }
}

export const NOTHING: Measured = { perSecond: 0, cpuMicroseconds: Infinity };

/** The best of both, figure by figure. */
export function better(a: Measured, b: Measured): Measured {
  return {
    perSecond: Math.max(a.perSecond, b.perSecond),
    cpuMicroseconds: Math.min(a.cpuMicroseconds, b.cpuMicroseconds),
  };
}

/** A row for who watches the run. */
export function rowLine({ name, ours, theirs }: Row): string {
  return `${name}: ${Math.round(ours.perSecond)} against ${Math.round(theirs.perSecond)} per s, ` +
    `ratio ${(ours.perSecond / theirs.perSecond).toFixed(2)}; CPU ` +
    `${ours.cpuMicroseconds.toFixed(2)} against ${theirs.cpuMicroseconds.toFixed(2)} us`;
}
