/** What some plans have beside faults: what operators do to a cluster that serves. */
import { type SharedOptions, sharedOptions } from "../../config.ts";
import { majorityOf, type QuorumOptions, quorumsOf } from "../../membership/quorums.ts";
import { pick, type Random, randomInteger } from "../../platform/random.ts";
import { inOrder, losesData, nodesInAll, someOrder } from "./fault_list.ts";
import type { Fault, FaultKind, OwnOptions, Plan } from "./plan.ts";

/** Changes a plan; gives back the same one where that does not go with what is in it. */
export type PlanChange = (plan: Plan, random: Random) => Plan;

/** All of them, by what they are about. */
export const PLAN_CHANGES = {
  growth: withGrowth,
  options: withOtherOptions,
  timeouts: withTimeouts,
  "old disks": withOldDisk,
  moves: withMoves,
  "long values": withLongValues,
  "own options": withOwnOptions,
  "little time": withLittleTime,
  "new disks": withNewDisks,
} as const satisfies Record<string, PlanChange>;

/** The share of plans that is changed. */
const CHANGED_SHARE = 0.3;

/** Changes some plans. @param mayGrow Whether the number of nodes is left to chance. */
export function withChange(plan: Plan, random: Random, mayGrow: boolean): Plan {
  if (random.next() >= CHANGED_SHARE) return plan;
  const { growth, ...others } = PLAN_CHANGES;
  return pick(random, Object.values(mayGrow ? { growth, ...others } : others))(plan, random);
}

/** Milliseconds from one step of growth to the next: a node joins, or is removed, in some seconds. */
const STEP_MS = 5_000;

/**
 * A node alone, or two, to which some are added one by one, or at once, and then removed down to one or
 * more. Nobody loses a disk: there may be no other.
 */
function withGrowth(plan: Plan, random: Random): Plan {
  const nodes = pick(random, [1, 1, 2]);
  const joins = 1 + randomInteger(random, 4);
  const total = nodes + joins;
  const stepMs = pick(random, [200, STEP_MS]);
  const joined = Array.from(
    { length: joins },
    (_, i): Fault => ({ atMs: i * stepMs, durationMs: 0, kind: "join" }),
  );
  const sinceMs = joins * stepMs;
  const removals = someOrder(random, total)
    .slice(0, randomInteger(random, total))
    .map((node, i): Fault => ({
      atMs: sinceMs + i * STEP_MS,
      durationMs: 0,
      kind: "remove",
      node,
      // With one that is dead all may be gone: the first may have been alone until now.
      how: "live",
      again: random.next() < 0.2,
    }));
  const faultsMs = sinceMs + STEP_MS * (1 + removals.length);
  const share = faultsMs / plan.faultsMs;
  const others = plan.faults.filter((fault) => isHarmless(fault, total))
    .map((fault) => ({ ...fault, atMs: Math.floor(fault.atMs * share) }));
  return withFaults({
    ...plan,
    nodes,
    replication: Math.max(plan.replication, 3),
    readQuorum: Math.max(plan.readQuorum, 2),
    writeQuorum: Math.max(plan.writeQuorum, 2),
    smallQuorumShare: 0,
    operations: Math.floor(plan.operations * share),
    faultsMs,
  }, [...others, ...joined, ...removals]);
}

/** Whether a fault strikes nodes that are there, takes nobody's data, and changes no members itself. */
function isHarmless(fault: Fault, total: number): boolean {
  const { kind } = fault;
  if (kind === "join" || kind === "remove" || losesData(fault)) return false;
  if (kind === "partition") return fault.side.every((node) => node < total);
  const { node, from, to, a, b } = fault as Partial<
    Record<"node" | "from" | "to" | "a" | "b", number>
  >;
  return kind !== "other_peers" && kind !== "swap" &&
    [node, from, to, a, b].every((index = 0) => index < total);
}

