/** Mistakes in membership, convergence and waiting. */
import { ConvergeError } from "../../errors.ts";
import { bodyChecksum, CHECKSUM_HEADER } from "../../replication/peers/body_checksum.ts";
import { HintedHandoff } from "../../replication/convergence/hinted_handoff.ts";
import { Replica } from "../../replication/replica.ts";
import { TombstoneCollector } from "../../replication/convergence/tombstone_collector.ts";
import { Topology } from "../../replication/topology/topology.ts";
import type { NetworkRequest } from "../../platform/network.ts";
import type { GossipMessage } from "../../membership/gossip_message.ts";
import { Gossip, type GossipOptions } from "../../membership/gossip.ts";
import {
  withDamagedMessages,
  withExpiry,
  withFoundDisk,
  withHints,
  withIsolatedJoiner,
  withJoinBesideStale,
  withLastFormerOwner,
  withListings,
  withLostDiskBesideJoins,
  withRemovalBesideStale,
  withRemovedJoiner,
  withWipeBesideStale,
} from "./focused_plans.ts";
import type { Defect } from "./defect.ts";

/** Says of itself that it holds all that it should, whatever it holds. */
function countingAtOnce(options: GossipOptions): Gossip {
  return new Gossip({ ...options, self: { ...options.self, status: "normal" } });
}

/** Tells nobody whose place a member has taken. */
class SilentGossip extends Gossip {
  override message(): GossipMessage {
    const message = super.message();
    return { ...message, members: message.members.map(({ replaces: _, ...member }) => member) };
  }
}

/** By this nobody has leftovers: whatever is there is as good as what was taken over, and stays. */
class WithoutLeftovers extends Topology {
  override isNewTo(): () => boolean {
    return () => false;
  }
  override get isAtRest(): boolean {
    return false;
  }
}

/** By this whatever a node does not own any more can be erased at once. */
class AlwaysAtRest extends Topology {
  override get isAtRest(): boolean {
    return true;
  }
}

/** Answers what it is asked, and does nothing by itself. */
class IdleCollector extends TombstoneCollector {
  override start(): void {}
}

/** The question for a range, without the names that make the asked one look back. */
function withoutSettled(request: NetworkRequest): NetworkRequest {
  if (request.path !== "/internal/range") return request;
  const { settled: _, ...asked } = JSON.parse(new TextDecoder().decode(request.body));
  const body = new TextEncoder().encode(JSON.stringify(asked));
  return { ...request, body, headers: { ...request.headers, ...bodyChecksum(body) } };
}

