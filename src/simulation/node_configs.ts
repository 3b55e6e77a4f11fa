/** What the nodes of a plan are started with, those that join later included. */
import { DEFAULTS, type NodeConfig } from "../config.ts";
import type { Plan } from "./plans/plan.ts";
import { timeoutsOf } from "./plans/plan_bounds.ts";
import { DATA_DIRECTORY } from "./world/simulated_node.ts";

/** In the order of their indices. Intervals are short: virtual time is cheap, but not free. */
export function configsOf(plan: Plan): NodeConfig[] {
  const timeoutsMs = timeoutsOf(plan);
  return peersOf(plan).map((peers, i) => ({
    ...DEFAULTS,
    name: `n${i}`,
    advertise: originOf(i),
    peers,
    dataDirectory: DATA_DIRECTORY,
    replication: plan.replication,
    readQuorum: plan.readQuorum,
    writeQuorum: plan.writeQuorum,
    virtualNodes: plan.virtualNodes,
    gossipIntervalMs: plan.gossipIntervalMs ?? 500,
    requestTimeoutMs: timeoutsMs[i % timeoutsMs.length]!,
    memtableBytes: plan.memtableBytes,
    cacheBytes: 64 * 1024,
    antiEntropyIntervalMs: plan.antiEntropyIntervalMs ?? 1_000,
    tombstoneIntervalMs: 700,
    hintBytesMax: plan.hintBytesMax ?? DEFAULTS.hintBytesMax,
    inFlightMax: plan.inFlightMax ?? DEFAULTS.inFlightMax,
    durability: plan.durability ?? DEFAULTS.durability,
  }));
}

/** By node, of which others it is told. */
function peersOf({ nodes, faults }: Plan): string[][] {
  const origins = Array.from({ length: nodes }, (_, i) => originOf(i));
  const joins = faults.filter((fault) => fault.kind === "join");
  const removed = new Set(faults.flatMap((fault) => fault.kind === "remove" ? [fault.node] : []));
  return [
    ...origins.map((origin) => origins.filter((other) => other !== origin)),
    // Told only of one that is removed, it would wait for that one for ever.
    ...joins.map(({ via }) => via === undefined || removed.has(via) ? origins : [originOf(via)]),
  ];
}

function originOf(index: number): string {
  return `http://n${index}:8080`;
}
