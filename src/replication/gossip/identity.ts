/**
 * Who a node is, by its data directory: which life of its name, and which start of that. A directory
 * that is new, or lost data that the node may have told others of, is another life.
 */
import type { NodeConfig } from "../../config.ts";
import { ConvergeError } from "../../errors.ts";
import { isOfUnknownStart, type Member } from "../../membership/member.ts";
import type { Removal } from "../../membership/removal.ts";
import { removesLife } from "../../membership/removal_set.ts";
import type { RemovalStages } from "../../membership/removal_stage.ts";
import { isReplaced } from "../../membership/replaced_lives.ts";
import { type Random, randomHex } from "../../platform/random.ts";
import { MEMBERSHIP_DOCUMENT, type SavedMembership } from "./membership_document.ts";
import type { LocalState } from "../state/local_state.ts";
import { requireLayout, type RingLayout } from "../state/ring_layout.ts";

/** What a directory says of the node that it belongs to. */
export interface Identity {
  name: string;
  nodeID: string;
  /** Times that the directory was opened, this one too. */
  starts: number;
  /** Of the last of these alone. Not in files of earlier versions. */
  startTag?: string;
  /** Not in files of earlier versions. */
  layout?: RingLayout;
  /** The last node IDs before data was lost, where it was. */
  formerIDs?: string[] | undefined;
}

const DOCUMENT = "identity";
const TAG_DIGITS = 8;
/** Lives that a node may lose before it meets the others again, and still be known by the first. */
const FORMER_IDS_MAX = 16;

/** What the directory said before this start; undefined where it is new. */
export function savedIdentity(state: LocalState): Identity | undefined {
  return state.read<Identity>(DOCUMENT);
}

/**
 * Begins a start: counts it, and makes a new life where there is none to go on with.
 *
 * @throws {ConvergeError} `wrong_data` where the directory is another node's, `bad_config` where it was
 * stored with another layout; and as `Store.apply`.
 */
export async function openIdentity({ state, config, random, isAnotherLife, members }: {
  state: LocalState;
  config: NodeConfig;
  random: Random;
  /** Whether the node may have said or stored what its directory knows nothing of. */
  isAnotherLife: boolean;
  /** Members that the node remembers, itself included. */
  members: number;
}): Promise<Identity> {
  const existing = savedIdentity(state);
  if (existing !== undefined && existing.name !== config.name) {
    throw new ConvergeError(
      "wrong_data",
      `Cannot use ${config.dataDirectory} as ${config.name}: it belongs to ${existing.name}`,
    );
  }
  const { replication, virtualNodes } = config;
  const layout = { replication, virtualNodes };
  if (existing?.layout !== undefined) requireLayout(existing.layout, layout, members);
  const startTag = randomHex(random, TAG_DIGITS);
  const nodeID = existing === undefined || isAnotherLife
    ? `${config.name}.${startTag}`
    : existing.nodeID;
  const formerIDs = [...existing?.formerIDs ?? []];
  if (existing !== undefined && isAnotherLife) formerIDs.push(existing.nodeID);
  const identity = {
    name: config.name,
    nodeID,
    starts: (existing?.starts ?? 0) + 1,
    startTag,
    layout,
    formerIDs: formerIDs.length === 0 ? undefined : formerIDs.slice(-FORMER_IDS_MAX),
  };
  await state.write(DOCUMENT, identity);
  return identity;
}

/**
 * Whether members, as others know them, tell of a start that the directory knows nothing of, or of
 * another life that took its place.
 */
export function isOldCopy(state: LocalState, members: readonly Member[]): boolean {
  const identity = savedIdentity(state);
  if (identity === undefined) return false;
  return members.some((member) =>
    isOfUnknownStart(member, identity) || isReplaced(identity, member)
  );
}

/**
 * Refuses the directory of a node that was removed; what others say of that is kept, for a start at
 * which nobody can be asked.
 *
 * @param heard Removals that others tell of.
 * @throws {ConvergeError} `removed`.
 */
export async function requireMember(
  state: LocalState,
  { name, dataDirectory }: NodeConfig,
  heard: readonly Removal[],
): Promise<void> {
  const identity = savedIdentity(state);
  const saved = state.read<SavedMembership>(MEMBERSHIP_DOCUMENT);
  const ids = new Set([identity?.nodeID, ...identity?.formerIDs ?? []]);
  const isOwn = (removal: Removal) =>
    (removal.dead || removal.ended) &&
    [...ids].some((id) => id !== undefined && removesLife(removal, id));
  const known = saved?.removed ?? [];
  const own = [...known, ...heard].find(isOwn);
  if (own === undefined) return;
  if (saved !== undefined && !known.some(isOwn)) {
    const others = known.filter(({ nodeID }) => nodeID !== own.nodeID);
    // Where that fails others will say so once more.
    await state.write(MEMBERSHIP_DOCUMENT, { ...saved, removed: [...others, own] }).catch(() => {});
  }
  throw new ConvergeError(
    "removed",
    `Cannot use ${dataDirectory} as ${name}: it was removed from its cluster`,
  );
}

/**
 * What a node says of itself first.
 *
 * @param before What this life said last, and how far it was with removals; undefined of a new one.
 */
export function selfMember(
  { name, advertise, requestTimeoutMs }: NodeConfig,
  { nodeID, starts, startTag }: Identity,
  before: { self: Member | undefined; stages: RemovalStages },
): Member {
  const { self, stages } = before;
  return {
    ...(Object.keys(stages).length === 0 ? {} : { removals: stages }),
    ...(self?.replaces === undefined ? {} : { replaces: self.replaces }),
    name,
    nodeID,
    origin: advertise,
    starts,
    ...(startTag === undefined ? {} : { startTag }),
    incarnation: Math.max(starts, (self?.incarnation ?? 0) + 1),
    heartbeat: 0,
    status: self?.status ?? "joining",
    requestMs: requestTimeoutMs,
  };
}