/** Defects that only show in a cluster over time. */
export const CLUSTER_DEFECTS: readonly Defect[] = [
  {
    name: "wiped-node-counts",
    about: "a node that lost its data counts in read quorums at once",
    seedsMax: 50,
    plan: withWipeBesideStale,
    parts: { createGossip: (options) => countingAtOnce(options) },
  },
  {
    name: "joiner-counts-at-once",
    about: "a node that joins counts in quorums before all know it and before it has any data",
    seedsMax: 50,
    plan: withJoinBesideStale,
    parts: { createGossip: (options) => countingAtOnce(options) },
  },
  {
    name: "joiner-takes-records",
    about:
      "a node that joins keeps what it took before all knew it, and brings it back when deleted",
    seedsMax: 50,
    plan: withIsolatedJoiner,
    parts: { createReplica: (options) => new Replica({ ...options, takesRecords: () => true }) },
  },
  {
    name: "joiner-filled-from-stale-copy",
    about: "a refill asks only who owns a key now, not who owned it before others joined",
    seedsMax: 50,
    plan: withLostDiskBesideJoins,
    platform: (platform) => ({
      ...platform,
      network: { request: (request) => platform.network.request(withoutSettled(request)) },
    }),
  },
  {
    name: "found-disk-counts",
    about: "a disk that was lost and is found again counts as if no other had taken its place",
    seedsMax: 50,
    plan: withFoundDisk,
    parts: { createGossip: (options) => new SilentGossip(options) },
  },
  {
    name: "gained-arcs-count-at-once",
    about: "who owns keys in the place of a removed member counts there before it has any of them",
    seedsMax: 50,
    plan: withRemovalBesideStale,
    parts: { createTopology: (options) => new Topology({ ...options, pending: [] }) },
  },
  {
    name: "leftovers-are-kept",
    about: "who gets keys back by a removal keeps what it had of them from before",
    seedsMax: 50,
    plan: withRemovedJoiner,
    parts: { createTopology: (options) => new WithoutLeftovers(options) },
  },
  {
    name: "erased-before-taken-over",
    about: "a node erases what a member that joins is to own, before that one has taken it over",
    seedsMax: 50,
    plan: withLastFormerOwner,
    parts: { createTopology: (options) => new AlwaysAtRest(options) },
  },
  {
    name: "restart-forgets-members",
    about: "a restarted node ignores its peers",
    seedsMax: 50,
    parts: {
      createGossip: (options) =>
        new Gossip(
          options.self.incarnation > 1
            ? { ...options, known: [], seeds: [], resolvedSeeds: [] }
            : options,
        ),
    },
  },
  {
    name: "hints-unbounded",
    about: "hints for a node that is away are kept without bound",
    seedsMax: 50,
    plan: withHints,
    parts: {
      createHintedHandoff: (options) => new HintedHandoff({ ...options, bytesMax: Infinity }),
    },
  },
  {
    name: "tombstones-are-kept",
    about: "nobody ever collects tombstones",
    seedsMax: 50,
    parts: { createTombstoneCollector: (...args) => new IdleCollector(...args) },
  },
  {
    name: "no-anti-entropy",
    about: "keys that nobody reads never heal",
    seedsMax: 50,
    platform: (platform) => ({
      ...platform,
      network: {
        request: (request) =>
          request.path.startsWith("/internal/tree")
            ? Promise.reject(new ConvergeError("unreachable", "Cannot compare trees"))
            : platform.network.request(request),
      },
    }),
  },
  {
    name: "no-deadline",
    about: "a slow owner holds a request beyond its deadline",
    seedsMax: 50,
    platform: (platform) => ({
      ...platform,
      clock: {
        monotonicMs: () => platform.clock.monotonicMs(),
        wallMs: () => platform.clock.wallMs(),
        setTimer: (delayMs, callback) => platform.clock.setTimer(delayMs * 3, callback),
        clearTimer: (timer) => platform.clock.clearTimer(timer),
      },
      network: {
        request: (request) =>
          platform.network.request({ ...request, timeoutMs: request.timeoutMs * 4 }),
      },
    }),
  },
  {
    name: "messages-unchecked",
    about: "a bit that flipped on the way makes of a question one for another key",
    seedsMax: 50,
    plan: withDamagedMessages,
    platform: (platform) => ({
      ...platform,
      network: {
        request: ({ headers = {}, ...request }) => {
          const { [CHECKSUM_HEADER]: _, ...others } = headers;
          // A wrong word about a node itself stops it, long before a wrong answer shows.
          const isGossip = request.path === "/internal/gossip";
          return platform.network.request({ ...request, headers: isGossip ? headers : others });
        },
      },
    }),
  },
  {
    name: "expiry-ignored",
    about: "a value is read after its time is over: the wall clock is looked at once",
    seedsMax: 50,
    plan: withExpiry,
    platform: (platform) => {
      const wallMs = platform.clock.wallMs();
      const { clock } = platform;
      return {
        ...platform,
        clock: {
          monotonicMs: () => clock.monotonicMs(),
          wallMs: () => wallMs,
          setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
          clearTimer: (timer) => clock.clearTimer(timer),
        },
      };
    },
  },
  {
    name: "list-takes-silence-for-absence",
    about: "a listing counts a node that does not answer as one that holds nothing",
    seedsMax: 50,
    plan: withListings,
    platform: (platform) => ({
      ...platform,
      network: {
        request: (request) => {
          const answer = platform.network.request(request);
          if (request.path !== "/internal/list") return answer;
          return answer.catch(() => ({
            status: 200,
            headers: new Headers(),
            body: new Uint8Array(),
          }));
        },
      },
    }),
  },
];
