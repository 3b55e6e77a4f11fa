/** What a node asks others, when it starts, before it says or answers anything. */
import { isSameOptions, type SharedOptions } from "../../config.ts";
import { isConvergeError } from "../../errors.ts";
import type { Gossip } from "../../membership/gossip.ts";
import type { Member } from "../../membership/member.ts";
import type { Clock } from "../../platform/clock.ts";
import { shuffled } from "../../platform/random.ts";
import { type AnsweredView, exchangeViews, type GossipChannel } from "./gossip_exchange.ts";
import type { LamportClock } from "../state/lamport_clock.ts";
import { otherCluster, otherOptions, otherSecret } from "../state/stop_reasons.ts";

/** Who is asked, and how. */
export interface FirstContact extends GossipChannel {
  name: string;
  /** Members that it remembers, itself included. */
  members: readonly Member[];
  /** Origins from the command line: members may have moved since. */
  seeds: readonly string[];
}

/** Members that are asked at most, and seeds likewise: what some know, gossip has told to many. */
const ASKED_MAX = 16;

const encoder = new TextEncoder();

/** What one of those that were asked says. */
export interface HeardView {
  /** Under which it was asked. */
  origin: string;
  view: AnsweredView;
}

/**
 * The views of others, as far as they answer in time. They are asked first of all, since the node may
 * have been started on an old copy of its directory, or may be new and not fit into their cluster.
 *
 * @throws {ConvergeError} `bad_config` where it remembers nobody, and has another secret than one of
 * them. Under an address that is remembered, a node of another cluster may be by now.
 */
export async function viewsOfOthers(contact: FirstContact): Promise<HeardView[]> {
  const { name, members, seeds, platform } = contact;
  const remembered = members.filter((member) => member.name !== name).map(({ origin }) => origin);
  const chosen = shuffled(platform.random, remembered).slice(0, ASKED_MAX);
  const asked = [...new Set([...chosen, ...seeds.slice(0, ASKED_MAX)])];
  // A question, and no view: nobody is to take this node for one that runs already.
  const body = encoder.encode(JSON.stringify({ from: name, members: [] }));
  const answers = await Promise.all(asked.map(async (origin) => {
    try {
      return [{ origin, view: await exchangeViews(contact, { origin, body, headers: {} }) }];
    } catch (error) {
      if (!isConvergeError(error)) throw error;
      if (isConvergeError(error, "forged_message") && members.length === 0) {
        throw otherSecret(origin);
      }
      return [];
    }
  }));
  return answers.flat().filter(({ view }) => view.members.length > 0);
}

/**
 * Takes note of the others before they hear of this node. So where a new one does not fit to them, nobody
 * has counted it as a member; and one that they know does not count by other quorums than they do.
 *
 * @throws {ConvergeError} `bad_config` where it does not fit.
 */
export function meetOthers(
  { gossip, shared, lamport, clock }: {
    gossip: Gossip;
    /** What this node was started with. */
    shared: SharedOptions;
    lamport: Pick<LamportClock, "observe">;
    clock: Clock;
  },
  views: readonly HeardView[],
): void {
  const isNew = gossip.self.status === "joining";
  for (const { origin, view } of views) {
    const reaction = gossip.reactionTo(view);
    if (reaction === "stop") throw otherOptions(view);
    if (reaction === "other_cluster" && isNew) throw otherCluster(origin);
    if (reaction !== "merge") continue;
    if (view.options !== undefined && !isSameOptions(view.options, shared)) {
      throw otherOptions(view);
    }
    if (!isNew) continue;
    lamport.observe(view.counter);
    gossip.receive(view, clock.monotonicMs(), origin);
  }
}
