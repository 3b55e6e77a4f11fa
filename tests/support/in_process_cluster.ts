/**
 * Whole nodes in one process, without disks and sockets: production code from the HTTP app down to
 * the store's interface, over the simulation's virtual time and network.
 */
import { assertEquals } from "@std/assert";
import { DEFAULTS, type NodeConfig } from "../../src/config.ts";
import type { ClusterView } from "../../src/http/cluster_view.ts";
import { ConvergeNode } from "../../src/node.ts";
import type { NodeParts } from "../../src/node/node_parts.ts";
import { keyFromPath } from "../../src/record/key.ts";
import type { StoredRecord } from "../../src/record/record.ts";
import { HashRing } from "../../src/ring/hash_ring.ts";
import { tokenOf } from "../../src/ring/token.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { ObservedStore } from "../../src/simulation/evidence/observed_store.ts";
import { Promises } from "../../src/simulation/evidence/promises.ts";
import { ProcessLife } from "../../src/simulation/virtual/process_life.ts";
import { VirtualClock } from "../../src/simulation/virtual/virtual_clock.ts";
import { VirtualDisk } from "../../src/simulation/virtual/virtual_disk.ts";
import { World } from "../../src/simulation/world/world.ts";
import type { LsmStoreOptions } from "../../src/storage/lsm_store.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import { DATA, META, type Store } from "../../src/storage/store.ts";
import { rawRequest, type RequestOptions } from "./requests.ts";

/** Virtual milliseconds that anything waited for may take. */
const WAIT_MS_MAX = 60_000;
const POLL_MS = 25;

/** How a cluster differs from three nodes with the defaults. */
export interface ClusterOptions {
  nodes?: number;
  config?: Partial<NodeConfig>;
  parts?: Partial<NodeParts>;
  /** Nodes (from 1) to start at once; default: all. */
  start?: readonly number[];
  /** Seeds of each node; default: all others. */
  seedsOf?: (node: number) => readonly number[];
}

/** A store that outlives the node that has it open, as a disk does. */
class SurvivingStore extends ObservedStore {
  readonly #lossOf: () => number;

  constructor(memory: MemoryStore, lossOf: () => number) {
    super(memory, { promises: new Promises() });
    this.#lossOf = lossOf;
  }

  override lastLoss(): number {
    return this.#lossOf();
  }

  override close(): Promise<void> {
    return Promise.resolve();
  }
}

/** One node; it may be running or not. */
export class TestNode {
  readonly name: string;
  readonly origin: string;
  readonly config: NodeConfig;
  /** Events that it has logged as warnings. */
  readonly warnings: string[] = [];
  /** What is on its disk. */
  memory = new MemoryStore();
  /** What its store says of lost data. */
  lastLoss = 0;
  /** Whom its store tells of damage, while it is open. */
  onDamage: LsmStoreOptions["onDamage"];
  /** The running node. */
  process: ConvergeNode | undefined;
  life: ProcessLife | undefined;
  starts = 0;

  constructor(config: NodeConfig) {
    this.name = config.name;
    this.origin = config.advertise;
    this.config = config;
  }
}

/** A cluster inside one scenario. Nodes are numbered from 1. */
export class InProcessCluster {
  readonly world: World;
  readonly nodes: readonly TestNode[];
  readonly #parts: Partial<NodeParts>;

  private constructor(world: World, options: ClusterOptions) {
    this.world = world;
    this.#parts = options.parts ?? {};
    const count = options.nodes ?? 3;
    const all = Array.from({ length: count }, (_, i) => i + 1);
    const seedsOf = options.seedsOf ?? ((node) => all.filter((other) => other !== node));
    this.nodes = all.map((i) =>
      new TestNode({
        ...DEFAULTS,
        name: `node${i}`,
        advertise: originOf(i),
        peers: seedsOf(i).map(originOf),
        dataDirectory: `node${i}`,
        ...options.config,
      })
    );
  }

