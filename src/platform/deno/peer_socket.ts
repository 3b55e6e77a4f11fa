/** One connection to a peer that many requests share: this node's end of it. */
// @ts-types="@types/ws"
import { WebSocket } from "ws";
import { ConvergeError } from "../../errors.ts";
import type { NetworkRequest, NetworkResponse } from "../network.ts";
import {
  decodeResponse,
  encodeSocketMessage,
  type RequestHead,
  SOCKET_BODY_BYTES_MAX,
  SOCKET_MESSAGE_BYTES_MAX,
  SOCKET_PATH,
} from "./socket_message.ts";

const NOTHING = new Uint8Array();

/** A body so long is a fragment of its own: one more costs less than to copy it. */
const APART_BYTES = 32 * 1024;

/** A peer that takes longer to agree is slower than what asks for it. */
const HANDSHAKE_MS = 5_000;

/**
 * Milliseconds that a connection may owe an answer and bring nothing: what comes then goes another
 * way, since a connection may be dead without anybody being told.
 */
const SILENCE_MS = 250;

/** A request that waits for its answer. */
interface Waiting {
  resolve(response: NetworkResponse): void;
  reject(error: ConvergeError): void;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly request: NetworkRequest;
  readonly sentMs: number;
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
  readonly #onOver: () => void;
  #lastNumber = 0;
  #heardMs = -Infinity;
  #wasOpen = false;
  /** A request got no answer in time: perhaps the connection is dead, and nobody told. */
  #isSilent = false;

  /**
   * @param headers What the peer admits this node by.
   * @param onOver Called once, when the connection has ended or never came about.
   */
  constructor(
    origin: string,
    { headers = {}, onOver = () => {} }: {
      headers?: Readonly<Record<string, string>>;
      onOver?: () => void;
    } = {},
  ) {
    this.#onOver = onOver;
    this.#socket = new WebSocket(origin.replace(/^http/, "ws") + SOCKET_PATH, {
      headers,
      generateMask: withoutMask,
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: SOCKET_MESSAGE_BYTES_MAX,
    });
    this.#socket.on("open", () => this.#wasOpen = true);
    this.#socket.on("message", this.#onMessage);
    this.#socket.on("close", this.#onEnd);
    // What does not open, or breaks, closes too.
    this.#socket.on("error", () => {});
  }

  /** Whether a request may be sent over it now. */
  takes({ method, body = NOTHING }: NetworkRequest): boolean {
    return this.#socket.readyState === WebSocket.OPEN && !this.#isSilent && method === "POST" &&
      body.byteLength <= SOCKET_BODY_BYTES_MAX && !this.#owesForLong();
  }

  /** Whether the peer ever agreed to it. */
  get wasOpen(): boolean {
    return this.#wasOpen;
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
    const sentMs = performance.now();
    this.#waiting.set(number, { resolve, reject, timer, request, sentMs });
    this.#send(number, { path, headers }, body);
    return promise;
  }

  #send(number: number, head: RequestHead, body: Uint8Array): void {
    if (body.byteLength < APART_BYTES) {
      this.#socket.send(encodeSocketMessage(number, head, body));
    } else {
      this.#socket.send(encodeSocketMessage(number, head, NOTHING), { fin: false });
      this.#socket.send(body);
    }
  }

  /** Cuts the connection; requests under way fail. */
  close(): void {
    this.#socket.terminate();
    this.#onEnd();
  }

  readonly #onMessage = (data: unknown): void => {
    const answer = answerIn(data as Uint8Array<ArrayBuffer>);
    if (answer === undefined) {
      // Whose answer this was is not known: they all fail.
      this.close();
      return;
    }
    this.#heardMs = performance.now();
    const waiting = this.#take(answer.number);
    if (waiting === undefined) return; // its deadline has passed
    const { maxResponseBytes = Infinity } = waiting.request;
    if (answer.response.body.byteLength > maxResponseBytes) {
      waiting.reject(failed(waiting.request, `an answer over ${maxResponseBytes} bytes`));
    } else {
      waiting.resolve(answer.response);
    }
  };

  readonly #onEnd = (): void => {
    for (const [number, { reject, request }] of this.#waiting) {
      this.#take(number);
      reject(failed(request, "the connection broke"));
    }
    this.#onOver();
  };

  #owesForLong(): boolean {
    if (this.#waiting.size === 0) return false;
    const [oldest] = this.#waiting.values();
    return performance.now() - Math.max(oldest!.sentMs, this.#heardMs) > SILENCE_MS;
  }

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

/** A peer's answer, undefined where it is none. */
function answerIn(
  { buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>,
): { number: number; response: NetworkResponse } | undefined {
  try {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    const { number, head: { status, headers }, body } = decodeResponse(bytes);
    return { number, response: { status, headers: new Headers(headers), body } };
  } catch {
    return undefined;
  }
}

function failed({ method, origin, path }: NetworkRequest, why: string): ConvergeError {
  return new ConvergeError("timeout", `Cannot ${method} ${origin}${path}: ${why}`);
}
