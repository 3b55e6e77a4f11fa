/** What one node tells another of the cluster: its whole view, and the checks of one that came in. */
import { parseOrigin, type SharedOptions, sharedOptions } from "../config.ts";
import { ConvergeError } from "../errors.ts";
import { type Member, parseMember } from "./member.ts";
import { parseRemovals, type Removal } from "./removal.ts";

/** Members in one view at most; a larger message is refused. */
export const MEMBERS_MAX = 4_096;

/** Seeds in one message, and names under them, at most. */
export const SEEDS_MAX = 64;

/** A node's view of the cluster, as sent. */
export interface GossipMessage {
  /** Name of the sender. */
  readonly from: string;
  readonly members: readonly Member[];
  /** What it was started with. Absent where an earlier version says it. */
  readonly options?: SharedOptions;
  /** Seeds under which the sender has heard nobody yet; absent once it knows of one that serves. */
  readonly seeds?: readonly string[];
  /** Names of those that it has heard under its seeds; absent likewise. */
  readonly named?: readonly string[];
  /** Names of members that were `normal` once, and are not any more; absent where there are none. */
  readonly settled?: readonly string[];
  /** Lives that are members no more; absent where there are none. */
  readonly removed?: readonly Removal[];
}

/**
 * Checks a message that came over the wire.
 *
 * @throws {ConvergeError} `corrupt_message`.
 */
export function parseGossipMessage(json: unknown): GossipMessage {
  const { from, members, options, seeds, named, settled, removed } = (json ?? {}) as Record<
    keyof GossipMessage,
    unknown
  >;
  if (typeof from !== "string" || !Array.isArray(members) || members.length > MEMBERS_MAX) {
    throw new ConvergeError("corrupt_message", "Cannot read gossip: `from` or `members` is wrong");
  }
  return {
    from,
    members: members.map(parseMember),
    ...(options === undefined ? {} : { options: parseOptions(options) }),
    ...(seeds === undefined ? {} : { seeds: parseSeeds(seeds) }),
    ...(named === undefined ? {} : { named: parseNames("named", named, SEEDS_MAX) }),
    ...(settled === undefined ? {} : { settled: parseNames("settled", settled, MEMBERS_MAX) }),
    ...(removed === undefined ? {} : { removed: parseRemovals(removed) }),
  };
}

function parseSeeds(json: unknown): string[] {
  try {
    if (!Array.isArray(json) || json.length > SEEDS_MAX) {
      throw new TypeError("no list of seeds");
    }
    return json.map((seed) => parseOrigin("seeds", String(seed)));
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read gossip: `seeds` is wrong", { cause });
  }
}

function parseNames(field: string, json: unknown, countMax: number): string[] {
  const isName = (name: unknown) => typeof name === "string";
  if (Array.isArray(json) && json.length <= countMax && json.every(isName)) return json;
  throw new ConvergeError("corrupt_message", `Cannot read gossip: \`${field}\` is wrong`);
}

function parseOptions(json: unknown): SharedOptions {
  const options = sharedOptions((json ?? {}) as SharedOptions);
  if (Object.values(options).every(Number.isSafeInteger)) return options;
  throw new ConvergeError("corrupt_message", "Cannot read gossip: `options` is wrong");
}
