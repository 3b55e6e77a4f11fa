/**
 * The world of the model of membership: machines, links between them, and what a node does there in one
 * step. There are no sockets, no disks and no clock: a message is a call, a write is a number in a map.
 */
import { DEFAULTS, type NodeConfig, type SharedOptions } from "../../../src/config.ts";
import { ConvergeError } from "../../../src/errors.ts";
import type { GossipMessage } from "../../../src/membership/gossip_message.ts";
import type { Member } from "../../../src/membership/member.ts";
import { removesLife } from "../../../src/membership/removal_set.ts";
import { createTelemetry } from "../../../src/metrics/telemetry.ts";
import { partsFor } from "../../../src/node/node_parts.ts";
import { recoverNode } from "../../../src/node/recovered_node.ts";
import type { Disk } from "../../../src/platform/disk.ts";
import type { NetworkResponse } from "../../../src/platform/network.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { pick, type Random, randomHex, randomInteger } from "../../../src/platform/random.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import { MEMBERSHIP_DOCUMENT } from "../../../src/replication/gossip/membership_document.ts";
import type { RandomStreams } from "../../../src/simulation/virtual/random_streams.ts";
import { member } from "../../support/members.ts";
import { type DownReason, emptyDisk, Machine } from "./machine.ts";
import { ModelNode } from "./node.ts";
import { Writes } from "./write.ts";

const MS_PER_STEP = 1_000;
const encoder = new TextEncoder();

/** Which links are cut, by `<index> <index>` of machines. */
export interface Links {
  readonly requests: ReadonlySet<string>;
  readonly gossip: ReadonlySet<string>;
}

/** All that there is in a schedule. */
export class World {
  readonly random: Random;
  readonly shared: SharedOptions;
  readonly machines: Machine[] = [];
  readonly log: string[] = [];
  readonly writes: Writes;
  /** Node IDs of lives that will not come back: their disks are gone. */
  readonly lost = new Set<string>();
  /** By node ID of what was said to be dead, the node IDs of those that were told so. */
  readonly toldDead = new Map<string, Set<string>>();
  step = 0;
  links: Links = { requests: new Set(), gossip: new Set() };
  /** How probable it is that work with a peer comes to nothing. */
  lossiness = 0.3;
  /** Another one, so that a schedule stays alike where gossip draws otherwise. */
  readonly #gossipRandom: Random;
  #names = 0;

  constructor(streams: RandomStreams, shared: SharedOptions) {
    this.random = streams.stream("model");
    this.#gossipRandom = streams.stream("gossip");
    this.shared = shared;
    this.writes = new Writes(this);
  }

  get nowMs(): number {
    return this.step * MS_PER_STEP;
  }

  get living(): ModelNode[] {
    return this.machines.flatMap(({ node }) => node ?? []);
  }

  get awake(): ModelNode[] {
    return this.living.filter(({ isAsleep }) => !isAsleep);
  }

  get normal(): ModelNode[] {
    return this.living.filter(({ gossip, isLeaving }) =>
      gossip.self.status === "normal" && !isLeaving
    );
  }

  chance(probability: number): boolean {
    return this.random.next() < probability;
  }

  integer(bound: number): number {
    return randomInteger(this.random, bound);
  }

  pick<T>(items: readonly T[]): T {
    return pick(this.random, items);
  }

  note(event: string): void {
    this.log.push(`${this.step} ${event}`);
  }

  newMachine(name = `node${++this.#names}`): Machine {
    const machine = new Machine(name, this.machines.length);
    this.machines.push(machine);
    return machine;
  }

  /** Nodes that are all normal, and have all heard of all. */
  async startFirst(count: number): Promise<void> {
    const machines = Array.from({ length: count }, () => this.newMachine());
    const members = machines.map(({ name }) => {
      const startTag = randomHex(this.random, 8);
      return member(name, { nodeID: `${name}.${startTag}`, starts: 1, startTag });
    });
    const settled = members.map(({ name }) => name);
    for (const [i, { disk }] of machines.entries()) {
      const self = members[i]!;
      const { name, nodeID, starts, startTag } = self;
      const state = new LocalState(disk.store);
      await state.write("identity", { name, nodeID, starts, startTag });
      await state.write(MEMBERSHIP_DOCUMENT, { self, members, seeds: [], settled });
    }
    const origins = machines.map(({ origin }) => origin);
    for (const machine of machines) await this.start(machine, origins);
    for (let round = 0; round < 3; round++) {
      for (const node of this.living) {
        for (const { origin } of machines) {
          if (origin !== node.machine.origin) this.gossip(node, origin);
        }
      }
    }
    for (const node of this.living) node.save();
  }

