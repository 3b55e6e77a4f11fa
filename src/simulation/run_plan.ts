/** Runs a plan from beginning to end, and judges what was seen of it. */
import { CHECKERS } from "./checkers/all_checkers.ts";
import { type JudgedKeys, judgeKeys } from "./checkers/judged_keys.ts";
import type { Violation } from "./evidence/evidence.ts";
import type { History } from "./evidence/history.ts";
import { Findings } from "./findings.ts";
import { configsOf } from "./node_configs.ts";
import { Observer } from "./observer.ts";
import type { Plan } from "./plans/plan.ts";
import { Run } from "./run.ts";
import { Cluster } from "./world/cluster.ts";
import type { OpenProcess } from "./world/simulated_node.ts";
import { World } from "./world/world.ts";

/** What a run gave. */
export interface RunResult extends JudgedKeys {
  readonly plan: Plan;
  /** Equal for equal plans, on every machine. */
  readonly hash: string;
  readonly history: History;
  readonly violations: readonly Violation[];
  readonly faults: ReadonlyMap<string, number>;
  readonly virtualMs: number;
  readonly events: number;
  readonly messages: number;
}

/** Runs a plan on processes that `open` makes. Deterministic. */
export async function runPlan(plan: Plan, open: OpenProcess): Promise<RunResult> {
  const world = new World(plan.seed);
  world.note("plan", { plan });
  const cluster = new Cluster(world, configsOf(plan), open);
  const observer = new Observer(world);
  const findings = new Findings({ world, cluster, observer, plan });
  const run = new Run({ world, cluster, observer, plan, findings });
  try {
    await world.run(() => run.carryOut());
  } catch (error) {
    // Nothing can happen any more, or it never ends: what was seen so far is judged with that.
    world.error("the run", error);
  }
  const evidence = findings.evidence();
  return {
    plan,
    hash: world.history.hash(),
    history: world.history,
    violations: Object.values(CHECKERS).flatMap((check) => check(evidence)),
    faults: world.faults,
    virtualMs: world.time.nowMs,
    events: world.time.eventsTotal,
    messages: world.network.messagesTotal,
    ...judgeKeys(evidence),
  };
}