  /**
   * Runs a scenario in virtual time. Fails when anything happened that must never happen: an
   * unhandled rejection, an exception in a handler.
   */
  static async run(
    options: ClusterOptions,
    scenario: (cluster: InProcessCluster) => Promise<void>,
  ): Promise<void> {
    const world = new World(1);
    await world.run(async () => {
      const cluster = new InProcessCluster(world, options);
      for (const i of options.start ?? cluster.nodes.map((_, index) => index + 1)) {
        await cluster.start(i);
      }
      if (options.start === undefined) await cluster.ready();
      await scenario(cluster);
    });
    assertEquals(world.errors, []);
  }

  node(i: number): TestNode {
    return this.nodes[i - 1]!;
  }

  /** What is on a node's disk. */
  store(i: number): Store {
    return this.node(i).memory;
  }

  /** Starts a node on what is on its disk. */
  async start(i: number): Promise<void> {
    const { time, network, streams } = this.world;
    const node = this.node(i);
    const life = new ProcessLife(time);
    node.life = life;
    const platform: Platform = {
      clock: new VirtualClock(time, { life }),
      random: streams.stream(`node${i} ${++node.starts}`),
      disk: new VirtualDisk({ random: streams.stream("disk"), time, onFault() {} }).mount(life),
      network: network.client(node.origin, life),
      log: {
        info() {},
        warn: (event) => void node.warnings.push(event),
        error: (event, fields) => this.world.note(event, fields),
      },
    };
    const process = await ConvergeNode.open(node.config, platform, {
      openStore: ({ onDamage }) => {
        node.onDamage = onDamage;
        return Promise.resolve(new SurvivingStore(node.memory, () => node.lastLoss));
      },
      ...this.#parts,
    });
    node.process = process;
    network.listen(node.origin, life, (request) => process.app.fetch(request));
    process.start();
  }

  /** Ends a node as SIGKILL does: nothing of it runs on, its disk stays. */
  kill(i: number): void {
    const node = this.node(i);
    node.life?.kill();
    node.process = node.onDamage = undefined;
    this.world.network.disconnect(node.origin);
  }

  /** SIGSTOP. */
  pause(i: number): void {
    this.node(i).life!.pause();
  }

  /** SIGCONT. */
  resume(i: number): void {
    this.node(i).life!.resume();
  }

  /** Empties the disk of a node that is not running. */
  wipe(i: number): void {
    this.node(i).memory = new MemoryStore();
  }

  /** A copy of what is on the disk of a node that is not running. */
  async backup(i: number): Promise<MemoryStore> {
    const copy = new MemoryStore();
    for (const keyspace of [DATA, META]) {
      const records = this.node(i).memory.scan(keyspace).next(Infinity);
      await copy.apply(records.map((record) => ({ keyspace, record })));
    }
    return copy;
  }

  /** Puts a copy onto the disk of a node that is not running. */
  restore(i: number, copy: MemoryStore): void {
    this.node(i).memory = copy;
  }

  /**
   * Has a node lose the newest record of a key as a damaged table does: what it held before shows
   * again, once the node, if it runs, was told.
   */
  async lose(i: number, key: string, uncovered: StoredRecord | undefined): Promise<void> {
    const node = this.node(i);
    const { memory } = node;
    const report = { keyspace: DATA, file: "damaged", reason: "bits flipped", lost: [] };
    await node.onDamage?.({ ...report, loss: node.lastLoss + 1 });
    const lost = memory.get(DATA, keyFromPath(key));
    if (lost !== undefined) await memory.apply([{ keyspace: DATA, record: lost, erase: true }]);
    if (uncovered !== undefined) await memory.apply([{ keyspace: DATA, record: uncovered }]);
    node.lastLoss++;
  }

  /** Cuts both directions between a node and some others (default: all). */
  cutOff(i: number, others: readonly number[] = this.#othersOf(i)): void {
    for (const other of others) {
      this.world.network.cut(originOf(i), originOf(other));
      this.world.network.cut(originOf(other), originOf(i));
    }
  }

