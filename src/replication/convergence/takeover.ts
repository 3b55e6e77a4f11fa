/**
 * Takes over the arcs that this node gains when a member is removed: the shell around
 * `membership/removal_step.ts`. Each stage is on this node's disk before others are told of it. So after
 * a restart it does not go back to a stage in which it would erase what has counted already.
 */
import type { Gossip } from "../../membership/gossip.ts";
import type { RemovalStage, RemovalStages } from "../../membership/removal_stage.ts";
import { nextRemovalStep } from "../../membership/removal_step.ts";
import { type Clock, delay } from "../../platform/clock.ts";
import type { Log } from "../../platform/log.ts";
import type { Key } from "../../record/key.ts";
import type { StoredRecord } from "../../record/record.ts";
import { tokenOf } from "../../ring/token.ts";
import type { Store } from "../../storage/store.ts";
import { eraseKeys } from "./erase_keys.ts";
import type { KeyExchange } from "./key_exchange.ts";
import type { LocalState } from "../state/local_state.ts";
import { LeafSet, LEAVES_PER_ARC } from "./merkle_tree.ts";
import type { PeerLink } from "../peers/peer_link.ts";
import type { Replica } from "../replica.ts";
import { takeSteps, withEach } from "./step_loop.ts";
import type { Topology } from "../topology/topology.ts";

/** What taking over is made of. */
export interface TakeoverOptions {
  gossip: Gossip;
  store: Store;
  replica: Replica;
  exchange: KeyExchange;
  state: LocalState;
  clock: Clock;
  log: Log;
  /** Milliseconds; no request takes longer. After that time none is under way by the ring of before. */
  requestTimeoutMs: number;
  topology(): Topology;
  linkTo(name: string): PeerLink | undefined;
  /** Writes what is known of members to disk. */
  save(): Promise<void>;
  /** Called before leftovers are erased; raises the horizon above all that was collected without this node. */
  onBeforeRefill(): Promise<void>;
  /** What this node says of itself has changed. */
  onChange(): void;
}

/** How far this life of the node has read others; what it read is on its disk. */
interface Progress {
  /** The ring for which it holds. */
  readonly ring: string;
  /** Members that have been read to the end. */
  readonly done: Set<string>;
}

const DOCUMENT = "removals";

/**
 * How far a node had got with removals before it was started.
 *
 * @throws {ConvergeError} `corrupt_file` as `Store.get`.
 */
export function savedStages(state: LocalState): RemovalStages {
  return state.read<{ stages: RemovalStages }>(DOCUMENT)?.stages ?? {};
}

/** Writes down how far a node is with removals. @throws {ConvergeError} as `Store.apply`. */
export function writeStages(state: LocalState, stages: RemovalStages): Promise<void> {
  return state.write(DOCUMENT, { stages });
}

/** One node's way through removals. Does nothing while there are none. */
export class Takeover {
  readonly #options: TakeoverOptions;
  #progress: Progress = { ring: "", done: new Set() };
  #running = false;
  #stopped = false;

  constructor(options: TakeoverOptions) {
    this.#options = options;
  }

