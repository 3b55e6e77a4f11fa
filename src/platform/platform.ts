import type { Clock } from "./clock.ts";
import type { Disk } from "./disk.ts";
import type { Log } from "./log.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { Tracer } from "./tracer.ts";

/** All of the outside world that a node touches. */
export interface Platform {
  clock: Clock;
  random: Random;
  disk: Disk;
  network: Network;
  log: Log;
  /** Absent where nobody records traces. */
  tracer?: Tracer | undefined;
}
