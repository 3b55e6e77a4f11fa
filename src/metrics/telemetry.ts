/** Everything that a node measures about itself, beyond what its parts count anyway. */
import type { Clock } from "../platform/clock.ts";
import { EventLoopLag } from "./event_loop_lag.ts";
import { HotKeys } from "./hot_keys.ts";
import { type SyncLatencies, syncLatencies } from "./measured_disk.ts";
import { RequestMeter } from "./request_meter.ts";

/** One node's. */
export interface Telemetry {
  readonly requests: RequestMeter;
  readonly hotKeys: HotKeys;
  readonly lag: EventLoopLag;
  readonly syncs: SyncLatencies;
}

/** Fresh ones. */
export function createTelemetry(clock: Clock): Telemetry {
  return {
    requests: new RequestMeter(),
    hotKeys: new HotKeys(),
    lag: new EventLoopLag(clock),
    syncs: syncLatencies(),
  };
}
