/** Everything that a node says over HTTP, as one hono app without a socket. */
import { Hono } from "hono";
import type { Log } from "../platform/log.ts";
import { isConvergeError } from "../errors.ts";
import { batchRoutes, type BatchRoutesOptions } from "./batch_routes.ts";
import { clusterRoutes, type ClusterRoutesOptions } from "./cluster_routes.ts";
import { copiesRoutes, type CopiesRoutesOptions } from "./copies_routes.ts";
import { dashboardRoutes } from "./dashboard_routes.ts";
import { eventsRoutes, type EventsRoutesOptions } from "./events_routes.ts";
import { internalRoutes, type InternalRoutesOptions } from "./internal_routes.ts";
import { keyHandler, kvRoutes, type KvRoutesOptions } from "./kv_routes.ts";
import { listRoutes, type ListRoutesOptions } from "./list_routes.ts";
import { meter } from "./metered.ts";
import { metricsRoutes, type MetricsRoutesOptions } from "./metrics_routes.ts";
import { openapiRoutes } from "./openapi_routes.ts";
import { notFound, problemResponse } from "./problem.ts";
import { removalRoutes, type RemovalRoutesOptions } from "./removal_routes.ts";
import { tombstoneRoutes } from "./tombstone_routes.ts";

/** What the app is made of. */
export interface AppOptions
  extends
    KvRoutesOptions,
    ListRoutesOptions,
    BatchRoutesOptions,
    InternalRoutesOptions,
    ClusterRoutesOptions,
    RemovalRoutesOptions,
    MetricsRoutesOptions,
    EventsRoutesOptions,
    CopiesRoutesOptions {
  log: Log;
}

/** Builds the app. */
export function createApp(options: AppOptions): Hono {
  const app = new Hono();
  listRoutes(app, options); // before the routes of single keys, whose wildcard matches it too
  const handleKey = keyHandler(options);
  kvRoutes(app, handleKey);
  batchRoutes(app, options);
  tombstoneRoutes(app, options);
  internalRoutes(app, options);
  clusterRoutes(app, options);
  removalRoutes(app, options);
  metricsRoutes(app, options);
  eventsRoutes(app, options);
  copiesRoutes(app, options);
  dashboardRoutes(app);
  openapiRoutes(app);
  app.notFound(() => notFound("this path"));
  const onError = (error: unknown): Response => {
    if (!isConvergeError(error) || error.code === "invariant") {
      options.log.error("http.failed", { why: stackOf(error) });
    }
    return problemResponse(error);
  };
  app.onError(onError);
  meter(app, { ...options, handleKey, onError });
  return app;
}

/** Where a mistake was made: of one that tells of another, the other. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? stackOf(error.cause) : error.stack ?? String(error);
}
