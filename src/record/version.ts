/**
 * Lamport versions: the only order among writes of a key
 * (Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System", 1978).
 */
import { ConvergeError } from "../errors.ts";

/** When a record was written, in logical time. Equal versions mean equal records, always. */
export interface Version {
  /** Invariant: an integer, 1 <= counter <= COUNTER_MAX. */
  readonly counter: number;
  /** `<node name>.<tag>`; the tag is created with the data directory, so no wiped node reuses it. */
  readonly nodeID: string;
}

/** The largest counter; one beyond it is corrupt wherever it comes from. */
export const COUNTER_MAX = 2 ** 52;

const NODE_ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;

/** Whether `value` can be a counter. */
export function isCounter(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= COUNTER_MAX;
}

/** Whether `value` can be a node ID. */
export function isNodeID(value: unknown): value is string {
  return typeof value === "string" && NODE_ID.test(value);
}

/** Negative when `a` is older than `b`, 0 when they are the same version, positive when newer. */
export function compareVersions(a: Version, b: Version): number {
  if (a.counter !== b.counter) return a.counter - b.counter;
  return a.nodeID < b.nodeID ? -1 : a.nodeID > b.nodeID ? 1 : 0;
}

/** `<counter>-<nodeID>`, as in an ETag. */
export function formatVersion(version: Version): string {
  return `${version.counter}-${version.nodeID}`;
}

/**
 * Reads what {@linkcode formatVersion} wrote.
 *
 * @throws {ConvergeError} `corrupt_message` for anything else.
 */
export function parseVersion(text: string): Version {
  const dash = text.indexOf("-");
  const digits = text.slice(0, Math.max(0, dash));
  const counter = Number(digits);
  const nodeID = text.slice(dash + 1);
  if (!isCounter(counter) || String(counter) !== digits || !isNodeID(nodeID)) {
    throw new ConvergeError(
      "corrupt_message",
      `Cannot read a version from ${JSON.stringify(text)}`,
    );
  }
  return { counter, nodeID };
}
