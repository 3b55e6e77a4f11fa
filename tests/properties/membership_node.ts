/**
 * One node of the model of membership, see `membership_model.ts`: gossip, topology and the decisions of
 * membership are those of the house. A map takes the place of storage, and a step of the model the place
 * of time. What the shells around the decisions do (`Refill`, `Takeover`, `KeyExchange`) is told again
 * here, as far as it bears on which node has and counts what.
 */
import type { SharedOptions } from "../../src/config.ts";
import type { Gossip } from "../../src/membership/gossip.ts";
import {
  isRefilling,
  joinersOf,
  type LifecycleStep,
  type LifecycleView,
  nextStep,
} from "../../src/membership/lifecycle.ts";
import type { Member } from "../../src/membership/member.ts";
import { quorumsMeet } from "../../src/membership/quorums.ts";
import type { RemovalStage } from "../../src/membership/removal_stage.ts";
import {
  isKnownByAll,
  nextRemovalStep,
  type RemovalStep,
  sourcesOf,
} from "../../src/membership/removal_step.ts";
import type { Key } from "../../src/record/key.ts";
import { isWanted } from "../../src/replication/convergence/key_range.ts";
import { CurrentTopology } from "../../src/replication/topology/current_topology.ts";
import { Topology } from "../../src/replication/topology/topology.ts";
import { type Token, tokenOf } from "../../src/ring/token.ts";

/** All keys that there are, with their tokens. */
export const TOKENS: ReadonlyMap<Key, Token> = new Map(
  Array.from({ length: 8 }, (_, i) => `key${i}`).map((key) => [key, tokenOf(key)]),
);

/** What an exchange is about. */
export interface ModelExchange {
  /** Given by a node that is being refilled, or takes over: as `ExchangeRequest.settled`. */
  readonly settled?: readonly string[];
  /** Arcs by index; undefined: all. */
  readonly arcs?: readonly number[];
}

/** A life of a node. */
export class ModelNode {
  readonly gossip: Gossip;
  /** Versions by key: no more than a counter. */
  readonly copies = new Map<Key, number>();
  /** False once its disk is lost, or it is removed: nobody hears of it any more. */
  isAlive = true;
  /** Whether it does nothing and answers nobody, and forgets nothing. */
  isAsleep = false;
  /** The step at which it began to count as it does now, as `Refill` knows it. */
  countsSince = 0;
  readonly #shared: SharedOptions;
  readonly #topology: CurrentTopology;
  readonly #refilled = new Progress();
  readonly #takenOver = new Progress();
  /** By node ID of what is removed, the step at which this node heard of it. */
  readonly #removalsSince = new Map<string, number>();
  #earlier: ReadonlySet<string> | undefined;