/** All nodes are ended and started with other quorums, or another N, once or twice. */
function withOtherOptions(plan: Plan, random: Random): Plan {
  const total = nodesInAll(plan);
  const times = Array.from(
    { length: 1 + randomInteger(random, 2) },
    () => randomInteger(random, plan.faultsMs),
  ).sort((a, b) => a - b);
  let before = sharedOptions(plan);
  const changes = times.flatMap((atMs): Fault[] => {
    const options = optionsAfter(before, total, random);
    const durationMs = 100 + randomInteger(random, 1_500);
    // With a lower R a cluster that grows to N counts on what R of before did not ask for.
    const isLower = total > plan.nodes && options.readQuorum < before.readQuorum;
    if (isLower || !meets(options, before, total)) return [];
    before = options;
    return [{ atMs, durationMs, kind: "options", options }];
  });
  return withFaults({ ...plan, smallQuorumShare: 0 }, [...plan.faults, ...changes]);
}

/** Other quorums; and another N and number of virtual nodes, where that moves nothing. */
function optionsAfter(before: SharedOptions, total: number, random: Random): SharedOptions {
  const wanted = total + randomInteger(random, 3);
  const virtualNodes = pick(random, [4, 8, 16]);
  const isLaidOutAnew = random.next() < 0.5 && total <= Math.min(before.replication, wanted);
  const replication = isLaidOutAnew ? wanted : before.replication;
  return {
    ...drawQuorums(random, replication),
    virtualNodes: isLaidOutAnew ? virtualNodes : before.virtualNodes,
  };
}

/** Any R and W of which any write meets any other, and any read. */
export function drawQuorums(random: Random, replication: number): QuorumOptions {
  const majority = majorityOf(replication);
  const writeQuorum = majority + randomInteger(random, replication - majority + 1);
  const readQuorum = replication - writeQuorum + 1 + randomInteger(random, writeQuorum);
  return { replication, readQuorum, writeQuorum };
}

/** Whether reads find what was acknowledged by the quorums of before, however many members there are. */
function meets(options: SharedOptions, before: SharedOptions, total: number): boolean {
  return Array.from({ length: total }, (_, i) => i + 1).every((members) =>
    quorumsOf(members, options).r + quorumsOf(members, before).w > members
  );
}

/** Nodes give a client's request more or less time than each other. */
function withTimeouts(plan: Plan, random: Random): Plan {
  const requestTimeoutsMs = Array.from(
    { length: 2 + randomInteger(random, 3) },
    () => pick(random, [300, 1_000, 4_000]),
  );
  return { ...plan, requestTimeoutsMs };
}

/** A disk comes back that was copied, or lost, before; no other one is lost. */
function withOldDisk(plan: Plan, random: Random): Plan {
  const isWhole = plan.faults.every((fault) =>
    !losesData(fault) && (fault.kind !== "remove" || fault.how === "live")
  );
  // Of fewer one disk may be the only one.
  if (!isWhole || plan.nodes < 3) return plan;
  const kind = pick<"old_copy" | "lost_disk">(random, ["old_copy", "lost_disk"]);
  const node = randomInteger(random, plan.nodes);
  const atMs = randomInteger(random, Math.floor(plan.faultsMs / 2));
  // Put back when all else has healed: who can ask nobody then counts with what it has.
  return withFaults(plan, [...plan.faults, { atMs, durationMs: plan.faultsMs, kind, node }]);
}

/** Nodes come back with other addresses while others join or are removed. */
function withMoves(plan: Plan, random: Random): Plan {
  const total = nodesInAll(plan);
  const moves = Array.from({ length: 1 + randomInteger(random, 3) }, (): Fault => {
    const [a, b] = someOrder(random, total) as [number, number];
    const isSwap = Math.max(a, b) < plan.nodes && random.next() < 0.4;
    const kind: FaultKind = isSwap ? { kind: "swap", a, b } : { kind: "move", node: a };
    const durationMs = 100 + randomInteger(random, 1_500);
    return { atMs: randomInteger(random, plan.faultsMs), durationMs, ...kind };
  });
  return withFaults(plan, [...plan.faults, ...moves]);
}

/** Values so long that a page, a batch or an answer holds a few of them only. */
function withLongValues(plan: Plan, random: Random): Plan {
  return {
    ...plan,
    keys: pick(random, [12, 30]),
    operations: Math.floor(plan.operations / 2),
    valueBytesMax: pick(random, [60_000, 250_000]),
    memtableBytes: 1_048_576,
  };
}

