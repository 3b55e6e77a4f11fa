/**
 * The typed client: what a program needs to use a cluster from outside, over HTTP only. It runs
 * wherever there is `fetch`, and shares nothing with the server but the contract.
 */
import type { ClusterView, RemovalProgress } from "../http/cluster_view.ts";
import type { Receipt } from "../replication/requests/receipt.ts";
import { accepted, type Answer, jsonOf, noNode, refusal, valueOf, versionOf } from "./answer.ts";
import { toBase64 } from "./base64.ts";
import {
  type BatchAnswer,
  batchAnswers,
  batchBody,
  type BatchOperation,
  keysOfBatch,
} from "./batch.ts";
import { ClientError, NOT_FOUND } from "./client_error.ts";
import {
  checkedBytes,
  type ClientEntry,
  type ClientKey,
  type ClientValue,
  type EntryJson,
  entryOf,
  keyOf,
} from "./entry.ts";
import { checkedKey, keyPath } from "./key_path.ts";
import type { ClientOptions, ListOptions, PutOptions, Quorum } from "./options.ts";
import { type ClientRequest, Transport } from "./transport.ts";

export type { BatchAnswer, BatchOperation } from "./batch.ts";
export type { ClientEntry, ClientKey, ClientValue } from "./entry.ts";
export type { ClientOptions, ListOptions, PutOptions, Quorum } from "./options.ts";
export { ClientError } from "./client_error.ts";

/** One page of keys. */
export interface KeyPage {
  keys: ClientKey[];
  /** What to pass as `after` for the page that follows; undefined at the end. */
  next: ClientKey | undefined;
}

/** One page of keys with their values. */
export interface EntryPage extends Pick<KeyPage, "next"> {
  entries: ClientEntry[];
}

const TIMEOUT_MS = 10_000;
/** A timer of more is over at once, wherever there are timers. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** Keys of a page, which are deleted by one batch, or by several where they are long. */
const DELETED_AT_ONCE = 1_000;

/**
 * Talks to one node at a time; any node takes any request. Of several, the one that answered last is
 * asked first; where that one gives no answer, or 502, 503 or 504, each of the others is asked once.
 * All methods throw {@linkcode ClientError}, also where somebody answers and not as a node does, and
 * none tries more than that: `passing` says whether it may help to, and to put or delete once more does
 * no harm.
 */
export class ConvergeClient {
  readonly #transport: Transport;

  /**
   * @param urls Origin of a node, like `http://127.0.0.1:8081`, or of several.
   * @throws {ClientError} When one is none, or there is none; when `timeoutMs` is no time.
   */
  constructor(
    urls: string | readonly string[],
    { timeoutMs = TIMEOUT_MS, signal }: ClientOptions = {},
  ) {
    const origins = [urls].flat().map(originOf);
    if (origins.length === 0) throw new ClientError("Cannot ask no node", { passing: false });
    if (!(timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX)) {
      const why = `Cannot wait ${timeoutMs} ms: it must be over 0, up to ${TIMEOUT_MS_MAX}`;
      throw new ClientError(why, { passing: false });
    }
    this.#transport = new Transport(origins, timeoutMs, signal);
  }

  /** Origin of the node that is asked first. */
  get url(): string {
    return this.#transport.url;
  }

