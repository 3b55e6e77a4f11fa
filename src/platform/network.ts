/** How a node calls its peers: over HTTP in production, by virtual delivery in simulation. */
export interface Network {
  /**
   * Sends one request and waits for the whole answer. Never follows redirects.
   *
   * @throws {ConvergeError} `unreachable` when no connection was made (nothing was carried out),
   * `timeout` when the deadline passed or the connection broke midway (it may have been).
   */
  request(request: NetworkRequest): Promise<NetworkResponse>;
}

/** One request to a peer. */
export interface NetworkRequest {
  method: "GET" | "POST";
  /** Origin of the peer: `http://host:port`, no path. */
  origin: string;
  /** Path with query, beginning with a slash. */
  path: string;
  headers?: Record<string, string>;
  /** The network's until there is an answer of status 200; without one, for ever. */
  body?: Uint8Array;
  /** Milliseconds to wait for the whole answer. */
  timeoutMs: number;
  /** Bytes of answer to accept at most; a larger answer is a `timeout` error. */
  maxResponseBytes?: number;
  /**
   * May go over a connection that it shares with other requests under way: for small ones that come
   * often, since a long one holds up what is behind it.
   */
  mayShare?: boolean;
}

/** A peer's whole answer. */
export interface NetworkResponse {
  status: number;
  headers: Headers;
  body: Uint8Array;
}
