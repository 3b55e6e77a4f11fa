import { assertEquals } from "@std/assert";
import { Hono } from "hono";
import { meter } from "../../src/http/metered.ts";
import { createTelemetry } from "../../src/metrics/telemetry.ts";
import { inWorld } from "../support/in_world.ts";

Deno.test("meter(): HEAD is answered as GET, body included, and whoever brought it keeps a HEAD", async () => {
  await inWorld(async ({ clock }) => {
    const app = new Hono();
    app.get("/healthz", ({ req }) => new Response(req.method));
    const none = () => new Response();
    meter(app, { telemetry: createTelemetry(clock), clock, handleKey: none, onError: none });
    const request = new Request("http://node/healthz", { method: "HEAD" });
    const answer = await app.fetch(request);
    assertEquals([await answer.text(), request.method], ["GET", "HEAD"]);
  });
});
