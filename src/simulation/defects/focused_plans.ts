/** Plans in which a certain rare fault is certain: a seed's own plan with that fault added. */
import type { Fault, Plan } from "../plan.ts";

/** Milliseconds between two added faults. */
const APART_MS = 1_000;

function withFaults(plan: Plan, added: readonly Fault[]): Plan {
  const faults = [...plan.faults, ...added].sort((a, b) => a.atMs - b.atMs);
  return { ...plan, faults };
}

/** Every node in turn is killed and starts again at once. */
export function withRestarts(plan: Plan): Plan {
  const added = Array.from({ length: plan.nodes }, (_, node): Fault => ({
    atMs: node * APART_MS,
    durationMs: 10,
    kind: "crash",
    node,
    power: false,
    silent: false,
  }));
  return withFaults(plan, added);
}

/** Every node in turn has an fsync that fails, then all lose power. */
export function withSyncErrors(plan: Plan): Plan {
  const added = Array.from({ length: plan.nodes }, (_, node): Fault => ({
    atMs: node * APART_MS,
    durationMs: APART_MS,
    kind: "disk_error",
    node,
    operation: "sync",
  }));
  const blackout: Fault = {
    atMs: (plan.nodes + 1) * APART_MS,
    durationMs: APART_MS,
    kind: "blackout",
  };
  return withFaults(plan, [...added, blackout]);
}

/** One node, and no other, loses its disk and is back at once. */
export function withWipe(plan: Plan): Plan {
  const faults = plan.faults.filter(({ kind }) => kind !== "wipe" && kind !== "bit_rot");
  return withFaults({ ...plan, faults }, [{ atMs: 500, durationMs: 10, kind: "wipe", node: 0 }]);
}
