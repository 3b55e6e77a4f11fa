/** Calls between nodes, over `fetch` and over connections that small ones share. */
import { ConvergeError } from "../../errors.ts";
import { joinBytes } from "../../record/join_bytes.ts";
import type { Network, NetworkRequest, NetworkResponse } from "../network.ts";
import { PeerSocket } from "./peer_socket.ts";
import { ASK_ALONE } from "./socket_message.ts";

/** Answers accepted when a request does not say. */
const RESPONSE_BYTES_MAX = 16 * 1024 * 1024;

/** Bound of the peers with an open client; a cluster has far fewer. */
const PEERS_MAX = 1024;

/** Below the servers' own patience, so that a connection is seldom closed under a request. */
const IDLE_MS = 60_000;

/** Between two attempts to open a socket to a peer: twice as long each time that it did not agree. */
const SOCKET_RETRY_MS_MIN = 1_000;
const SOCKET_RETRY_MS_MAX = 16_000;

/** The ways to one peer. */
interface Ways {
  readonly client: Deno.HttpClient;
  socket: PeerSocket | undefined;
  /** All that have not ended: one that is replaced may still owe answers. */
  readonly sockets: Set<PeerSocket>;
  socketTriedMs: number;
  socketRetryMs: number;
}

/**
 * A {@linkcode Network} over `fetch`, with kept-alive connections, and over sockets for requests that
 * may share one.
 *
 * Each peer has a client of its own that connects straight to the peer's socket: a proxy named in
 * the environment of the machine (`HTTP_PROXY`) must never see, delay or lose what nodes say to
 * each other.
 */
export class DenoNetwork implements Network {
  /** Invariant: at most PEERS_MAX entries, the least recently added goes first. */
  readonly #ways = new Map<string, Ways>();
  readonly #socketHeaders: Readonly<Record<string, string>>;
  #closed = false;

  /** @param socketHeaders What peers admit this node's sockets by. */
  constructor(socketHeaders: Readonly<Record<string, string>> = {}) {
    this.#socketHeaders = socketHeaders;
  }

  request(request: NetworkRequest): Promise<NetworkResponse> {
    if (request.mayShare === true && !this.#closed) {
      const socket = this.#socketTo(request.origin);
      if (socket.takes(request)) return this.#share(socket, request);
    }
    return this.#fetch(request);
  }

  async #share(socket: PeerSocket, request: NetworkRequest): Promise<NetworkResponse> {
    const sentMs = performance.now();
    const response = await socket.request(request);
    if (response.status !== ASK_ALONE) return response;
    const tookMs = performance.now() - sentMs;
    return await this.#fetch({ ...request, timeoutMs: Math.ceil(request.timeoutMs - tookMs) });
  }

  async #fetch(request: NetworkRequest): Promise<NetworkResponse> {
    const { origin, path, timeoutMs } = request;
    const limit = request.maxResponseBytes ?? RESPONSE_BYTES_MAX;
    // Not AbortSignal.timeout: its timer would outlive the request.
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), timeoutMs);
    try {
      const response = await fetch(origin + path, {
        method: request.method,
        // Nothing packed is asked for and so nothing is unpacked: no answer outgrows its bound.
        headers: { "accept-encoding": "identity", ...request.headers },
        body: request.body as Uint8Array<ArrayBuffer> | undefined ?? null,
        redirect: "manual",
        signal: abort.signal,
        client: this.#waysTo(origin).client,
      });
      const body = await readBounded(response, limit);
      return { status: response.status, headers: response.headers, body };
    } catch (cause) {
      if (cause instanceof ConvergeError) throw cause;
      throw networkError({ request, cause, timedOut: abort.signal.aborted });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes every connection; requests under way fail. */
  close(): void {
    this.#closed = true;
    for (const ways of this.#ways.values()) closeWays(ways);
    this.#ways.clear();
  }

  #waysTo(origin: string): Ways {
    if (this.#closed) throw new ConvergeError("closed", `Cannot call ${origin}: network is closed`);
    let ways = this.#ways.get(origin);
    if (ways === undefined) {
      if (this.#ways.size >= PEERS_MAX) this.#closeOldest();
      const client = Deno.createHttpClient(clientOptions(origin));
      ways = {
        client,
        socket: undefined,
        sockets: new Set(),
        socketTriedMs: -Infinity,
        socketRetryMs: SOCKET_RETRY_MS_MIN,
      };
      this.#ways.set(origin, ways);
    }
    return ways;
  }

  /** The socket to a peer: a new one, now and then, where there is none that is of use. */
  #socketTo(origin: string): PeerSocket {
    const ways = this.#waysTo(origin);
    const { socket } = ways;
    if (socket !== undefined && !socket.isOver) return socket;
    const nowMs = performance.now();
    if (socket !== undefined) {
      if (nowMs - ways.socketTriedMs < ways.socketRetryMs) return socket;
      ways.socketRetryMs = socket.wasOpen
        ? SOCKET_RETRY_MS_MIN
        : Math.min(SOCKET_RETRY_MS_MAX, 2 * ways.socketRetryMs);
    }
    ways.socketTriedMs = nowMs;
    const opened = new PeerSocket(origin, {
      headers: this.#socketHeaders,
      onOver: () => ways.sockets.delete(opened),
    });
    ways.sockets.add(opened);
    ways.socket = opened;
    return opened;
  }

  #closeOldest(): void {
    for (const [origin, ways] of this.#ways) {
      closeWays(ways);
      this.#ways.delete(origin);
      return;
    }
  }
}

function closeWays({ client, sockets }: Ways): void {
  for (const socket of sockets) socket.close();
  client.close();
}

function clientOptions(origin: string): Deno.CreateHttpClientOptions {
  const { protocol, hostname, port } = new URL(origin);
  const options: Deno.CreateHttpClientOptions = { poolIdleTimeout: IDLE_MS, http2: false };
  if (protocol !== "http:") return options;
  return {
    ...options,
    // The runtime makes a URL of them: an IPv6 address keeps its brackets.
    proxy: { transport: "tcp", hostname, port: port === "" ? 80 : Number(port) },
  };
}

async function readBounded(response: Response, limit: number): Promise<Uint8Array> {
  const length = response.headers.get("content-length");
  if (response.body === null) return new Uint8Array();
  if (length !== null && Number(length) <= limit) return await response.bytes();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    if (size > limit) {
      throw new ConvergeError("timeout", `Cannot read an answer over ${limit} bytes`);
    }
    chunks.push(chunk);
  }
  return joinBytes(chunks);
}

function networkError(
  { request, cause, timedOut }: { request: NetworkRequest; cause: unknown; timedOut: boolean },
): ConvergeError {
  const { method, origin, path, timeoutMs } = request;
  const what = `Cannot ${method} ${origin}${path.split("?")[0]}`;
  if (timedOut) {
    return new ConvergeError("timeout", `${what}: no answer within ${timeoutMs} ms`, { cause });
  }
  const reason = reasonOf(cause);
  // The only failures before a byte was sent: everything else may have been carried out.
  const neverSent = reason.includes("client error (Connect)") || reason.includes("are blocked");
  return new ConvergeError(
    neverSent ? "unreachable" : "timeout",
    `${what}: ${neverSent ? "no connection" : "the connection broke"}`,
    { cause },
  );
}

/** Deno tells the cause of a failed fetch in words only, in the error or in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${reasonOf(error.cause)}`;
}
