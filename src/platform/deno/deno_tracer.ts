/**
 * Traces through Deno's own OpenTelemetry (`OTEL_DENO=true`): one span per request of a client, and
 * one for each owner under it.
 *
 * By default Deno makes a span of every request and every call between nodes, and only its names and
 * the owners' spans are added here. That costs a third of a node's throughput and more. Under
 * `OTEL_DENO_TRACING=false` Deno makes none, and the requests that are to be recorded get theirs
 * here: those whose `traceparent` asks for it, and a share of those that bring none.
 */
import {
  type Attributes,
  type Context,
  type ContextManager,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Tracer as SpanMaker,
  type TracerProvider,
} from "@opentelemetry/api";
import type { TracedLeg, TracedOperation, Tracer } from "../tracer.ts";
import type { Handler } from "./http_server.ts";

/** Where the API finds what the runtime registered. */
const REGISTERED = Symbol.for("opentelemetry.js.api.1");

/** What this process records. */
export interface Tracing {
  readonly tracer: Tracer;
  /** Stands before the handler of a node. */
  around(handler: Handler): Handler;
}

/**
 * The tracing of this process, undefined unless it was started with `OTEL_DENO=true`.
 *
 * @param ratio Share of the requests without a `traceparent` that are recorded where Deno makes no
 * spans of its own; where it does, its sampler decides (`OTEL_TRACES_SAMPLER`).
 */
export function denoTracing(ratio: number): Tracing | undefined {
  const registered = (globalThis as { [REGISTERED]?: { trace?: unknown } })[REGISTERED];
  if (registered === undefined) return undefined;
  if (registered.trace !== undefined) {
    const tracer = new ActiveSpanTracer(trace.getTracer("converge"), () => trace.getActiveSpan());
    return { tracer, around: (handler) => handler };
  }
  const provider: TracerProvider = Deno.telemetry.tracerProvider;
  const spans = provider.getTracer("converge");
  return canStart(spans) ? new OwnSpans(spans, ratio) : undefined;
}

/** Nothing is exported where traces, metrics and logs are all turned off, and a span throws. */
function canStart(spans: SpanMaker): boolean {
  try {
    spans.startSpan("never ended");
    return true;
  } catch {
    return false;
  }
}

/** Adds to the span of the request that asks for an operation. */
class ActiveSpanTracer implements Tracer {
  readonly #spans: SpanMaker;
  readonly #active: () => Span | undefined;

  constructor(spans: SpanMaker, active: () => Span | undefined) {
    this.#spans = spans;
    this.#active = active;
  }

  begin(operation: string): TracedOperation | undefined {
    const request = this.#active();
    if (request === undefined || !isSampled(request)) return undefined;
    request.updateName(operation);
    return new DenoOperation(request, this.#spans);
  }
}

/** Makes the spans of requests where Deno does not. */
class OwnSpans implements Tracing {
  readonly tracer: Tracer;
  readonly #spans: SpanMaker;
  readonly #ratio: number;
  readonly #contexts: Pick<ContextManager, "active" | "with"> = Deno.telemetry.contextManager;

  constructor(spans: SpanMaker, ratio: number) {
    this.#spans = spans;
    this.#ratio = ratio;
    this.tracer = new ActiveSpanTracer(spans, () => trace.getSpan(this.#contexts.active()));
  }

  around(handler: Handler): Handler {
    return (request) => {
      const parent = this.#parentOf(request);
      return parent === undefined ? handler(request) : this.#record(request, parent, handler);
    };
  }

  /** What the request's span hangs on; undefined when the request is not to be recorded. */
  #parentOf(request: Request): Context | undefined {
    if (request.headers.has("traceparent")) {
      const parent = propagation.extract(ROOT_CONTEXT, request.headers, {
        get: (headers, name) => headers.get(name) ?? undefined,
        keys: (headers) => [...headers.keys()],
      });
      const flags = trace.getSpanContext(parent)?.traceFlags;
      if (flags !== undefined) return (flags & TraceFlags.SAMPLED) !== 0 ? parent : undefined;
    }
    if (Math.random() >= this.#ratio) return undefined;
    const isInternal = URL.parse(request.url)?.pathname.startsWith("/internal/") ?? false;
    return isInternal ? undefined : ROOT_CONTEXT;
  }

  async #record(request: Request, parent: Context, handler: Handler): Promise<Response> {
    const { method } = request;
    const span = this.#spans.startSpan(method, {
      kind: SpanKind.SERVER,
      attributes: { "http.request.method": method },
    }, parent);
    try {
      const context = trace.setSpan(ROOT_CONTEXT, span);
      const response = await this.#contexts.with(context, () => handler(request));
      span.setAttribute("http.response.status_code", response.status);
      if (response.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      return response;
    } finally {
      span.end();
    }
  }
}

/** Deno 2.9.6 answers true to `isRecording()` for every span; its flags tell what the sampler said. */
function isSampled(span: Span): boolean {
  return (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
}

class DenoOperation implements TracedOperation {
  readonly #request: Span;
  readonly #spans: SpanMaker;
  readonly #startMs = performance.timeOrigin + performance.now();

  constructor(request: Span, spans: SpanMaker) {
    this.#request = request;
    this.#spans = spans;
  }

  set(facts: Attributes): void {
    this.#request.setAttributes(facts);
  }

  leg({ owner, outcome, ms = 0, failed }: TracedLeg): void {
    const span = this.#spans.startSpan(`replica ${owner}`, {
      kind: SpanKind.CLIENT,
      startTime: this.#startMs,
      attributes: { "converge.owner": owner, "converge.outcome": outcome },
    }, trace.setSpan(ROOT_CONTEXT, this.#request));
    if (failed) span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
    span.end(this.#startMs + ms);
  }
}
