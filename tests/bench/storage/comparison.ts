/**
 * Both engines in this process, phase by phase, rounds alternating. Each figure is the best of its
 * rounds, since what else the machine does only makes it worse.
 */
import process from "node:process";
import { ConvergeEngine } from "./converge_engine.ts";
import type { Dataset } from "./dataset.ts";
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

/** Operations done. */
type Phase = (engine: Engine) => Promise<number> | number;

/** Runs every phase. @param directory Empty; both engines' files go into it. */
export async function compare(
  directory: string,
  dataset: Dataset,
  rounds: number,
): Promise<Comparison> {
  const ours = new ConvergeEngine(`${directory}/converge`, dataset, dataset.cacheBytes);
  const theirs = new LevelEngine(`${directory}/level`, dataset);
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
async function load(table: Rows, { keys }: Dataset): Promise<void> {
  const turn = Math.ceil(keys / LOAD_TURNS);
  const sums = table.engines.map(() => new Sum());
  for (let from = 0; from < keys; from += turn) {
    const to = Math.min(keys, from + turn);
    for (const [i, engine] of table.engines.entries()) {
      await sums[i]!.measure(async () => {
        for (let at = from; at < to; at += BATCH) {
          await engine.putBatch(at, Math.min(BATCH, to - at));
        }
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
  const expect = (found: number | undefined, expected: number | undefined) => {
    if (found !== expected) throw new Error(`found ${found} bytes instead of ${expected}`);
  };
  await table.measure("get of a hot key, against `getSync`", 1, (engine) => {
    for (let i = 0; i < 2 * gets; i++) expect(engine.get(hot[i % 100]!), valueBytes);
    return 2 * gets;
  });
  await table.measure("get of a hot key, against async `get`", 3, async (engine) => {
    for (let i = 0; i < gets / 2; i++) expect(await engine.getAsync(hot[i % 100]!), valueBytes);
    return gets / 2;
  });
  await table.measure("get uniformly random, cache 1/10", 1, (engine) => {
    for (let i = 0; i < gets; i++) expect(engine.get(dataset.key(dataset.pick())), valueBytes);
    return gets;
  });
  await table.measure("get of an absent key, outside the range", 2, (engine) => {
    for (let i = 0; i < gets; i++) expect(engine.get(dataset.absentKey(i)), undefined);
    return gets;
  });
  await table.measure("get of an absent key, between present ones", 2, (engine) => {
    for (let i = 0; i < gets; i++) expect(engine.get(dataset.key(dataset.pick()) + "x"), undefined);
    return gets;
  });
  await table.measure("ordered scan of everything", 0.5, (engine) => engine.scan("", keys));
  await table.measure("ordered scan of 100", 0.5, async (engine) => {
    let found = 0;
    for (let i = 0; i < 500; i++) found += await engine.scan(dataset.key(dataset.pick()), 100);
    return found;
  });
}

async function reopen(table: Rows): Promise<void> {
  await table.measure("reopen after a clean close", 1, async (engine) => {
    await engine.open(false);
    return 1;
  }, { rounds: Math.max(7, table.rounds), before: (engine) => engine.close() });
}

async function durablePuts(table: Rows, dataset: Dataset): Promise<void> {
  await table.measure("durable put, 1 writer", 1, async (engine) => {
    for (let i = 0; i < 1_000; i++) await engine.put(dataset.pick());
    return 1_000;
  });
  await table.measure("durable put, 100 waiting", 4, async (engine) => {
    const writer = async () => {
      for (let i = 0; i < 200; i++) await engine.put(dataset.pick());
    };
    await Promise.all(Array.from({ length: 100 }, writer));
    return 20_000;
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

  async measure(
    name: string,
    target: number,
    phase: Phase,
    { rounds = this.rounds, before }: {
      rounds?: number;
      before?: (engine: Engine) => Promise<void>;
    } = {},
  ): Promise<void> {
    const best: Measured[] = this.engines.map(() => NOTHING);
    for (let round = 0; round < rounds; round++) {
      for (const [i, engine] of this.engines.entries()) {
        await before?.(engine);
        const sum = new Sum();
        await sum.measure(() => phase(engine));
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