/** Nodes are stopped, and started with other options that each may have for itself. */
function withOwnOptions(plan: Plan, random: Random): Plan {
  const total = nodesInAll(plan);
  const changes = Array.from({ length: 1 + randomInteger(random, 5) }, (): Fault => ({
    atMs: randomInteger(random, plan.faultsMs),
    durationMs: 100 + randomInteger(random, 1_500),
    kind: "own_options",
    node: randomInteger(random, total),
    options: ownOptions(random),
  }));
  return withFaults(plan, [...plan.faults, ...changes]);
}

function ownOptions(random: Random): OwnOptions {
  return {
    requestTimeoutMs: pick(random, [100, 300, 1_000, 4_000]),
    ...pick<OwnOptions>(random, [
      { durability: { mode: "fsync" } },
      { durability: { mode: "interval", ms: 50 } },
      { durability: { mode: "os" } },
      { gossipIntervalMs: pick(random, [200, 3_000]) },
      { inFlightMax: pick(random, [1, 4_096]) },
    ]),
  };
}

/**
 * Clients are given less time than answers of slow nodes take, while a disk comes back that was copied, or
 * lost, before. Nothing else keeps nodes from asking each other.
 */
function withLittleTime(plan: Plan, random: Random): Plan {
  if (plan.nodes < 3) return plan;
  const { faultsMs } = plan;
  const node = randomInteger(random, plan.nodes);
  const others = plan.faults.filter((fault) =>
    fault.kind === "clock_jump" || fault.kind === "restart" && fault.node !== node
  );
  const slow = [node, ...someNodes(random, plan.nodes)].map((slow): Fault => ({
    atMs: randomInteger(random, Math.floor(faultsMs / 3)),
    durationMs: faultsMs,
    kind: "slow_node",
    node: slow,
    delayMs: [20, 60 + randomInteger(random, 200)],
  }));
  const old: Fault = {
    atMs: randomInteger(random, Math.floor(faultsMs / 3)),
    durationMs: Math.floor(faultsMs / 3),
    kind: pick<"old_copy" | "lost_disk">(random, ["old_copy", "lost_disk"]),
    node,
  };
  const requestTimeoutsMs = pick(random, [[50], [100], [300], [100, 1_000]]);
  // A version that is given out twice is seen where both are of one key.
  const few = { keys: pick(random, [1, 2, 5]), deleteShare: 0.3 };
  return withFaults({ ...plan, ...few, requestTimeoutsMs }, [...others, ...slow, old]);
}

/** None, one or two. */
function someNodes(random: Random, nodes: number): number[] {
  return Array.from({ length: randomInteger(random, 3) }, () => randomInteger(random, nodes));
}

/**
 * The disks of some nodes, or all, are replaced, each once all members are complete again, and one of them
 * is found; nobody loses another.
 */
function withNewDisks(plan: Plan, random: Random): Plan {
  const others = plan.faults.filter((fault) =>
    !losesData(fault) && fault.kind !== "other_peers" &&
    (fault.kind !== "remove" || fault.how === "live") &&
    // Without a draw: they came later, and the rest of a plan stays as it was before.
    (fault.kind === "busy" || random.next() < 0.6)
  );
  const total = nodesInAll({ ...plan, faults: others });
  const faultsMs = 20_000 + randomInteger(random, 15_000);
  const nodes = Array.from({ length: 2 + randomInteger(random, total) }, (_, i) => i % total);
  // Once all others are others, too, or before.
  const found = random.next() < 0.4 ? [pick(random, nodes)] : [];
  const replaced = [...nodes, ...found].map((node, i): Fault => ({
    atMs: i * 200 + randomInteger(random, Math.floor(faultsMs / (i < nodes.length ? 4 : 2))),
    durationMs: pick(random, [50, 500, 3_000]),
    kind: "replace_disk",
    node,
    ...(i < nodes.length ? {} : { by: "first" }),
  }));
  const kept = others.filter((fault) => isHarmless(fault, total) || isChange(fault, total));
  return withFaults({ ...plan, operations: 2 * plan.operations, faultsMs }, [...kept, ...replaced]);
}

/** Whether a fault changes the members. */
function isChange(fault: Fault, total: number): boolean {
  return fault.kind === "join" || fault.kind === "swap" ||
    fault.kind === "remove" && fault.node < total;
}

function withFaults(plan: Plan, faults: Fault[]): Plan {
  return { ...plan, faults: inOrder(faults) };
}