  /** Gives a machine another address where somebody else has taken its own. */
  makeRoom(machine: Machine): void {
    const isTaken = this.machines.some((one) =>
      one !== machine && one.origin === machine.origin &&
      (one.node !== undefined || one.isRestarted)
    );
    if (isTaken) machine.origin = `http://${machine.name}:${1_000 + this.step}`;
  }

  /** Starts a node on what is on the machine's disk, by all that the house does then. */
  async start(machine: Machine, seeds: readonly string[]): Promise<void> {
    const { name, origin, disk } = machine;
    machine.seeds = seeds.filter((seed) => seed !== origin);
    if (disk.isFull) return machine.end("crashed");
    const platform = this.#platformOf(machine);
    const config: NodeConfig = {
      ...DEFAULTS,
      ...this.shared,
      name,
      advertise: origin,
      peers: [...machine.seeds],
      dataDirectory: name,
      gossipIntervalMs: MS_PER_STEP,
    };
    try {
      const recovered = await recoverNode({
        config,
        platform,
        parts: partsFor(platform, {}),
        telemetry: createTelemetry(platform.clock),
        store: disk.store,
        failure: Promise.withResolvers(),
      });
      machine.node = new ModelNode(machine, recovered, this.step);
      machine.nodeID = machine.node.nodeID;
      this.note(`${machine.node.nodeID} starts at ${origin}, told of ${machine.seeds.join(", ")}`);
    } catch (error) {
      if (!(error instanceof ConvergeError)) throw error;
      machine.end(error.code === "removed" ? "refused" : "misfit");
      this.note(`${name} does not start: ${error.message}`);
    }
  }

  #platformOf(machine: Machine): Platform {
    const network = {
      request: ({ origin }: { origin: string }) => this.#answerAtStart(machine, origin),
    };
    const log = { info: () => {}, warn: () => {}, error: () => {} };
    const setTimer = () => {
      throw new Error("Cannot set a timer: no time passes in a step");
    };
    const clock = {
      monotonicMs: () => this.nowMs,
      wallMs: () => this.nowMs,
      setTimer,
      clearTimer: () => {},
    };
    return { clock, log, network, random: this.#gossipRandom, disk: undefined as unknown as Disk };
  }

