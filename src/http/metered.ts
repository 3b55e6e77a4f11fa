/** The way of every request into an app: it is measured, and those for one key go straight on. */
import type { Hono } from "hono";
import { isKeyRoute, routeNumberOf } from "../metrics/request_meter.ts";
import type { Telemetry } from "../metrics/telemetry.ts";
import type { Clock } from "../platform/clock.ts";
import { KEY_PATH_MAX, keyFromPath, keyToPath } from "../record/key.ts";
import type { KeyHandler } from "./kv_routes.ts";

/** Room for `http://` before the slash of the path is looked for. */
const SCHEME_LENGTH = 8;

/** What {@linkcode meter} puts around an app. */
export interface MeterOptions {
  telemetry: Telemetry;
  clock: Clock;
  /** Answers requests for single keys; the app has the same handler under its route. */
  handleKey: KeyHandler;
  /** The answer that tells of what a handler threw. */
  onError(error: unknown): Response;
}

/**
 * Puts the measuring around `app.fetch`. Not a middleware: those make hono compose a chain of
 * promises for each request; and where nothing is to be composed, matching one path against the
 * pattern of all routes and making a context is a tenth of what a read costs.
 */
export function meter(app: Hono, { telemetry, clock, handleKey, onError }: MeterOptions): void {
  const { requests, hotKeys } = telemetry;
  const answer = app.fetch;
  app.fetch = (request, ...rest) => {
    const startMs = clock.monotonicMs();
    const { method, url } = request;
    const pathStart = url.indexOf("/", SCHEME_LENGTH);
    const routeNumber = routeNumberOf(method, url, pathStart);
    const done = (response: Response): Response | Promise<Response> => {
      requests.observe(routeNumber, response.status, clock.monotonicMs() - startMs);
      return method === "HEAD" ? withoutBody(response) : response;
    };
    if (!isKeyRoute(routeNumber)) {
      const answered = answer(method === "HEAD" ? asGet(request) : request, ...rest);
      return answered instanceof Promise ? answered.then(done) : done(answered);
    }
    const weight = hotKeys.nextWeight();
    if (weight > 0) {
      const path = keyPathOf(url, pathStart);
      if (path !== undefined) hotKeys.add(path, weight);
    }
    try {
      const answered = handleKey(request);
      if (!(answered instanceof Promise)) return done(answered);
      return answered.then(done, (error) => done(onError(error)));
    } catch (error) {
      return done(onError(error));
    }
  };
}

/**
 * A view of a HEAD request as a GET: hono would drop the body itself, and with it the length that is
 * asked for. A new `Request` would make Deno warn of its signal, and fold the path.
 */
function asGet(request: Request): Request {
  return Object.create(request, { method: { value: "GET" } });
}

/**
 * What HEAD is answered where GET would be answered `response`: the length of its body without the body,
 * which the server drops in HTTP/1.1 and sends in HTTP/2. A stream is ended, and its length not told.
 */
async function withoutBody(response: Response): Promise<Response> {
  if (response.body === null) return response;
  const { status, headers } = response;
  if (headers.get("content-type") === "text/event-stream") {
    await response.body.cancel();
    return new Response(new ReadableStream({ start: (end) => end.close() }), { status, headers });
  }
  headers.set("content-length", String((await response.arrayBuffer()).byteLength));
  return new Response(null, { status, headers });
}

/** One path for each key, however a client escapes it; undefined where a request names none. */
function keyPathOf(url: string, pathStart: number): string | undefined {
  const queryStart = url.indexOf("?", pathStart);
  const path = url.slice(pathStart + "/kv/".length, queryStart < 0 ? undefined : queryStart);
  if (path.length > KEY_PATH_MAX) return undefined;
  try {
    return keyToPath(keyFromPath(path));
  } catch {
    return undefined;
  }
}
