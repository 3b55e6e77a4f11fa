/**
 * The typed client: what a program needs to use a cluster from outside, over HTTP only. It runs
 * wherever there is `fetch`, and shares nothing with the server but the contract.
 */
import type { ClusterView } from "../http/cluster_routes.ts";
import type { RemovalProgress } from "../http/removal_routes.ts";
import type { Receipt } from "../replication/requests/receipt.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { ClientError, noNode, NOT_FOUND, refusal } from "./client_error.ts";
import { isFolded, keyPath, wellFormed } from "./key_path.ts";
import { rawRequest } from "./raw_request.ts";

/** A key: text, or any bytes. */
export type ClientKey = string | Uint8Array;

/** A value as it was stored. */
export interface ClientValue {
  bytes: Uint8Array<ArrayBuffer>;
  contentType: string;
  /** The version, `<counter>-<nodeID>`. */
  version: string;
  /** When it is gone, in milliseconds since 1970 by the nodes' clocks; undefined for never. */
  expiresAtMs: number | undefined;
}

/** A key with its value. */
export interface ClientEntry extends ClientValue {
  key: ClientKey;
}

/** One page of keys. */
export interface KeyPage {
  keys: ClientKey[];
  /** What to pass as `after` for the page that follows; undefined at the end. */
  next: ClientKey | undefined;
}

/** Which keys to list. */
export interface ListOptions {
  prefix?: ClientKey | undefined;
  /** Only keys behind this one. */
  after?: ClientKey | undefined;
  /** Keys of a page, 1 to 1000; default: 100. */
  limit?: number | undefined;
}

/** How to make a {@linkcode ConvergeClient}. */
export interface ClientOptions {
  /** Milliseconds to wait for an answer; a node's own deadline (2 s) is well below. */
  timeoutMs?: number;
  /** Gives up all requests of this client once it is aborted. A client more costs nothing. */
  signal?: AbortSignal;
}

/** Quorum of one request, in place of the cluster's own. */
export interface Quorum {
  /** Owners that must answer the read. */
  r?: number;
  /** Owners that must store the write. */
  w?: number;
}

const TIMEOUT_MS = 10_000;
const DEFAULT_TYPE = "application/octet-stream";

/** What is stored with a value. */
export interface PutOptions extends Quorum {
  /** Media type; default: `application/octet-stream`. */
  contentType?: string | undefined;
  /** Seconds after which the value is gone, 1 to ten years; default: never. */
  ttlSeconds?: number | undefined;
}

/**
 * Talks to one node; any node takes any request. All methods throw {@linkcode ClientError}, also where
 * somebody answers and not as a node does, and none tries again: `passing` says whether that may help,
 * and to put or delete once more does no harm.
 */
export class ConvergeClient {
  readonly url: string;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;

  /**
   * @param url Origin of a node, like `http://127.0.0.1:8081`.
   * @throws {ClientError} When it is none.
   */
  constructor(url: string, { timeoutMs = TIMEOUT_MS, signal }: ClientOptions = {}) {
    this.url = originOf(url);
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
  }

  /** The value under a key, or undefined. */
  async get(key: ClientKey, quorum: Quorum = {}): Promise<ClientValue | undefined> {
    const response = await this.#send("GET", keyPath(key) + queryOf(quorum));
    if (response.status === 404) {
      const error = await refusal(this.url, response);
      if (error.problem?.type === NOT_FOUND) return undefined;
      throw error;
    }
    await this.#check(response);
    return {
      bytes: new Uint8Array(await response.arrayBuffer()),
      contentType: response.headers.get("content-type") ?? DEFAULT_TYPE,
      version: this.#versionOf(response),
      expiresAtMs: expiryOf(response),
    };
  }

  /**
   * Stores a value.
   *
   * @returns Its version.
   */
  async put(
    key: ClientKey,
    bytes: Uint8Array,
    { contentType, ttlSeconds, ...quorum }: PutOptions = {},
  ): Promise<string> {
    const path = keyPath(key) + queryOf({ ...quorum, ttl: ttlSeconds });
    const sent = await this.#send("PUT", path, bodyOf({ bytes, contentType }));
    const response = await this.#check(sent);
    await response.body?.cancel();
    return this.#versionOf(response);
  }

  /** Removes a key; one that is absent is no error. */
  async delete(key: ClientKey, quorum: Quorum = {}): Promise<void> {
    const path = keyPath(key) + queryOf(quorum);
    const response = await this.#check(await this.#send("DELETE", path));
    await response.body?.cancel();
    this.#versionOf(response); // of the tombstone
  }

