/** The faults of a seed's plan: which strike, when, and whom. */
import { pick, type Random, randomInteger } from "../../platform/random.ts";
import { CALM_LINK, type LinkFaults } from "../virtual/virtual_network.ts";
import { inOrder, joinsOf, losesData, someOrder } from "./fault_list.ts";
import type { Fault, FaultKind, Plan } from "./plan.ts";

/** The faults that there were from the beginning. */
export function faultsOf(random: Random, nodes: number, faultsMs: number): Fault[] {
  const faults: Fault[] = [];
  const count = randomInteger(random, 11);
  // More than one node without its data would be more than replication mends.
  let damageLeft = 1;
  for (let i = 0; i < count; i++) {
    const kind = faultKind(random, nodes, damageLeft > 0);
    if (losesData(kind)) damageLeft--;
    const durationMs = 100 + randomInteger(random, pick(random, [500, 3_000, faultsMs]));
    faults.push({ atMs: randomInteger(random, faultsMs), durationMs, ...kind });
  }
  return inOrder(faults);
}

function faultKind(random: Random, nodes: number, mayDamage: boolean): FaultKind {
  const node = randomInteger(random, nodes);
  const makers: (() => FaultKind)[] = [
    () => ({ kind: "partition", side: someNodes(random, nodes) }),
    () => ({ kind: "partition", side: [node] }),
    () => ({
      kind: "one_way",
      from: node,
      to: (node + 1 + randomInteger(random, nodes - 1)) % nodes,
    }),
    () => ({ kind: "storm", weather: stormOf(random) }),
    () => ({ kind: "slow_node", node, delayMs: [100, 100 + randomInteger(random, 1_500)] }),
    () => ({ kind: "crash", node, power: random.next() < 0.7, silent: random.next() < 0.3 }),
    () => ({ kind: "crash", node, power: random.next() < 0.7, silent: random.next() < 0.3 }),
    () => ({ kind: "crash_in_write", node, operations: 1 + randomInteger(random, 40) }),
    () => ({ kind: "restart", node }),
    () => ({ kind: "pause", node }),
    () => ({ kind: "slow_disk", node, syncMs: [10, 20 + randomInteger(random, 800)] }),
    () => ({ kind: "full_disk", node, freeBytes: randomInteger(random, 2_000) }),
    () => ({
      kind: "disk_error",
      node,
      operation: pick(random, ["append", "sync", "sync", "rename", "syncDirectory"] as const),
    }),
    () => ({
      kind: "clock_jump",
      node,
      offsetMs: randomInteger(random, 7_200_000) - 3_600_000,
      rate: 0.9 + 0.2 * random.next(),
    }),
    () => ({ kind: "blackout" }),
    () => mayDamage ? { kind: "wipe", node } : { kind: "pause", node },
    () =>
      mayDamage
        ? { kind: "bit_rot", node, bits: 1 + randomInteger(random, 3) }
        : { kind: "pause", node },
  ];
  return pick(random, makers)();
}

function someNodes(random: Random, nodes: number): number[] {
  const count = 1 + randomInteger(random, nodes - 1);
  return someOrder(random, nodes).slice(0, count).sort();
}

function stormOf(random: Random): LinkFaults {
  return {
    ...CALM_LINK,
    delayMs: [0, pick(random, [5, 50, 400])],
    lossRate: pick(random, [0, 0.05, 0.25]),
    duplicateRate: pick(random, [0, 0.1, 0.5]),
    corruptRate: pick(random, [0, 0, 0.05]),
  };
}