  /** Goes on until no removal is pending. Runs once at a time. */
  start(): void {
    if (this.#running || this.#stopped || this.#options.gossip.pending.length === 0) return;
    this.#running = true;
    const { gossip, clock, log } = this.#options;
    void takeSteps({
      clock,
      log,
      event: "removal.failed",
      goesOn: () => gossip.pending.length > 0,
      isStopped: () => this.#stopped,
      step: () => this.#step(),
      onEnd: () => this.#running = false,
    });
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Data was lost: everything has to be taken over once more. */
  onDataLost(): void {
    this.#progress = { ring: "", done: new Set() };
  }

  async #step(): Promise<void> {
    const step = nextRemovalStep({
      ...this.#options.gossip.removalView,
      refilledFrom: this.#done(),
    });
    switch (step.action) {
      case "wait":
        return;
      case "know":
        return await this.#know(step.nodeIDs);
      case "clear":
        return await this.#clear(step.names);
      case "refill":
        return await withEach(step.from, (name) => this.#refillFromOne(name));
      case "finish":
        return await this.#finish();
      case "end":
        for (const nodeID of step.nodeIDs) {
          this.#options.log.info("member.removed", { nodeID });
          this.#options.gossip.endRemoval(nodeID);
        }
        this.#options.onChange();
        return await this.#options.save();
    }
  }

  /** Those that were read to the end, by the ring as it is now. */
  #done(): ReadonlySet<string> {
    const { fingerprint: ring } = this.#options.topology();
    if (this.#progress.ring !== ring) this.#progress = { ring, done: new Set() };
    return this.#progress.done;
  }

  async #know(nodeIDs: readonly string[]): Promise<void> {
    const { clock, requestTimeoutMs, save } = this.#options;
    await save();
    await delay(clock, requestTimeoutMs);
    await this.#become("known", nodeIDs);
  }

  /** Where this node was no owner it may have old copies, of values that were deleted since. */
  async #clear(names: readonly string[]): Promise<void> {
    const { gossip, topology, store, replica, clock, onBeforeRefill } = this.#options;
    const { fingerprint } = topology();
    const nodeIDs = gossip.pending.filter(({ name }) => names.includes(name))
      .map(({ nodeID }) => nodeID);
    await onBeforeRefill();
    const isNew = topology().isNewTo(gossip.self.name, names);
    // What was replaced while it was looked through is found the next time.
    const isWanted = (key: Key) => isNew(tokenOf(key));
    const erase = (due: readonly StoredRecord[]) => replica.collect(due);
    const mayGoOn = () => !this.#stopped;
    while (await eraseKeys({ store, clock, isWanted, erase, mayGoOn }) > 0);
    if (this.#stopped || topology().fingerprint !== fingerprint) return;
    await this.#become("refilling", nodeIDs);
  }

  async #refillFromOne(name: string): Promise<void> {
    const { exchange, gossip, topology: current, linkTo } = this.#options;
    const progress = this.#progress;
    const topology = current();
    const link = linkTo(name);
    if (link === undefined || topology.fingerprint !== progress.ring) return;
    const isLeaving = topology.pending.some((removal) => removal.name === name);
    const arcs = isLeaving
      ? topology.arcsOnceSharedBy(gossip.self.name, name)
      : topology.arcsToTakeOver(gossip.self.name);
    const isStill = () =>
      progress === this.#progress && current().fingerprint === topology.fingerprint;
    const { complete } = arcs.length === 0 ? { complete: true } : await exchange.run({
      peerName: name,
      link,
      topology,
      leaves: leavesOf(arcs, topology),
      after: undefined,
      values: progress.done.size === 0 && !isLeaving,
      settled: topology.settled,
      onPage: () => !this.#stopped && isStill(),
    });
    if (complete && isStill()) progress.done.add(name);
  }

  async #finish(): Promise<void> {
    const nodeIDs = Object.entries(this.#options.gossip.self.removals ?? {})
      .filter(([, stage]) => stage === "refilling").map(([nodeID]) => nodeID);
    await this.#become("done", nodeIDs);
  }

  async #become(stage: RemovalStage, nodeIDs: readonly string[]): Promise<void> {
    const { gossip, state, log, onChange } = this.#options;
    const change = Object.fromEntries(nodeIDs.map((nodeID) => [nodeID, stage]));
    await writeStages(state, { ...gossip.self.removals, ...change });
    gossip.setRemovalStages(change);
    for (const nodeID of nodeIDs) log.info("member.removal", { nodeID, stage });
    onChange();
  }
}

function leavesOf(arcs: readonly number[], { ring }: Topology): LeafSet {
  const leaves = new LeafSet(ring.arcs.length * LEAVES_PER_ARC);
  for (const arc of arcs) {
    for (let i = 0; i < LEAVES_PER_ARC; i++) leaves.add(arc * LEAVES_PER_ARC + i);
  }
  return leaves;
}
