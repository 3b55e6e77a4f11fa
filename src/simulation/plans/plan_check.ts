/** Whether what a file holds is a plan: it may have been written, or cut down, by hand. */
import { z } from "zod";
import type { NodeConfig, SharedOptions } from "../../config.ts";
import type { FailingOperation, Fault, OwnOptions, Plan } from "./plan.ts";
import type { LinkFaults } from "../virtual/virtual_network.ts";

const NODES_MAX = 15;
/** Of a value that is wrong, as many characters are told. */
const TOLD_LENGTH_MAX = 100;

const OPERATIONS = [
  "read",
  "append",
  "sync",
  "rename",
  "syncDirectory",
] as const satisfies FailingOperation[];

const atLeastNone = z.number().min(0);
const count = z.int().min(0);
const positive = z.int().min(1);
const share = z.number().min(0).max(1);
const delayMs = z.tuple([atLeastNone, atLeastNone]);
const nodeCount = z.int().min(1).max(NODES_MAX);

const weather: z.ZodType<LinkFaults> = z.strictObject({
  delayMs,
  lossRate: share,
  duplicateRate: share,
  corruptRate: share,
});

const options: z.ZodType<SharedOptions> = z.strictObject({
  replication: nodeCount,
  readQuorum: nodeCount,
  writeQuorum: nodeCount,
  virtualNodes: positive,
});

const durability: z.ZodType<NodeConfig["durability"]> = z.discriminatedUnion("mode", [
  z.strictObject({ mode: z.literal("fsync") }),
  z.strictObject({ mode: z.literal("interval"), ms: positive }),
  z.strictObject({ mode: z.literal("os") }),
]);

const ownOptions: z.ZodType<OwnOptions> = z.strictObject({
  durability: durability.exactOptional(),
  requestTimeoutMs: positive.exactOptional(),
  gossipIntervalMs: positive.exactOptional(),
  inFlightMax: positive.exactOptional(),
});

const PLAN: z.ZodType<Omit<Plan, "faults"> & { faults: unknown[] }> = z.strictObject({
  seed: count,
  nodes: nodeCount,
  replication: nodeCount,
  readQuorum: nodeCount,
  writeQuorum: nodeCount,
  virtualNodes: positive,
  memtableBytes: positive,
  clients: positive,
  operations: count,
  keys: positive,
  readShare: share,
  deleteShare: share,
  smallQuorumShare: share,
  valueBytesMax: count,
  ttlShare: share.exactOptional(),
  batchShare: share.exactOptional(),
  listShare: share.exactOptional(),
  conditionalShare: share.exactOptional(),
  clearShare: share.exactOptional(),
  hintBytesMax: positive.exactOptional(),
  inFlightMax: positive.exactOptional(),
  requestTimeoutsMs: z.array(positive).min(1).exactOptional(),
  gossipIntervalMs: positive.exactOptional(),
  antiEntropyIntervalMs: positive.exactOptional(),
  durability: durability.exactOptional(),
  calmMs: atLeastNone,
  faultsMs: atLeastNone,
  faults: z.array(z.unknown()),
});

/**
 * What is wrong with a plan; undefined for one that can be run.
 *
 * @param value What a file's JSON is.
 */
export function planProblem(value: unknown): string | undefined {
  const { data: plan, error } = PLAN.safeParse(value);
  if (error !== undefined) return told(error, value);
  const joins = plan.faults.filter((fault) => kindOf(fault) === "join").length;
  const schema = faultSchema(plan.nodes, plan.nodes + joins);
  for (const [index, fault] of plan.faults.entries()) {
    const { error } = schema.safeParse(fault);
    if (error !== undefined) return `fault ${index + 1}: ${told(error, fault)}`;
  }
  return undefined;
}

/** @param nodes How many there are from the beginning. @param all With those that join. */
function faultSchema(nodes: number, all: number): z.ZodType<Fault> {
  const node = count.max(all - 1);
  const fault = <Kind extends Fault["kind"], Members extends z.ZodRawShape>(
    kind: Kind,
    members: Members,
  ) =>
    z.strictObject({
      kind: z.literal(kind),
      atMs: atLeastNone,
      durationMs: atLeastNone,
      ...members,
    });
  return z.discriminatedUnion("kind", [
    fault("partition", { side: z.array(node) }),
    fault("one_way", { from: node, to: node }),
    fault("storm", { weather }),
    fault("replay", { share, delayMs }),
    fault("cut_link", { a: node, b: node }),
    fault("slow_link", { from: node, to: node, delayMs }),
    fault("slow_node", { node, delayMs }),
    fault("crash", { node, power: z.boolean(), silent: z.boolean() }),
    fault("crash_in_write", { node, operations: count }),
    fault("blackout", {}),
    fault("restart", { node }),
    fault("pause", { node }),
    fault("busy", { node, turnMs: delayMs }),
    fault("move", { node }),
    fault("swap", { a: count.max(nodes - 1), b: count.max(nodes - 1) }),
    fault("other_peers", { node, peers: z.array(count.max(nodes - 1)) }),
    fault("wipe", { node }),
    fault("replace_disk", { node, by: z.literal("first").exactOptional() }),
    fault("old_copy", { node }),
    fault("lost_disk", { node }),
    fault("bit_rot", { node, bits: count }),
    fault("slow_disk", { node, syncMs: delayMs }),
    fault("full_disk", { node, freeBytes: count }),
    fault("disk_error", { node, operation: z.enum(OPERATIONS) }),
    fault("clock_jump", { node, offsetMs: z.number(), rate: atLeastNone }),
    fault("remove", { node, how: z.enum(["live", "dead", "paused"]), again: z.boolean() }),
    fault("own_options", { node, options: ownOptions }),
    fault("options", { options }),
    fault("join", { via: node.exactOptional() }),
  ]);
}

function kindOf(fault: unknown): unknown {
  return (fault as { kind?: unknown } | null)?.kind;
}

/** The first thing that is wrong, by the member that it is about. */
function told({ issues: [issue] }: z.ZodError, value: unknown): string {
  const { path, message } = issue!;
  const member = path.reduce<unknown>(
    (inner, name) => (inner as Record<PropertyKey, unknown> | null)?.[name],
    value,
  );
  const is = (JSON.stringify(member) ?? "absent").slice(0, TOLD_LENGTH_MAX);
  return path.length === 0 ? message : `its ${path.join(".")} is ${is}: ${message}`;
}
