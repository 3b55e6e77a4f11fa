/** Mistakes in how versions are given out. */
import { Gossip } from "../../membership/gossip.ts";
import { LamportClock } from "../../replication/state/lamport_clock.ts";
import type { LocalState } from "../../replication/state/local_state.ts";
import { SeededRandom } from "../virtual/random_streams.ts";
import { withRestarts, withWipe } from "./focused_plans.ts";
import type { Defect } from "./defect.ts";

/** A clock that reserves nothing and remembers nothing. */
function forgetfulClock(): Promise<LamportClock> {
  const nothing = { read: () => undefined, write: () => Promise.resolve() };
  return LamportClock.open(nothing as unknown as LocalState, 0);
}

/** Gives every counter out twice. */
async function repeatingClock(state: LocalState, highestStored: number): Promise<LamportClock> {
  const clock = await LamportClock.open(state, highestStored);
  let again: number | undefined;
  const repeating = {
    get current() {
      return clock.current;
    },
    observe: (counter: number) => clock.observe(counter),
    next: () => {
      const counter = again ?? clock.next();
      again = again === undefined ? counter : undefined;
      return counter;
    },
    reserve: () => clock.reserve(),
  };
  return repeating as unknown as LamportClock;
}

/** Defects of Lamport versions. */
export const VERSION_DEFECTS: readonly Defect[] = [
  {
    name: "counter-restarts",
    about: "the counter starts from nothing after a restart",
    seedsMax: 50,
    plan: withRestarts,
    parts: { openLamportClock: () => forgetfulClock() },
  },
  {
    name: "counter-repeats",
    about: "two writes get the same version",
    seedsMax: 50,
    parts: { openLamportClock: (state, highest) => repeatingClock(state, highest) },
  },
  {
    name: "node-id-reused",
    about: "a node that lost its disk comes back with its old node ID and counts from nothing",
    seedsMax: 50,
    plan: withWipe,
    platform: (platform, nodeName) => ({ ...platform, random: new SeededRandom(0, nodeName) }),
    parts: {
      openLamportClock: () => forgetfulClock(),
      // Else it would hear that another life had this ID.
      createGossip: (options) => new Gossip({ ...options, self: { ...options.self, starts: 0 } }),
    },
  },
];
