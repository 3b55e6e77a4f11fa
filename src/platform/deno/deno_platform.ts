/** The whole outside world of a node that really runs. */
import type { Log } from "../log.ts";
import type { Platform } from "../platform.ts";
import { DenoClock } from "./deno_clock.ts";
import { DenoDisk } from "./deno_disk.ts";
import { DenoNetwork } from "./deno_network.ts";
import { DenoRandom } from "./deno_random.ts";
import { denoTracing } from "./deno_tracer.ts";
import type { Handler } from "./http_server.ts";

/** A {@linkcode Platform} whose network the caller closes at the end. */
export interface DenoPlatform extends Platform {
  network: DenoNetwork;
  /** Stands before the handler of a node, so that its requests can be traced. */
  around(handler: Handler): Handler;
}

/** What the outside world must be told. */
export interface DenoPlatformOptions {
  log: Log;
  /** Share of the requests that are traced, where traces are exported. */
  traceRatio: number;
  /** What peers admit this node's sockets by. */
  socketHeaders: Readonly<Record<string, string>>;
}

/** Assembles the real parts. */
export function denoPlatform(
  { log, traceRatio, socketHeaders }: DenoPlatformOptions,
): DenoPlatform {
  const tracing = denoTracing(traceRatio);
  return {
    clock: new DenoClock(),
    random: new DenoRandom(),
    disk: new DenoDisk(),
    network: new DenoNetwork(socketHeaders),
    log,
    tracer: tracing?.tracer,
    around: (handler) => tracing?.around(handler) ?? handler,
  };
}
