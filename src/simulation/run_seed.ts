/** One seed from beginning to verdict, and its result in a form that crosses a Worker's border. */
import type { Cause } from "./checkers/judged_keys.ts";
import type { Linearizability } from "./checkers/linearizability.ts";
import { smallestCounterexample } from "./checkers/linearizability.ts";
import { ALL_DEFECTS } from "./defects/all_defects.ts";
import type { Defect } from "./defects/defect.ts";
import type { Violation } from "./evidence/evidence.ts";
import type { Operation, Outcome } from "./evidence/history.ts";
import { openProcess, type StoreKind } from "./open_process.ts";
import type { Plan } from "./plans/plan.ts";
import { planOf, type PlanOptions } from "./plans/seed_plan.ts";
import { runPlan, type RunResult } from "./run_plan.ts";

/** What holds for every seed of a command. */
export interface SeedOptions extends PlanOptions {
  /** Name of a defect to put in. */
  defect?: string | undefined;
  store?: StoreKind | undefined;
}

/** A verdict without the history. */
export interface SeedSummary {
  seed: number;
  hash: string;
  operations: Record<Outcome, number>;
  faults: Record<string, number>;
  virtualMs: number;
  events: number;
  messages: number;
  violations: Violation[];
  linearizability: Record<Linearizability, number>;
  /** How many keys are not linearizable, by cause. */
  causes: Record<Cause, number>;
  /** The smallest non-linearizable part of a history that this run gave. */
  counterexample: Operation[];
}

/** Runs one seed. @throws {Error} For an unknown defect. */
export async function runSeed(seed: number, options: SeedOptions = {}): Promise<SeedSummary> {
  return summaryOf(await runPlanWith(planFor(seed, options), options));
}

/** The plan of a seed: with a defect that needs it, one in which a rare fault is certain. */
export function planFor(seed: number, options: SeedOptions = {}): Plan {
  const plan = planOf(seed, options);
  return defectOf(options)?.plan?.(plan) ?? plan;
}

/** Runs a plan on nodes as `options` wants them. @throws {Error} For an unknown defect. */
export function runPlanWith(plan: Plan, options: SeedOptions = {}): Promise<RunResult> {
  return runPlan(plan, openProcess({ store: options.store, defect: defectOf(options) }));
}

function defectOf({ defect: name }: SeedOptions): Defect | undefined {
  if (name === undefined) return undefined;
  const defect = ALL_DEFECTS.find((one) => one.name === name);
  if (defect !== undefined) return defect;
  const names = ALL_DEFECTS.map((one) => one.name).join(", ");
  throw new Error(`Cannot put in defect ${name}: it is none of ${names}`);
}

/** The verdict of a run. */
export function summaryOf(result: RunResult): SeedSummary {
  const operations = { acked: 0, failed: 0, indeterminate: 0 };
  for (const { outcome } of result.history.operations) operations[outcome]++;
  const causes = { "tried again": 0, "overtaken": 0, "unknown": 0 };
  for (const { cause } of result.notLinearizable) causes[cause]++;
  const counterexamples = result.notLinearizable.map(({ key }) =>
    smallestCounterexample(result.history.operations.filter((one) => one.key === key))
  );
  return {
    seed: result.plan.seed,
    hash: result.hash,
    operations,
    faults: Object.fromEntries(result.faults),
    virtualMs: result.virtualMs,
    events: result.events,
    messages: result.messages,
    violations: [...result.violations],
    linearizability: { ...result.linearizability },
    causes,
    counterexample: counterexamples.sort((a, b) => a.length - b.length)[0] ?? [],
  };
}
