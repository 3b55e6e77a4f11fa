/** How gossip behaves with many nodes: the production state machine, in rounds instead of seconds. */
import { DEFAULTS, sharedOptions } from "../../../src/config.ts";
import { Gossip } from "../../../src/membership/gossip.ts";
import type { Member } from "../../../src/membership/member.ts";
import { shuffled } from "../../../src/platform/random.ts";
import { SeededRandom } from "../../../src/simulation/virtual/random_streams.ts";

/** What was measured with one number of nodes and one share of lost messages. */
export interface GossipFigures {
  nodes: number;
  lossRate: number;
  /** Rounds until every node knew of a node that joined, and the bytes that a node sent in them. */
  joinRounds: number;
  joinBytesPerNode: number;
  /** Rounds until every node called a node that failed suspect (or down). */
  suspectRounds: number;
  /** Rounds until every node called it down, and the bytes that a node sent in them. */
  downRounds: number;
  downBytesPerNode: number;
  /** Bytes that one node sends in one round: its views and its answers. */
  bytesPerNodeRound: number;
  /** Of all opinions of nodes that were up, the share that was not "up". */
  falseSuspicions: number;
}

const INTERVAL_MS = 1_000;
const ROUNDS_MAX = 400;
/** Rounds in which nothing happens and suspicions are counted. */
const QUIET_ROUNDS = 10;
/** Nodes whose opinions are counted. */
const OBSERVERS_MAX = 50;

/** Measures one cluster. Everything but the seed is fixed. */
export function measureGossip(nodes: number, lossRate: number, seed = 1): GossipFigures {
  const cluster = new RoundCluster(nodes, lossRate, seed);
  for (let i = 0; i < 3; i++) cluster.round();
  const sentAtFirst = cluster.bytesSent;
  const joinRounds = cluster.roundsUntilJoined();
  const joinBytesPerNode = (cluster.bytesSent - sentAtFirst) / nodes;
  const falseSuspicions = cluster.countFalseSuspicions();
  const sentBefore = cluster.bytesSent;
  const failed = cluster.failOne();
  const suspectRounds = cluster.roundsUntil((gossip, nowMs) =>
    gossip.livenessOf(failed, nowMs) !== "up"
  );
  const downRounds = suspectRounds +
    cluster.roundsUntil((gossip, nowMs) => gossip.livenessOf(failed, nowMs) === "down");
  const downBytesPerNode = (cluster.bytesSent - sentBefore) / nodes;
  return {
    nodes,
    lossRate,
    joinRounds,
    joinBytesPerNode,
    suspectRounds,
    downRounds,
    downBytesPerNode,
    bytesPerNodeRound: downBytesPerNode / downRounds,
    falseSuspicions,
  };
}

class RoundCluster {
  bytesSent = 0;
  readonly #random: SeededRandom;
  readonly #lossRate: number;
  readonly #nodes = new Map<string, Gossip>();
  #nowMs = 0;

  constructor(nodes: number, lossRate: number, seed: number) {
    this.#random = new SeededRandom(seed, `gossip ${nodes} ${lossRate}`);
    this.#lossRate = lossRate;
    const members = Array.from({ length: nodes }, (_, i) => memberOf(i));
    for (const self of members) this.#add(self, members, []);
  }

  /** Every node ticks once, in random order. */
  round(): void {
    this.#nowMs += INTERVAL_MS;
    const bytes = this.#messageBytes();
    for (const gossip of shuffled(this.#random, [...this.#nodes.values()])) {
      for (const target of gossip.tick(this.#nowMs).origins) this.#exchange(gossip, target, bytes);
    }
  }

  roundsUntilJoined(): number {
    const joined = memberOf(this.#nodes.size);
    this.#add(joined, [], [memberOf(0).origin]);
    return this.roundsUntil((gossip) => gossip.member(joined.name) !== undefined);
  }

  /** The name of a node that answers no more. */
  failOne(): string {
    const { name, origin } = memberOf(this.#nodes.size >> 1);
    this.#nodes.delete(origin);
    return name;
  }

  roundsUntil(holds: (gossip: Gossip, nowMs: number) => boolean): number {
    for (let rounds = 1; rounds <= ROUNDS_MAX; rounds++) {
      this.round();
      if ([...this.#nodes.values()].every((gossip) => holds(gossip, this.#nowMs))) return rounds;
    }
    throw new Error(`Cannot measure: not all nodes came to know within ${ROUNDS_MAX} rounds`);
  }

  countFalseSuspicions(): number {
    const observers = [...this.#nodes.values()].slice(0, OBSERVERS_MAX);
    let opinions = 0;
    let suspicions = 0;
    for (let i = 0; i < QUIET_ROUNDS; i++) {
      this.round();
      for (const gossip of observers) {
        for (const { name } of gossip.members) {
          opinions++;
          if (gossip.livenessOf(name, this.#nowMs) !== "up") suspicions++;
        }
      }
    }
    return suspicions / opinions;
  }

  /** Push and pull; either may be lost. */
  #exchange(gossip: Gossip, target: string, bytes: number): void {
    this.bytesSent += bytes;
    const peer = this.#nodes.get(target);
    if (peer === undefined || this.#random.next() < this.#lossRate) return;
    peer.receive(gossip.message(), this.#nowMs);
    this.bytesSent += bytes;
    if (this.#random.next() < this.#lossRate) return;
    gossip.receive(peer.message(), this.#nowMs, target);
  }

  /** All views are about equally long: one stands for all of a round. */
  #messageBytes(): number {
    const [first] = this.#nodes.values();
    return first === undefined ? 0 : JSON.stringify(first.message()).length;
  }

  #add(self: Member, known: readonly Member[], seeds: readonly string[]): void {
    this.#nodes.set(
      self.origin,
      new Gossip({
        self,
        shared: sharedOptions(DEFAULTS),
        known: known.filter((member) => member !== self),
        seeds,
        resolvedSeeds: [],
        intervalMs: INTERVAL_MS,
        random: this.#random,
      }),
    );
  }
}

function memberOf(index: number): Member {
  const name = `node-${index}`;
  return {
    name,
    nodeID: `${name}.0123abcd`,
    origin: `http://10.0.${index >> 8}.${index & 255}:8080`,
    starts: 1,
    incarnation: 1,
    heartbeat: 0,
    status: "normal",
  };
}
