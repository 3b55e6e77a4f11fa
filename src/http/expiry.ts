/** `ttl`: how long a value is to live. */
import { ConvergeError } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";

/** Longest time to live: ten years, in seconds. */
export const TTL_SECONDS_MAX = 10 * 365 * 24 * 60 * 60;

/**
 * A time to live that can be used; undefined when there is none.
 *
 * @throws {ConvergeError} `bad_request`.
 */
export function checkedTtl(seconds: number | undefined): number | undefined {
  if (seconds === undefined || (seconds >= 1 && seconds <= TTL_SECONDS_MAX)) return seconds;
  throw new ConvergeError(
    "bad_request",
    `Cannot use ttl=${seconds}: it must be from 1 to ${TTL_SECONDS_MAX} seconds`,
  );
}

/**
 * The absolute moment, in wall-clock ms, at which a value expires that is to live so long from now on;
 * 0 for none. It is fixed once, by the coordinator, so that all replicas expire alike.
 */
export function expiryOf(ttlSeconds: number | undefined, clock: Clock): number {
  return ttlSeconds === undefined ? 0 : Math.round(clock.wallMs()) + ttlSeconds * 1000;
}
