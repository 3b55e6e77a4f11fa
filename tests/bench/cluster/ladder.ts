/**
 * What of a PUT's time goes where: servers between the floor and Converge, each of which does one thing
 * more than the one before. A profile tells where the time is spent; this tells what would be saved.
 */
import { ConvergeTarget } from "./converge_target.ts";
import { FloorTarget } from "./floor_target.ts";
import { LADDER } from "./ladder_steps.ts";
import { LadderTarget } from "./ladder_target.ts";
import { measure, runLoad } from "./load.ts";
import { cpuMicroseconds } from "./process_facts.ts";
import { median, medianOf } from "./statistics.ts";
import { figure, type Table } from "./table.ts";
import type { Target } from "./target.ts";
import { WORKS } from "./works.ts";
import { pause, say, type Workspace } from "./workspace.ts";

/** As between two measurements of the comparison. */
const SETTLE_MS = 500;
/** The first row, whose ratio is 1, and the last. */
const FLOOR_TITLE = "the floor: reads a body, answers 204";
const CONVERGE_TITLE = "Converge";

/** Stands below the table. */
export const LADDER_NOTES =
  "Each row is a server of this benchmark (`tests/bench/cluster/ladder_server.ts`), three of them from the " +
  "second step on; a write is answered when two have it. All are alive at once and are asked in turns. " +
  "Rates and CPU are medians over the rounds, ratios medians of the ratios within each round, so they need " +
  "not be each other's quotients. Batches wait for more on a busy thread as they do in Converge.";

/** What one round found of one target. */
interface Sample {
  perSecond: number;
  /** CPU per PUT of each process, the one that was asked first. */
  cpuMicroseconds: number[];
}

/** PUTs of 100 bytes from 256 connections on each step in turn. */
export async function ladderTable({ options, directory }: Workspace): Promise<Table> {
  say("\nFrom the floor to Converge");
  await using stack = new AsyncDisposableStack();
  const steps: { title: string; target: Target }[] = [];
  const add = (title: string, target: Target & AsyncDisposable) => {
    steps.push({ title, target: stack.use(target) });
  };
  add(FLOOR_TITLE, await FloorTarget.start(directory));
  for (const { step, title } of LADDER) add(title, await LadderTarget.start(directory, step));
  add(CONVERGE_TITLE, await ConvergeTarget.start(directory));
  const work = WORKS.find(({ part }) => part === "put")!;
  for (const { target } of steps) {
    await runLoad({ ...work.load(target, options.keys), seconds: options.warmup }, directory);
    await pause(SETTLE_MS);
  }
  const rounds: Sample[][] = [];
  const errors: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const samples: Sample[] = [];
    // Forwards and backwards: what a store does at rest is not always beside the same others.
    const order = steps.map((_, i) => (i + round) % steps.length);
    for (const at of round % 2 === 0 ? order : order.toReversed()) {
      const { target } = steps[at]!;
      const load = { ...work.load(target, options.keys), seconds: options.seconds };
      const before = target.pids.map(cpuMicroseconds);
      const { throughput, requests, ...seen } = await measure(target, load, directory);
      errors[at] = (errors[at] ?? 0) + seen.statusErrors + seen.socketErrors;
      samples[at] = {
        perSecond: throughput,
        cpuMicroseconds: target.pids.map((pid, n) =>
          (cpuMicroseconds(pid) - before[n]!) / requests
        ),
      };
      await pause(SETTLE_MS);
    }
    rounds.push(samples);
    say(`  round ${round + 1}: ${samples.map(({ perSecond }) => figure(perSecond)).join(", ")} /s`);
  }
  const rates = (at: number) => rounds.map((all) => all[at]!.perSecond);
  return {
    title: "PUT 100 B, 256 connections to one node: each does one thing more than the one above",
    header: [
      ...["", "PUT/s", "least to most", "to the floor", "CPU us, node that is asked"],
      ...["CPU us, each peer", "errors"],
    ],
    rows: steps.map(({ title, target }, at) => {
      const of = (value: (sample: Sample) => number) => medianOf(rounds, (all) => value(all[at]!));
      return [
        title,
        figure(of(({ perSecond }) => perSecond)),
        `${figure(Math.min(...rates(at)))} to ${figure(Math.max(...rates(at)))}`,
        figure(medianOf(rounds, (all) => all[at]!.perSecond / all[0]!.perSecond)),
        figure(of((sample) => sample.cpuMicroseconds[0]!)),
        target.pids.length === 1
          ? ""
          : figure(of((sample) => median(sample.cpuMicroseconds.slice(1)))),
        `${errors[at] ?? 0}`,
      ];
    }),
  };
}