  /** The receipt of a request: owners, their answers, versions, who won and why. */
  async explain(
    method: "GET" | "PUT" | "DELETE",
    key: ClientKey,
    { bytes, contentType, ttlSeconds, ...quorum }: PutOptions & { bytes?: Uint8Array } = {},
  ): Promise<Receipt> {
    const path = keyPath(key) + queryOf({ explain: 1, ...quorum, ttl: ttlSeconds });
    const response = await this.#send(method, path, bodyOf({ bytes, contentType }));
    return await this.#json(response, "token", "owners");
  }

  /** One page of the keys that begin with `prefix`, in byte order. */
  list(options: ListOptions = {}): Promise<KeyPage> {
    return this.#page(options, {}, keyOf);
  }

  /** All keys that begin with `prefix`, page by page; after an error go on `after` the last one. */
  async *keys(options: ListOptions = {}): AsyncGenerator<ClientKey> {
    yield* this.#pages(options, {}, keyOf);
  }

  /** As {@linkcode ConvergeClient.keys}, with their values. */
  async *entries(options: ListOptions = {}): AsyncGenerator<ClientEntry> {
    yield* this.#pages(options, { values: 1 }, entryOf);
  }

  /** Members, states, ring ownership, quorums. */
  async cluster(): Promise<ClusterView> {
    const response = await this.#send("GET", "/cluster");
    return await this.#json(response, "self", "members", "quorums", "storage");
  }

  /**
   * Begins to remove a member, or joins a removal that is under way; `cluster` tells how it goes on.
   *
   * @param options `dead`: nobody is to wait for what it says or has.
   */
  async remove(name: string, options: { dead?: boolean } = {}): Promise<RemovalProgress> {
    const body = new TextEncoder().encode(JSON.stringify({ name, ...options }));
    const headers = { "content-type": "application/json" };
    const response = await this.#send("POST", "/cluster/removals", { body, headers });
    return await this.#json(response, "name", "stages");
  }

  /** Whether the node lives (`healthz`) or can serve (`readyz`). */
  async probe(path: "/healthz" | "/readyz"): Promise<boolean> {
    const response = await this.#send("GET", path);
    if (response.status === 404) throw await refusal(this.url, response);
    if (response.ok) await this.#json(response, "status");
    return response.ok;
  }

  async *#pages<T>(
    options: ListOptions,
    more: object,
    read: (json: EntryJson) => T,
  ): AsyncGenerator<T> {
    let { after } = options;
    do {
      const page = await this.#page({ ...options, after }, more, read);
      yield* page.keys;
      after = page.next;
    } while (after !== undefined);
  }

  async #page<T>(
    { prefix, after, limit }: ListOptions,
    more: object,
    read: (json: EntryJson) => T,
  ): Promise<{ keys: T[]; next: ClientKey | undefined }> {
    const query = queryOf({
      ...keyParameter("prefix", prefix),
      ...keyParameter("after", after),
      limit,
      ...more,
    });
    const response = await this.#send("GET", `/kv${query}`);
    const { keys, next, nextb } = await this.#json<PageJson>(response, "keys");
    try {
      const isLast = next === undefined && nextb === undefined;
      return { keys: keys.map(read), next: isLast ? undefined : keyOf({ k: next, kb: nextb }) };
    } catch (cause) {
      throw noNode(this.url, "its keys are none", { status: response.status, cause });
    }
  }

  async #send(
    method: string,
    path: string,
    { body, headers = {} }: RequestBody = {},
  ): Promise<Response> {
    const abort = new AbortController();
    const { signal } = abort;
    const giveUp = () => abort.abort();
    const timer = setTimeout(giveUp, this.#timeoutMs);
    // Not by `AbortSignal.any`: in Node 20 the client's signal would keep something of each request.
    this.#signal?.addEventListener("abort", giveUp);
    if (this.#signal?.aborted) giveUp();
    try {
      if (isFolded(path.split("?")[0] ?? "")) {
        const raw = body === undefined ? {} : { body };
        return await rawRequest(this.url, path, { method, headers, signal, ...raw });
      }
      const response = await fetch(this.url + path, {
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
    } catch (cause) {
      if (cause instanceof ClientError) throw cause;
      if (this.#signal?.aborted) {
        const why = { passing: false, cause: this.#signal.reason };
        throw new ClientError(`Cannot ask ${this.url}: given up`, why);
      }
      const reason = signal.aborted ? `no answer within ${this.#timeoutMs} ms` : reasonOf(cause);
      throw new ClientError(`Cannot reach ${this.url}: ${reason}`, { cause });
    } finally {
      clearTimeout(timer);
      this.#signal?.removeEventListener("abort", giveUp);
    }
  }

  async #check(response: Response): Promise<Response> {
    if (response.ok) return response;
    throw await refusal(this.url, response);
  }

  /** The JSON of an answer, an object with these members where a node gives it. */
  async #json<T>(response: Response, ...members: string[]): Promise<T> {
    await this.#check(response);
    const { status } = response;
    let json: object;
    try {
      json = Object(await response.json());
    } catch (cause) {
      throw noNode(this.url, "its answer is no JSON", { status, cause });
    }
    const lacking = members.find((name) => !Object.hasOwn(json, name));
    if (lacking === undefined) return json as T;
    throw noNode(this.url, `its answer has no ${lacking}`, { status });
  }

  /** What is stored, or deleted, has one: without it nobody has said that it is. */
  #versionOf(response: Response): string {
    const etag = response.headers.get("etag") ?? "";
    const version = /^(?:W\/)?"(\d+-.+)"$/.exec(etag)?.[1];
    if (version !== undefined) return version;
    throw noNode(this.url, "its answer has no version", { status: response.status });
  }
}

/** What goes along with a request. */
interface RequestBody {
  body?: Uint8Array;
  headers?: Record<string, string>;
}

function bodyOf(
  { bytes, contentType }: {
    bytes?: Uint8Array | undefined;
    contentType?: string | undefined;
  },
): RequestBody {
  if (contentType !== undefined) checkContentType(contentType);
  return {
    ...(bytes === undefined ? {} : { body: bytes }),
    headers: contentType === undefined ? {} : { "content-type": contentType },
  };
}

/** With a path, say, a node would answer that it knows none of the keys. */
function originOf(text: string): string {
  const url = /^https?:/i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && url.href === `${url.origin}/`) return url.origin;
  const why = `Cannot use ${JSON.stringify(text)}: it is no origin like http://127.0.0.1:8081`;
  throw new ClientError(why, { passing: false });
}

