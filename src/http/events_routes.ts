/** Live data for pages: `/events` (server-sent events), and what is behind it. */
import type { Hono } from "hono";
import { formatToken } from "../ring/token.ts";
import { type ClusterWatch, type ClusterWatchOptions, nodeSample } from "./cluster_watch.ts";
import { methodNotAllowed } from "./problem.ts";

/** What the routes use of their node. */
export interface EventsRoutesOptions extends ClusterWatchOptions {
  watch: ClusterWatch;
}

/** The answer of `GET /cluster/ring`: who owns what, small enough to be drawn. */
export interface RingView {
  /** Changes with the ring. */
  ring: string;
  nodes: string[];
  /** Last token of each arc, 16 hex digits, ascending. */
  tokens: string[];
  /** First owner of each arc, as a position in `nodes`. */
  owners: number[];
}

/** Events that a slow page may lag behind before it misses some. */
const LAG_MAX = 4;

/** Adds the routes. */
export function eventsRoutes(app: Hono, options: EventsRoutesOptions): void {
  app.get("/events", () => eventStream(options.watch));
  app.get("/internal/sample", (c) => c.json(nodeSample(options)));
  app.get("/cluster/ring", (c) => c.json(ringView(options)));
  for (const path of ["/events", "/internal/sample", "/cluster/ring"]) {
    app.all(path, ({ req }) => methodNotAllowed(req.method, "GET, HEAD"));
  }
}

function eventStream(watch: ClusterWatch): Response {
  let controller!: ReadableStreamDefaultController<Uint8Array>; // from the stream's start on
  let forget = (): void => {};
  const body = new ReadableStream<Uint8Array>({
    start: (own) => void (controller = own),
    cancel: () => forget(),
  });
  forget = watch.watch({
    event(bytes) {
      if ((controller.desiredSize ?? 0) > -LAG_MAX) controller.enqueue(bytes);
    },
    end: () => controller.close(),
  });
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream",
      // Packing would hold events back.
      "cache-control": "no-store, no-transform",
    },
  });
}

function ringView({ topology }: ClusterWatchOptions): RingView {
  const { ring, fingerprint } = topology();
  const positions = new Map(ring.names.map((name, i) => [name, i]));
  return {
    ring: fingerprint,
    nodes: [...ring.names],
    tokens: ring.arcs.map(({ end }) => formatToken(end)),
    owners: ring.arcs.map(({ owners }) => positions.get(owners[0]!)!),
  };
}
