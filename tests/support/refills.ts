import type { RefillOptions } from "../../src/replication/convergence/refill.ts";
import { topologyOf } from "./topologies.ts";

/** What a test has of its own; `exchange` and `antiEntropy` may be parts of what these are. */
export type RefillParts =
  & Omit<Partial<RefillOptions>, "exchange" | "antiEntropy">
  & Pick<RefillOptions, "gossip" | "state" | "clock">
  & { exchange: object; antiEntropy?: object };

/** The options of a refill of one of two nodes; nothing differs, and nobody waits. */
export function refillOptions(parts: RefillParts): RefillOptions {
  return {
    log: { info() {}, warn() {}, error() {} },
    quorums: { replication: 3, readQuorum: 2, writeQuorum: 2 },
    requestTimeoutMs: 1_000,
    lamport: { current: 1 },
    antiEntropy: { differing: () => Promise.resolve(new Set()) },
    topology: () => topologyOf(2),
    linkTo: () => ({}),
    refusedSeeds: () => 0,
    onStatus: () => Promise.resolve(),
    onBeforeRefill: () => Promise.resolve(),
    onRejoined: () => Promise.resolve(),
    ...parts,
  } as unknown as RefillOptions;
}