  /** The value under a key, or undefined. */
  async get(key: ClientKey, quorum: Quorum = {}): Promise<ClientValue | undefined> {
    const answer = await this.#send("GET", keyPath(key) + queryOf(quorum));
    if (answer.response.status === 404) {
      const error = await refusal(answer);
      if (error.problem?.type === NOT_FOUND) return undefined;
      throw error;
    }
    return await valueOf(await accepted(answer));
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
    const answer = await this.#send(
      "PUT",
      path,
      bodyOf({ bytes: checkedBytes(bytes), contentType }),
    );
    return versionOf(await accepted(answer));
  }

  /** Removes a key; one that is absent is no error. */
  async delete(key: ClientKey, quorum: Quorum = {}): Promise<void> {
    const answer = await this.#send("DELETE", keyPath(key) + queryOf(quorum));
    versionOf(await accepted(answer)); // of the tombstone
  }

  /**
   * Removes all keys that begin with `prefix`, in batches. After an error some may be
   * gone; to call it again does no harm.
   *
   * @param prefix At least one byte.
   * @returns How many keys were found.
   */
  async deletePrefix(prefix: ClientKey): Promise<number> {
    if (checkedKey(prefix).length === 0) {
      throw new ClientError("Cannot delete without a prefix", { passing: false });
    }
    let found = 0;
    for await (const keys of this.#pages({ prefix, limit: DELETED_AT_ONCE }, {}, keyOf)) {
      for (let left = keys; left.length > 0;) {
        const count = keysOfBatch(left);
        await this.#deleteAll(left.slice(0, count));
        found += count;
        left = left.slice(count);
      }
    }
    return found;
  }

  /**
   * Carries out up to a thousand operations in one request, those on one key in order.
   *
   * @returns What became of each, in order: some may have failed.
   */
  async batch(operations: readonly BatchOperation[]): Promise<BatchAnswer[]> {
    const body = batchBody(operations);
    const headers = { "content-type": "application/x-ndjson" };
    const answer = await this.#send("POST", "/batch", { body, headers });
    return await batchAnswers(answer, operations.length);
  }

  /** The receipt of a request: owners, their answers, versions, who won and why. */
  async explain(
    method: "GET" | "PUT" | "DELETE",
    key: ClientKey,
    { bytes, contentType, ttlSeconds, ...quorum }: PutOptions & { bytes?: Uint8Array } = {},
  ): Promise<Receipt> {
    const path = keyPath(key) + queryOf({ explain: 1, ...quorum, ttl: ttlSeconds });
    if (method === "PUT") checkedBytes(bytes);
    const answer = await this.#send(method, path, bodyOf({ bytes, contentType }));
    return await jsonOf(answer, "token", "owners");
  }

  /** One page of the keys that begin with `prefix`, in byte order. */
  async list(options: ListOptions = {}): Promise<KeyPage> {
    const { items, next } = await this.#page(options, {}, keyOf);
    return { keys: items, next };
  }

  /** As {@linkcode ConvergeClient.list}, with their values; large ones make a page shorter. */
  async listEntries(options: ListOptions = {}): Promise<EntryPage> {
    const { items, next } = await this.#page(options, { values: 1 }, entryOf);
    return { entries: items, next };
  }

  /** All keys that begin with `prefix`, page by page; after an error go on `after` the last one. */
  async *keys(options: ListOptions = {}): AsyncGenerator<ClientKey> {
    for await (const keys of this.#pages(options, {}, keyOf)) yield* keys;
  }

  /** As {@linkcode ConvergeClient.keys}, with their values. */
  async *entries(options: ListOptions = {}): AsyncGenerator<ClientEntry> {
    for await (const entries of this.#pages(options, { values: 1 }, entryOf)) yield* entries;
  }

  /** Members, states, ring ownership, quorums. */
  async cluster(): Promise<ClusterView> {
    const answer = await this.#send("GET", "/cluster");
    return await jsonOf(answer, "self", "members", "quorums", "storage");
  }

  /**
   * Begins to remove a member, or joins a removal that is under way; `cluster` tells how it goes on.
   *
   * @param options `dead`: nobody is to wait for what it says or has.
   */
  async remove(name: string, options: { dead?: boolean } = {}): Promise<RemovalProgress> {
    const body = new TextEncoder().encode(JSON.stringify({ name, ...options }));
    const headers = { "content-type": "application/json" };
    const answer = await this.#send("POST", "/cluster/removals", { body, headers });
    return await jsonOf(answer, "name", "stages");
  }

  /** Whether the node that is asked first, and no other, lives (`healthz`) or can serve (`readyz`). */
  async probe(path: "/healthz" | "/readyz"): Promise<boolean> {
    const answer = await this.#transport.sendToFirst({ method: "GET", path });
    const { ok, status } = answer.response;
    if (status === 404) throw await refusal(answer);
    if (ok) await jsonOf(answer, "status");
    return ok;
  }

  async #deleteAll(keys: readonly ClientKey[]): Promise<void> {
    const answers = await this.batch(keys.map((key) => ({ op: "delete", key })));
    const failed = answers.find(({ error }) => error !== undefined);
    if (failed !== undefined) throw failed.error;
  }

  async *#pages<T>(
    options: ListOptions,
    more: object,
    read: (json: EntryJson) => T,
  ): AsyncGenerator<T[]> {
    let { after } = options;
    do {
      const page = await this.#page({ ...options, after }, more, read);
      yield page.items;
      after = page.next;
    } while (after !== undefined);
  }

  async #page<T>(
    { prefix, after, limit }: ListOptions,
    more: object,
    read: (json: EntryJson) => T,
  ): Promise<{ items: T[]; next: ClientKey | undefined }> {
    const query = queryOf({
      ...keyParameter("prefix", prefix),
      ...keyParameter("after", after),
      limit,
      ...more,
    });
    const answer = await this.#send("GET", `/kv${query}`);
    const { keys, next, nextb } = await jsonOf<PageJson>(answer, "keys");
    try {
      const isLast = next === undefined && nextb === undefined;
      return { items: keys.map(read), next: isLast ? undefined : keyOf({ k: next, kb: nextb }) };
    } catch (cause) {
      throw noNode(answer, "its keys are none", { cause });
    }
  }

  async #send(method: string, path: string, more: RequestBody = {}): Promise<Answer> {
    return await this.#transport.send({ method, path, ...more });
  }
}

/** What goes along with a request. */
type RequestBody = Pick<ClientRequest, "body" | "headers">;

function bodyOf(
  { bytes, contentType }: {
    bytes?: Uint8Array | undefined;
    contentType?: string | undefined;
  },
): RequestBody {
  if (contentType === undefined) return { body: bytes };
  checkContentType(contentType);
  return { body: bytes, headers: { "content-type": contentType } };
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

/** A page of a list; the cursor is a key. */
interface PageJson {
  keys: EntryJson[];
  next?: string;
  nextb?: string;
}

/** Text as it is, bytes in base64 under the name with a `b` behind it. */
function keyParameter(name: string, key: ClientKey | undefined): Record<string, string> {
  if (key === undefined) return {};
  const checked = checkedKey(key);
  return typeof checked === "string" ? { [name]: checked } : { [`${name}b`]: toBase64(checked) };
}

function queryOf(parameters: object): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query.size === 0 ? "" : `?${query}`;
}
