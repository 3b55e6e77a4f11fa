/** What a run is to be: data that can be printed, cut down and run again. */
import type { NodeConfig, SharedOptions } from "../../config.ts";
import type { LinkFaults } from "../virtual/virtual_network.ts";

/** What each node may have for itself. Not bounds of what lies on its disk, which may be over new ones. */
export type OwnOptions = Partial<
  Pick<NodeConfig, "durability" | "requestTimeoutMs" | "gossipIntervalMs" | "inFlightMax">
>;

/** One fault: strikes at `atMs` of the fault phase and is undone `durationMs` later. */
export type Fault = { readonly atMs: number; readonly durationMs: number } & FaultKind;

/** Kinds of fault. Nodes are named by their index. */
export type FaultKind =
  /** Every link between `side` and the rest is cut. */
  | { kind: "partition"; side: number[] }
  /** Messages from one node to another vanish; answers too, if they would go that way. */
  | { kind: "one_way"; from: number; to: number }
  /** Loss, duplicates, corruption and long delays everywhere. */
  | { kind: "storm"; weather: LinkFaults }
  /** This share of what nodes tell each other to store, to forget, or of members, arrives again much later. */
  | { kind: "replay"; share: number; delayMs: [number, number] }
  /** Two nodes cannot hear each other; all others hear both. */
  | { kind: "cut_link"; a: number; b: number }
  /** What one node sends to another is slow, answers too; nothing else is. */
  | { kind: "slow_link"; from: number; to: number; delayMs: [number, number] }
  /** Everything to and from a node is slow. */
  | { kind: "slow_node"; node: number; delayMs: [number, number] }
  /** The process dies; with `power` its machine does. */
  | { kind: "crash"; node: number; power: boolean; silent: boolean }
  /** Power fails in the middle of the node's n-th disk operation from now. */
  | { kind: "crash_in_write"; node: number; operations: number }
  /** All machines lose power at once. */
  | { kind: "blackout" }
  /** The node is stopped by its operator and started again. */
  | { kind: "restart"; node: number }
  | { kind: "pause"; node: number }
  /** The node's thread is busy with something else: a turn that is left to others takes so long. */
  | { kind: "busy"; node: number; turnMs: [number, number] }
  /** The process dies, and its machine comes back with another address. */
  | { kind: "move"; node: number }
  /** The processes of two nodes die, and each comes back with the address of the other. */
  | { kind: "swap"; a: number; b: number }
  /** The process dies, and is started with these for `--peers`. */
  | { kind: "other_peers"; node: number; peers: number[] }
  /** The node dies and comes back with an empty disk. */
  | { kind: "wipe"; node: number }
  /** A copy of the node's disk is taken between two of its lives, and put back at the end. */
  | { kind: "old_copy"; node: number }
  /** The node comes back with an empty disk; the one of before is found again, and put back at the end. */
  | { kind: "lost_disk"; node: number }
  /**
   * The disk of a node is replaced by an empty one, or by the first that was replaced there, as soon as all
   * members are there and complete; one after the other.
   */
  | { kind: "replace_disk"; node: number; by?: "first" }
  /** Bits of a table flip. */
  | { kind: "bit_rot"; node: number; bits: number }
  | { kind: "slow_disk"; node: number; syncMs: [number, number] }
  | { kind: "full_disk"; node: number; freeBytes: number }
  | { kind: "disk_error"; node: number; operation: FailingOperation }
  /** The wall clock jumps. */
  | { kind: "clock_jump"; node: number; offsetMs: number; rate: number }
  /** The node is stopped by its operator and started with other options of its own. */
  | { kind: "own_options"; node: number; options: OwnOptions }
  /** All nodes end, and are started with other options. */
  | { kind: "options"; options: SharedOptions }
  /**
   * A node that was not there before starts, with `via` for its only peer; without, it is told of all
   * that are there. The first to join has the index after the last of the nodes that were there from
   * the beginning, and so on.
   */
  | { kind: "join"; via?: number }
  | RemovalFault;

/**
 * A member is removed: while it runs; or said to be dead, when it is, or does not move for a while. It is
 * no fault that ends.
 */
export type RemovalFault = {
  kind: "remove";
  node: number;
  how: "live" | "dead" | "paused";
  /** Whether a node of the same name is added afterwards, with an empty disk. */
  again: boolean;
};

/** Operations of a disk that a plan lets fail. */
export type FailingOperation = "read" | "append" | "sync" | "rename" | "syncDirectory";

/** The whole of a run. Milliseconds are virtual. */
export interface Plan {
  readonly seed: number;
  /** Nodes from the beginning; more may join. */
  readonly nodes: number;
  readonly replication: number;
  readonly readQuorum: number;
  readonly writeQuorum: number;
  readonly virtualNodes: number;
  readonly memtableBytes: number;
  readonly clients: number;
  /** Client operations in all, before the audit at the end. */
  readonly operations: number;
  readonly keys: number;
  /** Chances: of a read; else of a deletion rather than a put; of an explicit smaller quorum. */
  readonly readShare: number;
  readonly deleteShare: number;
  readonly smallQuorumShare: number;
  readonly valueBytesMax: number;
  /** Chances: that a put has a time to live; that a request is a batch, or a listing. Default 0. */
  readonly ttlShare?: number;
  readonly batchShare?: number;
  readonly listShare?: number;
  /** Chances: that a read says what its client has; that a request deletes a prefix. Default 0. */
  readonly conditionalShare?: number;
  readonly clearShare?: number;
  /** Bounds of a node that are so low that they are reached; default: those of production. */
  readonly hintBytesMax?: number;
  readonly inFlightMax?: number;
  /** Milliseconds that nodes give a request, in turn: the first is that of the first. Default: 1 s. */
  readonly requestTimeoutsMs?: readonly number[];
  /** Milliseconds between rounds: as slow as in production, copies stay apart for longer. Default: less. */
  readonly gossipIntervalMs?: number;
  readonly antiEntropyIntervalMs?: number;
  /** When an acknowledged write counts as durable. Default: once it is on the device. */
  readonly durability?: NodeConfig["durability"];
  /** Without faults at first. */
  readonly calmMs: number;
  readonly faultsMs: number;
  readonly faults: readonly Fault[];
}
