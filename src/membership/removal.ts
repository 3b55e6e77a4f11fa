/** That a member is removed, as gossip carries it; how that is done: `removal_step.ts`. */
import { parseOrigin } from "../config.ts";
import { ConvergeError } from "../errors.ts";
import { isNodeID } from "../record/version.ts";

/** Removals that are remembered; no more than these are begun. */
export const REMOVALS_MAX = 4_096;

/** Earlier lives of a name that are taken note of: of a member, and with its removal. */
export const LIVES_MAX = 16;

/** That a life of a node is no member any more. Nothing takes it back. */
export interface Removal {
  readonly name: string;
  readonly nodeID: string;
  readonly origin: string;
  /** What the life had said last: what earlier lives of the name say is not newer. */
  readonly incarnation: number;
  /**
   * Node IDs of lives whose place it had taken: their disks may be found again. Absent where it told of
   * none, or an earlier version tells of it.
   */
  readonly replaced?: readonly string[];
  /** Whether nobody is to wait for what it says or has. */
  readonly dead: boolean;
  /** Whether all members have taken over what they gain. */
  readonly ended: boolean;
}

/** Checks removals that came over the wire. @throws {ConvergeError} `corrupt_message`. */
export function parseRemovals(json: unknown): Removal[] {
  try {
    if (!Array.isArray(json) || json.length > REMOVALS_MAX) throw new TypeError("no list");
    return json.map(parseRemoval);
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read gossip: `removed` is wrong", { cause });
  }
}

function parseRemoval(json: unknown): Removal {
  const { name, nodeID, origin, incarnation, replaced, dead, ended } = (json ??
    {}) as Record<keyof Removal, unknown>;
  const isOfName = (id: unknown) => isLifeOf(name, id);
  if (
    typeof name !== "string" || !isLifeOf(name, nodeID) ||
    !isListOfLives(replaced ?? [], isOfName) ||
    typeof origin !== "string" || !Number.isSafeInteger(incarnation) ||
    typeof dead !== "boolean" || typeof ended !== "boolean"
  ) throw new TypeError("a field is missing or wrong");
  parseOrigin("origin", origin);
  return {
    name,
    nodeID,
    origin,
    incarnation: incarnation as number,
    ...(replaced === undefined ? {} : { replaced: replaced as string[] }),
    dead,
    ended,
  };
}

/** Whether this is a node ID of a life of that name. */
export function isLifeOf(name: unknown, nodeID: unknown): nodeID is string {
  return isNodeID(nodeID) && nodeID.startsWith(`${name}.`);
}

/** Whether this is a list of lives, and not of more than are taken note of. */
export function isListOfLives<T>(json: unknown, isLife: (life: unknown) => life is T): json is T[] {
  return Array.isArray(json) && json.length <= LIVES_MAX && json.every(isLife);
}
