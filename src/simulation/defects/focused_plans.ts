/** Plans in which a certain rare fault is certain: a seed's own plan with that fault added. */
import type { Fault, Plan } from "../plans/plan.ts";

/** Milliseconds between two added faults. */
const APART_MS = 1_000;

function withFaults(plan: Plan, added: readonly Fault[]): Plan {
  const faults = [...plan.faults, ...added].sort((a, b) => a.atMs - b.atMs);
  return { ...plan, faults };
}

/** All nodes lose power together, again and again: whoever forgets, forgets with nobody to ask. */
export function withRestarts(plan: Plan): Plan {
  const added = Array.from({ length: 6 }, (_, i): Fault => ({
    atMs: i * APART_MS,
    durationMs: 10,
    kind: "blackout",
  }));
  return withFaults({ ...plan, keys: 2 }, added);
}

/** As {@linkcode withRestarts}, of nodes that answer before they sync, each cut off after a failure. */
export function withPageCache(plan: Plan): Plan {
  const apartMs = 1_500;
  const faults = Array.from({ length: 8 }, (_, i): Fault[] => {
    const atMs = 300 + i * apartMs;
    return [
      { atMs, durationMs: 100 + (plan.seed * 31 + i * 57) % 600, kind: "blackout" },
      { atMs: atMs + 100, durationMs: 900, kind: "partition", side: [i % 3] },
    ];
  }).flat();
  return {
    ...plan,
    ...{ nodes: 3, replication: 3, readQuorum: 2, writeQuorum: 2 },
    ...{ clients: 6, operations: 400, keys: 1, readShare: 0.1, deleteShare: 0, ttlShare: 0 },
    durability: { mode: "interval", ms: 500 },
    faultsMs: 9 * apartMs,
    faults,
  };
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

/**
 * A node counts on alone, while nobody hears of it and nobody else counts; then it loses its disk,
 * and all go on from where the others are. One key: equal counters are equal versions.
 */
export function withWipe(plan: Plan): Plan {
  const alone = { atMs: 500, durationMs: 3_500 };
  const faults: Fault[] = [
    { ...alone, kind: "partition", side: [0] },
    { ...alone, kind: "pause", node: 1 },
    { ...alone, kind: "pause", node: 2 },
    { atMs: 2_900, durationMs: 10, kind: "wipe", node: 0 },
  ];
  const small = { nodes: 3, replication: 3, readQuorum: 2, writeQuorum: 2 };
  return { ...plan, ...small, keys: 1, clients: 6, readShare: 0.1, faults };
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

/**
 * As {@linkcode withWipeBesideStale}, but none loses its disk: a node joins instead, and takes over
 * keys of those that have the writes.
 */
export function withJoinBesideStale(plan: Plan): Plan {
  const faults: Fault[] = [
    { atMs: 500, durationMs: 3_000, kind: "partition", side: [2] },
    { atMs: 3_490, durationMs: 6_000, kind: "partition", side: [1] },
    { atMs: 3_500, durationMs: 0, kind: "join", via: 0 },
  ];
  const small = { nodes: 3, replication: 3, readQuorum: 2, writeQuorum: 2 };
  return { ...plan, ...small, clients: 6, readShare: 0.6, faults };
}

/** A node joins and is cut off at once, while keys are deleted, and their tombstones collected. */
export function withIsolatedJoiner(plan: Plan): Plan {
  const side = Array.from({ length: plan.nodes }, (_, node) => node);
  const faults: Fault[] = [
    { atMs: 500, durationMs: 6_000, kind: "partition", side },
    { atMs: 501, durationMs: 0, kind: "join", via: 0 },
  ];
  return { ...plan, keys: 5, clients: 6, readShare: 0.3, deleteShare: 0.5, faults };
}

/** A node loses its disk while two others join, and a third one that has the data is away. */
export function withLostDiskBesideJoins(plan: Plan): Plan {
  const faults: Fault[] = [
    { atMs: 2_500, durationMs: 2_500, kind: "wipe", node: 0 },
    { atMs: 4_300, durationMs: 0, kind: "join", via: 3 },
    { atMs: 4_800, durationMs: plan.faultsMs, kind: "pause", node: 3 },
    { atMs: 7_300, durationMs: 0, kind: "join", via: 3 },
  ];
  return { ...plan, nodes: 4, virtualNodes: 4, keys: 30, readShare: 0.3, faults };
}

/**
 * As {@linkcode withWipeBesideStale}, but none loses its disk: one is removed, and another comes in its
 * place, beside one that is stale.
 */
export function withRemovalBesideStale(plan: Plan): Plan {
  const faults: Fault[] = [
    { atMs: 500, durationMs: 3_000, kind: "partition", side: [0] },
    { atMs: 3_490, durationMs: 6_000, kind: "partition", side: [1] },
    { atMs: 3_500, durationMs: 0, kind: "remove", node: 3, how: "live", again: false },
  ];
  const small = { nodes: 4, replication: 3, readQuorum: 2, writeQuorum: 2 };
  return { ...plan, ...small, clients: 6, readShare: 0.6, faults };
}

/** A node joins, keys are deleted, then it is removed: those whose place it took have theirs yet. */
export function withRemovedJoiner(plan: Plan): Plan {
  const faults: Fault[] = [
    { atMs: 0, durationMs: 0, kind: "join", via: 0 },
    { atMs: 7_000, durationMs: 0, kind: "remove", node: 3, how: "live", again: false },
  ];
  const small = { nodes: 3, replication: 3, readQuorum: 2, writeQuorum: 2, smallQuorumShare: 0 };
  return { ...plan, ...small, keys: 12, operations: 250, readShare: 0.3, deleteShare: 0.5, faults };
}

/** A node loses its disk, and is started on it once more when keys were deleted and forgotten. */
export function withFoundDisk(plan: Plan): Plan {
  const lost: Fault = { atMs: 2_000, durationMs: plan.faultsMs, kind: "lost_disk", node: 0 };
  const small = { nodes: 3, replication: 3, readQuorum: 2, writeQuorum: 2 };
  return { ...plan, ...small, keys: 12, readShare: 0.3, deleteShare: 0.5, faults: [lost] };
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

/** A bit flips in every tenth message between nodes, and many keys differ by a bit only. */
export function withDamagedMessages(plan: Plan): Plan {
  const weather = { delayMs: [0, 5], lossRate: 0, duplicateRate: 0, corruptRate: 0.3 } as const;
  const storm: Fault = { atMs: 0, durationMs: plan.faultsMs, kind: "storm", weather };
  return { ...plan, keys: 5, clients: 6, operations: 240, readShare: 0.8, faults: [storm] };
}

/** Many large values, of which one node hears nothing; there is little room for hints. */
export function withHints(plan: Plan): Plan {
  const cut: Fault = { atMs: 0, durationMs: plan.faultsMs, kind: "partition", side: [0] };
  const busy = { clients: 6, keys: 30, operations: 240, readShare: 0.1, valueBytesMax: 2_000 };
  return { ...plan, ...busy, hintBytesMax: 1_000, faults: [cut] };
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

/**
 * A node joins while two of three are away. Of these one is stale, and the other one, which has the writes,
 * loses its disk: the joining one has them from none but a former owner. There is hardly room for hints.
 */
export function withLastFormerOwner(plan: Plan): Plan {
  const faults: Fault[] = [
    { atMs: 500, durationMs: 6_000, kind: "partition", side: [2] },
    { atMs: 3_000, durationMs: 3_500, kind: "partition", side: [1] },
    { atMs: 3_010, durationMs: 0, kind: "join", via: 0 },
    { atMs: 6_400, durationMs: 10, kind: "wipe", node: 1 },
  ];
  const small = { nodes: 3, replication: 3, readQuorum: 2, writeQuorum: 2, smallQuorumShare: 0 };
  return { ...plan, ...small, keys: 30, clients: 6, readShare: 0.3, hintBytesMax: 1, faults };
}
