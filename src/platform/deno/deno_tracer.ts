/**
 * Traces over Deno's own OpenTelemetry (`OTEL_DENO=true`), which makes the span of each request; this
 * names it and adds one span per owner.
 */
import {
  type Attributes,
  context,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { TracedLeg, TracedOperation, Tracer } from "../tracer.ts";

/** Where the API finds the tracer that the runtime registered. */
const REGISTERED = Symbol.for("opentelemetry.js.api.1");

/** The tracer of this process, undefined unless it was started with `OTEL_DENO=true`. */
export function denoTracer(): Tracer | undefined {
  const registered = (globalThis as { [REGISTERED]?: { trace?: unknown } })[REGISTERED];
  return registered?.trace === undefined ? undefined : new DenoTracer();
}

class DenoTracer implements Tracer {
  begin(operation: string): TracedOperation | undefined {
    const request = trace.getActiveSpan();
    if (request === undefined || !request.isRecording()) return undefined;
    request.updateName(operation);
    return new DenoOperation(request);
  }
}

class DenoOperation implements TracedOperation {
  readonly #request: Span;
  readonly #startMs = performance.timeOrigin + performance.now();

  constructor(request: Span) {
    this.#request = request;
  }

  set(facts: Attributes): void {
    this.#request.setAttributes(facts);
  }

  leg({ owner, outcome, ms = 0, failed }: TracedLeg): void {
    const span = trace.getTracer("converge").startSpan(`replica ${owner}`, {
      kind: SpanKind.CLIENT,
      startTime: this.#startMs,
      attributes: { "converge.owner": owner, "converge.outcome": outcome },
    }, trace.setSpan(context.active(), this.#request));
    if (failed) span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
    span.end(this.#startMs + ms);
  }
}
