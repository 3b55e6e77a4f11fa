/** The clients of a run: what they ask for, of whom, and how they understand the answers. */
import type { NetworkResponse } from "../platform/network.ts";
import { isConvergeError } from "../errors.ts";
import { type Random, randomInteger } from "../platform/random.ts";
import { type Key, keyToPath } from "../record/key.ts";
import { parseVersion, type Version } from "../record/version.ts";
import type { Cluster, SimulatedNode } from "./cluster.ts";
import type { Beginning, Ending, Operation } from "./history.ts";
import type { Plan } from "./plan.ts";
import { ProcessLife } from "./process_life.ts";
import type { World } from "./world.ts";

/** Milliseconds after which a client gives up; far beyond a node's own deadline. */
const CLIENT_TIMEOUT_MS = 10_000;

/** What a client asks for. */
export interface Request {
  kind: Operation["kind"];
  key: Key;
  value?: string;
  /** Explicit `r` or `w`. */
  quorum?: number;
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
    const { time, history, network } = this.#world;
    const { kind, key, value, quorum } = request;
    const usual = kind === "get" ? this.#plan.readQuorum : this.#plan.writeQuorum;
    const beginning: Beginning = {
      client,
      kind,
      key,
      node: node.name,
      full: quorum === undefined || quorum >= usual,
      ...(value === undefined ? {} : { value }),
      ...(quorum === undefined ? {} : { quorum }),
    };
    const operation = history.begin(time.nowMs, beginning);
    const origin = `http://${client}`;
    network.calmOrigins.add(origin);
    const query = quorum === undefined ? "" : `?${kind === "get" ? "r" : "w"}=${quorum}`;
    try {
      const response = await network.send(origin, new ProcessLife(time), {
        method: kind.toUpperCase(),
        origin: node.origin,
        path: `/kv/${keyToPath(key)}${query}`,
        timeoutMs: CLIENT_TIMEOUT_MS,
        ...(value === undefined ? {} : { body: new TextEncoder().encode(value) }),
      });
      if (response.status === 500) {
        this.#world.error(node.name, `answered 500 to ${kind}: ${textOf(response)}`);
      }
      history.end(time.nowMs, operation, endingOf(kind, response));
    } catch (error) {
      const refused = isConvergeError(error, "unreachable");
      history.end(time.nowMs, operation, {
        outcome: refused ? "failed" : "indeterminate",
        status: 0,
        reason: isConvergeError(error) ? error.code : String(error),
      });
    }
    return operation;
  }

  async #runClient(name: string): Promise<void> {
    const random = this.#world.streams.stream(`workload ${name}`);
    const { nodes } = this.#cluster;
    while (this.#left > 0) {
      this.#left--;
      const node = nodes[randomInteger(random, nodes.length)]!;
      await this.perform(name, node, this.#nextRequest(random));
      await this.#world.time.wait(thinkMs(random));
    }
  }

  #nextRequest(random: Random): Request {
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
    return { kind: "put", key, value: `v${++this.#lastValue}${padding}`, ...quorum };
  }
}

/** Mostly in a hurry, sometimes not. */
function thinkMs(random: Random): number {
  return random.next() < 0.7 ? random.next() * 40 : random.next() * 1_200;
}

function endingOf(kind: Operation["kind"], response: NetworkResponse): Ending {
  const { status } = response;
  const version = versionOf(response);
  const known = version === undefined ? {} : { version };
  if (kind === "get") {
    if (status === 200) return { outcome: "acked", status, found: textOf(response), ...known };
    if (status === 404) return { outcome: "acked", status, found: null, ...known };
    return { outcome: "failed", status, reason: reasonOf(response) };
  }
  if (status === 204) return { outcome: "acked", status, ...known };
  return {
    outcome: isCertain(response) ? "failed" : "indeterminate",
    status,
    reason: reasonOf(response),
  };
}

/** Whether a refusal says that nothing was or will be stored. */
function isCertain(response: NetworkResponse): boolean {
  if (response.status < 500) return true;
  try {
    return JSON.parse(textOf(response)).indeterminate === false;
  } catch {
    return false;
  }
}

function versionOf(response: NetworkResponse): Version | undefined {
  const tag = response.headers.get("etag");
  return tag === null ? undefined : parseVersion(tag.replace(/^W\//, "").replaceAll('"', ""));
}

function reasonOf(response: NetworkResponse): string {
  try {
    const { type, title, indeterminate } = JSON.parse(textOf(response));
    return [type ?? title, indeterminate === undefined ? "" : `indeterminate=${indeterminate}`]
      .join(" ").trim();
  } catch {
    return `status ${response.status}`;
  }
}

function textOf(response: NetworkResponse): string {
  return new TextDecoder().decode(response.body);
}
