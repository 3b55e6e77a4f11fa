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

/** Few keys, much deleted; messages come again long after they were sent. Nothing else happens. */
export function withReplays(plan: Plan): Plan {
  const { faultsMs } = plan;
  const replay: Fault = {
    atMs: 0,
    durationMs: faultsMs,
    kind: "replay",
    share: 0.3,
    delayMs: [1_000, 10_000],
  };
  return { ...plan, keys: 5, deleteShare: 0.5, faults: [replay] };
}

/**
 * A node is cut off while the others are written to; then one of those loses its disk and the other
 * is cut off instead. What is left are a stale node and an empty one.
 */
export function withWipeBesideStale(plan: Plan): Plan {
  const faults: Fault[] = [
    { atMs: 500, durationMs: 3_000, kind: "partition", side: [2] },
    { atMs: 3_490, durationMs: 6_000, kind: "partition", side: [1] },
    { atMs: 3_500, durationMs: 10, kind: "wipe", node: 0 },
  ];
  return { ...plan, nodes: 3, replication: 3, readQuorum: 2, writeQuorum: 2, faults };
}

/** One hot key or two, and loss everywhere: many writes reach one owner, and readers look at once. */
export function withPartialWrites(plan: Plan): Plan {
  const weather = {
    delayMs: [0, 100],
    lossRate: 0.25,
    duplicateRate: 0,
    corruptRate: 0,
  } as const;
  const storm: Fault = { atMs: 0, durationMs: plan.faultsMs, kind: "storm", weather };
  return { ...plan, keys: 2, clients: 6, readShare: 0.6, faults: [storm] };
}

/** Short-lived values, on machines whose clocks are right. */
export function withExpiry(plan: Plan): Plan {
  const faults = plan.faults.filter(({ kind }) => kind !== "clock_jump");
  return { ...plan, ttlShare: 0.5, faults };
}

/** Many listings, while one node after the other is cut off. */
export function withListings(plan: Plan): Plan {
  const added = Array.from({ length: plan.nodes }, (_, node): Fault => ({
    atMs: node * APART_MS,
    durationMs: APART_MS,
    kind: "partition",
    side: [node],
  }));
  return withFaults({ ...plan, listShare: 0.5 }, added);
}
