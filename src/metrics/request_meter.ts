/** How long requests take, by route and by what became of them. On the way of every request. */
import { LatencyHistogram } from "./latency_histogram.ts";

/** What became of a request, from its status. */
const OUTCOMES = [
  "ok",
  "not_found",
  "client_error",
  "unavailable",
  "server_error",
] as const;

/** A route as metrics name it. */
export interface MeteredRoute {
  readonly method: string;
  readonly route: string;
}

const route = (method: string, name: string): MeteredRoute => ({ method, route: name });

const KV_GET = 0;
const KV_PUT = 1;
const KV_DELETE = 2;
const KV_LIST = 3;
const KV_DELETE_ALL = 4;
const BATCH = 5;
const INTERNAL = 6;
const OTHER = 12;

/** All routes, by number: labels come from a closed set, whatever clients ask for. */
export const METERED_ROUTES: readonly MeteredRoute[] = [
  route("GET", "/kv/{key}"),
  route("PUT", "/kv/{key}"),
  route("DELETE", "/kv/{key}"),
  route("GET", "/kv"),
  route("DELETE", "/kv"),
  route("POST", "/batch"),
  route("POST", "/internal/kv"),
  route("POST", "/internal/read"),
  route("POST", "/internal/gossip"),
  route("POST", "/internal/tree"),
  route("POST", "/internal/range"),
  route("any", "/internal/other"),
  route("any", "other"),
];

const INTERNAL_NAMES = ["kv", "read", "gossip", "tree", "range"];

/** One latency that was counted. */
export interface MeteredLatency extends MeteredRoute {
  readonly outcome: string;
  readonly latency: LatencyHistogram;
}

/** Counts requests. */
export class RequestMeter {
  /** By route number and outcome number; made when first needed. */
  readonly #histograms: (LatencyHistogram | undefined)[] = [];

  /** Counts one request that was answered. */
  observe(routeNumber: number, status: number, ms: number): void {
    const slot = routeNumber * OUTCOMES.length + outcomeOf(status);
    (this.#histograms[slot] ??= new LatencyHistogram()).observe(ms);
  }

  /** What was counted so far. */
  latencies(): MeteredLatency[] {
    const latencies: MeteredLatency[] = [];
    this.#histograms.forEach((latency, slot) => {
      if (latency === undefined) return;
      const metered = METERED_ROUTES[Math.floor(slot / OUTCOMES.length)]!;
      latencies.push({ ...metered, outcome: OUTCOMES[slot % OUTCOMES.length]!, latency });
    });
    return latencies;
  }

  /** Counts per range of all requests of clients for a key, whatever their outcome. */
  keyRequests(): { counts: number[]; total: number } {
    const counts: number[] = [];
    let total = 0;
    const end = (KV_DELETE + 1) * OUTCOMES.length;
    for (let slot = 0; slot < end; slot++) {
      const latency = this.#histograms[slot];
      if (latency === undefined) continue;
      total += latency.total;
      latency.counts.forEach((count, i) => counts[i] = (counts[i] ?? 0) + count);
    }
    return { counts, total };
  }
}

/**
 * The number of a request's route in {@linkcode METERED_ROUTES}; `path` begins with its slash. What a
 * path does not take is no request of its route.
 */
export function routeNumberOf(method: string, url: string, pathStart: number): number {
  if (url.startsWith("/kv/", pathStart)) {
    if (method === "GET" || method === "HEAD") return KV_GET;
    return method === "PUT" ? KV_PUT : method === "DELETE" ? KV_DELETE : OTHER;
  }
  if (url.startsWith("/internal/", pathStart)) return internalNumber(method, url, pathStart + 10);
  if (isPath("/kv", url, pathStart)) {
    if (method === "GET" || method === "HEAD") return KV_LIST;
    return method === "DELETE" ? KV_DELETE_ALL : OTHER;
  }
  return method === "POST" && isPath("/batch", url, pathStart) ? BATCH : OTHER;
}

/** Whether this is the whole path of a URL. */
function isPath(path: string, url: string, pathStart: number): boolean {
  const end = pathStart + path.length;
  return url.startsWith(path, pathStart) && (end === url.length || url[end] === "?");
}

/** Whether requests of the route are for one key. */
export function isKeyRoute(routeNumber: number): boolean {
  return routeNumber <= KV_DELETE;
}

function internalNumber(method: string, url: string, start: number): number {
  const index = method === "POST" ? INTERNAL_NAMES.indexOf(url.slice(start)) : -1;
  return INTERNAL + (index < 0 ? INTERNAL_NAMES.length : index);
}

function outcomeOf(status: number): number {
  if (status < 400) return 0;
  if (status === 404) return 1;
  if (status < 500) return 2;
  return status === 503 ? 3 : 4;
}
