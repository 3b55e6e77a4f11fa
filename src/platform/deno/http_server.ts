/** The listening side of a node: `Deno.serve` with its address known before the node is open. */
import { ConvergeError } from "../../errors.ts";
import { delay } from "../clock.ts";
import type { Log } from "../log.ts";
import { Reminder } from "../reminder.ts";
import { DenoClock } from "./deno_clock.ts";
import { plainProblem } from "./plain_problem.ts";
import { SocketServer } from "./socket_server.ts";

/** What answers requests. */
export type Handler = (request: Request) => Response | Promise<Response>;

/** Where and how to listen. */
export interface HttpServerOptions {
  hostname: string;
  /** 0 = any free port. */
  port: number;
  log: Log;
  /** Who, by the headers of the request, may open a connection that requests share; default: nobody. */
  admits?: (headers: Headers) => boolean;
}

/** Pause before the address is bound anew: others may let go of files meanwhile. */
const REBIND_MS = 100;

/**
 * The runtime puts the Host header before the path, whatever it is, and calls that the URL: a path in it
 * would be asked for instead of the one that a proxy has looked at.
 */
const NO_HOST = /[/\\?#@]/;

/**
 * An HTTP server that is bound at once and answers 503 until it is given a handler, so that a node
 * can learn its real port before it opens (and nobody else can take the port meanwhile).
 *
 * Deno has no deadline for the headers of a request (denoland/deno#3515): a client that never
 * finishes them holds its connection, and nothing else; where strangers can connect, a reverse
 * proxy belongs in front. Bodies are bounded and timed by whoever reads them.
 */
export class HttpServer {
  readonly #hostname: string;
  readonly #log: Log;
  readonly #sockets: SocketServer;
  readonly #clock = new DenoClock();
  readonly #acceptReminder = new Reminder(this.#clock);
  readonly #listenReminder = new Reminder(this.#clock);
  #server: Deno.HttpServer<Deno.NetAddr>;
  #handler: Handler = notReady;
  #isClosing = false;

  private constructor({ hostname, port, log, admits = () => false }: HttpServerOptions) {
    this.#hostname = hostname;
    this.#log = log;
    this.#sockets = new SocketServer(async (request) => {
      try {
        return await this.#handler(request);
      } catch (error) {
        return this.#onError(error);
      }
    }, admits);
    this.#server = this.#serve(port);
  }

  /**
   * Binds the address.
   *
   * @throws {ConvergeError} `bad_config` when the address is in use or not this machine's.
   */
  static listen(options: HttpServerOptions): HttpServer {
    try {
      return new HttpServer(options);
    } catch (cause) {
      const { hostname, port } = options;
      throw new ConvergeError(
        "bad_config",
        `Cannot listen on ${hostname}:${port}: ${reasonOf(cause)}`,
        { cause },
      );
    }
  }

  /** The port that was bound. */
  get port(): number {
    return this.#server.addr.port;
  }

  /** Gives requests to `handler` from now on. */
  handle(handler: Handler): void {
    this.#handler = handler;
  }

  /**
   * Answers what is under way on sockets, then accepts no more and waits for other requests under way,
   * at most `graceMs` in all. What is left then ends with the process: Deno cannot cut the connections
   * of a server that is shutting down.
   *
   * @returns Whether everything under way has ended.
   */
  async close(graceMs: number): Promise<boolean> {
    this.#isClosing = true;
    const { promise: tooLate, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), graceMs);
    // A server that shuts down cuts its sockets, whatever is under way there.
    const drained = this.#sockets.close().then(() => this.#server.shutdown()).then(() => true);
    const complete = await Promise.race([drained, tooLate]);
    clearTimeout(timer);
    return complete;
  }

  #serve(port: number): Deno.HttpServer<Deno.NetAddr> {
    const server = Deno.serve(
      {
        hostname: this.#hostname,
        port,
        onListen() {},
        onError: (error) => this.#onError(error),
      },
      (request) => this.#answer(request),
    );
    server.finished.catch((error) => this.#serveAnew(error));
    return server;
  }

  #answer(request: Request): Response | Promise<Response> {
    const host = request.headers.get("host");
    if (host === null && !saysWhereItEnds(request)) {
      return plainProblem(411, "length-required", "Cannot take a body without Content-Length");
    }
    if (host === null || !NO_HOST.test(host)) {
      return this.#sockets.accept(request) ?? this.#handler(request);
    }
    return plainProblem(400, "bad-request", `Cannot use the Host header ${JSON.stringify(host)}`);
  }

  /**
   * The runtime gives a server up when it cannot take a connection, as when the process may hold no
   * more files. What that server holds is let go of, which makes room.
   */
  async #serveAnew(error: unknown): Promise<void> {
    if (this.#acceptReminder.isDue()) this.#log.error("accept.failed", { error });
    const { port } = this;
    await this.#server.shutdown().catch(() => {}); // it has ended, well or not
    while (!this.#isClosing) {
      await delay(this.#clock, REBIND_MS);
      try {
        if (!this.#isClosing) this.#server = this.#serve(port);
        return;
      } catch (error) {
        if (this.#listenReminder.isDue()) this.#log.error("listen.failed", { error });
      }
    }
  }

  #onError(error: unknown): Response {
    this.#log.error("request.crashed", { error });
    return plainProblem(500, "internal", "Cannot answer: an unexpected error, see the node's log");
  }
}

/**
 * Whether one can tell if the body of a request without a Host header has come whole. Such are those of
 * HTTP/2: a body that its client gives up ends for the runtime like any other, and only its length tells.
 */
function saysWhereItEnds({ method, headers }: Request): boolean {
  return (method !== "PUT" && method !== "POST") || headers.has("content-length");
}

function notReady(): Response {
  return plainProblem(503, "not-ready", "Cannot answer yet: the node is starting", {
    "retry-after": "1",
  });
}

function reasonOf(cause: unknown): string {
  if (cause instanceof Deno.errors.AddrInUse) return "the port is in use";
  if (cause instanceof Deno.errors.AddrNotAvailable) return "it is no address of this machine";
  if (cause instanceof Deno.errors.PermissionDenied) return "the system does not allow this port";
  return cause instanceof Error ? cause.message : String(cause);
}
