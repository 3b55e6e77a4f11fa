/** Connections that peers' requests share: the answering node's end of them. */
import {
  decodeRequest,
  encodeSocketMessage,
  SOCKET_BODY_BYTES_MAX,
  SOCKET_PATH,
} from "./socket_message.ts";

/** Requests under way over one connection at most; a node has a few. */
const UNDER_WAY_MAX = 256;
/** What may be asked: nothing that is for clients. */
const PATHS = "/internal/";

/** Takes connections, and gives what comes over them to a handler as requests like any other. */
export class SocketServer {
  readonly #handler: (request: Request) => Promise<Response>;
  readonly #connections = new Set<Connection>();
  #isClosed = false;

  /** @param handler Never rejects. */
  constructor(handler: (request: Request) => Promise<Response>) {
    this.#handler = handler;
  }

  /** Opens a connection, if that is what a request is for. */
  accept(request: Request): Response | undefined {
    // Headers are looked at last: Deno makes them when somebody does.
    if (!request.url.endsWith(SOCKET_PATH)) return undefined;
    const { origin, pathname } = new URL(request.url);
    if (pathname !== SOCKET_PATH || this.#isClosed) return undefined;
    const { headers } = request;
    if (headers.get("upgrade")?.toLowerCase() !== "websocket") return undefined;
    // Only browsers say where they come from, and no page has any business here.
    if (headers.has("origin")) return new Response(null, { status: 403 });
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.binaryType = "arraybuffer";
    const connection = new Connection(socket, origin, this.#handler);
    this.#connections.add(connection);
    socket.onmessage = ({ data }) => void connection.answer(data);
    socket.onerror = (event) => event.preventDefault();
    socket.onclose = () => {
      this.#connections.delete(connection);
      connection.onClosed();
    };
    return response;
  }

  /**
   * Takes no more connections, and closes each once what is under way there was answered.
   *
   * @returns When every answer has arrived.
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

  constructor(
    socket: WebSocket,
    origin: string,
    handler: (request: Request) => Promise<Response>,
  ) {
    this.#socket = socket;
    this.#origin = origin;
    this.#handler = handler;
  }

  async answer(message: ArrayBuffer | string): Promise<void> {
    const asked = this.#underWay < UNDER_WAY_MAX ? this.#requestOf(message) : undefined;
    if (asked === undefined) {
      this.#socket.close();
      return;
    }
    this.#underWay++;
    const response = await this.#handler(asked.request);
    const head = { status: response.status, headers: Object.fromEntries(response.headers) };
    const body = await response.bytes();
    this.#underWay--;
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(encodeSocketMessage(asked.number, head, body));
    }
    this.#closeIfAnswered();
  }

  /** The connection has ended, by whomever. */
  onClosed(): void {
    this.#closed.resolve();
  }

  async closeWhenAnswered(): Promise<void> {
    this.#isClosing = true;
    const isIdle = this.#underWay === 0;
    this.#closeIfAnswered();
    // A peer that waits for nothing may have stopped: it is not waited for.
    if (!isIdle) await this.#closed.promise;
  }

  #closeIfAnswered(): void {
    if (this.#isClosing && this.#underWay === 0) this.#socket.close();
  }

  #requestOf(message: ArrayBuffer | string): { number: number; request: Request } | undefined {
    if (typeof message === "string") return undefined;
    try {
      const { number, head: { path, headers }, body } = decodeRequest(message);
      if (!path.startsWith(PATHS) || body.byteLength > SOCKET_BODY_BYTES_MAX) return undefined;
      const request = new Request(this.#origin + path, {
        method: "POST",
        headers: { ...headers, "content-length": String(body.byteLength) },
        body,
      });
      return { number, request };
    } catch {
      return undefined;
    }
  }
}
