/** What a client, and its single requests, can be told. */
import type { ClientKey } from "./entry.ts";

/** How to make a client. */
export interface ClientOptions {
  /** Milliseconds to wait for each node's answer; default: 10,000, a node's own deadline being 2,000. */
  timeoutMs?: number;
  /** Gives up all requests of this client once it is aborted. A client more costs nothing. */
  signal?: AbortSignal;
}

/** Quorum of one request, in place of the cluster's own. */
export interface Quorum {
  /** Owners that must answer the read. */
  r?: number | undefined;
  /** Owners that must store the write. */
  w?: number | undefined;
}

/** What is stored with a value. */
export interface PutOptions extends Quorum {
  /** Media type; default: `application/octet-stream`. */
  contentType?: string | undefined;
  /** Seconds after which the value is gone, 1 to ten years; default: never. */
  ttlSeconds?: number | undefined;
}

/** Which keys to list. */
export interface ListOptions {
  prefix?: ClientKey | undefined;
  /** Only keys behind this one. */
  after?: ClientKey | undefined;
  /** Keys of a page, 1 to 1000; default: 100. */
  limit?: number | undefined;
}
