/**
 * The network between simulated processes: every request and every answer is a message of its own
 * that can be late, lost, doubled or overtaken, and any direction of any link can be cut.
 */
import { ConvergeError } from "../../errors.ts";
import type { Network, NetworkRequest, NetworkResponse } from "../../platform/network.ts";
import { type Random, randomBetween, randomInteger } from "../../platform/random.ts";
import type { SimulationEvent } from "./event_queue.ts";
import type { ProcessLife } from "./process_life.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** How one direction of a link behaves. */
export interface LinkFaults {
  /** Milliseconds under way, drawn uniformly between the two: the wider, the more reordering. */
  delayMs: readonly [number, number];
  /** Chance that a message vanishes. */
  lossRate: number;
  /** Chance that a request arrives twice. */
  duplicateRate: number;
  /** Chance that a bit of a body flips, a request's or an answer's. */
  corruptRate: number;
}

/** A good local network. */
export const CALM_LINK: LinkFaults = {
  delayMs: [0.1, 1],
  lossRate: 0,
  duplicateRate: 0,
  corruptRate: 0,
};

/** A request of any method: clients use more of them than nodes. */
export interface VirtualRequest extends Omit<NetworkRequest, "method" | "mayShare"> {
  method: string;
}

/** Requests that arrive again. */
export interface Replays {
  /** Chance that a request of {@linkcode REPLAYED_PATHS} does. */
  readonly share: number;
  /** Milliseconds after which it does, drawn uniformly. */
  readonly delayMs: readonly [number, number];
}

/** What is worth replaying: what makes a node store or forget, and what it is told of others. */
const REPLAYED_PATHS: readonly string[] = [
  "/internal/kv",
  "/internal/collect",
  "/internal/gossip",
];

/** What takes requests: a node's `app.fetch`. */
export type Handler = (request: Request) => Response | Promise<Response>;

/** What a network is made of. */
export interface VirtualNetworkOptions {
  time: VirtualTime;
  random: Random;
  /** For replays; default: `random`. */
  replayRandom?: Random;
  /** Told of every injected fault. */
  onFault?: (kind: string) => void;
  /** Told when a handler throws: a bug, since every error has an answer. */
  onHandlerError?: (origin: string, error: unknown) => void;
  /** Sees every request as it is delivered. */
  onDelivery?: (from: string, request: VirtualRequest) => void;
}

interface Host {
  life: ProcessLife;
  handler: Handler;
  /** Ends the exchanges that this host has not answered, when its process dies. */
  unanswered: Set<() => void>;
}

/** All links of a world. */
export class VirtualNetwork {
  readonly #options: VirtualNetworkOptions;
  readonly #hosts = new Map<string, Host>();
  /** Origins whose machine is off: they do not even refuse. */
  readonly #silent = new Set<string>();
  readonly #cuts = new Set<string>();
  readonly #links = new Map<string, LinkFaults>();
  /** What holds on links without faults of their own. */
  weather: LinkFaults = CALM_LINK;
  replays: Replays | undefined;
  /** Links that touch one of these origins are calm and cannot be cut: the clients'. */
  readonly calmOrigins = new Set<string>();
  #inFlight = 0;
  #messagesTotal = 0;
  #replaysUnderWay = 0;
  /** Times that all connections between nodes ended. */
  #endings = 0;

  constructor(options: VirtualNetworkOptions) {
    this.#options = options;
  }

  /** Exchanges without an outcome yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Messages sent so far, answers included. */
  get messagesTotal(): number {
    return this.#messagesTotal;
  }

  /** Messages that are to come again. */
  get replaysUnderWay(): number {
    return this.#replaysUnderWay;
  }

  /** A process begins to listen. */
  listen(origin: string, life: ProcessLife, handler: Handler): void {
    this.#silent.delete(origin);
    this.#hosts.set(origin, { life, handler, unanswered: new Set() });
  }

  /**
   * A process ends. Its callers see the connection break, and later ones are refused; with
   * `silent` (the machine is off) they hear nothing at all.
   */
  disconnect(origin: string, options: { silent?: boolean } = {}): void {
    const host = this.#hosts.get(origin);
    this.#hosts.delete(origin);
    if (options.silent === true) this.#silent.add(origin);
    else for (const breakOff of host?.unanswered ?? []) breakOff();
  }

