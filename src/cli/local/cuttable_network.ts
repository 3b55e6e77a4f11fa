/** A network whose links can be cut, to play a partition on one machine. */
import { ConvergeError } from "../../errors.ts";
import type { Network, NetworkRequest, NetworkResponse } from "../../platform/network.ts";

/** Passes requests on, except to peers that are cut off. */
export class CuttableNetwork implements Network {
  readonly #network: Network;
  #cut: ReadonlySet<string> = new Set();

  constructor(network: Network) {
    this.#network = network;
  }

  /** Cuts exactly the links to these origins from now on. */
  cut(origins: Iterable<string>): void {
    this.#cut = new Set(origins);
  }

  async request(request: NetworkRequest): Promise<NetworkResponse> {
    if (!this.#cut.has(request.origin)) return await this.#network.request(request);
    // What gets lost on a cut link is not answered at all: the caller finds out by its deadline.
    await new Promise((resolve) => setTimeout(resolve, request.timeoutMs));
    throw new ConvergeError("timeout", `Cannot reach ${request.origin}: the link is cut`);
  }
}