/** A header takes no such text, which would look like a node that does not answer. */
function checkContentType(contentType: string): void {
  try {
    new Headers({ "content-type": contentType });
  } catch (cause) {
    const why = `Cannot send content type ${JSON.stringify(contentType)}: no header can hold it`;
    throw new ClientError(why, { passing: false, cause });
  }
}

/** A key in a list: base64 where its bytes are not UTF-8. */
interface KeyJson {
  k?: string | undefined;
  kb?: string | undefined;
}

/** A record line: with `values`, a list has one for each key. */
interface EntryJson extends KeyJson {
  v?: string;
  b?: string;
  t?: string;
  x?: number;
  c?: number;
  n?: string;
}

/** A page of a list; the cursor is a key. */
interface PageJson {
  keys: EntryJson[];
  next?: string;
  nextb?: string;
}

/** @throws {Error} For what is no key. */
function keyOf({ k, kb }: KeyJson): ClientKey {
  return typeof k === "string" ? k : fromBase64(kb!);
}

/** @throws {Error} For what is no record of a value. */
function entryOf({ v, b, t, x, c, n, ...key }: EntryJson): ClientEntry {
  if (typeof c !== "number" || typeof n !== "string") throw new TypeError("it has no version");
  return {
    key: keyOf(key),
    bytes: typeof v === "string" ? new TextEncoder().encode(v) : fromBase64(b!),
    contentType: t ?? DEFAULT_TYPE,
    version: `${c}-${n}`,
    expiresAtMs: x,
  };
}

/** Text as it is, bytes in base64 under the name with a `b` behind it. */
function keyParameter(name: string, key: ClientKey | undefined): Record<string, string> {
  if (key === undefined) return {};
  return typeof key === "string" ? { [name]: wellFormed(key) } : { [`${name}b`]: toBase64(key) };
}

function queryOf(parameters: object): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query.size === 0 ? "" : `?${query}`;
}

function expiryOf(response: Response): number | undefined {
  const expires = response.headers.get("converge-expires");
  return expires === null ? undefined : Number(expires);
}

/** The innermost words of a failed fetch, which are the ones that help. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return reasonOf(error.cause);
  const words =
    /^(?:.*(?:connect error|dns error|client error \(\w+\)): )?(.*?)(?: \(os error \d+\))?$/s;
  return words.exec(error.message)?.[1] ?? error.message;
}
