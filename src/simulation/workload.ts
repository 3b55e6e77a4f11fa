/** The clients of a run: what they ask for, of whom, and how they understand the answers. */
import type { NetworkResponse } from "../platform/network.ts";
import { isConvergeError } from "../errors.ts";
import { type Random, randomInteger } from "../platform/random.ts";
import { type Key, keyToJson, keyToPath } from "../record/key.ts";
import { formatVersion } from "../record/version.ts";
import {
  batchEndings,
  endingOf,
  type KnownValue,
  listedOf,
  reasonOf,
  textOf,
} from "./client_answers.ts";
import type { Cluster, SimulatedNode } from "./cluster.ts";
import type { Ending, Operation } from "./history.ts";
import type { Plan } from "./plan.ts";
import { ProcessLife } from "./process_life.ts";
import type { World } from "./world.ts";

/** Milliseconds after which a client gives up; far beyond a node's own deadline. */
const CLIENT_TIMEOUT_MS = 10_000;

/** Operations of a batch at most. */
const BATCH_MAX = 6;
const TTL_SECONDS = [1, 2, 5, 60, 3_600];
const encoder = new TextEncoder();

/** One request: what is sent, which operations it carries, and what an answer says of each. */
interface Exchange {
  message: {
    method: string;
    path: string;
    headers?: Record<string, string>;
    body?: Uint8Array;
  };
  operations: readonly Operation[];
  read(response: NetworkResponse): Ending[];
}

/** What a client asks for. */
export interface Request {
  kind: Operation["kind"];
  key: Key;
  value?: string;
  /** Seconds that the value is to live. */
  ttl?: number;
  /** Explicit `r` or `w`. */
  quorum?: number;
  /** What the client has: a read asks for something else. */
  has?: KnownValue;
}

/** The keys of a plan: plain ones, and some that are easily mangled on the way. */
export function keysOf(count: number): Key[] {
  const odd = ["k/1", "a b", "a&b=c", "\xff", "\0", "k%41", "\xc3\xbc", "a?b#c", "..k"];
  return Array.from(
    { length: count },
    (_, i) => (i % 3 === 2 ? odd[(i - 2) / 3] : undefined) ?? `k${i}`,
  );
}

/** All clients of a run. */
export class Workload {
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #plan: Plan;
  #left: number;
  #lastValue = 0;
  /** What each client has of each key. */
  readonly #known = new Map<string, KnownValue>();

  constructor(world: World, cluster: Cluster, plan: Plan) {
    this.#world = world;
    this.#cluster = cluster;
    this.#plan = plan;
    this.#left = plan.operations;
  }

  /** Resolves when all operations of the plan have ended. */
  async run(): Promise<void> {
    const names = Array.from({ length: this.#plan.clients }, (_, i) => `client${i}`);
    await Promise.all(names.map((name) => this.#runClient(name)));
  }

  /** Carries out one operation and enters it into the history. Never rejects. */
  async perform(client: string, node: SimulatedNode, request: Request): Promise<Operation> {
    const { kind, key, value, ttl, quorum, has } = request;
    const operation = this.#begin(client, node, request);
    const query = new URLSearchParams();
    if (quorum !== undefined) query.set(kind === "get" ? "r" : "w", String(quorum));
    if (ttl !== undefined) query.set("ttl", String(ttl));
    const message = {
      method: kind.toUpperCase(),
      path: `/kv/${keyToPath(key)}${query.size === 0 ? "" : `?${query}`}`,
      ...(value === undefined ? {} : { body: encoder.encode(value) }),
      ...(has === undefined
        ? {}
        : { headers: { "if-none-match": `"${formatVersion(has.version)}"` } }),
    };
    await this.#exchange(client, node, {
      message,
      operations: [operation],
      read: (response) => [endingOf(kind, response, has)],
    });
    return operation;
  }

  /** Carries out some operations as one batch. Never rejects. */
  async performBatch(
    client: string,
    node: SimulatedNode,
    requests: readonly Request[],
  ): Promise<void> {
    const perKey = Map.groupBy(requests, ({ key }) => key);
    const deadlines = Math.max(...[...perKey.values()].map(({ length }) => length));
    const operations = requests.map((request) =>
      this.#begin(client, node, request, { via: "batch", deadlines })
    );
    const lines = requests.map(({ kind, key, value, ttl, quorum }) => ({
      op: kind,
      ...keyToJson(key),
      ...(value === undefined ? {} : { v: value }),
      ...(ttl === undefined ? {} : { ttl }),
      ...(quorum === undefined ? {} : { [kind === "get" ? "r" : "w"]: quorum }),
    }));
    const body = encoder.encode(lines.map((line) => JSON.stringify(line) + "\n").join(""));
    await this.#exchange(client, node, {
      message: { method: "POST", path: "/batch", body },
      operations,
      read: (response) =>
        response.status === 200
          ? batchEndings(requests.map(({ kind }) => kind), response)
          : operations.map(({ kind }) => endingOf(kind, response)),
    });
  }

