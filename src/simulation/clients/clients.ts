/** What clients ask of nodes, and how the answers enter the history. */
import { isConvergeError } from "../../errors.ts";
import type { NetworkResponse } from "../../platform/network.ts";
import { type Key, keyToJson, keyToPath } from "../../record/key.ts";
import { formatVersion } from "../../record/version.ts";
import {
  batchEndings,
  endingOf,
  type KnownValue,
  listedOf,
  reasonOf,
  textOf,
} from "./client_answers.ts";
import type { SimulatedNode } from "../world/simulated_node.ts";
import type { Ending, Operation } from "../evidence/history.ts";
import type { Plan } from "../plans/plan.ts";
import { ProcessLife } from "../virtual/process_life.ts";
import type { World } from "../world/world.ts";

/** Milliseconds after which a client gives up; far beyond a node's own deadline. */
const CLIENT_TIMEOUT_MS = 10_000;

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

/** The clients of a run, by name. What they do enters the history. */
export class Clients {
  readonly #world: World;
  readonly #plan: Plan;

  constructor(world: World, plan: Plan) {
    this.#world = world;
    this.#plan = plan;
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
}
