/** Mistakes in membership, convergence and waiting. */
import { ConvergeError } from "../../errors.ts";
import { Gossip } from "../../membership/gossip.ts";
import { withWipeBesideStale } from "./focused_plans.ts";
import type { Defect } from "./defect.ts";

/** Defects that only show in a cluster over time. */
export const CLUSTER_DEFECTS: readonly Defect[] = [
  {
    name: "wiped-node-counts",
    about: "a node that lost its data counts in read quorums at once",
    seedsMax: 50,
    plan: withWipeBesideStale,
    parts: {
      createGossip: (options) =>
        new Gossip({ ...options, self: { ...options.self, status: "normal" } }),
    },
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
];
