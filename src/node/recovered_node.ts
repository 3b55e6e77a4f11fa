/**
 * How a node finds out who it is, when it starts: from what its data directory holds, and from what other
 * nodes say. So far it has told nobody anything by which they could count it as a member.
 */
import { type NodeConfig, sharedOptions } from "../config.ts";
import type { ConvergeError } from "../errors.ts";
import type { Gossip } from "../membership/gossip.ts";
import type { Member } from "../membership/member.ts";
import type { Telemetry } from "../metrics/telemetry.ts";
import type { Platform } from "../platform/platform.ts";
import { type HeardView, meetOthers, viewsOfOthers } from "../replication/gossip/first_contact.ts";
import {
  MEMBERSHIP_DOCUMENT,
  type SavedMembership,
} from "../replication/gossip/membership_document.ts";
import { Horizon } from "../replication/state/horizon.ts";
import {
  type Identity,
  isOldCopy,
  openIdentity,
  requireMember,
  selfMember,
} from "../replication/gossip/identity.ts";
import type { LamportClock } from "../replication/state/lamport_clock.ts";
import { LocalState } from "../replication/state/local_state.ts";
import { MessageAuth } from "../replication/peers/message_auth.ts";
import { notedLoss, noteOldCopy } from "../replication/convergence/refill_document.ts";
import { savedStages } from "../replication/convergence/takeover.ts";
import type { Store } from "../storage/store.ts";
import type { NodeParts } from "./node_parts.ts";

/**
 * How long a start waits for what other members say of this node, however little time clients' requests
 * have: without their answer it may count with an old copy.
 */
const SELF_QUESTION_MS = 1_000;

/** A node that is being started: its store is open, and no more is known. */
export interface StartingNode {
  config: NodeConfig;
  platform: Platform;
  parts: NodeParts;
  telemetry: Telemetry;
  store: Store;
  /** Resolved with the reason once the node has to stop. */
  failure: PromiseWithResolvers<ConvergeError>;
}

/** A node that knows who it is, and takes no part in anything yet. */
export interface RecoveredNode extends StartingNode {
  state: LocalState;
  auth: MessageAuth;
  lamport: LamportClock;
  horizon: Horizon;
  gossip: Gossip;
  /** Members that the directory holds, this node included. */
  remembered: readonly Member[];
  /** Whether the node may have said or stored what its directory knows nothing of. */
  isAnotherLife: boolean;
}

/**
 * Finds out who the node is.
 *
 * @throws {ConvergeError} `wrong_data` where the directory is another node's; `removed` where its node
 * was removed; `bad_config` where the node does not fit to its data, or to the others; and as
 * `Store.apply`.
 */
export async function recoverNode(starting: StartingNode): Promise<RecoveredNode> {
  const { config, platform, parts, store } = starting;
  const { random, clock } = platform;
  const state = new LocalState(store);
  const auth = new MessageAuth(config.clusterSecret);
  const saved = state.read<SavedMembership>(MEMBERSHIP_DOCUMENT);
  const remembered = saved?.members ?? [];
  const views = await viewsOfOthers({
    name: config.name,
    members: remembered,
    seeds: config.peers,
    platform,
    auth,
    timeoutMs: SELF_QUESTION_MS,
  });
  await heedOthers(starting, { state, views });
  // Where documents may be gone, the node may have given out counters that it knows nothing of: it is
  // another life then, as one with an empty disk is.
  const isAnotherLife = store.lastLoss() !== notedLoss(state);
  const members = saved?.members.length ?? 1;
  const identity = await openIdentity({ state, config, random, isAnotherLife, members });
  const lamport = await parts.openLamportClock(state, store.highestCounter());
  const self = selfMember(config, identity, {
    self: isAnotherLife ? undefined : saved?.self,
    stages: isAnotherLife ? {} : savedStages(state),
  });
  const gossip = openGossip(starting, { self, saved, identity });
  meetOthers({ gossip, shared: sharedOptions(config), lamport, clock }, views);
  const horizon = new Horizon(state);
  return { ...starting, state, auth, lamport, horizon, gossip, remembered, isAnotherLife };
}

/** By what others say, the directory may be an old copy, or its node a removed one. */
async function heedOthers(
  { config, platform }: StartingNode,
  { state, views }: { state: LocalState; views: readonly HeardView[] },
): Promise<void> {
  if (isOldCopy(state, views.flatMap(({ view }) => view.members))) {
    platform.log.warn("data.old_copy", { directory: config.dataDirectory });
    await noteOldCopy(state);
  }
  const removed = views.flatMap(({ view }) => view.removed ?? []);
  await requireMember(state, config, removed);
}

function openGossip(
  { config, platform, parts }: StartingNode,
  { self, saved, identity }: {
    self: Member;
    saved: SavedMembership | undefined;
    identity: Identity;
  },
): Gossip {
  return parts.createGossip({
    shared: sharedOptions(config),
    self,
    known: saved?.members.filter(({ name }) => name !== config.name) ?? [],
    seeds: config.peers,
    resolvedSeeds: saved?.seeds ?? [],
    settled: saved?.settled ?? [],
    formerIDs: identity.formerIDs ?? [],
    removed: saved?.removed ?? [],
    intervalMs: config.gossipIntervalMs,
    random: platform.random,
  });
}