  constructor(gossip: Gossip, shared: SharedOptions) {
    this.gossip = gossip;
    this.#shared = shared;
    this.#topology = new CurrentTopology({
      gossip,
      shared,
      createTopology: (options) => new Topology(options),
    });
  }

  get name(): string {
    return this.gossip.self.name;
  }

  get nodeID(): string {
    return this.gossip.self.nodeID;
  }

  get isAwake(): boolean {
    return this.isAlive && !this.isAsleep;
  }

  get topology(): Topology {
    this.#topology.refresh();
    return this.#topology.topology;
  }

  /** Whether it stores what others write, as in `node.ts`. */
  get takesRecords(): boolean {
    return this.gossip.self.status !== "joining" && !this.isLeaving;
  }

  /** Whether its copy counts where somebody reads. */
  get answersReads(): boolean {
    return this.gossip.self.status === "normal" && !this.isLeaving;
  }

  get isLeaving(): boolean {
    return this.gossip.ownRemoval !== undefined;
  }

  /** Whether it takes a message of another node that is meant for the life with this node ID. */
  admits(sender: ModelNode, nodeID: string | undefined): boolean {
    const life = sender.gossip.hasNameOfRemoved ? sender.nodeID : undefined;
    return nodeID === this.nodeID && !this.gossip.isFromRemoved(sender.name, life);
  }

  versionOf(key: Key): number {
    return this.copies.get(key) ?? 0;
  }

  /** Takes a version unless it has a newer one. @returns Whether it has it now. */
  store(key: Key, version: number): boolean {
    if (this.versionOf(key) > version) return false;
    this.copies.set(key, version);
    return true;
  }

  /** As in `Refill`. */
  nextLifecycleStep(): LifecycleStep {
    const { gossip } = this;
    return nextStep({
      ...this.#shared,
      self: gossip.self,
      others: this.#others,
      unresolvedSeeds: gossip.unresolvedSeeds.length,
      refusedSeeds: 0,
      hasHeard: (name) => gossip.hasHeard(name),
      namedBothWays: gossip.namedBothWays,
      settled: gossip.settled,
      isKnownBy: (name) => gossip.isKnownBy(name),
      knowsAll: (name) => gossip.knowsAll(name),
      refilledFrom: this.#refilled.by(this.topology),
      earlier: this.#earlier ?? new Set(),
      hasLeftovers: false,
      removals: this.#removals(),
    });
  }

  #removals(): LifecycleView["removals"] {
    const view = this.gossip.removalView;
    if (view.pending.length === 0) return undefined;
    return { sources: sourcesOf(view), areKnownByAll: isKnownByAll(view) };
  }

  get #others(): Member[] {
    return this.gossip.members.filter(({ name }) => name !== this.name);
  }

  become(status: "refilling" | "normal", step: number): void {
    if (status === "refilling") this.#noteEarlier();
    this.gossip.setStatus(status);
    this.countsSince = step;
  }

  #noteEarlier(): void {
    const joiners = joinersOf(this.#others, this.gossip.settled);
    if (joiners.length === 0) return;
    this.#earlier ??= new Set(joiners.filter(isRefilling).map(({ nodeID }) => nodeID));
  }

  /** Whether writes from before it counted may miss all quorums of now, as in `Refill`. */
  get waitsForWritesOfBefore(): boolean {
    const { self, settled } = this.gossip;
    const hasLostData = self.replaces !== undefined || settled.has(self.name);
    return hasLostData || !quorumsMeet(this.topology.members.length, this.#shared);
  }

  /** Takes what it should have of a member. @returns Whether it has all of it. */
  refillFrom(peer: ModelNode): boolean {
    const { topology } = this;
    const isDone = this.exchangeWith(peer, { settled: topology.settled });
    if (isDone) this.#refilled.by(topology).add(peer.name);
    return isDone;
  }

  /** As in `Takeover`. */
  nextRemovalStep(): RemovalStep {
    const refilledFrom = this.#takenOver.by(this.topology);
    return nextRemovalStep({ ...this.gossip.removalView, refilledFrom });
  }

  /** Takes note of removals at a step. @returns The last step at which one of them was news. */
  hearOfRemovals(nodeIDs: readonly string[], step: number): number {
    for (const nodeID of nodeIDs) {
      if (!this.#removalsSince.has(nodeID)) this.#removalsSince.set(nodeID, step);
    }
    return Math.max(...nodeIDs.map((nodeID) => this.#removalsSince.get(nodeID)!));
  }

  setRemovalStage(stage: RemovalStage, nodeIDs: readonly string[]): void {
    this.gossip.setRemovalStages(Object.fromEntries(nodeIDs.map((nodeID) => [nodeID, stage])));
  }

  /** Erases what it has where it was no owner before these members, by name, were removed. */
  clear(names: readonly string[]): void {
    const isNew = this.topology.isNewTo(this.name, names);
    for (const [key, token] of TOKENS) if (isNew(token)) this.copies.delete(key);
    const cleared = this.gossip.pending.filter(({ name }) => names.includes(name));
    this.setRemovalStage("refilling", cleared.map(({ nodeID }) => nodeID));
  }

  /** Takes over what a member has of the arcs that this node gains. */
  takeOverFrom(peer: ModelNode): void {
    const { topology } = this;
    const isPeerLeaving = topology.pending.some(({ name }) => name === peer.name);
    const arcs = isPeerLeaving
      ? topology.arcsOnceSharedBy(this.name, peer.name)
      : topology.arcsToTakeOver(this.name);
    const { settled } = topology;
    const isDone = arcs.length === 0 || this.exchangeWith(peer, { settled, arcs });
    if (isDone) this.#takenOver.by(topology).add(peer.name);
  }

  finishRemovals(): void {
    const stages = Object.entries(this.gossip.self.removals ?? {});
    const refilling = stages.filter(([, stage]) => stage === "refilling");
    this.setRemovalStage("done", refilling.map(([nodeID]) => nodeID));
  }

  /** As `KeyExchange.run`, at one stroke. @returns Whether it went to the end. */
  exchangeWith(peer: ModelNode, exchange: ModelExchange): boolean {
    const { topology } = this;
    if (topology.fingerprint !== peer.topology.fingerprint) return false;
    if (peer.gossip.self.status !== "normal") return false;
    if (!peer.admits(this, this.gossip.member(peer.name)?.nodeID)) return false;
    const isPeerLeaving = topology.pending.some(({ name }) => name === peer.name);
    const own = exchange.settled === undefined ? peer.name : this.name;
    for (const key of TOKENS.keys()) {
      const theirs = peer.#shown(key, [this.name, peer.name], exchange);
      const mine = this.#shown(key, [this.name, own], { ...exchange, hidesNothing: true });
      if (theirs > mine) {
        // One that is being removed gives single records only to those who know that it is.
        if (peer.isLeaving && !isPeerLeaving) return false;
        if (this.takesRecords) this.store(key, theirs);
      } else if (mine > theirs && topology.owns(peer.name, key) && peer.takesRecords) {
        peer.store(key, mine);
      }
    }
    return true;
  }

  /** Its version of a key where that is wanted of it, else 0. */
  #shown(
    key: Key,
    owners: readonly [string, string],
    { settled, arcs, hidesNothing = false }: ModelExchange & { hidesNothing?: boolean },
  ): number {
    const { topology } = this;
    const before = settled === undefined ? [] : topology.ringsBefore(settled);
    const isHidden = hidesNothing ? undefined : topology.leftovers();
    const arc = topology.ring.arcOf(TOKENS.get(key)!)?.index ?? -1;
    if (arcs?.includes(arc) === false) return 0;
    const wanted = isWanted({ topology, before, owners, leaves: undefined, isHidden }, key);
    return wanted ? this.versionOf(key) : 0;
  }
}

/** Members that were read to the end, by the ring of now. */
class Progress {
  #ring = "";
  #done = new Set<string>();

  by({ fingerprint }: Topology): Set<string> {
    if (this.#ring !== fingerprint) {
      this.#ring = fingerprint;
      this.#done = new Set();
    }
    return this.#done;
  }
}
