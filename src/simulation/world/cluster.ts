/** A cluster of simulated processes: boots, kills, pauses, wipes and inspects them. */
import type { NodeConfig } from "../../config.ts";
import { isConvergeError } from "../../errors.ts";
import type { Log } from "../../platform/log.ts";
import type { Platform } from "../../platform/platform.ts";
import { randomBetween } from "../../platform/random.ts";
import type { StoredRecord } from "../../record/record.ts";
import { compareVersions, formatVersion } from "../../record/version.ts";
import { DATA, type Store } from "../../storage/store.ts";
import type {
  Attempt,
  BrokenPromise,
  Disturbance,
  PowerFailure,
  Storing,
  VersionSighting,
} from "../evidence/evidence.ts";
import { storingId } from "../evidence/evidence.ts";
import { ObservedStore } from "../evidence/observed_store.ts";
import { ProcessLife } from "../virtual/process_life.ts";
import { SeededRandom } from "../virtual/random_streams.ts";
import { type ClockSkew, VirtualClock } from "../virtual/virtual_clock.ts";
import { CRASH_AT_OPERATION, type DiskCopy, VirtualDisk } from "../virtual/virtual_disk.ts";
import { WallClocks } from "../evidence/wall_clocks.ts";
import { type OpenProcess, SimulatedNode, type SimulatedProcess } from "./simulated_node.ts";
import type { World } from "./world.ts";

/** All nodes, those that have yet to join included. */
export class Cluster {
  readonly nodes: readonly SimulatedNode[];
  readonly brokenPromises: BrokenPromise[] = [];
  readonly disturbances: Disturbance[] = [];
  readonly powerFailures: PowerFailure[] = [];
  readonly sightings: VersionSighting[] = [];
  readonly storings = new Map<string, Storing[]>();
  readonly attempts = new Map<string, Map<string, Attempt>>();
  readonly wallClocks = new WallClocks();
  readonly #world: World;
  readonly #open: OpenProcess;

  constructor(world: World, configs: readonly NodeConfig[], open: OpenProcess) {
    this.#world = world;
    this.#open = open;
    this.nodes = configs.map((config) => {
      const disk = new VirtualDisk({
        random: world.streams.stream(`disk ${config.name}`),
        time: world.time,
        onFault: (kind) => {
          node.diskFaulty = true;
          world.countFault(kind);
          if (kind !== CRASH_AT_OPERATION) return;
          // The disk has killed the process in the middle of its code; the rest follows at once.
          world.time.schedule(0, () => this.#finishCrash(node));
        },
      });
      const node = new SimulatedNode(config, disk, () => world.time.nowMs);
      this.wallClocks.set(node.name, 0, node.skew);
      return node;
    });
  }

  /** The nodes that have been started at least once. */
  get members(): readonly SimulatedNode[] {
    return this.nodes.filter(({ lives }) => lives > 0);
  }

  /** The nodes that are not removed. */
  get staying(): readonly SimulatedNode[] {
    return this.nodes.filter(({ leaving }) => leaving === undefined);
  }

  /** Starts a node's process; resolves when it serves, or when it could not start (then false). */
  async boot(node: SimulatedNode): Promise<boolean> {
    this.#finishCrash(node);
    if (node.life !== undefined && !node.life.dead) return true;
    if (node.isRemoved || node.leaving === "dead" || node.leaving === "paused") return false;
    return await this.#start(node);
  }

  /** Starts a node that was removed, as if by mistake. */
  async bootRemoved(node: SimulatedNode): Promise<void> {
    if (node.life?.dead !== false) await this.#start(node);
  }

  async #start(node: SimulatedNode): Promise<boolean> {
    const { time, network, streams } = this.#world;
    const life = new ProcessLife(time);
    node.life = life;
    node.lives++;
    const config = node.startedWith = node.config;
    this.#disturb(node);
    const turns = streams.stream(`turns ${node.name}`);
    const turnMs = () => node.turnMs[1] === 0 ? 0 : randomBetween(turns, node.turnMs);
    const clock = node.clock = new VirtualClock(time, { life, skew: node.skew, turnMs });
    const platform: Platform = {
      clock,
      random: new SeededRandom(streams.seed, `node ${node.name} ${node.lives}`),
      disk: node.disk.mount(life),
      network: network.client(node.origin, life),
      log: this.#logOf(node),
    };
    this.#world.note("boot", { node: node.name });
    const process = await this.#openOrEnd(node, life, platform);
    if (process === undefined || life.dead) return false;
    node.process = process;
    node.pageCache.started(time.nowMs, config.durability);
    this.#checkPromises(node);
    network.listen(node.origin, life, (request) => process.app.fetch(request));
    process.start();
    this.#calm(node);
    this.#world.note("serve", { node: node.name });
    void process.failed.then((error) => this.#onFailed(node, life, error));
    return true;
  }

  /**
   * Kills a node's process.
   *
   * @param how `power`: unsynced data may be lost; `silent`: the machine is off, callers hear
   * nothing rather than "refused".
   */
  kill(node: SimulatedNode, how: { power?: boolean; silent?: boolean } = {}): void {
    const { power = true, silent = false } = how;
    node.life?.kill();
    this.#settle(node, power);
    node.stopping = false;
    node.process = node.store = node.clock = undefined;
    this.#disturb(node);
    this.#world.network.disconnect(node.origin, { silent });
    node.disk.crash({ power });
    this.#world.note("kill", { node: node.name, power, silent });
  }

  /** Takes stock of what a death leaves of what was promised. */
  #settle(node: SimulatedNode, power: boolean): void {
    const { nowMs } = this.#world.time;
    node.pageCache.halted(nowMs);
    // Without a power failure the page cache stays, and a later one may take it.
    if (!power) return;
    const sinceMs = node.pageCache.durableUntilMs(nowMs);
    node.promises.settle(sinceMs);
    if (node.pageCache.isBypassed) return;
    this.powerFailures.push({ node: node.name, atMs: nowMs, sinceMs });
  }

