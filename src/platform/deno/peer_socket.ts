/** One connection to a peer that many requests share: this node's end of it. */
// @ts-types="@types/ws"
import { WebSocket } from "ws";
import { ConvergeError } from "../../errors.ts";
import type { NetworkRequest, NetworkResponse } from "../network.ts";
import {
  decodeResponse,
  encodeSocketMessage,
  SOCKET_BODY_BYTES_MAX,
  SOCKET_PATH,
} from "./socket_message.ts";

const NOTHING = new Uint8Array();

/** A peer that takes longer to agree is slower than what asks for it. */
const HANDSHAKE_MS = 5_000;

/** As for answers over `fetch`. */
const RESPONSE_BYTES_MAX = 16 * 1024 * 1024;

/** A request that waits for its answer. */
interface Waiting {
  resolve(response: NetworkResponse): void;
  reject(error: ConvergeError): void;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly request: NetworkRequest;
}

/**
 * A WebSocket to `SOCKET_PATH` of a peer. A request over it costs both sides together a third of one
 * over `fetch`. Whoever asks looks first whether it takes requests: it never waits for a connection.
 *
 * Not the runtime's own: that one leaves Nagle's algorithm on, which holds back a message of two
 * segments until the peer's delayed acknowledgment, 40 ms later.
 */
export class PeerSocket {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  #lastNumber = 0;
  /** A request got no answer in time: perhaps the connection is dead, and nobody told. */
  #isSilent = false;

  constructor(origin: string) {
    this.#socket = new WebSocket(origin.replace(/^http/, "ws") + SOCKET_PATH, {
      generateMask: withoutMask,
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: RESPONSE_BYTES_MAX,
    });
    this.#socket.binaryType = "arraybuffer";
    this.#socket.on("message", this.#onMessage);
    this.#socket.on("close", this.#onEnd);
    // What does not open, or breaks, closes too.
    this.#socket.on("error", () => {});
  }

  /** Whether a request may be sent over it now. */
  takes({ method, body = NOTHING }: NetworkRequest): boolean {
    return this.#socket.readyState === WebSocket.OPEN && !this.#isSilent && method === "POST" &&
      body.byteLength <= SOCKET_BODY_BYTES_MAX;
  }

  /** Whether it never will be of use again. */
  get isOver(): boolean {
    return this.#isSilent || this.#socket.readyState >= WebSocket.CLOSING;
  }

  /**
   * Sends a request that it takes and waits for the answer.
   *
   * @throws {ConvergeError} `timeout` when the deadline passed or the connection broke.
   */
  request(request: NetworkRequest): Promise<NetworkResponse> {
    const { path, headers = {}, body = NOTHING, timeoutMs } = request;
    this.#lastNumber = (this.#lastNumber + 1) >>> 0;
    const number = this.#lastNumber;
    const { promise, resolve, reject } = Promise.withResolvers<NetworkResponse>();
    const timer = setTimeout(() => this.#onTimeout(number), timeoutMs);
    this.#waiting.set(number, { resolve, reject, timer, request });
    this.#socket.send(encodeSocketMessage(number, { path, headers }, body));
    return promise;
  }

  /** Cuts the connection; requests under way fail. */
  close(): void {
    this.#socket.terminate();
    this.#onEnd();
  }

  readonly #onMessage = (data: unknown): void => {
    let response;
    try {
      response = decodeResponse(data as ArrayBuffer);
    } catch {
      // Whose answer this was is not known: they all fail.
      this.close();
      return;
    }
    const waiting = this.#take(response.number);
    if (waiting === undefined) return; // its deadline has passed
    const { status, headers } = response.head;
    const { maxResponseBytes = Infinity } = waiting.request;
    if (response.body.byteLength > maxResponseBytes) {
      waiting.reject(failed(waiting.request, `an answer over ${maxResponseBytes} bytes`));
      return;
    }
    waiting.resolve({ status, headers: new Headers(headers), body: response.body });
  };

  readonly #onEnd = (): void => {
    for (const [number, { reject, request }] of this.#waiting) {
      this.#take(number);
      reject(failed(request, "the connection broke"));
    }
  };

  #onTimeout(number: number): void {
    this.#isSilent = true;
    const waiting = this.#take(number);
    waiting?.reject(failed(waiting.request, `no answer within ${waiting.request.timeoutMs} ms`));
  }

  #take(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(number);
    clearTimeout(waiting.timer);
    if (this.#isSilent && this.#waiting.size === 0) this.#socket.terminate();
    return waiting;
  }
}

/**
 * Masks protect proxies from what pages make browsers send (RFC 6455, section 10.3). A mask of zeros
 * leaves a message as it is, and spares a pass over it.
 */
function withoutMask(mask: Uint8Array): void {
  mask.fill(0);
}

function failed({ method, origin, path }: NetworkRequest, why: string): ConvergeError {
  return new ConvergeError("timeout", `Cannot ${method} ${origin}${path}: ${why}`);
}
