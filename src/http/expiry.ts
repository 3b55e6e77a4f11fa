/** `ttl`: how long a value is to live. */
import { ConvergeError } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";

/** Longest time to live: ten years, in seconds. */
export const TTL_SECONDS_MAX = 10 * 365 * 24 * 60 * 60;

/**
 * The absolute moment, in wall-clock ms, at which a value of so many seconds expires; 0 for none. It
 * is fixed once, by the coordinator, so that all replicas expire alike.
 *
 * @throws {ConvergeError} `bad_request`.
 */
export function expiryOf(ttlSeconds: number | undefined, clock: Clock): number {
  if (ttlSeconds === undefined) return 0;
  if (ttlSeconds >= 1 && ttlSeconds <= TTL_SECONDS_MAX) {
    return Math.round(clock.wallMs()) + ttlSeconds * 1000;
  }
  throw new ConvergeError(
    "bad_request",
    `Cannot use ttl=${ttlSeconds}: it must be from 1 to ${TTL_SECONDS_MAX} seconds`,
  );
}
