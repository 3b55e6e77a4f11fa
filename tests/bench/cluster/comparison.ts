/** Converge beside the floor and etcd: the same work for each in turn, round after round. */
import { ConvergeTarget } from "./converge_target.ts";
import { EtcdTarget } from "./etcd_target.ts";
import { FloorTarget } from "./floor_target.ts";
import { measure, type Measurement, runLoad } from "./load.ts";
import { medianOf } from "./statistics.ts";
import { type Target, textOf } from "./target.ts";
import { VALUE_BYTES, type Work, WORKS } from "./works.ts";
import { pause, say, type Workspace } from "./workspace.ts";

/** Between two measurements, so that one does not pay for what the last one left to be done. */
const SETTLE_MS = 500;

/** One target's medians over all rounds for one work. */
export interface Row {
  target: string;
  median: Measurement;
  /** Median over rounds of this target's throughput by the other's in the same round. */
  toFloor: number;
  toEtcd: number;
}

/** One work. */
export interface Comparison {
  work: Work;
  rows: Row[];
}

/** Starts the targets, fills them, runs the chosen works. */
export async function compare({ options, directory }: Workspace): Promise<Comparison[]> {
  const works = WORKS.filter(({ part }) => options.parts.has(part));
  if (works.length === 0) return [];
  await using stack = new AsyncDisposableStack();
  const targets: Target[] = [];
  const starts = [FloorTarget.start, startEtcd, ConvergeTarget.start];
  for (const start of starts) {
    const target = await start(directory);
    if (target !== undefined) targets.push(stack.use(target));
  }
  for (const target of targets) {
    say(`${target.name}: ${options.keys} keys are stored`);
    await target.preload(options.keys, textOf(VALUE_BYTES));
  }
  await pause(4 * SETTLE_MS);
  const comparisons: Comparison[] = [];
  for (const work of works) {
    say(`\n${work.title}`);
    for (const target of targets) {
      const load = { ...work.load(target, options.keys), seconds: options.warmup };
      await runLoad(load, directory);
      await pause(SETTLE_MS);
    }
    const rounds: Map<string, Measurement>[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const results = new Map<string, Measurement>();
      for (let i = 0; i < targets.length; i++) {
        const target = targets[(i + round) % targets.length]!;
        const load = { ...work.load(target, options.keys), seconds: options.seconds };
        results.set(target.name, await measure(target, load, directory));
        await pause(SETTLE_MS);
      }
      rounds.push(results);
      say(roundLine(round, results));
    }
    comparisons.push({ work, rows: targets.map(({ name }) => rowOf(name, rounds)) });
  }
  return comparisons;
}

/** etcd, or undefined with a word about it where it is not installed. */
async function startEtcd(directory: string): Promise<EtcdTarget | undefined> {
  try {
    return await EtcdTarget.start(directory);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    say("etcd is missing (Debian: apt-get install etcd-server): the run goes on without it.");
    return undefined;
  }
}

function rowOf(target: string, rounds: Map<string, Measurement>[]): Row {
  const own = rounds.map((results) => results.get(target)!);
  const of = (value: (m: Measurement) => number) => medianOf(own, value);
  const ratioTo = (other: string) =>
    medianOf(rounds, (results) => {
      const theirs = results.get(other);
      return theirs === undefined ? NaN : results.get(target)!.throughput / theirs.throughput;
    });
  return {
    target,
    median: {
      requests: of((m) => m.requests),
      seconds: of((m) => m.seconds),
      throughput: of((m) => m.throughput),
      p50Ms: of((m) => m.p50Ms),
      p99Ms: of((m) => m.p99Ms),
      p999Ms: of((m) => m.p999Ms),
      statusErrors: own.reduce((sum, m) => sum + m.statusErrors, 0),
      socketErrors: own.reduce((sum, m) => sum + m.socketErrors, 0),
      cpuMicroseconds: of((m) => m.cpuMicroseconds),
      residentBytes: of((m) => m.residentBytes),
    },
    toFloor: ratioTo("floor"),
    toEtcd: ratioTo("etcd"),
  };
}

function roundLine(round: number, results: Map<string, Measurement>): string {
  const parts = [...results].map(([name, { throughput, p99Ms, cpuMicroseconds }]) =>
    `${name} ${Math.round(throughput)}/s p99 ${p99Ms.toFixed(1)} ms ${
      Math.round(cpuMicroseconds)
    } us/op`
  );
  return `  round ${round + 1}: ${parts.join(" | ")}`;
}