  /** Deletes all keys with a prefix: a delete of each, of unknown version. Never rejects. */
  async performClear(client: string, node: SimulatedNode, prefix: string): Promise<void> {
    const keys = this.#keysWith(prefix);
    // As a listing, and then one for all keys at once.
    const deadlines = 2 + keys.length;
    const operations = keys.map((key) =>
      this.#begin(client, node, { kind: "delete", key }, { via: "clear", deadlines })
    );
    await this.#exchange(client, node, {
      message: { method: "DELETE", path: `/kv?prefix=${encodeURIComponent(prefix)}` },
      operations,
      read: (response) => {
        const { status } = response;
        const ending: Ending = status === 200
          ? { outcome: "acked", status }
          : { outcome: "indeterminate", status, reason: reasonOf(response) };
        return keys.map(() => ending);
      },
    });
  }

  /**
   * Lists keys with their values: a read of every key that may be listed. Never rejects.
   *
   * @returns The key that the next page comes after, if there is one.
   */
  async performList(
    client: string,
    node: SimulatedNode,
    { prefix, limit, after }: { prefix: string; limit: number; after?: Key | undefined },
  ): Promise<Key | undefined> {
    const keys = this.#keysWith(prefix).filter((key) => after === undefined || key > after);
    const cursor = after === undefined ? "" : `&afterb=${encodeURIComponent(btoa(after))}`;
    let next: Key | undefined;
    // One deadline to ask all nodes, and one for each key that is not the same on all its owners.
    const deadlines = 1 + keys.length;
    const operations = keys.map((key) =>
      this.#begin(client, node, { kind: "get", key }, { via: "list", deadlines })
    );
    await this.#exchange(client, node, {
      message: {
        method: "GET",
        path: `/kv?prefix=${encodeURIComponent(prefix)}&limit=${limit}&values=1${cursor}`,
      },
      operations,
      read: (response) => {
        const { status } = response;
        if (status !== 200) {
          return keys.map(() => ({ outcome: "failed", status, reason: reasonOf(response) }));
        }
        const { found, through } = listedOf(response);
        const strange = [...found.keys()].filter((key) => !keys.includes(key));
        if (strange.length > 0) throw new Error(`Cannot list ${strange}: never written`);
        next = through;
        return keys.map((key): Ending => {
          if (through !== undefined && key > through) {
            return { outcome: "failed", status, reason: "on a later page" };
          }
          const entry = found.get(key);
          return entry === undefined
            ? { outcome: "acked", status, found: null }
            : { outcome: "acked", status, found: entry.value, version: entry.version };
        });
      },
    });
    return next;
  }

  #keysWith(prefix: string): Key[] {
    return keysOf(this.#plan.keys).filter((key) => key.startsWith(prefix));
  }

  #begin(
    client: string,
    node: SimulatedNode,
    { kind, key, value, ttl, quorum }: Request,
    more: Pick<Operation, "via" | "deadlines"> = {},
  ): Operation {
    const usual = kind === "get" ? this.#plan.readQuorum : this.#plan.writeQuorum;
    return this.#world.history.begin(this.#world.time.nowMs, {
      client,
      kind,
      key,
      node: node.name,
      full: quorum === undefined || quorum >= usual,
      ...(value === undefined ? {} : { value }),
      ...(ttl === undefined ? {} : { ttlMs: ttl * 1_000 }),
      ...(quorum === undefined ? {} : { quorum }),
      ...more,
    });
  }

  /** One request and what its answer says of each operation in it. */
  async #exchange(client: string, node: SimulatedNode, exchange: Exchange): Promise<void> {
    const { time, history, network } = this.#world;
    const { message, operations, read } = exchange;
    const origin = `http://${client}`;
    network.calmOrigins.add(origin);
    let endings: Ending[];
    try {
      const response = await network.send(origin, new ProcessLife(time), {
        ...message,
        origin: node.origin,
        timeoutMs: CLIENT_TIMEOUT_MS,
      });
      endings = this.#read(node, message, response, read);
    } catch (error) {
      const outcome = isConvergeError(error, "unreachable") ? "failed" : "indeterminate";
      const reason = isConvergeError(error) ? error.code : String(error);
      endings = operations.map(() => ({ outcome, status: 0, reason }));
    }
    operations.forEach((operation, i) => history.end(time.nowMs, operation, endings[i]!));
  }

  #read(
    node: SimulatedNode,
    { method, path }: Exchange["message"],
    response: NetworkResponse,
    read: Exchange["read"],
  ): Ending[] {
    try {
      const endings = read(response);
      if (response.status === 500 || endings.some(({ status }) => status === 500)) {
        this.#world.error(node.name, `answered 500 to ${method} ${path}: ${textOf(response)}`);
      }
      return endings;
    } catch (error) {
      this.#world.error(`${node.name}'s answer to ${method} ${path}`, error);
      throw error;
    }
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
      return await this.performClear(client, node, pick(rare, ["k", "k/", "k1", "a"]));
    }
    const chance = more.next();
    if (chance < listShare) {
      const prefix = pick(more, ["", "k", "k/", "a"]);
      const limit = pick(more, [1_000, 3]);
      const after = await this.performList(client, node, { prefix, limit });
      // Any node goes on where another one ended.
      const other = pick(rare, this.#cluster.members);
      if (after !== undefined && rare.next() < clearShare + conditionalShare) {
        await this.performList(client, other, { prefix, limit, after });
      }
      return;
    }
    if (chance < listShare + batchShare) {
      const size = 1 + randomInteger(more, BATCH_MAX);
      const requests = Array.from({ length: size }, () => this.#nextRequest(random, more));
      return await this.performBatch(client, node, requests);
    }
    const request = this.#nextRequest(random, more);
    const has = this.#known.get(`${client} ${request.key}`);
    const isConditional = request.kind === "get" && rare.next() < conditionalShare;
    const asked = isConditional && has !== undefined ? { ...request, has } : request;
    this.#remember(await this.perform(client, node, asked));
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

function pick<T>(random: Random, items: readonly T[]): T {
  return items[randomInteger(random, items.length)]!;
}
