/// <reference lib="dom" />
/** The control of `converge cluster`, which a node knows of only there. */
import type { ClusterStatus } from "../../cli/local/local_cluster.ts";

/** How often the page asks how the cluster stands. */
const POLL_MS = 1_500;

/** Stops, pauses, cuts. */
export class Control {
  readonly #url: string;
  readonly #onStatus: (status: ClusterStatus) => void;
  readonly #onProblem: (problem: string) => void;

  private constructor(
    url: string,
    onStatus: (status: ClusterStatus) => void,
    onProblem: (problem: string) => void,
  ) {
    this.#url = url;
    this.#onStatus = onStatus;
    this.#onProblem = onProblem;
  }

  /** Finds the control; undefined where there is none. */
  static async find(
    onStatus: (status: ClusterStatus) => void,
    onProblem: (problem: string) => void,
  ): Promise<Control | undefined> {
    // Only the policy of a page under `converge cluster` lets it talk to another origin.
    const response = await fetch("/control").catch(() => undefined);
    const { url } = response?.ok ? await response.json() : { url: null };
    if (url === null) return undefined;
    const control = new Control(url, onStatus, onProblem);
    control.#poll();
    return control;
  }

  /** Does something to a node. */
  async act(name: string, action: string): Promise<void> {
    await this.#send(`/nodes/${encodeURIComponent(name)}/${action}`);
  }

  /** Cuts or heals the link between two nodes. */
  async link(a: string, b: string, action: "cut" | "heal"): Promise<void> {
    await this.#send(`/links/${encodeURIComponent(a)}/${encodeURIComponent(b)}/${action}`);
  }

  async #send(path: string): Promise<void> {
    try {
      const response = await fetch(this.#url + path, { method: "POST" });
      const json = await response.json();
      if (response.ok) this.#onStatus(json);
      else this.#onProblem(json.detail);
    } catch {
      this.#onProblem("The control of the cluster does not answer");
    }
  }

  async #poll(): Promise<void> {
    try {
      const response = await fetch(this.#url);
      if (response.ok) this.#onStatus(await response.json());
    } catch {
      // The whole cluster has ended; the stream of events says so.
    }
    setTimeout(() => void this.#poll(), POLL_MS);
  }
}
