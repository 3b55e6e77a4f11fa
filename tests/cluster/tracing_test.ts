/** `OTEL_DENO=true`: real processes, and a collector that takes what they export. */
import { assert, assertEquals } from "@std/assert";
import { convergeCommand, freePorts, until } from "./harness.ts";

interface Span {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId: string;
}

interface Export {
  resourceSpans?: { scopeSpans: { spans: Span[] }[] }[];
}

Deno.test("tracing: one span per request and one per owner, under one trace", async () => {
  const spans: Span[] = [];
  const collector = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const body: Export = await request.json();
      for (const { scopeSpans } of body.resourceSpans ?? []) {
        for (const scope of scopeSpans) spans.push(...scope.spans);
      }
      return Response.json({});
    },
  );
  const cwd = await Deno.makeTempDir({ prefix: "converge-test-" });
  const [port = 0] = freePorts(1);
  const [command, args] = convergeCommand(["serve", "--port", `${port}`]);
  const child = new Deno.Command(command, {
    args,
    cwd,
    stdout: "null",
    stderr: "null",
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.addr.port}`,
      OTEL_BSP_SCHEDULE_DELAY: "200",
      OTEL_METRICS_EXPORTER: "none",
    },
  }).spawn();
  try {
    const url = `http://127.0.0.1:${port}`;
    const isReady = async () =>
      await fetch(`${url}/readyz`).then(
        async (answer) => (await answer.text(), answer.ok),
        () => false,
      );
    await until("it is ready", isReady, { deadlineMs: 30_000, evidence: () => "" });
    assertEquals((await fetch(`${url}/kv/k`, { method: "PUT", body: "v" })).status, 204);
    const named = (name: string) => spans.filter((span) => span.name === name);
    await until("the spans arrived", () => named("PUT /kv/{key}").length > 0, {
      deadlineMs: 15_000,
      evidence: () => spans.map(({ name }) => name).join(),
    });
    const [request] = named("PUT /kv/{key}");
    const legs = named(`replica node-${port}`).filter(({ traceId }) =>
      traceId === request!.traceId
    );
    assertEquals(named("PUT /kv/{key}").length, 1);
    assertEquals(legs.length, 1);
    assert(legs[0]!.parentSpanId === request!.spanId);
  } finally {
    child.kill("SIGTERM");
    await child.status;
    await collector.shutdown();
    await Deno.remove(cwd, { recursive: true });
  }
});