  /**
   * All nodes' processes have ended, and with them the connections between them: what is under way there
   * never arrives. Replays come all the same: whoever replays has recorded them.
   */
  endConnections(): void {
    this.#endings++;
  }

  /** Stops all messages in one direction. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`);
  }

  /** Gives one direction faults of its own. */
  setLink(from: string, to: string, faults: LinkFaults): void {
    this.#links.set(`${from} ${to}`, faults);
  }

  /** Undoes every cut and every link's own faults, and calms the weather. Replays under way come. */
  heal(): void {
    this.replays = undefined;
    this.#cuts.clear();
    this.#links.clear();
    this.weather = CALM_LINK;
  }

  /** Undoes one cut. */
  mend(from: string, to: string): void {
    this.#cuts.delete(`${from} ${to}`);
  }

  /** Undoes {@linkcode setLink}. */
  clearLink(from: string, to: string): void {
    this.#links.delete(`${from} ${to}`);
  }

  /** The network as the process at `origin` sees it. */
  client(origin: string, life: ProcessLife): Network {
    return { request: (request) => this.send(origin, life, request) };
  }

  /** Sends a request. Errors as in {@linkcode Network.request}; never settles once `life` is dead. */
  send(from: string, life: ProcessLife, request: VirtualRequest): Promise<NetworkResponse> {
    return new Promise((resolve, reject) => {
      if (life.dead) return;
      const exchange = new Exchange(life, resolve, reject, () => this.#inFlight--);
      this.#inFlight++;
      const sent = { ...request };
      exchange.deadline = this.#options.time.schedule(
        request.timeoutMs,
        () => exchange.fail("timeout", "no answer"),
      );
      this.#dispatch(from, sent, exchange);
      if (this.#strikes(this.#faultsOf(from, request.origin).duplicateRate, "message duplicated")) {
        // One comes after the answer to the other, when the body is the sender's again.
        if (sent.body !== undefined) sent.body = sent.body.slice();
        this.#dispatch(from, sent, exchange);
      }
    });
  }

