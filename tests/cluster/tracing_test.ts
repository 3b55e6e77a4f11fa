/** `OTEL_DENO=true`: real processes, and a collector that takes what they export. */
import { assert, assertEquals } from "@std/assert";
import { convergeCommand, freePorts, PATIENT, until } from "./harness.ts";
import { RawConnection } from "./raw_http.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const SAMPLED = `00-${TRACE}-${PARENT}-01`;
const UNSAMPLED = "00-11111111111111111111111111111111-b7ad6b7169203331-00";

interface Span {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId: string;
}

interface Export {
  resourceSpans?: { scopeSpans: { spans: Span[] }[] }[];
}

/** A node that exports traces, and what it has exported. */
class TracedNode implements AsyncDisposable {
  readonly name: string;
  readonly spans: Span[] = [];
  readonly port: number;
  readonly #url: string;
  readonly #collector: Deno.HttpServer<Deno.NetAddr>;
  readonly #process: Deno.ChildProcess;
  readonly #directory: string;

  private constructor(
    directory: string,
    port: number,
    args: string[],
    env: Record<string, string>,
  ) {
    this.name = `node-${port}`;
    this.port = port;
    this.#url = `http://127.0.0.1:${port}`;
    this.#directory = directory;
    this.#collector = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, this.#collect);
    const [command, words] = convergeCommand(["serve", "--port", `${port}`, ...PATIENT, ...args]);
    this.#process = new Deno.Command(command, {
      args: words,
      cwd: directory,
      stdout: "null",
      stderr: "null",
      env: {
        OTEL_DENO: "true",
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#collector.addr.port}`,
        OTEL_BSP_SCHEDULE_DELAY: "200",
        OTEL_DENO_METRICS: "false",
        ...env,
      },
    }).spawn();
  }

  static async start(
    env: Record<string, string>,
    { args = [] }: { args?: string[] } = {},
  ): Promise<TracedNode> {
    const directory = await Deno.makeTempDir({ prefix: "converge-test-" });
    const [port = 0] = freePorts(1);
    const node = new TracedNode(directory, port, args, env);
    await until("it is ready", async () => {
      const answer = await fetch(`${node.#url}/readyz`);
      await answer.body?.cancel();
      return answer.ok;
    });
    return node;
  }

  /** Stores a value, with the `traceparent` of a caller if there is one. */
  async put(key: string, traceparent?: string): Promise<void> {
    const headers = traceparent === undefined ? undefined : { traceparent };
    const init = { method: "PUT", body: "v", ...(headers === undefined ? {} : { headers }) };
    assertEquals((await fetch(`${this.#url}/kv/${key}`, init)).status, 204);
  }

  /** Waits until `count` requests have been exported, each with one span for its one owner. */
  async exported(count: number): Promise<Span[]> {
    // An owner's span ends before that of its request, and may be exported without it.
    await until(
      "the spans arrived",
      () => Math.min(this.legs.length, this.requests.length) >= count,
      {
        evidence: () => this.spans.map(({ name }) => name).join(),
      },
    );
    const { requests } = this;
    assertEquals(this.legs.length, count);
    assertEquals(requests.length, count);
    for (const { traceId, parentSpanId } of this.legs) {
      assert(requests.some((span) => span.traceId === traceId && span.spanId === parentSpanId));
    }
    return requests;
  }

  get requests(): Span[] {
    return this.spans.filter(({ name }) => name === "PUT /kv/{key}");
  }

  get legs(): Span[] {
    return this.spans.filter(({ name }) => name === `replica ${this.name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#process.status;
    await this.#collector.shutdown();
    await Deno.remove(this.#directory, { recursive: true });
  }

  readonly #collect = async (request: Request): Promise<Response> => {
    const body: Export = await request.json();
    for (const { scopeSpans } of body.resourceSpans ?? []) {
      for (const scope of scopeSpans) this.spans.push(...scope.spans);
    }
    return Response.json({});
  };
}

Deno.test("tracing: one span per request and one per owner, under one trace", async () => {
  await using node = await TracedNode.start({});
  await node.put("k");
  await node.exported(1);
});

Deno.test("tracing: what the sampler leaves out gets no spans of owners either", async () => {
  await using node = await TracedNode.start({ OTEL_TRACES_SAMPLER: "parentbased_always_off" });
  for (let i = 0; i < 5; i++) await node.put("k");
  await node.put("k", SAMPLED);
  const [request] = await node.exported(1);
  assertEquals(request?.traceId, TRACE);
});

Deno.test("tracing without Deno's own spans: those whose traceparent asks, and a share", async () => {
  const quiet = { OTEL_DENO_TRACING: "false" };
  {
    await using node = await TracedNode.start(quiet, { args: ["--trace-ratio", "0"] });
    await node.put("k");
    await node.put("k", UNSAMPLED);
    await node.put("k", "nonsense");
    await node.put("k", SAMPLED);
    const [request] = await node.exported(1);
    assertEquals([request?.traceId, request?.parentSpanId], [TRACE, PARENT]);
    assertEquals(node.spans.length, 2, "nothing of Deno's own");
  }
  await using node = await TracedNode.start(quiet, { args: ["--trace-ratio", "1"] });
  for (let i = 0; i < 5; i++) await node.put("k");
  assertEquals(new Set((await node.exported(5)).map(({ traceId }) => traceId)).size, 5);
});

Deno.test("tracing: a Host that is no host harms no request", async () => {
  const quiet = { OTEL_DENO_TRACING: "false" };
  await using node = await TracedNode.start(quiet, { args: ["--trace-ratio", "1"] });
  using connection = await RawConnection.open(node.port);
  await connection.send("GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n");
  assertEquals((await connection.read()).status, 200);
});

Deno.test("tracing with everything turned off does not harm a node", async () => {
  await using node = await TracedNode.start({
    OTEL_DENO_TRACING: "false",
    OTEL_DENO_CONSOLE: "ignore",
  }, { args: ["--trace-ratio", "1"] });
  await node.put("k");
});
