/** `converge sim`: whole clusters under virtual time and every fault, checked, and run again by seed. */
import { CommandError } from "./output/command_error.ts";
import { ONLY_DATA } from "./output/next_step.ts";
import { startProgress } from "./output/progress.ts";
import { printLine } from "./output/terminal.ts";
import { VERSION } from "./output/version.ts";
import type { StoreKind } from "../simulation/open_process.ts";
import type { Plan } from "../simulation/plans/plan.ts";
import { planProblem } from "../simulation/plans/plan_check.ts";
import { failureReport, operationLine } from "../simulation/report.ts";
import { planFor, runPlanWith, type SeedOptions, summaryOf } from "../simulation/run_seed.ts";
import type { RunResult } from "../simulation/run_plan.ts";
import { runSeeds } from "./seed_pool.ts";
import { shrinkPlan } from "../simulation/plans/shrink.ts";
import { Totals } from "../simulation/totals.ts";

/** The largest seed: it has 32 bits. */
export const SEED_MAX = 2 ** 32 - 1;

/** What `converge sim` is told. */
export interface SimOptions {
  /** The seed to run, or the first of `seeds`. */
  seed: number;
  /** How many seeds to run. */
  seeds: number;
  /** Workers to share them among. */
  jobs: number;
  /** URL of the entry, which the Workers load anew. */
  entry: string;
  /** File for the whole history as JSON lines; one seed only. */
  trace?: string | undefined;
  /** Look for a smaller plan that fails. */
  shrink?: boolean | undefined;
  /** File with a plan as JSON, to run instead of a seed's; one run only. */
  plan?: string | undefined;
  /** Nodes of the cluster; default: as the seed says. */
  nodes?: number | undefined;
  /** A defect to put in. */
  defect?: string | undefined;
  store?: StoreKind | undefined;
  /** Print one JSON line per seed, its verdict and figures, and nothing else. */
  json?: boolean | undefined;
}

/**
 * Runs seeds.
 *
 * @returns The exit code: 0 when every guarantee held, else 1.
 * @throws {CommandError} For options that do not go together, or a file that holds no plan.
 */
export async function runSim(options: SimOptions): Promise<number> {
  for (const name of ["trace", "plan"] as const) {
    if (options.seeds === 1 || options[name] === undefined) continue;
    const why = `Cannot use --${name} with --seeds ${options.seeds}: it is for a single run`;
    throw new CommandError(why, { exitCode: 2 });
  }
  if (options.seed + options.seeds - 1 > SEED_MAX) {
    // One that cannot be named with --seed could not be run again.
    const why =
      `Cannot run ${options.seeds} seeds from ${options.seed} on: the last is ${SEED_MAX}`;
    throw new CommandError(why, { exitCode: 2 });
  }
  return options.seeds > 1 ? runMany(options) : runOne(options, planToRun(options));
}

async function runMany(options: SimOptions): Promise<number> {
  const totals = new Totals();
  const startMs = performance.now();
  const progress = startProgress(options.seeds);
  await runSeeds({
    ...seedOptions(options),
    firstSeed: options.seed,
    seeds: options.seeds,
    jobs: options.jobs,
    entry: options.entry,
    onSummary: (summary) => {
      totals.add(summary);
      if (options.json === true) printLine(JSON.stringify(summary));
      const failed = totals.failedSeeds.length;
      progress.update(totals.seeds, `seed ${summary.seed}, ${failed} failed`);
      return true;
    },
  });
  progress.stop();
  if (options.json === true) return totals.failedSeeds.length > 0 ? 1 : 0;
  for (const line of totals.report(performance.now() - startMs)) printLine(line);
  const [first] = totals.failedSeeds.sort((a, b) => a - b);
  if (first === undefined) return 0;
  printLine("");
  return await runOne(options, planFor(first, seedOptions(options)));
}

async function runOne(options: SimOptions, plan: Plan): Promise<number> {
  const startMs = performance.now();
  let result = await runPlanWith(plan, seedOptions(options));
  if (result.violations.length > 0 && options.shrink === true) {
    result = await shrunk(result, options);
  }
  if (options.trace !== undefined) writeTrace(options.trace, result);
  if (options.json === true) {
    printLine(JSON.stringify({ ...summaryOf(result), plan: result.plan }));
    return result.violations.length > 0 ? 1 : 0;
  }
  if (result.violations.length > 0) {
    const shrunkPlan = result.plan !== plan;
    for (const line of failureReport(result, reportOptions(options, plan.seed, shrunkPlan))) {
      printLine(line);
    }
    return 1;
  }
  const totals = new Totals();
  const summary = summaryOf(result);
  totals.add(summary);
  printLine(`plan        ${JSON.stringify(plan)}`);
  printLine(`history     ${result.hash}`);
  for (const line of totals.report(performance.now() - startMs)) printLine(line);
  if (summary.counterexample.length > 0) {
    printLine("not linearizable (which is not promised):");
    for (const operation of summary.counterexample) printLine(`  ${operationLine(operation)}`);
  }
  return 0;
}

/** Runs smaller and smaller plans that break one of the same guarantees. */
async function shrunk(failed: RunResult, options: SimOptions): Promise<RunResult> {
  const broken = new Set(failed.violations.map(({ checker }) => checker));
  let smallest = failed;
  await shrinkPlan(failed.plan, async (plan) => {
    const result = await runPlanWith(plan, seedOptions(options));
    if (!result.violations.some(({ checker }) => broken.has(checker))) return false;
    smallest = result;
    return true;
  });
  return smallest;
}

function planToRun(options: SimOptions): Plan {
  if (options.plan === undefined) return planFor(options.seed, seedOptions(options));
  const refused = (reason: string, cause?: unknown) =>
    new CommandError(`Cannot read a plan from ${options.plan}: ${reason}`, { exitCode: 2, cause });
  let plan: unknown;
  try {
    plan = JSON.parse(Deno.readTextFileSync(options.plan));
  } catch (cause) {
    throw refused(reasonOf(cause), cause);
  }
  const problem = planProblem(plan);
  if (problem !== undefined) throw refused(problem);
  return plan as Plan;
}

function seedOptions({ nodes, defect, store }: SimOptions): SeedOptions {
  return { ...(nodes === undefined ? {} : { nodes }), defect, store };
}

function writeTrace(path: string, result: RunResult): void {
  try {
    Deno.writeTextFileSync(path, result.history.lines.join("\n") + "\n");
  } catch (cause) {
    throw new CommandError(`Cannot write the history to ${path}: ${reasonOf(cause)}`, { cause });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) return ONLY_DATA;
  return error instanceof Error ? error.message : String(error);
}

function reportOptions(options: SimOptions, seed: number, shrunkPlan: boolean) {
  const { nodes, defect, store } = options;
  const chosen = [
    ...(nodes === undefined ? [] : [`--nodes ${nodes}`]),
    ...(defect === undefined ? [] : [`--defect ${defect}`]),
    ...(store === undefined ? [] : [`--store ${store}`]),
  ];
  const what = shrunkPlan || options.plan !== undefined
    ? "--plan FILE, which holds the plan above"
    : `--seed ${seed}`;
  return { commit: commit(), replay: ["converge sim", ...chosen, what].join(" ") };
}

/** The commit of the source, where there is one and it may be asked for; else the version. */
function commit(): string {
  const query = { name: "run", command: "git" } as const;
  if (Deno.permissions.querySync(query).state !== "granted") return `of version ${VERSION}`;
  try {
    const { success, stdout } = new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"] })
      .outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : `of version ${VERSION}`;
  } catch {
    return `of version ${VERSION}`;
  }
}