  #dispatch(from: string, request: VirtualRequest, exchange: Exchange): void {
    this.#transmit(from, request.origin, () => this.#deliver(from, request, exchange));
  }

  #deliver(from: string, request: VirtualRequest, exchange: Exchange): void {
    const { origin } = request;
    const host = this.#hosts.get(origin);
    if (host === undefined) {
      if (this.#silent.has(origin) || exchange.connected === true) return;
      exchange.connected = false;
      this.#transmit(origin, from, () => exchange.fail("unreachable", "connection refused"));
      return;
    }
    if (exchange.connected === false) return;
    exchange.connected = true;
    const breakOff = () =>
      this.#transmit(origin, from, () => exchange.fail("timeout", "connection broken"));
    host.unanswered.add(breakOff);
    const damaged = request.body === undefined
      ? request
      : { ...request, body: this.#maybeCorrupted(from, origin, request.body) };
    this.#maybeReplay(from, request);
    host.life.enter(() => {
      this.#options.onDelivery?.(from, damaged);
      void this.#handle(host, damaged).then((response) => {
        // The process died meanwhile: its answer never left.
        if (host.life.dead) return;
        host.unanswered.delete(breakOff);
        const answer = { ...response, body: this.#maybeCorrupted(origin, from, response.body) };
        this.#transmit(origin, from, () => exchange.answer(answer, request.maxResponseBytes));
      }, (error) => this.#options.onHandlerError?.(origin, error));
    });
  }

  /** A request that got here comes again, to whatever life the host then has; nobody hears the answer. */
  #maybeReplay(from: string, request: VirtualRequest): void {
    const { replays } = this;
    if (replays === undefined || !REPLAYED_PATHS.includes(request.path)) return;
    const { time, random, replayRandom = random, onFault, onHandlerError } = this.#options;
    if (replayRandom.next() >= replays.share) return;
    const replayed = { ...request };
    if (request.body !== undefined) replayed.body = request.body.slice();
    this.#replaysUnderWay++;
    time.schedule(randomBetween(replayRandom, replays.delayMs), () => {
      this.#replaysUnderWay--;
      const host = this.#hosts.get(request.origin);
      if (host === undefined || this.#isCut(from, request.origin)) return;
      onFault?.("message replayed");
      host.life.enter(() =>
        void this.#handle(host, replayed).catch((error) => onHandlerError?.(request.origin, error))
      );
    });
  }

  async #handle(host: Host, request: VirtualRequest): Promise<NetworkResponse> {
    const init: RequestInit = { method: request.method };
    if (request.headers !== undefined) init.headers = request.headers;
    if (request.body !== undefined) init.body = request.body.slice();
    const response = await host.handler(new Request(request.origin + request.path, init));
    const body = response.body === null
      ? new Uint8Array()
      : new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, body };
  }

  /** Puts one message on its way. */
  #transmit(from: string, to: string, arrive: () => void): void {
    this.#messagesTotal++;
    const faults = this.#faultsOf(from, to);
    const delayMs = randomBetween(this.#options.random, faults.delayMs);
    if (this.#strikes(faults.lossRate, "message lost")) return;
    if (this.#isCut(from, to)) return;
    const endings = this.#endings;
    this.#options.time.schedule(delayMs, () => {
      if (endings !== this.#endings && !this.#isCalm(from, to)) return;
      // A cut also stops what is under way.
      if (!this.#isCut(from, to)) arrive();
    });
  }

  #faultsOf(from: string, to: string): LinkFaults {
    if (this.#isCalm(from, to)) return CALM_LINK;
    return this.#links.get(`${from} ${to}`) ?? this.weather;
  }

  #isCalm(from: string, to: string): boolean {
    return this.calmOrigins.has(from) || this.calmOrigins.has(to);
  }

  #isCut(from: string, to: string): boolean {
    if (this.#cuts.size === 0 || !this.#cuts.has(`${from} ${to}`)) return false;
    this.#options.onFault?.("message cut");
    return true;
  }

  #maybeCorrupted(from: string, to: string, body: Uint8Array): Uint8Array {
    const rate = this.#faultsOf(from, to).corruptRate;
    if (body.byteLength === 0 || !this.#strikes(rate, "message corrupted")) return body;
    const damaged = body.slice();
    const index = randomInteger(this.#options.random, damaged.byteLength);
    damaged[index] = damaged[index]! ^ (1 << randomInteger(this.#options.random, 8));
    return damaged;
  }

  #strikes(rate: number, kind: string): boolean {
    if (rate === 0 || this.#options.random.next() >= rate) return false;
    this.#options.onFault?.(kind);
    return true;
  }
}

/** One request and the first of its outcomes; later ones are ignored. */
class Exchange {
  /** The event that ends it unanswered. */
  deadline: SimulationEvent | undefined;
  /**
   * Whether there was a connection, once that is known. Where it was refused no part of the request ever
   * arrives, and where there was one nothing of it is refused: who sends it relies on either.
   */
  connected: boolean | undefined;
  #over = false;
  readonly #life: ProcessLife;
  readonly #resolve: (response: NetworkResponse) => void;
  readonly #reject: (error: ConvergeError) => void;
  readonly #onEnd: () => void;

  constructor(
    life: ProcessLife,
    resolve: (response: NetworkResponse) => void,
    reject: (error: ConvergeError) => void,
    onEnd: () => void,
  ) {
    this.#life = life;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#onEnd = onEnd;
  }

  answer(response: NetworkResponse, maxResponseBytes = Infinity): void {
    if (response.body.byteLength > maxResponseBytes) {
      this.fail("timeout", "the answer is too large");
    } else this.#end(() => this.#resolve(response));
  }

  fail(code: "timeout" | "unreachable", reason: string): void {
    this.#end(() => this.#reject(new ConvergeError(code, `Cannot get an answer: ${reason}`)));
  }

  #end(settle: () => void): void {
    if (this.#over) return;
    this.#over = true;
    if (this.deadline !== undefined) this.deadline.run = undefined;
    this.#onEnd();
    this.#life.enter(settle);
  }
}
