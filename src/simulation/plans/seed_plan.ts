/** The plan of a seed: what is left to chance is drawn here, in `drawn_faults.ts` and `plan_changes.ts`. */
import { pick, type Random, randomInteger } from "../../platform/random.ts";
import { SeededRandom } from "../virtual/random_streams.ts";
import { busyFaults, extraFaults, faultsOf, replaysOf, restartsOf } from "./drawn_faults.ts";
import { inOrder, losesData, nodesInAll, someOrder } from "./fault_list.ts";
import type { Fault, Plan, RemovalFault } from "./plan.ts";
import { drawQuorums, withChange } from "./plan_changes.ts";

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
  const basic = basicPlan(seed, options);
  // A stream for each thing that came later: the rest of a plan stayed as it was before.
  const streamOf = (what: string) => new SeededRandom(seed, `plan: ${what}`);
  const requests = streamOf("requests and replays");
  const extra = streamOf("joins, links, failing reads and bounds");
  const rare = streamOf("conditions and prefixes");
  const bounds = boundsOf(extra);
  const busy = busyFaults(streamOf("busy threads"), basic);
  const faults = [...basic.faults, ...extraFaults(extra, basic), ...busy];
  const restarts = restartsOf(rare, { ...basic, faults });
  const plan: Plan = {
    ...basic,
    ...requestsOf(requests),
    ...rareRequestsOf(rare),
    ...bounds,
    ...paceOf(streamOf("pace")),
    ...durabilityOf(streamOf("durability")),
    ...quorumsOf(streamOf("quorums"), basic),
    faults: [...replaysOf(requests, basic), ...inOrder([...faults, ...restarts])],
  };
  // Not beside nodes that are told of others.
  const whole = restarts.length > 0 ? plan : withRemovals(plan, streamOf("removals"));
  return withChange(whole, streamOf("changes"), options.nodes === undefined);
}

/** What plans have had from the beginning. */
function basicPlan(seed: number, options: PlanOptions): Plan {
  const random = new SeededRandom(seed, "plan");
  const nodes = options.nodes ?? pick(random, [3, 4, 5, 5, 5, 5]);
  const replication = Math.min(3, nodes);
  const faultsMs = 8_000 + randomInteger(random, 8_000);
  return {
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
}

function requestsOf(random: Random): Pick<Plan, "ttlShare" | "batchShare" | "listShare"> {
  return {
    ttlShare: pick(random, [0, 0, 0, 0.2]),
    batchShare: pick(random, [0, 0.05, 0.2]),
    listShare: pick(random, [0, 0.02, 0.1]),
  };
}

function rareRequestsOf(random: Random): Pick<Plan, "conditionalShare" | "clearShare"> {
  return {
    conditionalShare: pick(random, [0, 0.3]),
    clearShare: pick(random, [0, 0, 0.03]),
  };
}

function durabilityOf(random: Random): Pick<Plan, "durability"> {
  const durability = pick(random, DURABILITIES);
  return durability === undefined ? {} : { durability };
}

/** In some plans, quorums other than the defaults; N may be more than the nodes that are there at first. */
function quorumsOf(random: Random, { nodes, smallQuorumShare }: Plan): Partial<Plan> {
  if (random.next() >= 0.2) return {};
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

/** Members that are removed: of two, one at most with its data, where nobody else loses that. */
function withRemovals(plan: Plan, random: Random): Plan {
  const { nodes, replication, faults, faultsMs } = plan;
  const isDamaged = faults.some(losesData);
  // One that answers by itself alone, while it sleeps through its removal, is promised nothing.
  const mayAnswerAlone = Math.min(plan.readQuorum, plan.writeQuorum) === 1;
  const count = Math.min(nodes - 2, pick(random, [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2]));
  if (count === 0) return plan;
  const all = someOrder(random, nodesInAll(plan));
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
    faults: inOrder([...faults, ...removals]),
  };
}
