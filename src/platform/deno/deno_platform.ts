/** The whole outside world of a node that really runs. */
import type { Log } from "../log.ts";
import type { Platform } from "../platform.ts";
import { DenoClock } from "./deno_clock.ts";
import { DenoDisk } from "./deno_disk.ts";
import { DenoNetwork } from "./deno_network.ts";
import { DenoRandom } from "./deno_random.ts";
import { denoTracer } from "./deno_tracer.ts";

/** A {@linkcode Platform} whose network the caller closes at the end. */
export interface DenoPlatform extends Platform {
  network: DenoNetwork;
}

/** Assembles the real parts around `log`. */
export function denoPlatform(log: Log): DenoPlatform {
  return {
    clock: new DenoClock(),
    random: new DenoRandom(),
    disk: new DenoDisk(),
    network: new DenoNetwork(),
    log,
    tracer: denoTracer(),
  };
}
