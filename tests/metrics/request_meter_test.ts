import { assertEquals } from "@std/assert";
import { METERED_ROUTES, RequestMeter, routeNumberOf } from "../../src/metrics/request_meter.ts";

const named = (method: string, path: string) => {
  const { method: m, route } =
    METERED_ROUTES[routeNumberOf(method, `http://127.0.0.1:8081${path}`, 21)]!;
  return `${m} ${route}`;
};

Deno.test("routeNumberOf: every kind of request has its route, strange ones too", () => {
  assertEquals(named("GET", "/kv/a"), "GET /kv/{key}");
  assertEquals(named("HEAD", "/kv/a"), "GET /kv/{key}");
  assertEquals(named("PUT", "/kv/a/b?w=1"), "PUT /kv/{key}");
  assertEquals(named("DELETE", "/kv/internal/kv"), "DELETE /kv/{key}");
  assertEquals(named("GET", "/kv?prefix=a"), "GET /kv");
  assertEquals(named("GET", "/kv"), "GET /kv");
  assertEquals(named("DELETE", "/kv?prefix=a"), "DELETE /kv");
  assertEquals(named("GET", "/copies/kv"), "any other");
  assertEquals(named("GET", "/metrics?/kv"), "any other");
  assertEquals(named("POST", "/batch"), "POST /batch");
  assertEquals(named("POST", "/batch?a"), "POST /batch");
  assertEquals(named("POST", "/batches"), "any other");
  assertEquals(named("POST", "/internal/kv"), "POST /internal/kv");
  assertEquals(named("POST", "/internal/range"), "POST /internal/range");
  assertEquals(named("GET", "/internal/kv/a"), "any /internal/other");
  assertEquals(named("POST", "/internal/nonsense"), "any /internal/other");
  assertEquals(named("GET", "/"), "any other");
  assertEquals(named("BREW", "/coffee"), "any other");
});

Deno.test("routeNumberOf: what a path does not take is no request of its route", () => {
  for (const [method, path] of [["POST", "/kv/a"], ["PUT", "/kv"], ["GET", "/batch"]] as const) {
    assertEquals(named(method, path), "any other", `${method} ${path}`);
  }
});

Deno.test("RequestMeter: keeps outcomes apart, and sums up requests for keys only", () => {
  const meter = new RequestMeter();
  const get = routeNumberOf("GET", "http://a/kv/b", 8);
  meter.observe(get, 200, 1);
  meter.observe(get, 304, 1);
  meter.observe(get, 404, 1);
  meter.observe(get, 400, 1);
  meter.observe(get, 503, 1);
  meter.observe(get, 500, 1);
  meter.observe(routeNumberOf("GET", "http://a/metrics", 8), 200, 1);
  const counts = meter.latencies().map(({ route, outcome, latency }) => [
    route,
    outcome,
    latency.total,
  ]);
  assertEquals(counts, [
    ["/kv/{key}", "ok", 2],
    ["/kv/{key}", "not_found", 1],
    ["/kv/{key}", "client_error", 1],
    ["/kv/{key}", "unavailable", 1],
    ["/kv/{key}", "server_error", 1],
    ["other", "ok", 1],
  ]);
  assertEquals(meter.keyRequests().total, 6);
});
