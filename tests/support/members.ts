/** Members for tests, in few words. */
import { DEFAULTS, sharedOptions } from "../../src/config.ts";
import { Gossip, type GossipOptions } from "../../src/membership/gossip.ts";
import type { Member } from "../../src/membership/member.ts";
import type { Removal } from "../../src/membership/removal.ts";
import { SeededRandom } from "../../src/simulation/virtual/random_streams.ts";

/** Where a member of a test listens. */
export function originOf(name: string): string {
  return `http://${name}:80`;
}

/** A member, `normal` unless told otherwise. */
export function member(name: string, changes: Partial<Member> = {}): Member {
  return {
    name,
    nodeID: `${name}.1`,
    origin: originOf(name),
    starts: 1,
    incarnation: 1,
    heartbeat: 0,
    status: "normal",
    ...changes,
  };
}

/** The removal of such a member, under way unless told otherwise. */
export function removal(name: string, changes: Partial<Removal> = {}): Removal {
  const life = { name, nodeID: `${name}.1`, origin: originOf(name), incarnation: 1 };
  return { ...life, dead: false, ended: false, ...changes };
}

/** One node's gossip. */
export function gossipOf(self: Member, options: Partial<GossipOptions> = {}): Gossip {
  return new Gossip({
    self,
    shared: sharedOptions(DEFAULTS),
    known: [],
    seeds: [],
    resolvedSeeds: [],
    intervalMs: 1_000,
    random: new SeededRandom(1, self.name),
    ...options,
  });
}
