/** Connections that peers' requests share: the answering node's end of them. */
import { plainProblem } from "./plain_problem.ts";
import {
  ASK_ALONE,
  decodeRequest,
  encodeSocketMessage,
  SOCKET_ANSWER_BYTES_MAX,
  SOCKET_BODY_BYTES_MAX,
  SOCKET_PATH,
} from "./socket_message.ts";

/** Requests under way over one connection at most; a node has a few. */
const UNDER_WAY_MAX = 16;

/**
 * Bytes of answers that wait for a peer to take them, at most. The runtime bounds neither these nor a
 * message that comes in: who is admitted is trusted with the node's memory that far.
 */
const UNREAD_BYTES_MAX = 16 * 1024 * 1024;

/** Milliseconds that a peer gets to agree to the end of a connection. */
const CLOSE_MS = 500;

/** What may be asked: nothing that is for clients. */
const PATHS = "/internal/";

/** Takes connections, and gives what comes over them to a handler as requests like any other. */
export class SocketServer {
  readonly #handler: (request: Request) => Promise<Response>;
  readonly #admits: (headers: Headers) => boolean;
  readonly #connections = new Set<Connection>();
  #isClosed = false;

  /**
   * @param handler Never rejects.
   * @param admits Whether who asks for a connection with these headers may have one.
   */
  constructor(
    handler: (request: Request) => Promise<Response>,
    admits: (headers: Headers) => boolean,
  ) {
    this.#handler = handler;
    this.#admits = admits;
  }

  /** Opens a connection, if that is what a request is for. */
  accept(request: Request): Response | undefined {
    // Headers are looked at last: Deno makes them when somebody does.
    if (!request.url.endsWith(SOCKET_PATH)) return undefined;
    const url = URL.parse(request.url);
    if (url?.pathname !== SOCKET_PATH || this.#isClosed) return undefined;
    const { headers } = request;
    if (headers.get("upgrade")?.toLowerCase() !== "websocket") return undefined;
    // Only browsers say where they come from, and no page has any business here.
    const origin = headers.get("origin");
    if (origin !== null) {
      return plainProblem(403, "cross-origin", `Cannot open a socket for a page of ${origin}`);
    }
    if (!this.#admits(headers)) {
      return plainProblem(
        401,
        "forged-message",
        "Cannot open a socket without this cluster's proof",
      );
    }
    let upgrade;
    try {
      upgrade = Deno.upgradeWebSocket(request);
    } catch {
      return plainProblem(
        400,
        "bad-request",
        "Cannot open a socket: it is no WebSocket's handshake",
      );
    }
    const { socket, response } = upgrade;
    socket.binaryType = "arraybuffer";
    const connection = new Connection(socket, url.origin, this.#handler);
    socket.onopen = () => {
      this.#connections.add(connection);
      if (this.#isClosed) socket.close();
    };
    socket.onmessage = ({ data }) => void connection.answer(data);
    socket.onerror = (event) => event.preventDefault();
    socket.onclose = () => {
      this.#connections.delete(connection);
      connection.onClosed();
    };
    return response;
  }

  /**
   * Takes no more requests, and closes each connection once what is under way there was answered.
   *
   * @returns When every answer has arrived, or will not.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#connections].map((connection) => connection.closeWhenAnswered()));
  }
}

class Connection {
  readonly #socket: WebSocket;
  readonly #origin: string;
  readonly #handler: (request: Request) => Promise<Response>;
  #underWay = 0;
  #isClosing = false;
  readonly #closed = Promise.withResolvers<void>();
  #closeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    socket: WebSocket,
    origin: string,
    handler: (request: Request) => Promise<Response>,
  ) {
    this.#socket = socket;
    this.#origin = origin;
    this.#handler = handler;
  }

  /** Never rejects. */
  async answer(message: ArrayBuffer | string): Promise<void> {
    if (this.#isClosing) return; // the peer learns by the end of the connection
    const asked = this.#isOverloaded ? undefined : this.#requestOf(message);
    if (asked === undefined) {
      this.#isClosing = true;
      this.#socket.close();
      return;
    }
    this.#underWay++;
    try {
      const response = await this.#handler(asked.request);
      this.#send(asked.number, response, await response.bytes());
    } catch {
      this.#isClosing = true; // an answer that breaks off
    }
    this.#underWay--;
    this.#closeIfAnswered();
  }

  /** The connection has ended, by whomever. */
  onClosed(): void {
    clearTimeout(this.#closeTimer);
    this.#closed.resolve();
  }

  async closeWhenAnswered(): Promise<void> {
    this.#isClosing = true;
    const isIdle = this.#underWay === 0;
    this.#closeIfAnswered();
    // A peer that waits for nothing may have stopped: it is not waited for.
    if (!isIdle) await this.#closed.promise;
  }

  get #isOverloaded(): boolean {
    return this.#underWay >= UNDER_WAY_MAX || this.#socket.bufferedAmount > UNREAD_BYTES_MAX;
  }

  #send(number: number, { status, headers }: Response, body: Uint8Array): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const message = body.byteLength > SOCKET_ANSWER_BYTES_MAX
      ? encodeSocketMessage(number, { status: ASK_ALONE, headers: {} }, new Uint8Array())
      : encodeSocketMessage(number, { status, headers: Object.fromEntries(headers) }, body);
    this.#socket.send(message);
  }

  #closeIfAnswered(): void {
    if (!this.#isClosing || this.#underWay > 0) return;
    this.#socket.close();
    this.#closeTimer ??= setTimeout(() => this.#closed.resolve(), CLOSE_MS);
  }

  #requestOf(message: ArrayBuffer | string): { number: number; request: Request } | undefined {
    if (typeof message === "string") return undefined;
    try {
      const { number, head: { path, headers }, body } = decodeRequest(new Uint8Array(message));
      if (body.byteLength > SOCKET_BODY_BYTES_MAX) return undefined;
      const request = new Request(this.#origin + path, {
        method: "POST",
        headers: { ...headers, "content-length": String(body.byteLength) },
        body: body as Uint8Array<ArrayBuffer>,
      });
      // Only now: `..` may lead out again.
      return request.url.startsWith(this.#origin + PATHS) ? { number, request } : undefined;
    } catch {
      return undefined;
    }
  }
}
