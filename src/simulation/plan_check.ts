/** Whether what a file holds is a plan: it may have been written, or cut down, by hand. */
import type { Fault, Plan } from "./plan.ts";

type Check = (value: unknown) => boolean;
type Members<T> = { [Name in keyof T]-?: Check };
type FaultOf<Kind> = Omit<Extract<Fault, { kind: Kind }>, "atMs" | "durationMs" | "kind">;

const NODES_MAX = 15;
const OPERATIONS = ["read", "append", "sync", "rename", "syncDirectory"];

const isNumber: Check = (value) => typeof value === "number" && value >= 0;
const isCount: Check = (value) => Number.isInteger(value) && isNumber(value);
const isPositive: Check = (value) => isCount(value) && value !== 0;
const isShare: Check = (value) => isNumber(value) && value as number <= 1;
const isTruth: Check = (value) => typeof value === "boolean";
const isPair: Check = (value) =>
  Array.isArray(value) && value.length === 2 && value.every(isNumber);
const isUpTo = (most: number): Check => (value) => isPositive(value) && value as number <= most;
const orAbsent = (check: Check): Check => (value) => value === undefined || check(value);

const WEATHER = {
  delayMs: isPair,
  lossRate: isShare,
  duplicateRate: isShare,
  corruptRate: isShare,
};

const PLAN: Members<Omit<Plan, "faults">> = {
  seed: isCount,
  nodes: isUpTo(NODES_MAX),
  replication: isUpTo(NODES_MAX),
  readQuorum: isUpTo(NODES_MAX),
  writeQuorum: isUpTo(NODES_MAX),
  virtualNodes: isPositive,
  memtableBytes: isPositive,
  clients: isPositive,
  operations: isCount,
  keys: isPositive,
  readShare: isShare,
  deleteShare: isShare,
  smallQuorumShare: isShare,
  valueBytesMax: isCount,
  ttlShare: orAbsent(isShare),
  batchShare: orAbsent(isShare),
  listShare: orAbsent(isShare),
  hintBytesMax: orAbsent(isPositive),
  inFlightMax: orAbsent(isPositive),
  calmMs: isNumber,
  faultsMs: isNumber,
};

/**
 * What is wrong with a plan; undefined for one that can be run.
 *
 * @param value What a file's JSON is.
 */
export function planProblem(value: unknown): string | undefined {
  if (!isObject(value)) return "it must be an object";
  const wrong = wrongMember(value, PLAN);
  if (wrong !== undefined) return wrong;
  const { faults, nodes } = value;
  if (!Array.isArray(faults)) return told("faults", faults);
  const joins = faults.filter((fault) => isObject(fault) && fault["kind"] === "join").length;
  const checks = faultChecks(Number(nodes), Number(nodes) + joins);
  for (const [index, fault] of faults.entries()) {
    const problem = faultProblem(fault, checks);
    if (problem !== undefined) return `fault ${index + 1}: ${problem}`;
  }
  return undefined;
}

function faultProblem(fault: unknown, checks: Record<string, object>): string | undefined {
  if (!isObject(fault)) return "it must be an object";
  const kind = String(fault["kind"]);
  const members = Object.hasOwn(checks, kind) ? checks[kind] : undefined;
  if (members === undefined) return told("kind", fault["kind"]);
  return wrongMember(fault, { atMs: isNumber, durationMs: isNumber, ...members });
}

/** @param nodes How many there are from the beginning. @param all With those that join. */
function faultChecks(
  nodes: number,
  all: number,
): { [Kind in Fault["kind"]]: Members<FaultOf<Kind>> } {
  const node: Check = (value) => isCount(value) && value as number < all;
  return {
    partition: { side: (value) => Array.isArray(value) && value.every(node) },
    one_way: { from: node, to: node },
    storm: { weather: (value) => isObject(value) && wrongMember(value, WEATHER) === undefined },
    replay: { share: isShare, delayMs: isPair },
    cut_link: { a: node, b: node },
    slow_link: { from: node, to: node, delayMs: isPair },
    slow_node: { node, delayMs: isPair },
    crash: { node, power: isTruth, silent: isTruth },
    crash_in_write: { node, operations: isCount },
    blackout: {},
    restart: { node },
    pause: { node },
    wipe: { node },
    old_copy: { node },
    bit_rot: { node, bits: isCount },
    slow_disk: { node, syncMs: isPair },
    full_disk: { node, freeBytes: isCount },
    disk_error: { node, operation: (value) => OPERATIONS.includes(String(value)) },
    clock_jump: { node, offsetMs: Number.isFinite, rate: isNumber },
    join: { via: (value) => node(value) && value as number < nodes },
  };
}

function wrongMember(
  value: Record<string, unknown>,
  members: Record<string, Check>,
): string | undefined {
  for (const [name, check] of Object.entries(members)) {
    if (!check(value[name])) return told(name, value[name]);
  }
  return undefined;
}

function told(name: string, value: unknown): string {
  return `its ${name} is ${(JSON.stringify(value) ?? "absent").slice(0, 100)}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
