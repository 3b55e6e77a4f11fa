/** The plan of a seed: whatever is left to chance is drawn here, and in `plan_changes.ts`. */
import { pick, type Random, randomInteger, shuffled } from "../../platform/random.ts";
import type { Fault, FaultKind, Plan, RemovalFault } from "./plan.ts";
import { drawQuorums, withChange } from "./plan_changes.ts";
import { SeededRandom } from "../virtual/random_streams.ts";
import { CALM_LINK, type LinkFaults } from "../virtual/virtual_network.ts";

/** What the caller may fix. */
export interface PlanOptions {
  nodes?: number;
}

const DURABILITIES: readonly Plan["durability"][] = [
  ...Array.from({ length: 7 }, () => undefined),
  { mode: "interval", ms: 50 },
  { mode: "interval", ms: 500 },
  { mode: "os" },
];

/** The plan of a seed. */
export function planOf(seed: number, options: PlanOptions = {}): Plan {
  const random = new SeededRandom(seed, "plan");
  const nodes = options.nodes ?? pick(random, [3, 4, 5, 5, 5, 5]);
  const replication = Math.min(3, nodes);
  const faultsMs = 8_000 + randomInteger(random, 8_000);
  // With streams of their own: the rest of a plan stays as it was before there were these.
  const more = new SeededRandom(seed, "plan: requests and replays");
  const extra = new SeededRandom(seed, "plan: joins, links, failing reads and bounds");
  const removals = new SeededRandom(seed, "plan: removals");
  const rare = new SeededRandom(seed, "plan: conditions and prefixes");
  const durability = pick(new SeededRandom(seed, "plan: durability"), DURABILITIES);
  const other = new SeededRandom(seed, "plan: quorums");
  const pace = new SeededRandom(seed, "plan: pace");
  const basic: Plan = {
    seed,
    nodes,
    replication,
    readQuorum: Math.min(2, replication),
    writeQuorum: Math.min(2, replication),
    virtualNodes: pick(random, [4, 8, 16]),
    memtableBytes: pick(random, [2_048, 8_192, 1_048_576]),
    clients: 2 + randomInteger(random, 5),
    operations: 100 + randomInteger(random, 150),
    keys: pick(random, [2, 5, 12, 30]),
    readShare: 0.3 + 0.3 * random.next(),
    deleteShare: pick(random, [0, 0.1, 0.3]),
    smallQuorumShare: pick(random, [0, 0, 0.2]),
    valueBytesMax: pick(random, [0, 100, 600]),
    calmMs: 1_500,
    faultsMs,
    faults: faultsOf(random, nodes, faultsMs),
  };
  const bounds = boundsOf(extra);
  const faults = [...basic.faults, ...extraFaults(extra, basic)];
  const restarts = restartsOf(rare, { ...basic, faults });
  const plan: Plan = {
    ...basic,
    ttlShare: pick(more, [0, 0, 0, 0.2]),
    batchShare: pick(more, [0, 0.05, 0.2]),
    listShare: pick(more, [0, 0.02, 0.1]),
    conditionalShare: pick(rare, [0, 0.3]),
    clearShare: pick(rare, [0, 0, 0.03]),
    ...bounds,
    ...paceOf(pace),
    ...(durability === undefined ? {} : { durability }),
    ...(other.next() < 0.2 ? quorumsOf(other, basic) : {}),
    faults: [
      ...(more.next() < 0.4 ? [replayOf(basic, more)] : []),
      ...[...faults, ...restarts].sort((a, b) => a.atMs - b.atMs),
    ],
  };
  // Not beside nodes that are told of others.
  const whole = restarts.length > 0 ? plan : withRemovals(plan, removals);
  return withChange(whole, new SeededRandom(seed, "plan: changes"), options.nodes === undefined);
}

/** Replays over the whole fault phase, and for some time after it. */
function replayOf({ faultsMs }: Plan, random: Random): Fault {
  const longestMs = pick(random, [3_000, 10_000, 20_000]);
  const share = pick(random, [0.02, 0.2]);
  return { atMs: 0, durationMs: faultsMs, kind: "replay", share, delayMs: [1_000, longestMs] };
}