  /** Lets all messages to and from a node take this long. */
  slow(i: number, delayMs: number): void {
    const faults = { ...this.world.network.weather, delayMs: [delayMs, delayMs] as const };
    for (const other of this.#othersOf(i)) {
      this.world.network.setLink(originOf(i), originOf(other), faults);
      this.world.network.setLink(originOf(other), originOf(i), faults);
    }
  }

  /** Undoes every cut and delay. */
  heal(): void {
    this.world.network.heal();
  }

  wait(delayMs: number): Promise<void> {
    return this.world.time.wait(delayMs);
  }

  /** Waits until something holds. @throws {Error} When it takes over a virtual minute. */
  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const endMs = this.world.time.nowMs + WAIT_MS_MAX;
    while (!(await holds())) {
      if (this.world.time.nowMs > endMs) throw new Error(`Waited in vain until ${what}`);
      await this.wait(POLL_MS);
    }
  }

  /** Waits until every running node (or those named) is ready and knows all of them. */
  async ready(numbers: readonly number[] = this.#running()): Promise<void> {
    await this.until(`nodes ${numbers} are ready`, async () => {
      for (const i of numbers) {
        if ((await this.call(i, "GET", "/readyz")).status !== 200) return false;
        const known = (await this.view(i)).members.map(({ name }) => name);
        if (!numbers.every((other) => known.includes(`node${other}`))) return false;
      }
      return true;
    });
  }

  /** A client's request to a node, as it comes over the wire: the URL is not tidied up. */
  async call(
    i: number,
    method: string,
    path: string,
    options: RequestOptions = {},
  ): Promise<Response> {
    const { process } = this.node(i);
    if (process === undefined) throw new Error(`node${i} does not run`);
    return await process.app.fetch(rawRequest(method, path, options));
  }

  /** Stores a text, which must be acked. */
  async put(i: number, key: string, value: string): Promise<string> {
    const response = await this.call(i, "PUT", `/kv/${key}`, { body: value });
    if (response.status !== 204) throw new Error(`PUT ${key}: ${await response.text()}`);
    return response.headers.get("etag")!;
  }

  /** The text under a key, undefined when absent. */
  async get(i: number, key: string): Promise<string | undefined> {
    const response = await this.call(i, "GET", `/kv/${key}`);
    if (response.status === 404) return undefined;
    if (response.status !== 200) throw new Error(`GET ${key}: ${await response.text()}`);
    return await response.text();
  }

  /** A node's own copy of a key as its line, undefined when it has none. */
  async copy(i: number, key: string): Promise<string | undefined> {
    const response = await this.call(i, "GET", `/internal/kv/${key}`);
    return response.status === 404 ? undefined : await response.text();
  }

  /** Whether no running node has anything under a key, be it a tombstone. */
  async isForgotten(key: string): Promise<boolean> {
    const copies = await Promise.all(this.#running().map((i) => this.copy(i, key)));
    return copies.every((copy) => copy === undefined);
  }

  /** The owners of a key (written as in a path) on the ring of these nodes, in order. */
  ownersOf(key: string, numbers = this.nodes.map((_, index) => index + 1)): number[] {
    const { replication, virtualNodes } = this.node(1).config;
    const names = numbers.map((i) => this.node(i).name);
    const ring = new HashRing(names, { tokensPerNode: virtualNodes, owners: replication });
    return ring.arcOf(tokenOf(keyFromPath(key)))!.owners.map((name) => Number(name.slice(4)));
  }

  /** Gives a record to one node only, as a peer would. */
  async plant(i: number, record: StoredRecord): Promise<void> {
    const body = record.frame.slice();
    const response = await this.call(i, "POST", "/internal/kv", { body });
    assertEquals([response.status, await response.text()], [200, "stored\n"]);
  }

  async view(i: number): Promise<ClusterView> {
    return await (await this.call(i, "GET", "/cluster")).json();
  }

  #running(): number[] {
    return this.nodes.flatMap(({ process }, i) => process === undefined ? [] : [i + 1]);
  }

  #othersOf(i: number): number[] {
    return this.nodes.map((_, index) => index + 1).filter((other) => other !== i);
  }
}

/** Where a node listens. */
export function originOf(i: number): string {
  return `http://node${i}:8080`;
}
