/** What nodes know of each other. */
import { parseOrigin, REQUEST_TIMEOUT_MS_MAX } from "../config.ts";
import { ConvergeError } from "../errors.ts";
import { isNodeID } from "../record/version.ts";
import { isLifeOf, isListOfLives } from "./removal.ts";
import { parseStages, type RemovalStages } from "./removal_stage.ts";

/**
 * How far a member is with its data. Ownership does not depend on it; who counts does:
 * - `joining`: new, and not everybody is known to know it: counts in no quorum;
 * - `refilling`: everybody knows it, but it lacks data: counts for writes, not for reads;
 * - `normal`: counts for both.
 */
export type MemberStatus = "joining" | "refilling" | "normal";

/** The largest incarnation and heartbeat; a statement beyond it is refused. */
export const STATEMENT_MAX = 2 ** 52;

/** What a node says of itself; others pass it on unchanged. */
export interface Member {
  /** Identity on the ring. */
  readonly name: string;
  /** `<name>.<tag>`; the tag is created with the data directory. */
  readonly nodeID: string;
  /** Where peers reach it: `http://host:port`. */
  readonly origin: string;
  /**
   * Times that its directory was opened: on its disk before it says so, and raised by nobody else.
   * 0 where an earlier version said it.
   */
  readonly starts: number;
  /** Of the last of these starts alone. Absent where an earlier version said it. */
  readonly startTag?: string;
  /** Grows with every start of the node. Orders statements before `heartbeat` does. */
  readonly incarnation: number;
  /** Grows with every gossip tick, and with every change of this entry. */
  readonly heartbeat: number;
  readonly status: MemberStatus;
  /** How far it is with removals that have not ended; absent where it knows of none. */
  readonly removals?: RemovalStages;
  /** Lives of its name whose place it has taken, by their last start; absent where it knows of none. */
  readonly replaces?: readonly Start[];
  /** Milliseconds that it gives a client's request. Absent where an earlier version said it. */
  readonly requestMs?: number;
}

/**
 * Whether statement `a` about a node is newer than `b`, by (incarnation, heartbeat). Entries are
 * merged one by one with it; a whole view never wins or loses as one.
 */
export function isNewerStatement(a: Member, b: Member | undefined): boolean {
  if (b === undefined) return true;
  if (a.incarnation !== b.incarnation) return a.incarnation > b.incarnation;
  return a.heartbeat > b.heartbeat;
}

/** What tells one start of a directory from every other. */
export type Start = Pick<Member, "nodeID" | "starts"> & { readonly startTag?: string | undefined };

/** Whether a node said this after a start that the directory which `self` was read from knows nothing of. */
export function isOfUnknownStart(heard: Start, self: Start): boolean {
  return (heard.nodeID === self.nodeID && heard.starts > self.starts) || isOtherStart(heard, self);
}

/** Whether two starts of a directory have the same number: one of them was of a copy of it. */
export function isOtherStart(a: Start, b: Start): boolean {
  return a.nodeID === b.nodeID && a.starts === b.starts &&
    a.startTag !== undefined && b.startTag !== undefined && a.startTag !== b.startTag;
}

/**
 * Checks a member that came over the wire.
 *
 * @throws {ConvergeError} `corrupt_message`.
 */
export function parseMember(json: unknown): Member {
  const { name, nodeID, origin, starts = 0, startTag, incarnation, heartbeat, status, ...more } =
    (json ?? {}) as Record<keyof Member, unknown>;
  const { removals, replaces, requestMs } = more;
  if (
    typeof name !== "string" || !isLifeOf(name, nodeID) ||
    typeof origin !== "string" || !isCount(starts) || !isCount(incarnation) ||
    !isCount(heartbeat) || !isTag(startTag) || !isCount(requestMs ?? 0, REQUEST_TIMEOUT_MS_MAX) ||
    (status !== "joining" && status !== "refilling" && status !== "normal")
  ) {
    throw new ConvergeError("corrupt_message", "Cannot read a member: a field is missing or wrong");
  }
  try {
    parseOrigin("origin", origin);
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read a member: its origin is unusable", {
      cause,
    });
  }
  const tag = startTag === undefined ? {} : { startTag };
  const said = {
    ...(removals === undefined ? {} : { removals: parseStages(removals) }),
    ...(replaces === undefined ? {} : { replaces: parseReplaced(name, replaces) }),
    ...(requestMs === undefined ? {} : { requestMs: requestMs as number }),
  };
  return { name, nodeID, origin, starts, ...tag, incarnation, heartbeat, status, ...said };
}

function parseReplaced(name: string, json: unknown): Start[] {
  const isOfName = (life: unknown): life is Start => isStart(life) && isLifeOf(name, life.nodeID);
  if (!isListOfLives(json, isOfName)) {
    throw new ConvergeError("corrupt_message", "Cannot read a member: its `replaces` is wrong");
  }
  return json.map(({ nodeID, starts, startTag }) => {
    return { nodeID, starts, ...(startTag === undefined ? {} : { startTag }) };
  });
}

function isStart(json: unknown): json is Start {
  const { nodeID, starts, startTag } = (json ?? {}) as Record<keyof Start, unknown>;
  return isNodeID(nodeID) && isCount(starts) && isTag(startTag);
}

function isTag(value: unknown): value is string | undefined {
  return value === undefined || (typeof value === "string" && /^[0-9a-f]{8}$/.test(value));
}

function isCount(value: unknown, max = STATEMENT_MAX): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max;
}