  #answerAtStart(machine: Machine, origin: string): Promise<NetworkResponse> {
    const peer = this.at(origin);
    if (peer === undefined || this.isCut(machine, peer.machine, "gossip")) {
      return Promise.reject(new ConvergeError("unreachable", `Cannot reach ${origin}`));
    }
    const body = encoder.encode(JSON.stringify(peer.message()));
    return Promise.resolve({ status: 200, headers: new Headers(), body });
  }

  /** A process ends, and with it what it had not saved. */
  end(machine: Machine, why: DownReason): void {
    machine.end(why);
    this.note(`${machine.name} at ${machine.origin} is down: ${why}`);
  }

  /** A node ends for good. */
  loseDisk(machine: Machine): void {
    if (machine.nodeID !== undefined) this.lost.add(machine.nodeID);
    this.end(machine, "gave up");
    machine.disk = emptyDisk();
  }

  /** Whether a life does not come back, and perhaps nobody knows: who was told has lost its disk. */
  isForgotten(nodeID: string): boolean {
    const told = this.toldDead.get(nodeID);
    return this.lost.has(nodeID) || told !== undefined && told.isSubsetOf(this.lost);
  }

  /** Who answers at an origin. */
  at(origin: string): ModelNode | undefined {
    return this.awake.find(({ machine }) => machine.origin === origin);
  }

  /** Whether messages cannot come and go between two machines. */
  isCut(a: Machine, b: Machine, kind: keyof Links): boolean {
    const cut = this.links[kind];
    return cut.has(`${a.index} ${b.index}`) || cut.has(`${b.index} ${a.index}`);
  }

  /** The node that answers requests to a member, as `from` knows it. */
  reach(from: ModelNode, name: string): ModelNode | undefined {
    const origin = from.gossip.member(name)?.origin;
    const node = origin === undefined ? undefined : this.at(origin);
    if (node === undefined || node === from) return undefined;
    return this.isCut(from.machine, node.machine, "requests") ? undefined : node;
  }

  /** One exchange of views with whoever is at an origin. @returns The view that was sent. */
  gossip(node: ModelNode, origin: string, { isAnswered = true } = {}): GossipMessage | undefined {
    const isDown = this.living.every(({ machine }) => machine.origin !== origin);
    node.noteRefused(origin, isDown);
    const peer = this.at(origin);
    if (peer === undefined || this.isCut(node.machine, peer.machine, "gossip")) return undefined;
    const message = node.message();
    if (!peer.isFromRemoved(node)) peer.gossip.heard(node.name, this.nowMs);
    this.deliver(peer, message);
    const answer = peer.message();
    if (isAnswered && node.isAwake) this.deliver(node, answer, origin);
    return isAnswered ? message : answer;
  }

  deliver(node: ModelNode, message: GossipMessage, viaSeed?: string): void {
    if (node.stopped !== undefined) return;
    node.receive(message, this.nowMs, viaSeed);
    if (node.stopped !== undefined) this.end(node.machine, node.stopped);
  }

  /** The next step of a node towards `normal`, or the end of a removal; none without a note on disk. */
  goOn(node: ModelNode): void {
    if (node.machine.disk.isFull) return;
    if (node.gossip.self.status === "normal" || node.isLeaving) return this.takeOver(node);
    const step = node.nextLifecycleStep();
    if (step.action === "become") {
      node.become(step.status, this.step);
      this.note(`${node.nodeID} becomes ${step.status}`);
    } else if (step.action === "refill") {
      this.#refill(node, step.from);
    }
  }

  /** From those of these members that it reaches; mostly not from all in one step. */
  #refill(node: ModelNode, from: readonly string[]): void {
    if (node.waitsForWritesOfBefore && this.writes.isUnderWaySince(node.countsSince)) return;
    for (const name of from) {
      const peer = this.#workWith(node, name);
      if (peer !== undefined && node.refillFrom(peer)) {
        this.note(`${node.nodeID} has all of ${name}`);
      }
    }
  }

  #workWith(node: ModelNode, name: string): ModelNode | undefined {
    return this.chance(this.lossiness) ? undefined : this.reach(node, name);
  }

  /** The next step of a node with removals. */
  takeOver(node: ModelNode): void {
    if (node.machine.disk.isFull || node.gossip.pending.length === 0) return;
    const step = node.nextRemovalStep();
    switch (step.action) {
      case "wait":
        return;
      case "know":
        return this.#knowRemovals(node, step.nodeIDs);
      case "clear":
        return node.clear(step.names);
      case "refill":
        for (const name of step.from) {
          const peer = this.#workWith(node, name);
          if (peer !== undefined) node.takeOverFrom(peer);
        }
        return;
      case "finish":
        return node.finishRemovals();
      case "end":
        this.note(`${node.nodeID} ends the removal of ${step.nodeIDs.join(", ")}`);
        return node.endRemovals(step.nodeIDs);
    }
  }

  /** Says that it knows once no write of its own is under way that does not. */
  #knowRemovals(node: ModelNode, nodeIDs: readonly string[]): void {
    const sinceStep = node.hearOfRemovals(nodeIDs, this.step);
    if (sinceStep < this.step && !this.writes.isUnderWaySince(sinceStep, node)) {
      node.setRemovalStage("known", nodeIDs);
    }
  }

  /** Whether others have put a running node out, as dead, and it has not heard of that. */
  isGhost(node: ModelNode): boolean {
    return !node.isLeaving &&
      this.living.some(({ gossip }) =>
        gossip.removed.some((removal) =>
          (removal.dead || removal.ended) && removesLife(removal, node.nodeID)
        )
      );
  }
}

/** Where a member is, who and how far: what all must agree on. */
export function memberText({ nodeID, origin, status }: Member): string {
  return `${nodeID} ${status} at ${origin}`;
}
