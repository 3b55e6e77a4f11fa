/** Measures every request of an app. */
import type { Hono } from "hono";
import { isKeyRoute, routeNumberOf } from "../metrics/request_meter.ts";
import type { Telemetry } from "../metrics/telemetry.ts";
import type { Clock } from "../platform/clock.ts";

/** Room for `http://` before the slash of the path is looked for. */
const SCHEME_LENGTH = 8;

/**
 * Puts the measuring around `app.fetch`. Not a middleware: those make hono compose a chain of
 * promises for each request.
 */
export function meter(
  app: Hono,
  { telemetry, clock }: { telemetry: Telemetry; clock: Clock },
): void {
  const { requests, hotKeys } = telemetry;
  const answer = app.fetch;
  app.fetch = (request, ...rest) => {
    const startMs = clock.monotonicMs();
    const { method, url } = request;
    const pathStart = url.indexOf("/", SCHEME_LENGTH);
    const routeNumber = routeNumberOf(method, url, pathStart);
    if (isKeyRoute(routeNumber)) {
      const weight = hotKeys.nextWeight();
      if (weight > 0) hotKeys.add(keyPathOf(url, pathStart), weight);
    }
    const done = (response: Response): Response => {
      requests.observe(routeNumber, response.status, clock.monotonicMs() - startMs);
      return response;
    };
    const answered = answer(request, ...rest);
    return answered instanceof Promise ? answered.then(done) : done(answered);
  };
}

function keyPathOf(url: string, pathStart: number): string {
  const queryStart = url.indexOf("?", pathStart);
  return url.slice(pathStart + "/kv/".length, queryStart < 0 ? undefined : queryStart);
}
