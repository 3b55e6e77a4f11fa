/** Time as a value that is passed in: the real clock in production, a virtual one in simulation. */

/** Handle of a pending timer. */
export type TimerID = number;

/** The only source of time. Decisions about data never use it; timeouts, expiry and pacing do. */
export interface Clock {
  /** Milliseconds that never go back; only differences mean anything. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch, as wrong as the machine's clock. For expiry and display. */
  wallMs(): number;
  /** Calls `callback` once after `delayMs` (>= 0). A callback must not throw. */
  setTimer(delayMs: number, callback: () => void): TimerID;
  /** Forgets a timer; unknown or fired ones are ignored. */
  clearTimer(timer: TimerID): void;
}

/** Resolves after `delayMs` of `clock`'s time. Never rejects. */
export function delay(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(delayMs, resolve));
}

/** Milliseconds of one turn of the event loop from which on others want the thread. */
export const WANTED_MS = 0.3;

/** Rest where they do. */
const REST_MS = 4;

/**
 * Ends a slice of long work that nobody waits for. Others get the thread for a turn; if they make use of
 * it, for some milliseconds more. So the work goes on quickly on an idle node, and takes about a fifth of
 * the thread on a busy one.
 *
 * @returns Milliseconds that others had the thread.
 */
export async function giveWay(clock: Clock): Promise<number> {
  const startMs = clock.monotonicMs();
  await delay(clock, 0);
  if (clock.monotonicMs() - startMs >= WANTED_MS) await delay(clock, REST_MS);
  return clock.monotonicMs() - startMs;
}
