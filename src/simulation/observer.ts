/** Whoever looks on: asks nodes how they are, by way of the network but untouched by its faults. */
import type { ClusterView } from "../http/cluster_view.ts";
import type { NetworkResponse } from "../platform/network.ts";
import { ProcessLife } from "./virtual/process_life.ts";
import type { SimulatedNode } from "./world/simulated_node.ts";
import type { World } from "./world/world.ts";

const ORIGIN = "http://observer";
const TIMEOUT_MS = 5_000;
const decoder = new TextDecoder();

/** The observer of a run. */
export class Observer {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Whether a node takes requests. */
  async isReady(node: SimulatedNode): Promise<boolean> {
    return (await this.#ask(node, "/readyz"))?.status === 200;
  }

  /** What a node says of its cluster; undefined where it does not. */
  async viewOf(node: SimulatedNode): Promise<ClusterView | undefined> {
    const response = await this.#ask(node, "/cluster");
    return response?.status === 200 ? JSON.parse(decoder.decode(response.body)) : undefined;
  }

  async #ask(node: SimulatedNode, path: string): Promise<NetworkResponse | undefined> {
    const { network, time } = this.#world;
    network.calmOrigins.add(ORIGIN);
    try {
      return await network.send(ORIGIN, new ProcessLife(time), {
        method: "GET",
        origin: node.origin,
        path,
        timeoutMs: TIMEOUT_MS,
      });
    } catch {
      return undefined;
    }
  }
}