/** Nodes that join, with what may befall them, and faults of single links and of reads. */
export function extraFaults(random: Random, { nodes, faultsMs }: Plan): Fault[] {
  const faults: Fault[] = [];
  const when = () => ({
    atMs: randomInteger(random, faultsMs),
    durationMs: 100 + randomInteger(random, pick(random, [500, 3_000])),
  });
  const joins = pick(random, [0, 0, 0, 0, 0, 0, 1, 1, 1, 2]);
  for (let i = 0; i < joins; i++) {
    const join: Fault = { ...when(), kind: "join", via: randomInteger(random, nodes) };
    faults.push(join);
    if (random.next() < 0.5) continue;
    const { durationMs } = when();
    faults.push({
      atMs: join.atMs + randomInteger(random, 2_000),
      durationMs,
      ...joinerFault(random, nodes + i),
    });
  }
  const links = pick(random, [0, 0, 0, 1, 2, 3]);
  for (let i = 0; i < links; i++) faults.push({ ...when(), ...linkFault(random, nodes) });
  if (random.next() < 0.4) {
    const node = randomInteger(random, nodes);
    faults.push({ ...when(), kind: "disk_error", node, operation: "read" });
  }
  return faults;
}

/** What befalls a node that has just joined. */
function joinerFault(random: Random, node: number): FaultKind {
  return pick<FaultKind>(random, [
    { kind: "crash", node, power: true, silent: random.next() < 0.3 },
    { kind: "crash_in_write", node, operations: 1 + randomInteger(random, 20) },
    { kind: "pause", node },
    { kind: "partition", side: [node] },
    { kind: "slow_node", node, delayMs: [100, 100 + randomInteger(random, 1_500)] },
  ]);
}

function linkFault(random: Random, nodes: number): FaultKind {
  const [a, b] = someOrder(random, nodes) as [number, number];
  const delayMs: [number, number] = [100, 100 + randomInteger(random, 600)];
  return pick<FaultKind>(random, [
    { kind: "cut_link", a, b },
    { kind: "slow_link", from: a, to: b, delayMs },
  ]);
}

/** Nodes that come back with other addresses, or are told of others. */
export function restartsOf(random: Random, { nodes, faultsMs, faults }: Plan): Fault[] {
  // Who joins is told of one node only, and would not find it again.
  if (joinsOf({ faults }) > 0) return [];
  // One that has lost its data and is told of nobody is a cluster of its own.
  const isWhole = !faults.some(losesData);
  const count = pick(random, [0, 0, 0, 0, 1, 2, 3]);
  return Array.from({ length: count }, (): Fault => {
    const [node, other, third] = someOrder(random, nodes);
    const makers: (() => FaultKind)[] = [
      () => ({ kind: "move", node: node! }),
      () => ({ kind: "swap", a: node!, b: other! }),
      () => {
        const peers = pick(random, [[], [other!], [other!, third!]]);
        return isWhole
          ? { kind: "other_peers", node: node!, peers }
          : { kind: "move", node: node! };
      },
    ];
    const durationMs = 100 + randomInteger(random, 1_500);
    return { atMs: randomInteger(random, faultsMs), durationMs, ...pick(random, makers)() };
  });
}

/** In some plans, nodes whose thread is busy, or all: what gathers and what gives way then does so. */
export function busyFaults(random: Random, { nodes, faultsMs }: Plan): Fault[] {
  const count = pick(random, [0, 0, 0, 1, 2, nodes]);
  return someOrder(random, nodes).slice(0, count).map((node): Fault => ({
    atMs: randomInteger(random, faultsMs / 2),
    durationMs: 500 + randomInteger(random, faultsMs),
    kind: "busy",
    node,
    turnMs: pick(random, [[0, 1], [0.3, 4], [2, 12]]),
  }));
}

/** In some plans, replays over the whole fault phase, and for some time after it. */
export function replaysOf(random: Random, { faultsMs }: Plan): Fault[] {
  if (random.next() >= 0.4) return [];
  const longestMs = pick(random, [3_000, 10_000, 20_000]);
  const share = pick(random, [0.02, 0.2]);
  return [
    { atMs: 0, durationMs: faultsMs, kind: "replay", share, delayMs: [1_000, longestMs] },
  ];
}