/** Quorums other than the defaults; N may be more than the nodes that are there at first. */
function quorumsOf(random: Random, { nodes, smallQuorumShare }: Plan): Partial<Plan> {
  const replication = 2 + randomInteger(random, 4);
  return {
    ...drawQuorums(random, replication),
    // Nobody knows how many owners there are when a request is made.
    smallQuorumShare: replication > nodes ? 0 : smallQuorumShare,
  };
}

function boundsOf(random: Random): Pick<Plan, "hintBytesMax" | "inFlightMax"> {
  const hintBytesMax = pick(random, [undefined, undefined, 1_000]);
  const inFlightMax = pick(random, [undefined, undefined, undefined, 2]);
  return {
    ...(hintBytesMax === undefined ? {} : { hintBytesMax }),
    ...(inFlightMax === undefined ? {} : { inFlightMax }),
  };
}

/** What agreement is left to: anti-entropy and hints, which come by soon, hide what quorums miss. */
function paceOf(
  random: Random,
): Pick<Plan, "gossipIntervalMs" | "antiEntropyIntervalMs" | "hintBytesMax"> {
  if (random.next() >= 0.2) return {};
  const gossipIntervalMs = pick(random, [500, 2_000, 3_000]);
  const hasHints = random.next() < 0.5;
  return {
    gossipIntervalMs,
    antiEntropyIntervalMs: 10_000,
    ...(hasHints ? {} : { hintBytesMax: 1 }),
  };
}

/** Nodes that join, with what may befall them, and faults of single links and of reads. */
function extraFaults(random: Random, { nodes, faultsMs }: Plan): Fault[] {
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

/** Members that are removed: of two, one at most with its data, where nobody else loses that. */
function withRemovals(plan: Plan, random: Random): Plan {
  const { nodes, replication, faults, faultsMs } = plan;
  const isDamaged = faults.some(({ kind }) => kind === "wipe" || kind === "bit_rot");
  // One that answers by itself alone, while it sleeps through its removal, is promised nothing.
  const mayAnswerAlone = Math.min(plan.readQuorum, plan.writeQuorum) === 1;
  const joins = faults.filter(({ kind }) => kind === "join").length;
  const count = Math.min(nodes - 2, pick(random, [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2]));
  if (count === 0) return plan;
  const all = shuffled(random, Array.from({ length: nodes + joins }, (_, i) => i));
  // Early, and with more requests: it takes seconds until it begins, and while it goes on.
  const atMs = randomInteger(random, Math.floor(faultsMs / 3));
  const removals = all.slice(0, count).map((node, i): Fault => {
    const how = isDamaged || i > 0
      ? "live"
      : pick<RemovalFault["how"]>(random, ["live", "live", "dead", "paused"]);
    return {
      atMs: atMs + (i === 0 ? 0 : randomInteger(random, 200)),
      durationMs: 0,
      kind: "remove",
      node,
      how: how === "paused" && mayAnswerAlone ? "dead" : how,
      again: random.next() < 0.3,
    };
  });
  return {
    ...plan,
    operations: 2 * plan.operations,
    // Nobody knows how many owners there are when a request is made.
    smallQuorumShare: replication > nodes - count ? 0 : plan.smallQuorumShare,
    faults: [...faults, ...removals].sort((a, b) => a.atMs - b.atMs),
  };
}

/** Nodes that come back with other addresses, or are told of others. */
function restartsOf(random: Random, { nodes, faultsMs, faults }: Plan): Fault[] {
  // Who joins is told of one node only, and would not find it again.
  if (faults.some(({ kind }) => kind === "join")) return [];
  // One that has lost its data and is told of nobody is a cluster of its own.
  const isWhole = faults.every(({ kind }) => kind !== "wipe" && kind !== "bit_rot");
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

function faultsOf(random: Random, nodes: number, faultsMs: number): Fault[] {
  const faults: Fault[] = [];
  const count = randomInteger(random, 11);
  // More than one node without its data would be more than replication mends.
  let damageLeft = 1;
  for (let i = 0; i < count; i++) {
    const kind = faultKind(random, nodes, damageLeft > 0);
    if (kind.kind === "wipe" || kind.kind === "bit_rot") damageLeft--;
    const durationMs = 100 + randomInteger(random, pick(random, [500, 3_000, faultsMs]));
    faults.push({ atMs: randomInteger(random, faultsMs), durationMs, ...kind });
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
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

function someOrder(random: Random, nodes: number): number[] {
  return shuffled(random, Array.from({ length: nodes }, (_, i) => i));
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
