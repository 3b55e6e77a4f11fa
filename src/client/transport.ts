/** One request of a client: which node it is sent to, how long it is waited for, who is asked next. */
import type { Answer } from "./answer.ts";
import { ClientError } from "./client_error.ts";
import { isFolded } from "./key_path.ts";
import { rawRequest } from "./raw_request.ts";

/** What is sent. */
export interface ClientRequest {
  method: string;
  /** Path and query. */
  path: string;
  body?: Uint8Array | undefined;
  headers?: Record<string, string> | undefined;
}

/** By these a node, or a proxy before it, says that another node may do better. */
const ELSEWHERE: ReadonlySet<number> = new Set([502, 503, 504]);

/** Sends requests to the node that answered last, and to the others where that one fails. */
export class Transport {
  readonly #urls: readonly string[];
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  /** Index of the node that is asked first. */
  #first = 0;

  /**
   * @param urls Origins of nodes, at least one.
   * @param timeoutMs Milliseconds that each node has for an answer.
   */
  constructor(urls: readonly string[], timeoutMs: number, signal: AbortSignal | undefined) {
    this.#urls = urls;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
  }

  /** The node that is asked first. */
  get url(): string {
    return this.#urls[this.#first]!;
  }

  /**
   * What the first node says that does not refer to others; where all do, the first that said anything.
   *
   * @throws {ClientError} When none answers, or the request cannot be sent.
   */
  async send(request: ClientRequest): Promise<Answer> {
    const first = this.#first;
    const unreached: ClientError[] = [];
    let refused: Answer | undefined;
    for (let i = 0; i < this.#urls.length; i++) {
      const index = (first + i) % this.#urls.length;
      try {
        const answer = await this.#ask(this.#urls[index]!, request);
        if (!ELSEWHERE.has(answer.response.status)) {
          this.#first = index;
          return answer;
        }
        refused ??= answer;
      } catch (error) {
        if (!(error instanceof ClientError && error.passing)) throw error;
        unreached.push(error);
      }
    }
    if (refused !== undefined) return refused;
    throw unreached.length === 1 ? unreached[0]! : noneOf(unreached);
  }

  /** Asks one node, whatever the others would say. @throws {ClientError} When it does not answer. */
  async sendToFirst(request: ClientRequest): Promise<Answer> {
    return await this.#ask(this.url, request);
  }

  async #ask(url: string, request: ClientRequest): Promise<Answer> {
    const abort = new AbortController();
    const { signal } = abort;
    const giveUp = () => abort.abort();
    const timer = setTimeout(giveUp, this.#timeoutMs);
    // Not by `AbortSignal.any`: in Node 20 the client's signal would keep something of each request.
    this.#signal?.addEventListener("abort", giveUp);
    if (this.#signal?.aborted) giveUp();
    try {
      return { url, response: await exchange(url, request, signal) };
    } catch (cause) {
      if (cause instanceof ClientError) throw cause;
      if (this.#signal?.aborted) {
        const why = { passing: false, cause: this.#signal.reason };
        throw new ClientError(`Cannot ask ${url}: given up`, why);
      }
      const reason = signal.aborted ? `no answer within ${this.#timeoutMs} ms` : reasonOf(cause);
      throw new ClientError(`Cannot reach ${url}: ${reason}`, { cause });
    } finally {
      clearTimeout(timer);
      this.#signal?.removeEventListener("abort", giveUp);
    }
  }
}

async function exchange(
  url: string,
  { method, path, body, headers = {} }: ClientRequest,
  signal: AbortSignal,
): Promise<Response> {
  if (isFolded(path.split("?")[0] ?? "")) {
    const raw = body === undefined ? {} : { body };
    return await rawRequest(url, path, { method, headers, signal, ...raw });
  }
  const response = await fetch(url + path, {
    method,
    headers,
    body: body as Uint8Array<ArrayBuffer> | undefined ?? null,
    redirect: "manual",
    signal,
  });
  // Read here, so that the deadline covers the body too. In browsers also 204 has one, of nothing,
  // with which no `Response` can be made.
  const bytes = await response.arrayBuffer();
  return new Response(bytes.byteLength === 0 ? null : bytes, response);
}

function noneOf(errors: ClientError[]): ClientError {
  const why = errors.map(({ message }) => message).join("; ");
  return new ClientError(why, { cause: errors[0] });
}

/** The innermost words of a failed fetch, which are the ones that help. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return reasonOf(error.cause);
  const words =
    /^(?:.*(?:connect error|dns error|client error \(\w+\)): )?(.*?)(?: \(os error \d+\))?$/s;
  return words.exec(error.message)?.[1] ?? error.message;
}
