/** `GET /tombstones/{key}`: who has not confirmed a deletion yet. */
import type { Hono } from "hono";
import { keyFromPath, keyToJson } from "../record/key.ts";
import type { TombstoneCollector } from "../replication/convergence/tombstone_collector.ts";
import { methodNotAllowed, notFound } from "./problem.ts";
import { rawPathAfter, refuseParameters } from "./raw_url.ts";

/** Adds the route. */
export function tombstoneRoutes(app: Hono, options: { collector: TombstoneCollector }): void {
  app.get("/tombstones/*", async ({ req }) => {
    const key = keyFromPath(rawPathAfter(req.raw.url, "/tombstones/"));
    refuseParameters(req.raw.url);
    const report = await options.collector.report(key);
    if (report === undefined) return notFound("a tombstone of this key");
    return Response.json({ key: keyToJson(key), ...report });
  });
  app.all("/tombstones/*", ({ req }) => methodNotAllowed(req.method, "GET, HEAD"));
}
