import { assertEquals } from "@std/assert";
import { Hono } from "hono";
import { meter } from "../../src/http/metered.ts";
import { createTelemetry } from "../../src/metrics/telemetry.ts";
import { inWorld } from "../support/in_world.ts";

Deno.test("meter(): HEAD is answered as GET, with the length in place of the body, and whoever brought it keeps a HEAD", async () => {
  await inWorld(async ({ clock }) => {
    const app = new Hono();
    app.get("/healthz", ({ req }) => new Response(`${req.method} it is`));
    const found = () => new Response("a value", { status: 404 });
    meter(app, { telemetry: createTelemetry(clock), clock, handleKey: found, onError: found });
    for (const [path, status, length] of [["healthz", 200, "9"], ["kv/k", 404, "7"]] as const) {
      const request = new Request(`http://node/${path}`, { method: "HEAD" });
      const answer = await app.fetch(request);
      assertEquals([answer.status, answer.headers.get("content-length")], [status, length]);
      assertEquals([answer.body, request.method], [null, "HEAD"]);
    }
  });
});

Deno.test("meter(): a hot key is one key however it is escaped, and what names none is none", async () => {
  await inWorld(async ({ clock }) => {
    const app = new Hono();
    const telemetry = createTelemetry(clock);
    const found = () => new Response("a value");
    meter(app, { telemetry, clock, handleKey: found, onError: found });
    for (const path of ["a/b", "%61%2fb", "a%2Fb?r=1", "", "%zz", "%zz\u00e9", "\u00e9"]) {
      await app.fetch({ method: "GET", url: `http://127.0.0.1:1/kv/${path}` } as Request);
    }
    assertEquals(telemetry.hotKeys.top(9), [
      { path: "a/b", requests: 3 },
      { path: "%C3%A9", requests: 1 },
    ]);
  });
});

Deno.test("meter(): HEAD of a stream ends it, and tells no length", async () => {
  await inWorld(async ({ clock }) => {
    const app = new Hono();
    const headers = { "content-type": "text/event-stream" };
    let cancelled = 0;
    app.get("/events", () => {
      const endless = new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(9)),
        cancel: () => void cancelled++,
      });
      return new Response(endless, { headers });
    });
    const none = () => new Response();
    meter(app, { telemetry: createTelemetry(clock), clock, handleKey: none, onError: none });
    const ask = (method: string) => app.fetch(new Request("http://node/events", { method }));
    const head = await ask("HEAD");
    assertEquals([head.status, head.headers.get("content-type")], [200, "text/event-stream"]);
    assertEquals([cancelled, await head.text(), head.headers.get("content-length")], [1, "", null]);
    const get = await ask("GET");
    assertEquals(cancelled, 1);
    await get.body!.cancel();
  });
});
