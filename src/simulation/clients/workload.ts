/** What the clients of a run do: which operations they choose, of which nodes they ask them, and when. */
import { pick, type Random, randomInteger } from "../../platform/random.ts";
import type { KnownValue } from "./client_answers.ts";
import { type Clients, keysOf, type Request } from "./clients.ts";
import type { Cluster } from "../world/cluster.ts";
import type { SimulatedNode } from "../world/simulated_node.ts";
import type { Operation } from "../evidence/history.ts";
import type { Plan } from "../plans/plan.ts";
import type { World } from "../world/world.ts";

/** Operations of a batch at most. */
const BATCH_MAX = 6;
const TTL_SECONDS = [1, 2, 5, 60, 3_600];

/** What a workload is made of. */
export interface WorkloadOptions {
  world: World;
  cluster: Cluster;
  clients: Clients;
  plan: Plan;
}

/** The work of all clients of a run. */
export class Workload {
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #clients: Clients;
  readonly #plan: Plan;
  #left: number;
  #lastValue = 0;
  /** What each client has of each key. */
  readonly #known = new Map<string, KnownValue>();

  constructor({ world, cluster, clients, plan }: WorkloadOptions) {
    this.#world = world;
    this.#cluster = cluster;
    this.#clients = clients;
    this.#plan = plan;
    this.#left = plan.operations;
  }

  /** Resolves when all operations of the plan have ended. */
  async run(): Promise<void> {
    const names = Array.from({ length: this.#plan.clients }, (_, i) => `client${i}`);
    await Promise.all(names.map((name) => this.#runClient(name)));
  }

  async #runClient(name: string): Promise<void> {
    const random = this.#world.streams.stream(`workload ${name}`);
    // With a stream of their own: without them, the rest of a history stays as it was.
    const more = this.#world.streams.stream(`workload ${name}: batches, listings, expiry`);
    const rare = this.#world.streams.stream(`workload ${name}: conditions, prefixes, pages`);
    while (this.#left > 0) {
      this.#left--;
      const nodes = this.#cluster.members;
      const node = nodes[randomInteger(random, nodes.length)]!;
      await this.#next(name, node, { random, more, rare });
      await this.#world.time.wait(thinkMs(random));
    }
  }

  async #next(
    client: string,
    node: SimulatedNode,
    { random, more, rare }: Record<"random" | "more" | "rare", Random>,
  ): Promise<void> {
    const { batchShare = 0, listShare = 0, clearShare = 0, conditionalShare = 0 } = this.#plan;
    if (rare.next() < clearShare) {
      return await this.#clients.performClear(client, node, pick(rare, ["k", "k/", "k1", "a"]));
    }
    const chance = more.next();
    if (chance < listShare) {
      const prefix = pick(more, ["", "k", "k/", "a"]);
      const limit = pick(more, [1_000, 3]);
      const after = await this.#clients.performList(client, node, { prefix, limit });
      // Any node goes on where another one ended.
      const other = pick(rare, this.#cluster.members);
      if (after !== undefined && rare.next() < clearShare + conditionalShare) {
        await this.#clients.performList(client, other, { prefix, limit, after });
      }
      return;
    }
    if (chance < listShare + batchShare) {
      const size = 1 + randomInteger(more, BATCH_MAX);
      const requests = Array.from({ length: size }, () => this.#nextRequest(random, more));
      return await this.#clients.performBatch(client, node, requests);
    }
    const request = this.#nextRequest(random, more);
    const has = this.#known.get(`${client} ${request.key}`);
    const isConditional = request.kind === "get" && rare.next() < conditionalShare;
    const asked = isConditional && has !== undefined ? { ...request, has } : request;
    this.#remember(await this.#clients.perform(client, node, asked));
  }

  /** A client that reads a key again says what it has of it. */
  #remember({ client, key, value, found = value, version }: Operation): void {
    if (typeof found !== "string" || version === undefined) return;
    this.#known.set(`${client} ${key}`, { value: found, version });
  }

  #nextRequest(random: Random, more: Random): Request {
    const { keys, readShare, deleteShare, smallQuorumShare, replication } = this.#plan;
    const names = keysOf(keys);
    // Squaring makes the first keys hot.
    const key = names[Math.floor(random.next() ** 2 * keys)]!;
    const quorum = random.next() < smallQuorumShare
      ? { quorum: 1 + randomInteger(random, replication) }
      : {};
    if (random.next() < readShare) return { kind: "get", key, ...quorum };
    if (random.next() < deleteShare) {
      return { kind: "delete", key, ...quorum };
    }
    const padding = "x".repeat(randomInteger(random, this.#plan.valueBytesMax + 1));
    const { ttlShare = 0 } = this.#plan;
    const ttl = more.next() < ttlShare ? { ttl: pick(more, TTL_SECONDS) } : {};
    return { kind: "put", key, value: `v${++this.#lastValue}${padding}`, ...ttl, ...quorum };
  }
}

/** Mostly in a hurry, sometimes not. */
function thinkMs(random: Random): number {
  return random.next() < 0.7 ? random.next() * 40 : random.next() * 1_200;
}
