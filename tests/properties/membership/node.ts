/**
 * A run of a node of the model of membership: who it is, gossip, topology and the decisions of membership
 * are those of the house, and so is what it has of them on its disk. A map takes the place of storage, and
 * a step of the model the place of time. What the shells around the decisions do (`GossipLoop`, `Refill`,
 * `Takeover`, `KeyExchange`) is told again here, as far as it bears on which node has and counts what.
 */
import type { SharedOptions } from "../../../src/config.ts";
import type { Gossip } from "../../../src/membership/gossip.ts";
import type { GossipMessage } from "../../../src/membership/gossip_message.ts";
import {
  isRefilling,
  joinersOf,
  type LifecycleStep,
  type LifecycleView,
  nextStep,
} from "../../../src/membership/lifecycle.ts";
import type { Member } from "../../../src/membership/member.ts";
import { quorumsMeet } from "../../../src/membership/quorums.ts";
import type { RemovalStage } from "../../../src/membership/removal_stage.ts";
import {
  isKnownByAll,
  nextRemovalStep,
  type RemovalStep,
  sourcesOf,
} from "../../../src/membership/removal_step.ts";
import type { RecoveredNode } from "../../../src/node/recovered_node.ts";
import type { Key } from "../../../src/record/key.ts";
import { isWanted } from "../../../src/replication/convergence/key_range.ts";
import {
  hasLeftovers,
  noteOldCopy,
  nothingDone,
  readSaved,
  type Saved,
  writeSaved,
} from "../../../src/replication/convergence/refill_document.ts";
import { writeStages } from "../../../src/replication/convergence/takeover.ts";
import {
  isGone,
  type KnownAfterRestart,
  knownAfterRestart,
  MEMBERSHIP_DOCUMENT,
  membershipOf,
  messageOf,
} from "../../../src/replication/gossip/membership_document.ts";
import type { LocalState } from "../../../src/replication/state/local_state.ts";
import { CurrentTopology } from "../../../src/replication/topology/current_topology.ts";
import { Topology } from "../../../src/replication/topology/topology.ts";
import { type Token, tokenOf } from "../../../src/ring/token.ts";
import type { Machine } from "./machine.ts";

/** All keys that there are, with their tokens. */
export const TOKENS: ReadonlyMap<Key, Token> = new Map(
  Array.from({ length: 8 }, (_, i) => `key${i}`).map((key) => [key, tokenOf(key)]),
);

/** Why a node stopped by itself. */
export type StopReason = "removed" | "another life was removed" | "old copy" | "twin" | "misfit";

/** What an exchange is about. */
export interface ModelExchange {
  /** Given by a node that is being refilled, or takes over: as `ExchangeRequest.settled`. */
  readonly settled?: readonly string[];
  /** Arcs by index; undefined: all. */
  readonly arcs?: readonly number[];
}

/** One run of a node, from a start to its end. */
export class ModelNode {
  readonly machine: Machine;
  readonly gossip: Gossip;
  /** Why it stopped by itself; undefined while it did not. */
  stopped: StopReason | undefined;
  /** Whether it does nothing and answers nobody, and forgets nothing. */
  isAsleep = false;
  /** The step at which it began to count as it does now, as `Refill` knows it. */
  countsSince: number;
  readonly #shared: SharedOptions;
  readonly #state: LocalState;
  readonly #topology: CurrentTopology;
  readonly #takenOver = new Progress();
  /** By node ID of what is removed, the step at which this node heard of it. */
  readonly #removalsSince = new Map<string, number>();
  /** Origins that refused the last connection, as `GossipLoop` knows them. */
  readonly #refused = new Set<string>();
  #refilled: Saved;
  #onDisk: KnownAfterRestart;
  #savedVersion = -1;