  /** What a crash in the middle of the process's code leaves to be done. */
  #finishCrash(node: SimulatedNode): void {
    if (node.disk.crashed) this.kill(node);
  }

  /** Stops a node as an operator does: by its own `stop()`. */
  async stop(node: SimulatedNode): Promise<void> {
    const { process, life } = node;
    if (process === undefined) return;
    this.#disturb(node);
    node.stopping = true;
    await process.stop();
    if (node.life !== life || life?.dead !== false) return;
    this.kill(node, { power: false });
    node.promises.settle(Infinity);
    node.pageCache.synced(this.#world.time.nowMs);
  }

  pause(node: SimulatedNode): void {
    node.life?.pause();
    node.pageCache.halted(this.#world.time.nowMs);
    this.#disturb(node);
    this.#world.note("pause", { node: node.name });
  }

  /** Not one that is said to be dead. */
  resume(node: SimulatedNode): void {
    if (node.leaving !== "paused") this.wake(node);
  }

  wake(node: SimulatedNode): void {
    if (node.life?.paused !== true) return;
    node.life.resume();
    // Not of one that died before or meanwhile: no timer of it comes any more.
    if (!node.life.dead) node.pageCache.resumed(this.#world.time.nowMs);
    this.#world.note("resume", { node: node.name });
    if (node.process !== undefined) this.#calm(node);
  }

  /** Makes a node's wall clock wrong. */
  skew(node: SimulatedNode, { offsetMs, rate }: ClockSkew): void {
    node.skew.offsetMs = offsetMs;
    node.skew.rate = rate;
    this.wallClocks.set(node.name, this.#world.time.nowMs, node.skew);
  }

  /**
   * Gives nodes that are not running other addresses. The next start of each node is told of them, but
   * not where one is now that is being removed.
   */
  move(moves: readonly (readonly [node: SimulatedNode, origin: string])[]): void {
    const moved = new Map(moves.map(([node, origin]) => [node.origin, origin]));
    const staying = new Map(
      moves.filter(([{ leaving }]) => leaving === undefined)
        .map(([node, origin]) => [node.origin, origin]),
    );
    for (const node of this.nodes) {
      const peers = node.config.peers.map((peer) => staying.get(peer) ?? peer);
      const advertise = moved.get(node.origin) ?? node.origin;
      node.config = { ...node.config, peers, advertise };
    }
    this.#world.note("move", { moved: [...moved] });
  }

  /** Replaces the disk of a node that is not running by an empty one; it is told where the others are. */
  wipe(node: SimulatedNode): void {
    this.tellOfMembers(node);
    // Started again it would be a new member, which nobody asked for.
    if (node.isGone) node.isRemoved = true;
    node.disk.wipe();
    node.promises.clear();
    node.damaged = true;
    this.#world.note("wipe", { node: node.name });
  }

  /** Tells a node that is not running of all others that are there, and are to stay if any is. */
  tellOfMembers(node: SimulatedNode): void {
    const others = this.members.filter((other) => other !== node);
    const staying = others.filter(({ leaving }) => leaving === undefined);
    const peers = (staying.length > 0 ? staying : others).map(({ origin }) => origin);
    node.config = { ...node.config, peers };
  }

  /** Replaces what is on the disk of a node that is not running by an old copy of it. */
  restore(node: SimulatedNode, copy: DiskCopy): void {
    node.disk.restore(copy);
    node.promises.clear();
    node.damaged = true;
    this.#world.note("restore", { node: node.name });
  }

  /** Marks a node as not to be expected to answer in time. */
  #disturb(node: SimulatedNode): void {
    if (node.disturbance !== undefined) return;
    node.disturbance = { node: node.name, fromMs: this.#world.time.nowMs, toMs: Infinity };
    this.disturbances.push(node.disturbance);
  }

  #calm(node: SimulatedNode): void {
    if (node.disturbance === undefined) return;
    node.disturbance.toMs = this.#world.time.nowMs;
    node.disturbance = undefined;
  }

  async #openOrEnd(
    node: SimulatedNode,
    life: ProcessLife,
    platform: Platform,
  ): Promise<SimulatedProcess | undefined> {
    try {
      return await this.#open(node.startedWith, platform, (store) => this.#observe(node, store));
    } catch (error) {
      if (life.dead) return undefined;
      const code = isConvergeError(error) ? error.code : "unknown";
      this.#world.note("refuses to start", { node: node.name, code, why: String(error) });
      const excused = (code === "corrupt_file" && node.damaged) ||
        ((code === "disk_failed" || code === "disk_full") && node.diskFaulty) ||
        (code === "removed" && node.leaving !== undefined);
      if (code === "removed") node.isRemoved = true;
      if (!excused) this.#world.error(`${node.name} refuses to start`, error);
      this.kill(node, { power: false });
      return undefined;
    }
  }

  #observe(node: SimulatedNode, store: Store): Store {
    const observed = new ObservedStore(store, {
      promises: node.promises,
      onRecord: (record) => {
        this.sightings.push({
          key: record.key,
          counter: record.counter,
          nodeID: record.nodeID,
          content: new TextDecoder().decode(record.frame.subarray(0, 8)),
          where: node.name,
        });
        this.#noteAttempt(record);
      },
      onStored: (record) => {
        const id = storingId(record.key, record);
        const storings = this.storings.get(id) ?? [];
        storings.push({ node: node.name, atMs: this.#world.time.nowMs });
        this.storings.set(id, storings);
      },
    });
    node.store = observed;
    return observed;
  }

  #noteAttempt({ key, counter, nodeID, tombstone }: StoredRecord): void {
    const ofKey = this.attempts.get(key) ?? new Map<string, Attempt>();
    this.attempts.set(key, ofKey);
    const version = formatVersion({ counter, nodeID });
    if (ofKey.has(version)) return;
    ofKey.set(version, { counter, nodeID, tombstone, begin: this.#world.history.position });
  }

  /** What the node promised in its earlier lives must be there. */
  #checkPromises(node: SimulatedNode): void {
    if (node.damaged) return;
    // What it found it has synced.
    node.promises.settle(Infinity);
    // What fails for the node now does not fail for whoever looks on.
    const { faults } = node.disk;
    node.disk.faults = { ...faults, errorRate: {} };
    for (const [key, version] of node.promises.settled) {
      let foundVersion;
      try {
        foundVersion = node.store?.get(DATA, key);
      } catch (error) {
        this.#world.error(`${node.name} cannot read ${key}`, error);
      }
      if (foundVersion !== undefined && compareVersions(foundVersion, version) >= 0) continue;
      this.brokenPromises.push({ ...version, node: node.name, key, foundVersion });
    }
    node.disk.faults = faults;
  }

  #onFailed(node: SimulatedNode, life: ProcessLife, error: Error): void {
    if (life.dead) return;
    this.#world.note("stops itself", { node: node.name, why: error.message });
    if (isConvergeError(error, "removed") && node.leaving !== undefined) node.isRemoved = true;
    else if (!node.diskFaulty && !node.damaged) {
      this.#world.error(`${node.name} stops itself`, error);
    }
    this.kill(node, { power: false });
  }

  #logOf(node: SimulatedNode): Log {
    const write = (level: string): Log["info"] => (event, fields) =>
      this.#world.note("log", { node: node.name, level, log: event, ...fields });
    return { info: write("info"), warn: write("warn"), error: write("error") };
  }
}