  constructor(machine: Machine, recovered: RecoveredNode, step: number) {
    const { gossip, state, remembered, isAnotherLife } = recovered;
    this.machine = machine;
    this.gossip = gossip;
    this.countsSince = step;
    this.#shared = recovered.config;
    this.#state = state;
    this.#topology = new CurrentTopology({
      gossip,
      shared: recovered.config,
      createTopology: (options) => new Topology(options),
    });
    this.#onDisk = knownAfterRestart(gossip, remembered);
    this.#refilled = readSaved(state) ?? nothingDone("", 0);
    // As `Refill.restart`.
    if (isAnotherLife) this.#saveRefill({ ...this.#refilled, ring: "", done: [], loss: 0 });
  }

  get name(): string {
    return this.gossip.self.name;
  }

  get nodeID(): string {
    return this.gossip.self.nodeID;
  }

  /** Whether this run has not ended. */
  get isAlive(): boolean {
    return this.machine.node === this;
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
    return nodeID === this.nodeID && !this.isFromRemoved(sender);
  }

  /** Whether it takes another node for one that is removed, or being removed. */
  isFromRemoved({ gossip, name, nodeID }: ModelNode): boolean {
    return this.gossip.isFromRemoved(name, gossip.hasNameOfRemoved ? nodeID : undefined);
  }

  /** Whether something is known here that a restart would forget. */
  get isUnsaved(): boolean {
    return this.#savedVersion !== this.gossip.version;
  }

  /** As `GossipLoop.save`. */
  save(): void {
    if (this.machine.disk.isFull) return;
    const saved = membershipOf(this.gossip);
    this.#onDisk = knownAfterRestart(this.gossip, saved.members);
    this.#savedVersion = this.gossip.version;
    this.#write(() => this.#state.write(MEMBERSHIP_DOCUMENT, saved));
  }

  /** Memory is written in the very call; a full disk is not, and what rests on it is tried again. */
  #write(document: () => Promise<void>): void {
    if (!this.machine.disk.isFull) void document();
  }

  message(): GossipMessage {
    return messageOf(this.gossip, this.#onDisk);
  }

  /** As `GossipLoop.#merge`, with what `node.ts` does about it. @param viaSeed Where it is an answer. */
  receive(message: GossipMessage, nowMs: number, viaSeed?: string): void {
    const reaction = this.gossip.reactionTo(message);
    const isNew = this.gossip.self.status !== "normal";
    if (reaction === "stop") this.#stop("misfit");
    if (reaction === "other_cluster" && viaSeed !== undefined && isNew) this.#stop("misfit");
    if (reaction !== "merge") return;
    this.gossip.receive(message, nowMs, viaSeed);
    this.#heed();
  }

  /** What is heard may be a reason to stop. */
  #heed(): void {
    const removal = this.gossip.ownRemoval;
    if (this.gossip.twin !== undefined) this.#stop("twin");
    if (this.gossip.isOldCopy) {
      this.#write(() => noteOldCopy(this.#state));
      this.#stop("old copy");
    }
    if (removal === undefined || !isGone(removal, this.gossip.self)) return;
    const isThisLife = removal.nodeID === this.nodeID;
    if (!isThisLife) this.#write(() => noteOldCopy(this.#state));
    this.save();
    this.#stop(isThisLife ? "removed" : "another life was removed");
  }

  #stop(why: StopReason): void {
    this.stopped ??= why;
  }

  /** Nobody listens at an origin; or somebody may. */
  noteRefused(origin: string, isRefused: boolean): void {
    if (isRefused) this.#refused.add(origin);
    else this.#refused.delete(origin);
  }

  versionOf(key: Key): number {
    return this.machine.disk.copies.get(key) ?? 0;
  }

  /** Takes a version unless it has a newer one. @returns Whether it has it now. */
  store(key: Key, version: number): boolean {
    if (this.machine.disk.isFull) return false;
    if (this.versionOf(key) > version) return false;
    this.machine.disk.copies.set(key, version);
    return true;
  }

  /** As in `Refill`. */
  nextLifecycleStep(): LifecycleStep {
    const { gossip } = this;
    const { unresolvedSeeds } = gossip;
    const { done, earlier } = this.#refilledBy(this.topology);
    return nextStep({
      ...this.#shared,
      self: gossip.self,
      others: this.#others,
      unresolvedSeeds: unresolvedSeeds.length,
      refusedSeeds: unresolvedSeeds.filter((seed) => this.#refused.has(seed)).length,
      hasHeard: (name) => gossip.hasHeard(name),
      namedBothWays: gossip.namedBothWays,
      settled: gossip.settled,
      isKnownBy: (name) => gossip.isKnownBy(name),
      knowsAll: (name) => gossip.knowsAll(name),
      refilledFrom: new Set(done),
      earlier: new Set(earlier?.lives),
      hasLeftovers: hasLeftovers(this.#refilled),
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

  /** What it heard before is long on its disk by then; the status itself may not be, when others hear it. */
  become(status: "refilling" | "normal", step: number): void {
    this.save();
    if (status === "refilling") this.#noteEarlier();
    this.gossip.setStatus(status);
    this.countsSince = step;
  }

  #noteEarlier(): void {
    const joiners = joinersOf(this.#others, this.gossip.settled);
    const { earlier } = this.#refilled;
    if (joiners.length === 0 && earlier === undefined) return;
    if (earlier?.by === this.nodeID) return;
    const lives = joiners.filter(isRefilling).map(({ nodeID }) => nodeID);
    this.#saveRefill({ ...this.#refilled, earlier: { lives, by: this.nodeID } });
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
    if (isDone) {
      const saved = this.#refilledBy(topology);
      this.#saveRefill({ ...saved, done: [...saved.done, peer.name] });
    }
    return isDone;
  }

  #refilledBy({ fingerprint }: Topology): Saved {
    if (this.#refilled.ring !== fingerprint) {
      this.#refilled = { ...this.#refilled, ring: fingerprint, done: [] };
    }
    return this.#refilled;
  }

  #saveRefill(saved: Saved): void {
    this.#refilled = saved;
    this.#write(() => writeSaved(this.#state, saved));
  }

  /** As in `Takeover`. */
  nextRemovalStep(): RemovalStep {
    const refilledFrom = this.#takenOver.by(this.topology);
    return nextRemovalStep({ ...this.gossip.removalView, refilledFrom });
  }

  /** Takes note of removals at a step. @returns The last step at which one of them was news. */
  hearOfRemovals(nodeIDs: readonly string[], step: number): number {
    const news = nodeIDs.filter((nodeID) => !this.#removalsSince.has(nodeID));
    for (const nodeID of news) this.#removalsSince.set(nodeID, step);
    if (news.length > 0) this.save();
    return Math.max(...nodeIDs.map((nodeID) => this.#removalsSince.get(nodeID)!));
  }

  setRemovalStage(stage: RemovalStage, nodeIDs: readonly string[]): void {
    const change = Object.fromEntries(nodeIDs.map((nodeID) => [nodeID, stage]));
    this.#write(() => writeStages(this.#state, { ...this.gossip.self.removals, ...change }));
    this.gossip.setRemovalStages(change);
  }

  /** Erases what it has where it was no owner before these members, by name, were removed. */
  clear(names: readonly string[]): void {
    const isNew = this.topology.isNewTo(this.name, names);
    for (const [key, token] of TOKENS) if (isNew(token)) this.machine.disk.copies.delete(key);
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

  endRemovals(nodeIDs: readonly string[]): void {
    for (const nodeID of nodeIDs) this.gossip.endRemoval(nodeID);
    this.save();
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
    const before = settled === undefined ? [] : topology.former.toFill(owners[0], settled);
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
